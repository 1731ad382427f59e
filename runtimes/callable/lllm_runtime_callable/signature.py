"""What a callable says about itself: how it wants its input, what types it names, how it answers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from types import NoneType, SimpleNamespace
from typing import Any, get_args, get_origin, get_type_hints

CONTEXT = "context"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallableSignature:
    """How to call a callable, read once.

    Attributes:
        takes_value: Whether it has a parameter for the input.
        value_keyword: The name to pass the input by, or None to pass it by position.
        takes_context: Whether it accepts a keyword argument `context`.
        input_type: Annotation of the input, or None.
        output_type: Annotation of what it answers in the end, or None.
        is_async: Whether it is a coroutine function or an async generator function.
        streams: Whether it is a generator function, async or not.
    """

    takes_value: bool = True
    value_keyword: str | None = None
    takes_context: bool = False
    input_type: Any = None
    output_type: Any = None
    is_async: bool = False
    streams: bool = False

    def arguments(self, value: Any, context: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and keyword arguments of one call.

        Args:
            value: The validated input.
            context: The call's context.
        """
        keywords = {CONTEXT: context} if self.takes_context else {}
        if not self.takes_value:
            return (), keywords
        if self.value_keyword is None:
            return (value,), keywords
        return (), {self.value_keyword: value, **keywords}


def read_signature(fn: Callable[..., Any]) -> CallableSignature:
    """Read how `fn` is called and what it says about its types.

    Args:
        fn: Any callable; one without a signature, as some builtins are, takes its input by position.
    """
    target = speaker(fn)
    streams = inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)
    is_async = inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target)
    try:
        parameters = inspect.signature(fn).parameters
    except (ValueError, TypeError):
        return CallableSignature(is_async=is_async, streams=streams)
    bound = fn.keywords if isinstance(fn, partial) else {}
    value, keyword = _value_parameter(parameters, bound)
    hints = _hints(target)
    return CallableSignature(
        takes_value=value is not None,
        value_keyword=keyword,
        takes_context=CONTEXT not in bound and _takes_context(parameters, target),
        input_type=None if value is None else hints.get(value.name),
        output_type=_answer_type(hints.get("return"), streams=streams),
        is_async=is_async,
        streams=streams,
    )


def speaker(fn: Callable[..., Any]) -> Any:
    """Return the function, method or class whose code and docstring speak for a callable.

    Args:
        fn: A function, method, partial, class, or object with `__call__`.
    """
    target: Any = fn
    while isinstance(target, partial):
        target = target.func
    return target if inspect.isroutine(target) or isinstance(target, type) else target.__call__


def _value_parameter(
    parameters: Mapping[str, Parameter], bound: Collection[str]
) -> tuple[Parameter | None, str | None]:
    """Return the first free parameter that is not the context, and its name when position will not do."""
    after_context = False
    for parameter in parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            break
        if parameter.name in bound:
            continue
        if parameter.name == CONTEXT and parameter.kind is not Parameter.POSITIONAL_ONLY:
            after_context = True
            continue
        by_name = parameter.kind is Parameter.KEYWORD_ONLY or (
            after_context and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
        )
        return parameter, parameter.name if by_name else None
    return None, None


def _takes_context(parameters: Mapping[str, Parameter], target: Any) -> bool:
    if not hasattr(_annotated(target), "__code__"):
        return False  # a `context` or `**kwargs` of compiled code is not meant for ours
    named = parameters.get(CONTEXT)
    if named is not None and named.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
        return True
    return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())


def _annotated(target: Any) -> Any:
    """Return the plain function behind a method or a class."""
    either: Any = target
    function = either.__init__ if isinstance(target, type) else either
    return getattr(function, "__func__", function)


def _hints(target: Any) -> dict[str, Any]:
    """Return the annotations of a callable, without those that name what cannot be found."""
    function = _annotated(target)
    names = _closure_names(function)
    try:
        hints = get_type_hints(function, localns=names, include_extras=True)
    except Exception:  # an annotation can run any code; a bad one must not spoil the others
        hints = _hints_one_by_one(function, names)
    if isinstance(target, type):
        hints.pop("return", None)
    return hints


def _hints_one_by_one(function: Any, names: dict[str, Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        holder = SimpleNamespace(__annotations__={name: annotation})
        try:
            hints |= get_type_hints(holder, function.__globals__, names, include_extras=True)
        except Exception:
            continue
    return hints


def _closure_names(function: Any) -> dict[str, Any]:
    """Return the closure's variables: a postponed annotation may name a class of the enclosing function."""
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


def _answer_type(annotation: Any, *, streams: bool) -> Any:
    """Return the type of what a call answers in the end.

    A generator answers with what it returns, the third argument of `Generator[...]`; a function that says it
    returns an awaitable answers with what that yields.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if streams:
        result = arguments[2] if origin is Generator and len(arguments) == 3 else None
        return None if result is NoneType else result
    return arguments[-1] if origin in (Awaitable, Coroutine) and arguments else annotation
