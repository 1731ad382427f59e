"""Custom endpoints: methods of a tactic that a service mounts as routes of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, TypeVar

from lllm.names import check_token

__all__ = [
    "EndpointSpec",
    "check_endpoint_path",
    "custom_endpoints",
    "endpoint",
    "endpoint_path_key",
    "endpoint_route_key",
]

F = TypeVar("F", bound=Callable[..., Any])

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MODES = ("run", "stream", "events")
_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class EndpointSpec:
    """Where and how a service mounts one method; checked when it is made.

    Attributes:
        method: GET, POST, PUT, PATCH or DELETE; upper-cased.
        path: Absolute route; a leading slash is added.
        name: Token by which the endpoint is known.
        mode: `run` for one result, `stream` or `events` for server-sent events.
        description: What it does.
        tags: Tokens that group endpoints in documentation.
    """

    method: str
    path: str
    name: str
    mode: str = "run"
    description: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        method = str(self.method).upper()
        if method not in _METHODS:
            raise ValueError(
                f"unsupported endpoint method {self.method!r}; use one of {', '.join(_METHODS)}."
            )
        if self.mode not in _MODES:
            raise ValueError(f"unsupported endpoint mode {self.mode!r}; use one of {', '.join(_MODES)}.")
        if not isinstance(self.description, str):
            raise ValueError("endpoint description must be a string.")  # noqa: TRY004  # the contract says ValueError
        tags: object = self.tags
        if isinstance(tags, (str, bytes)) or not isinstance(tags, Sequence):
            raise ValueError("endpoint tags must be a sequence of tokens, not a string.")  # noqa: TRY004
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "path", check_endpoint_path(self.path))
        object.__setattr__(self, "name", _token(self.name, "endpoint name"))
        object.__setattr__(self, "tags", tuple(_token(tag, "endpoint tag") for tag in self.tags))


def _token(value: Any, label: str) -> str:
    try:
        return check_token(value, label)
    except TypeError as error:
        raise ValueError(f"{label} must be a non-empty token, not {type(value).__name__}.") from error


def check_endpoint_path(path: Any) -> str:
    """Return a route as an absolute path.

    Args:
        path: A path such as `act` or `/items/{id}`.

    Raises:
        ValueError: It is not a plain path; the text begins with `endpoint path must`.
    """
    if not isinstance(path, str) or not path:
        raise ValueError("endpoint path must be a non-empty string.")
    if any(character.isspace() for character in path):
        raise ValueError(f"endpoint path must not contain whitespace: {path!r}.")
    if path.startswith("//") or any(part in path for part in ("%", "://", "?", "#", "\\", ":", ";")):
        raise ValueError(
            f"endpoint path must not contain a leading //, ://, percent escapes, queries, fragments, "
            f"backslashes, colons or semicolons: {path!r}."
        )
    absolute = path if path.startswith("/") else f"/{path}"
    if any(segment in {"", ".", ".."} for segment in absolute[1:].split("/")):
        raise ValueError(f"endpoint path must not contain empty or dot segments: {path!r}.")
    return absolute


class _Endpoint:
    """The decorators `@endpoint.get(...)`, `.post`, `.put`, `.patch` and `.delete`."""

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """Mount a method at `GET path`; options as for `post`."""
        return self._mount("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """Mount a method at `POST path`.

        Args:
            path: Route; a leading slash is added.
            **options: `name` (default: the method's), `mode` (`run`, `stream` or `events`), `description`
                (default: the docstring) and `tags`.

        Raises:
            ValueError: Anything about the endpoint is malformed.
        """
        return self._mount("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """Mount a method at `PUT path`; options as for `post`."""
        return self._mount("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """Mount a method at `PATCH path`; options as for `post`."""
        return self._mount("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """Mount a method at `DELETE path`; options as for `post`."""
        return self._mount("DELETE", path, **options)

    def _mount(
        self,
        method: str,
        path: str,
        *,
        name: str | None = None,
        mode: str = "run",
        description: str = "",
        tags: Sequence[str] = (),
    ) -> Callable[[F], F]:
        def decorate(function: F) -> F:
            target: Any = getattr(function, "__func__", function)
            target.__lllm_endpoint__ = EndpointSpec(
                method,
                path,
                getattr(target, "__name__", "") if name is None else name,
                mode,
                description if description != "" else cleandoc(target.__doc__ or "").strip(),
                tags,  # type: ignore[arg-type]  # the spec turns any sequence into a tuple
            )
            return function

        return decorate


endpoint = _Endpoint()


def custom_endpoints(obj: Any) -> list[tuple[EndpointSpec, Callable[..., Any]]]:
    """Return the custom endpoints of an object with their bound methods, sorted by name.

    Only dictionaries of the instance and its classes are read: no property runs and no `__dir__` is asked.

    Args:
        obj: A tactic.

    Raises:
        ValueError: Two endpoints share a name or a route.
    """
    found: dict[str, tuple[EndpointSpec, Callable[..., Any]]] = {}
    routes: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for scope in (getattr(obj, "__dict__", {}), *(cls.__dict__ for cls in type(obj).__mro__)):
        for attribute, value in list(scope.items()):
            if attribute in seen or attribute.startswith("_"):
                continue
            seen.add(attribute)
            function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            spec = getattr(function, "__lllm_endpoint__", None) if callable(function) else None
            if not isinstance(spec, EndpointSpec):
                continue
            if spec.name in found:
                raise ValueError(f"Duplicate endpoint name: {spec.name}")
            if endpoint_route_key(spec) in routes:
                raise ValueError(f"Duplicate custom endpoint route: {spec.method} {spec.path}")
            routes.add(endpoint_route_key(spec))
            found[spec.name] = (spec, getattr(obj, attribute))
    return [found[name] for name in sorted(found)]


def endpoint_path_key(path: str) -> str:
    """Return a route with every `{parameter}` replaced by `{}`, so that equal routes compare equal.

    Args:
        path: A route.
    """
    return _PARAMETER.sub("{}", path)


def endpoint_route_key(spec: EndpointSpec) -> tuple[str, str]:
    """Return the method and path key that two endpoints must not share.

    Args:
        spec: An endpoint.
    """
    return spec.method, endpoint_path_key(spec.path)
