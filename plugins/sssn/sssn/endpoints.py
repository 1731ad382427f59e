"""Custom endpoints of a served store: the decorator and the record it leaves on a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, cast, get_args

__all__ = [
    "EndpointScope",
    "HttpMethod",
    "StoreEndpointSpec",
    "check_endpoint_specs",
    "check_reserved_routes",
    "endpoint",
    "endpoint_path_key",
    "endpoint_route_key",
    "endpoint_spec",
    "endpoint_specs",
]

HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
EndpointScope = Literal["store", "channel", "subscription", "artifact", "snapshot"]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_ATTRIBUTE = "__sssn_endpoint__"
_PARAMETER = re.compile(r"\{[^{}]*\}")
_ROOT_CATCH_ALL = re.compile(r"/\{[^{}]*:path\}/*")

_RESERVED_PREFIX = "/v1"
_RESERVED_ROUTES = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/docs"),
        ("GET", "/docs/oauth2-redirect"),
        ("GET", "/redoc"),
        ("GET", "/openapi.json"),
        ("GET", "/channels"),
        ("POST", "/channels"),
        ("GET", "/channels/{}"),
        ("GET", "/events"),
        ("POST", "/events"),
        ("GET", "/events/{}"),
        ("POST", "/subscriptions"),
        ("GET", "/subscriptions/{}"),
        ("POST", "/subscriptions/{}/pull"),
        ("POST", "/artifacts"),
        ("GET", "/artifacts/{}"),
        ("GET", "/artifacts/{}/metadata"),
        ("GET", "/snapshots/{}"),
        ("PUT", "/snapshots/{}"),
    }
)


@dataclass(frozen=True)
class StoreEndpointSpec:
    """One custom route of a served store.

    Args:
        method: HTTP method in any case: GET, POST, PUT, PATCH or DELETE.
        path: Route template such as `/channels/{name}/count`; a missing leading `/` is added.
        name: Name of the endpoint, without whitespace or percent escapes.
        scope: What the endpoint is about: store, channel, subscription, artifact or snapshot.
        description: Text for catalogues and OpenAPI.
        tags: OpenAPI tags, each without whitespace or percent escapes.

    Raises:
        ValueError: A field is malformed; the text names it.
    """

    method: HttpMethod
    path: str
    name: str
    scope: EndpointScope = "store"
    description: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", _checked_method(self.method))
        object.__setattr__(self, "path", _checked_path(self.path))
        _check_word(self.name, "endpoint name")
        if self.scope not in get_args(EndpointScope):
            scopes = ", ".join(get_args(EndpointScope))
            raise ValueError(f"unsupported endpoint scope: {self.scope!r}; it must be one of: {scopes}")
        if not isinstance(self.description, str):
            raise ValueError("endpoint description must be a string.")  # noqa: TRY004 - one type for every fault
        object.__setattr__(self, "tags", _checked_tags(self.tags))


def _checked_method(method: object) -> HttpMethod:
    upper = method.upper() if isinstance(method, str) else method
    if upper not in get_args(HttpMethod):
        methods = ", ".join(get_args(HttpMethod))
        raise ValueError(f"unsupported endpoint method: {method!r}; it must be one of: {methods}")
    return cast(HttpMethod, upper)


def _checked_path(path: object) -> str:
    if not isinstance(path, str) or not path.strip():
        raise ValueError("endpoint path must be a non-empty string.")
    if any(character.isspace() for character in path):
        raise ValueError(f"endpoint path must not contain whitespace: {path!r}")
    if path.startswith("//") or "://" in path:
        raise ValueError(f"endpoint path must be a path, not a URL: {path!r}")
    if any(character in path for character in "%?#"):
        raise ValueError(f"endpoint path must not contain percent escapes, '?' or '#': {path!r}")
    absolute = path if path.startswith("/") else f"/{path}"
    if _ROOT_CATCH_ALL.fullmatch(absolute):
        raise ValueError(f"endpoint path must not be a catch-all at the root: {path!r}")
    return absolute


def _check_word(value: object, label: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{label} must be a non-empty string.")
    if "%" in value or any(character.isspace() for character in value):
        raise ValueError(f"{label} must not contain whitespace or percent escapes: {value!r}")
    return value


def _checked_tags(tags: object) -> tuple[str, ...]:
    if not isinstance(tags, Sequence) or isinstance(tags, str | bytes | bytearray | memoryview):
        raise ValueError("endpoint tags must be a sequence of strings.")  # noqa: TRY004
    return tuple(_check_word(tag, "endpoint tag") for tag in tags)


class _Method:
    """The decorator of one HTTP method."""

    def __init__(self, method: HttpMethod) -> None:
        self._method = method

    def __call__(
        self,
        path: str,
        *,
        name: str | None = None,
        scope: EndpointScope = "store",
        description: str = "",
        tags: Sequence[str] = (),
    ) -> Callable[[FunctionT], FunctionT]:
        """Mark a function as the handler of one route.

        Args:
            path: Route template; see `StoreEndpointSpec`.
            name: Name of the endpoint; None means the function's name.
            scope: What the endpoint is about.
            description: Text for catalogues; empty means the function's docstring.
            tags: OpenAPI tags.

        Returns:
            A decorator that records a `StoreEndpointSpec` and returns the function itself.

        Raises:
            ValueError: An argument is malformed; the text names it.
        """
        spec = StoreEndpointSpec(
            method=self._method,
            path=path,
            name="endpoint" if name is None else name,
            scope=scope,
            description=description,
            tags=cast("tuple[str, ...]", tags),
        )

        def decorate(function: FunctionT) -> FunctionT:
            found = replace(
                spec,
                name=function.__name__ if name is None else name,
                description=description or (function.__doc__ or "").strip(),
            )
            setattr(function, _ATTRIBUTE, found)
            return function

        return decorate


class _Endpoint:
    """The decorators, one attribute for each HTTP method."""

    get = _Method("GET")
    post = _Method("POST")
    put = _Method("PUT")
    patch = _Method("PATCH")
    delete = _Method("DELETE")


endpoint = _Endpoint()
"""Marks functions as custom routes: `@endpoint.get("/channels/{name}/count", scope="channel")`."""


def endpoint_spec(function: Callable[..., Any]) -> StoreEndpointSpec | None:
    """Return the spec that the decorator left on a function, or None.

    Args:
        function: Any callable.
    """
    spec = getattr(function, _ATTRIBUTE, None)
    return spec if isinstance(spec, StoreEndpointSpec) else None


def endpoint_specs(
    functions: Iterable[Callable[..., Any]],
) -> tuple[tuple[Callable[..., Any], StoreEndpointSpec], ...]:
    """Return the decorated functions with their specs, in the given order.

    Args:
        functions: Callables; undecorated ones are skipped.
    """
    pairs = ((function, endpoint_spec(function)) for function in functions)
    return tuple((function, spec) for function, spec in pairs if spec is not None)


def endpoint_path_key(path: str) -> str:
    """Return the path with every `{parameter}` replaced by `{}`.

    Args:
        path: Route template.
    """
    return _PARAMETER.sub("{}", path)


def endpoint_route_key(spec: StoreEndpointSpec) -> tuple[str, str]:
    """Return the method and the path key of a spec: what makes two routes the same route.

    Args:
        spec: The endpoint.
    """
    return spec.method, endpoint_path_key(spec.path)


def check_endpoint_specs(specs: Iterable[StoreEndpointSpec]) -> None:
    """Refuse two endpoints with one name or one route.

    Args:
        specs: The endpoints that are published together.

    Raises:
        ValueError: The first duplicate name or route.
    """
    names: set[str] = set()
    routes: set[tuple[str, str]] = set()
    for spec in specs:
        if spec.name in names:
            raise ValueError(f"duplicate custom endpoint name: {spec.name!r}")
        names.add(spec.name)
        route = endpoint_route_key(spec)
        if route in routes:
            raise ValueError(f"duplicate custom endpoint route: {spec.method} {spec.path!r}")
        routes.add(route)


def check_reserved_routes(specs: Iterable[StoreEndpointSpec]) -> None:
    """Refuse endpoints on routes that the served store keeps for itself.

    Args:
        specs: The endpoints that are to be mounted.

    Raises:
        ValueError: The first route that is reserved.
    """
    for spec in specs:
        under_prefix = spec.path == _RESERVED_PREFIX or spec.path.startswith(f"{_RESERVED_PREFIX}/")
        if under_prefix or endpoint_route_key(spec) in _RESERVED_ROUTES:
            raise ValueError(
                f"custom endpoint route conflicts with reserved SSSN service route: {spec.method} {spec.path}"
            )
