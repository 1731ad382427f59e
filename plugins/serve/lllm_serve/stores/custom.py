"""Custom endpoints of a served store: parameters are bound by name."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from lllm.errors import InvalidPayloadError
from lllm_serve.stores.access import StoreAccess
from sssn.server import StoreEndpointSpec

__all__ = ["bound_endpoint", "summary_of"]

_PATH_PARAMETER = re.compile(r"\{([^{}:]+)")
_BODILESS = frozenset({"GET", "DELETE"})


def summary_of(spec: StoreEndpointSpec) -> str:
    """Return the OpenAPI summary of an endpoint."""
    return spec.name.replace("_", " ").title()


def bound_endpoint(
    function: Callable[..., Any], spec: StoreEndpointSpec, access: StoreAccess
) -> Callable[[Request], Any]:
    """Return the handler of a custom endpoint.

    `store`, `body`, path parameters and query parameters are given by name, and a parameter that is annotated
    `Request` gets the request. Synchronous functions run in a worker thread.

    Args:
        function: The decorated function.
        spec: Its endpoint.
        access: The store.
    """
    parameters = inspect.signature(function).parameters
    hints = _hints(function)
    in_path = set(_PATH_PARAMETER.findall(spec.path))

    async def handle(request: Request) -> Response:
        values: dict[str, Any] = {}
        for name, parameter in parameters.items():
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                continue
            annotation = hints.get(name, Any)
            if name == "store":
                values[name] = access.store
            elif name == "body":
                values[name] = await _body(request, spec)
            elif annotation is Request:
                values[name] = request
            elif name in in_path:
                values[name] = _converted(f"path.{name}", request.path_params[name], annotation)
            elif name in request.query_params:
                values[name] = _converted(f"query.{name}", _query(request, name, annotation), annotation)
            elif parameter.default is parameter.empty:
                raise InvalidPayloadError(f"query.{name}: Field required")
        if inspect.iscoroutinefunction(function):
            result = await function(**values)
        else:
            result = await run_in_threadpool(function, **values)
            if inspect.isawaitable(result):
                result = await result
        if isinstance(result, Response):
            return result
        return Response(to_json(result, by_alias=True), media_type="application/json")

    return handle


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError):
        return {}


async def _body(request: Request, spec: StoreEndpointSpec) -> Any:
    if spec.method in _BODILESS:
        return None
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        return None


def _query(request: Request, name: str, annotation: Any) -> Any:
    origin = getattr(annotation, "__origin__", annotation)
    return request.query_params.getlist(name) if origin in {list, tuple, set} else request.query_params[name]


def _converted(place: str, value: Any, annotation: Any) -> Any:
    if annotation is Any:
        return value
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        raise InvalidPayloadError(f"{place}: {error.errors()[0]['msg']}") from error
