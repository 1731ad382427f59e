"""Which Host and Origin headers a service answers to.

A page on the web can make a browser send requests to this machine. Two rules stop it: what listens on a loopback
address answers only to loopback names, so that a name which an attacker points here (DNS rebinding) is refused;
and a request that a page of another origin makes is refused unless that origin is allowed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["HostRule", "OriginRule", "is_local", "is_loopback"]

_CACHED = 1024
_FOREIGN = frozenset({b"cross-site", b"same-site"})
# To a browser all ports of this machine are one site; the pages there are foreign all the same.


def is_loopback(host: str | None) -> bool:
    """Tell whether a name or address means this machine.

    Args:
        host: A host name or an address, without brackets and port; None for a Unix socket.
    """
    if not host:
        return False
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_local(server: Sequence[Any] | None) -> bool:
    """Tell whether a service that was reached at an address is one for this machine.

    Args:
        server: Address and port as ASGI says it. What is no address is not a network: a test, a Unix socket.
    """
    if not server or not isinstance(server[0], str):
        return True
    try:
        return ipaddress.ip_address(server[0]).is_loopback
    except ValueError:
        return True


def host_name(header: str) -> str:
    """Return the name of a Host header, without its port and brackets.

    Args:
        header: Value of the header.
    """
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


class HostRule:
    """Decides on the Host header of a request.

    Args:
        allowed: Names that are answered to besides loopback names; `*` allows any, `*.example.org` any name below
            that one. None: any name, except on a loopback address, where only loopback names are answered to.

    Raises:
        TypeError: A name is not a string.
    """

    def __init__(self, allowed: Iterable[str] | None = None) -> None:
        if isinstance(allowed, str):
            raise TypeError("allowed_hosts must be a list of host names, not a string.")
        self._restricted = allowed is not None
        self._allowed = tuple(_checked_name(name, "allowed_hosts") for name in allowed or ())
        self._decided: dict[tuple[bytes, Any], bool] = {}

    def allows(self, host: bytes | None, server: tuple[str, int | None] | None) -> bool:
        """Tell whether a request may be answered.

        Args:
            host: The Host header; a request without one does not come from a browser.
            server: Address and port the request came to, as ASGI says it.
        """
        if host is None:
            return True
        key = (host, server[0] if server else None)
        decision = self._decided.get(key)
        if decision is None:
            if len(self._decided) >= _CACHED:
                self._decided.clear()
            decision = self._decided[key] = self._decide(host_name(host.decode("latin-1")), key[1])
        return decision

    def _decide(self, name: str, server: str | None) -> bool:
        if is_loopback(name) or any(_covers(pattern, name) for pattern in self._allowed):
            return True
        return not self._restricted and not is_loopback(server)


def _covers(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _checked_name(name: object, label: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"{label} must hold non-empty strings, not {name!r}.")
    return host_name(name)


class OriginRule:
    """Decides on requests that web pages make.

    Args:
        allowed: Origins whose pages may call, such as `https://app.example.org`; `*` allows all.

    Raises:
        TypeError: An origin is not a string.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        if isinstance(allowed, str):
            raise TypeError("allowed origins must be a list, not a string.")
        self._allowed = frozenset(_checked_origin(origin) for origin in allowed)

    def allows(self, method: str, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request may be answered.

        Args:
            method: The HTTP method.
            headers: Names in lower case to values.
        """
        origin = headers.get(b"origin")
        if origin is not None:
            return self._allows_origin(origin, headers.get(b"host", b""))
        if headers.get(b"sec-fetch-site") not in _FOREIGN:
            return True
        # Following a link to a page is fine; anything else that a foreign page starts without saying so is not.
        return method in {"GET", "HEAD"} and headers.get(b"sec-fetch-mode") == b"navigate"

    def _allows_origin(self, origin: bytes, host: bytes) -> bool:
        text = origin.decode("latin-1").strip().lower()
        if "*" in self._allowed or text in self._allowed:
            return True
        # A proxy that ends TLS changes the scheme and not the host.
        return text.partition("://")[2] == host.decode("latin-1").strip().lower() != ""


def _checked_origin(origin: object) -> str:
    if not isinstance(origin, str) or not origin.strip():
        raise TypeError(f"allowed origins must be non-empty strings, not {origin!r}.")
    return origin.strip().lower().rstrip("/")
