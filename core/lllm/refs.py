"""Refs: `psi://org/package/section/name`, parsed the same way by every layer, and the URL rules beside them.

The parser is one regular expression and not a URL parser: a URL parser forgives tabs, upper-case schemes,
user names and dangling `?` or `#`, and then one resource has many spellings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from lllm.errors import TacticRefError

__all__ = [
    "PSI_REF_SECTIONS",
    "PsiRef",
    "TacticRef",
    "check_http_url",
    "check_psi_ref",
    "check_service_ref",
    "check_tactic_ref",
    "parse_psi_ref",
]

PSI_REF_SECTIONS = (
    "schemas",
    "tactics",
    "services",
    "channels",
    "snapshots",
    "runs",
    "configs",
    "docs",
    "examples",
    "assets",
)
"""Every section that a layer of LLLM knows."""

# What RFC 3986 keeps out of a path segment, and `%`, `:` and `;`; characters beyond ASCII are checked apart.
# `@` is also left out of the organisation, where it would read as a user name.
_NEVER = r"\x00- \"#%/:;<>?\[\\\]^`{|}\x7f"
_NOT_DOTS = r"(?!\.{1,2}(?:/|\Z))"
_SEGMENT = rf"{_NOT_DOTS}[^{_NEVER}]{{1,512}}"
_PSI_REF = re.compile(rf"psi://({_NOT_DOTS}[^@{_NEVER}]{{1,512}})/({_SEGMENT})/({_SEGMENT})/({_SEGMENT})")
_URL_ILLEGAL = re.compile(r"[<>\"{}|^`]")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class PsiRef:
    """One parsed `psi://org/package/section/name`.

    Args:
        org: Organisation that owns the package.
        package: Package that owns the resource.
        section: Kind of resource, such as `"tactics"` or `"channels"`.
        name: Name of the resource inside its section.
    """

    org: str
    package: str
    section: str
    name: str

    @property
    def resource_kind(self) -> str:
        """The section, under the name that packages and channels use for it."""
        return self.section

    def __str__(self) -> str:
        return f"psi://{self.org}/{self.package}/{self.section}/{self.name}"


def parse_psi_ref(text: object, label: str = "ref", *, sections: Collection[str] | None = None) -> PsiRef:
    """Parse a psi ref strictly; every resource has exactly one spelling.

    Args:
        text: The ref, a str.
        label: What to call the value in an error, such as `"Tactic ref"`.
        sections: Sections that are allowed; None allows every well-formed one.

    Returns:
        The parts of the ref; `str()` of it equals `text`.

    Raises:
        ValueError: The text is not a ref of that shape; the message starts with `label`.
    """
    if isinstance(text, str):
        match = _PSI_REF.fullmatch(text)
        if match is not None and _is_one_spelling(text) and (sections is None or match[3] in sections):
            return PsiRef(*match.groups())
    raise ValueError(f"{label} {_psi_fault(text, sections)}")


def check_psi_ref(value: object, label: str, *, sections: Collection[str] | None = None) -> str:
    """Check a psi ref and return it unchanged.

    Args:
        value: The ref, a str.
        label: Name of the field, for the error.
        sections: Sections that are allowed; None allows every well-formed one.

    Returns:
        The same text.

    Raises:
        ValueError: The value is not such a ref; the message starts with `label`.
    """
    return str(parse_psi_ref(value, label, sections=sections))


def check_tactic_ref(value: object, label: str = "tactic_ref") -> str:
    """Check a tactic ref (`psi://org/package/tactics/name`) and return it unchanged.

    Args:
        value: The ref, a str.
        label: Name of the field, for the error.

    Returns:
        The same text.

    Raises:
        ValueError: The value is not a tactic ref; the message starts with `label`.
    """
    return check_psi_ref(value, label, sections=("tactics",))


def check_service_ref(value: object, label: str = "service_ref") -> str:
    """Check a service ref, a psi ref of the section `services` or an HTTP(S) URL, and return it unchanged.

    Args:
        value: The ref or URL, a str.
        label: Name of the field, for the error.

    Returns:
        The same text.

    Raises:
        ValueError: The value is neither; the message starts with `label`.
    """
    text = _check_unspaced(value, label)
    if text.startswith("psi:"):
        return check_psi_ref(text, label, sections=("services",))
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError(
            f"{label} must be a psi://org/package/services/name ref or an absolute HTTP(S) URL, "
            f"got {_shown(text)}"
        )
    return check_http_url(text, label)


def check_http_url(url: object, label: str = "url") -> str:
    """Check the URL of a service strictly and return it unchanged.

    The path may end in one slash. Nothing that two programs could read differently is allowed: user names,
    parameters, queries, fragments, percent escapes, backslashes, colons in the path, empty or dot segments.

    Args:
        url: An absolute `http://` or `https://` URL, a str.
        label: Name of the field, for the error.

    Returns:
        The same text.

    Raises:
        ValueError: The URL breaks one of the rules; the message starts with `label`.
    """
    text = _check_unspaced(url, label)
    fault = _url_fault(text)
    if fault is not None:
        raise ValueError(f"{label} {fault} (got {_shown(text)})")
    return text


@dataclass(frozen=True, slots=True)
class TacticRef:
    """The identity of a tactic: `psi://org/package/tactics/name`.

    Args:
        value: The text of the ref.

    Raises:
        TacticRefError: The text is not a tactic ref.
    """

    value: str
    org: str = field(init=False)
    package: str = field(init=False)
    resource_kind: str = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        try:
            parts = parse_psi_ref(self.value, "Tactic ref", sections=("tactics",))
        except ValueError as error:
            raise TacticRefError(str(error)) from None
        for attribute in ("org", "package", "resource_kind", "name"):
            object.__setattr__(self, attribute, getattr(parts, attribute))

    @classmethod
    def parse(cls, value: str | TacticRef) -> TacticRef:
        """Return a ref as it is, or build one from its text.

        Args:
            value: A ref or its text.

        Returns:
            The ref.

        Raises:
            TacticRefError: The value is not a tactic ref.
        """
        return value if isinstance(value, TacticRef) else cls(value)

    def __str__(self) -> str:
        return self.value


def _is_one_spelling(text: str) -> bool:
    """Tell whether the text has no invisible characters and no second Unicode form."""
    return text.isascii() or (text.isprintable() and unicodedata.is_normalized("NFC", text))


def _psi_fault(text: object, sections: Collection[str] | None) -> str:
    """Say what is wrong with a value that is known not to be an allowed ref."""
    if not isinstance(text, str) or not text.strip():
        return "must be a non-empty string."
    parts = text.removeprefix("psi://").split("/")
    allowed = tuple(sections or ())
    section = allowed[0] if len(allowed) == 1 else f"{{{'|'.join(allowed)}}}" if allowed else "section"
    wanted = " or ".join(f"/{name}/" for name in allowed)
    four = len(parts) == 4 and all(parts)
    faults = (
        (not text.startswith("psi://"), "must use psi:// scheme"),
        (any(mark in text for mark in ";?#"), "must not include params, query, or fragment"),
        (not four, f"must have shape psi://org/package/{section}/name"),
        (
            four and sections is not None and parts[2] not in sections,
            f"must point at {wanted}, got /{_shown(''.join(parts[2:3]))}/",
        ),
        (
            any(character.isspace() for character in unquote(text)),
            "must not include a whitespace-bearing segment",
        ),
    )
    fault = next((fault for broken, fault in faults if broken), "must not include an invalid segment")
    return f"{fault}: {_shown(text)}"


def _check_unspaced(value: object, label: str) -> str:
    """Return a non-blank str that has no whitespace anywhere."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{label} must be a non-empty string.")
    if any(character.isspace() for character in value):
        raise ValueError(f"{label} must not contain whitespace: {_shown(value)}")
    return value


