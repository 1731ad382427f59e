"""The URLs of a remote tactic: what to call for run, stream, info and health."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from lllm.names import check_segment
from lllm.refs import check_http_url

__all__ = ["ServiceUrls", "default_name", "service_urls"]

_ACTIONS = ("run", "stream", "info")


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Where a tactic's service listens.

    Attributes:
        run: Takes `POST` for one result.
        stream: Takes `POST` for server-sent events.
        info: Takes `GET` for the tactic's description.
        health: Takes `GET` for the health of the whole service.
    """

    run: str
    stream: str
    info: str
    health: str


def service_urls(url: str) -> ServiceUrls:
    """Derive the routes of a service from any one of its URLs.

    A last segment `run`, `stream` or `info` is replaced, unless it stands right behind `/tactics/`, where it is a
    tactic's name.

    Args:
        url: An absolute HTTP(S) URL.

    Raises:
        ValueError: The URL is malformed; the text begins with `url`.
    """
    parts = urlsplit(check_http_url(url, "url"))
    try:
        (parts.hostname or "").encode("idna")
    except UnicodeError as error:
        raise ValueError(f"url must have a host that can be looked up: {error}") from None
    segments = _base_segments(parts.path)
    root = segments[: segments.index("tactics")] if "tactics" in segments[:-1] else segments

    def at(path: list[str]) -> str:
        return urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(path), "", ""))

    run, stream, info = (at([*segments, action]) for action in _ACTIONS)
    return ServiceUrls(run, stream, info, at([*root, "health"]))


def _base_segments(path: str) -> list[str]:
    segments = [segment for segment in path.split("/") if segment]
    if segments and segments[-1] in _ACTIONS and segments[-2:-1] != ["tactics"]:
        segments.pop()
    return segments


def default_name(url: str) -> str:
    """Return the name of a tactic that is only known by its URL.

    Args:
        url: A checked URL.

    Returns:
        The last segment that can be a name, else the host without its port, else `remote`.
    """
    parts = urlsplit(url)
    for candidate in (*reversed(_base_segments(parts.path)), parts.hostname or ""):
        try:
            return check_segment(candidate, "name")
        except ValueError:
            continue
    return "remote"
