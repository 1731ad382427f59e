"""What a custom endpoint is called with: its parameters, found once, filled from each request."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin, get_type_hints

from pydantic import ValidationError
from starlette.requests import Request

from lllm import EndpointSpec, SchemaError
from lllm.schema import adapter_of

__all__ = ["Binding", "Parameter", "binding_of"]

_PATH_PARAMETER = re.compile(r"\{([^{}]+)\}")
_BODILESS = frozenset({"GET", "DELETE"})
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_MANY = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that is filled from the path or from the query.

    Args:
        name: Its name.
        place: `path` or `query`.
        annotation: Its type; `Any` when it says none.
        required: Whether it has no default.
        default: The default.
    """

    name: str
    place: str
    annotation: Any
    required: bool
    default: Any = None

    def read(self, values: Mapping[str, Sequence[str]]) -> tuple[bool, Any]:
        """Return whether a request gives the parameter, and its value.

        Args:
            values: What stands in the path or in the query, by name.

        Raises:
            SchemaError: It is missing, or does not match the type.
        """
        given = values.get(self.name)
        if not given:
            if self.required:
                raise SchemaError(f"{self.place}.{self.name}: Field required")
            return False, None
        value: Any = list(given) if self.many else given[-1]
        if self.annotation is Any:
            return True, value
        try:
            return True, adapter_of(self.annotation).validate_python(value)
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"]
            raise SchemaError(f"{self.place}.{self.name}: {message}") from error

    @property
    def many(self) -> bool:
        """Whether it takes all values of a repeated name."""
        return (get_origin(self.annotation) or self.annotation) in _MANY


@dataclass(frozen=True, slots=True)
class Binding:
    """How the method of an endpoint is called.

    Args:
        takes_value: Whether its first argument is the input.
        takes_context: Whether it is given the context.
        request: Name of the parameter that takes the request, or None.
        parameters: Those that are filled from path and query.
        takes_all: Whether it takes path parameters that it does not name.
    """

    takes_value: bool
    takes_context: bool
    request: str | None
    parameters: tuple[Parameter, ...]
    takes_all: bool

    @property
    def named(self) -> frozenset[str]:
        """Names of the query parameters, which are not part of the input."""
        return frozenset(parameter.name for parameter in self.parameters if parameter.place == "query")

    def arguments(
        self, path: Mapping[str, str], query: Mapping[str, Sequence[str]], request: Callable[[], Request]
    ) -> dict[str, Any]:
        """Return the keyword arguments of one call, the context apart.

        Args:
            path: The path parameters.
            query: The values of the query by name.
            request: Makes the request.

        Raises:
            SchemaError: A parameter is missing or malformed.
        """
        parts = {name: (value,) for name, value in path.items()}
        found: dict[str, Any] = dict(path) if self.takes_all else {}
        for parameter in self.parameters:
            given, value = parameter.read(parts if parameter.place == "path" else query)
            if given:
                found[parameter.name] = value
        if self.request is not None:
            found[self.request] = request()
        return found


def binding_of(method: Callable[..., Any], spec: EndpointSpec, input_type: Any) -> Binding:
    """Find out how the method of an endpoint is called.

    The input goes to the first positional parameter that the path does not name. When the request has no body (GET
    and DELETE), one with another type than the input is filled from the query instead.

    Args:
        method: The bound method.
        spec: Its endpoint.
        input_type: Type of the tactic's input, or None.

    Raises:
        ValueError: The path has a parameter that the method does not take.
    """
    parameters = inspect.signature(method).parameters
    hints = _hints(method)
    in_path = set(_PATH_PARAMETER.findall(spec.path))
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if not takes_all and (unknown := sorted(in_path - parameters.keys())):
        raise ValueError(
            f"endpoint path must only have parameters that `{spec.name}` takes; it does not take `{unknown[0]}`."
        )
    takes_value, request = False, None
    bound: list[Parameter] = []
    for name, parameter in parameters.items():
        annotation = hints.get(name, Any)
        if name == "context" or parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        if isinstance(annotation, type) and issubclass(annotation, Request):
            request = name
        elif (
            not takes_value
            and not bound
            and name not in in_path
            and _is_value(parameter, annotation, spec, input_type)
        ):
            takes_value = True
        else:
            required = parameter.default is parameter.empty
            place = "path" if name in in_path else "query"
            bound.append(
                Parameter(name, place, annotation, required, None if required else parameter.default)
            )
    return Binding(takes_value, takes_all or "context" in parameters, request, tuple(bound), takes_all)


def _is_value(parameter: inspect.Parameter, annotation: Any, spec: EndpointSpec, input_type: Any) -> bool:
    if parameter.kind not in _POSITIONAL:
        return False
    return spec.method not in _BODILESS or annotation is Any or annotation == input_type


def _hints(method: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(method)
    except Exception:
        return {}  # annotations are any code of the user's; what cannot be evaluated says nothing