def _url_fault(text: str) -> str | None:
    """Say which rule of service URLs the text breaks first, or None."""
    absolute = "must be an absolute HTTP(S) URL; an absolute http(s) URL looks like http://127.0.0.1:8000/tactics/name"
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return absolute
    faults = (
        (parts.scheme not in {"http", "https"} or not parts.netloc, absolute),
        ("@" in parts.netloc, "must not include embedded credentials; name one with `api_key_ref` instead"),
        (
            any(mark in text for mark in ";?#"),
            "must not include params, query, or fragment; remove the query or fragment",
        ),
        ("%" in text, "must not include percent escapes"),
        ("\\" in text or ":" in parts.path, "must not include backslashes or colons in its path"),
        (not host or not text.isprintable() or _URL_ILLEGAL.search(text) is not None, absolute),
    )
    fault = next((fault for broken, fault in faults if broken), None)
    return fault or _path_fault(parts.path) or _port_fault(parts.netloc)


def _path_fault(path: str) -> str | None:
    """Say what is wrong with the segments of a URL's path, or None."""
    segments = path.removeprefix("/").removesuffix("/").split("/") if path not in {"", "/"} else []
    if not all(segments):
        return "must not include empty segments"
    if "." in segments or ".." in segments:
        return "must not include dot segments"
    return None


def _port_fault(netloc: str) -> str | None:
    """Say what is wrong with the port after a host, or None."""
    _, colon, port = netloc.rpartition("]")[2].rpartition(":")
    if colon and not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
        return "must have a port between 1 and 65535"
    return None


def _shown(text: str) -> str:
    """Return a text fit for one line of an error: printable, not endless, no password in it."""
    # Only an error pays for importing the patterns of secrets.
    from lllm.secrets import mask_secrets

    plain = mask_secrets(text if text.isprintable() else ascii(text))
    return plain if len(plain) <= 200 else f"{plain[:197]}..."
