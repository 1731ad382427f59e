"""The command that serves a store over HTTP."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sssn.cli.parser import Commands
from sssn.cli.target import bearer_token, open_target

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["register"]

LOG_LEVELS = ("critical", "debug", "error", "info", "trace", "warning")


def register(commands: Commands) -> None:
    """Add the command to the parser.

    Args:
        commands: Where they are collected.
    """
    serve = commands.add_plain("serve", _serve, "Serve the store over HTTP.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", default="7700", help="port to listen on, 1 to 65535 (default: 7700)")
    serve.add_argument("--log-level", default="info", metavar="LEVEL", help="default: info")
    serve.add_argument(
        "--token-env", metavar="NAME", help="environment variable with the bearer token to require"
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        dest="allow_origins",
        metavar="ORIGIN",
        help="web pages of this origin may change state; repeatable",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        dest="allow_hosts",
        metavar="HOST",
        help="accept this Host header besides the loopback names; repeatable",
    )


def _serve(args: Namespace) -> Iterable[Any]:
    host, port, level = _host(args.host), _port(args.port), _log_level(args.log_level)
    token = None if args.token_env is None else bearer_token(args.token_env)
    try:
        import uvicorn
    except ImportError as error:
        raise RuntimeError("Install sssn[server] to use the FastAPI server.") from error
    from sssn.server import create_app

    if token is None and not _is_loopback(host):
        _warn_about(host)
    with open_target(args.store, token_env=args.store_token_env, create=True) as store:
        app = create_app(
            store, token=token, allowed_origins=args.allow_origins, allowed_hosts=args.allow_hosts or None
        )
        uvicorn.run(app, host=host, port=port, log_level=level)
    return ()


def _warn_about(host: str) -> None:
    import logging

    logging.basicConfig()
    logging.getLogger("sssn.serve").warning(
        "serving on %s without a token: anyone who reaches it can read and write", host
    )


def _host(text: str) -> str:
    if not text.strip():
        raise ValueError("serve host must be a non-empty string")
    plain = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _is_address(plain):
        return plain
    if any(mark in text for mark in "/\\:?#@[]%") or any(character.isspace() for character in text):
        raise ValueError("serve host must be a host name or address, not a URL or path")
    return text


def _is_address(text: str) -> bool:
    return _address(text) is not None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    # Only this command needs the module, and every command imports this file.
    import ipaddress

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError("serve port must be an integer between 1 and 65535")
    return int(text)


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"serve log level must be one of: {', '.join(LOG_LEVELS)}")
    return text.lower()
