"""`Function` and `@tool`: Python callables that a model may use."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Self, overload

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from lllm.background import drive, run_in_thread
from lllm.error_text import error_text
from lllm.secrets import mask_secrets
from lllm_runtime_agents.function_call import FunctionCall
from lllm_runtime_agents.parameters import Parameters, read_parameters, strict_object
from lllm_runtime_agents.roles import Invokers

__all__ = ["Function", "Processor", "default_processor", "tool"]

Processor = Callable[[Any, FunctionCall], str]
"""Turns what a tool returned, and the call, into the text that the model reads."""


def default_processor(result: Any, function_call: FunctionCall) -> str:
    """Return the text that tells a model what a tool returned.

    Args:
        result: What the tool returned.
        function_call: The call.
    """
    return (
        f"Return of calling function {function_call.name} with arguments {function_call.arguments}:\n"
        f"---\n{result}\n---\n"
    )


class Function(BaseModel):
    """A tool: what the model is told of it, and the callable behind it.

    Attributes:
        name: Name by which the model calls it.
        description: What it is for.
        properties: JSON schema of each parameter.
        required: Names of the parameters that have no default.
        additional_properties: Whether further parameters are allowed.
        strict: Whether the provider holds the model to the schema exactly.
        function: The callable, or None until one is linked; `async def` is awaited.
        processor: Makes the text that answers the model.
        definitions: Schemas that `properties` refer to through `$defs`.
        timeout: Seconds that one use may take; None leaves it to the agent.
    """

    model_config = ConfigDict(defer_build=True, arbitrary_types_allowed=True, extra="forbid")

    name: str
    description: str
    properties: dict[str, Any]
    required: list[str] = Field(default_factory=list)
    additional_properties: bool = False
    strict: bool = True
    function: Callable[..., Any] | None = Field(default=None, exclude=True, repr=False)
    processor: Processor = Field(default=default_processor, exclude=True, repr=False)
    definitions: dict[str, Any] = Field(default_factory=dict, repr=False)
    timeout: float | None = Field(default=None, exclude=True)

    _parameters: tuple[Callable[..., Any], Parameters] | None = PrivateAttr(default=None)

    @field_validator("timeout")
    @classmethod
    def _check_timeout(cls, value: float | None) -> float | None:
        if value is not None and not (isfinite(value) and value > 0):
            raise ValueError(f"timeout must be a finite number of seconds above 0, got {value!r}")
        return value

    @property
    def linked(self) -> bool:
        """Whether there is a callable behind the tool."""
        return self.function is not None

    def link_function(self, function: Callable[..., Any]) -> None:
        """Put a callable behind the tool.

        Args:
            function: Called with the model's arguments by name.

        Raises:
            TypeError: It is not callable.
        """
        if not callable(function):
            raise TypeError(
                f"function of tool {self.name!r} must be callable, got {type(function).__name__}."
            )
        self.function = function

    def __call__(self, function_call: FunctionCall, timeout: float | None = None) -> FunctionCall:
        """Run the tool and fill in the call's result; what the tool raises becomes the call's error.

        With a time limit the tool runs in a worker thread. A thread cannot be stopped: what goes on after its time
        goes on unheard.

        Args:
            function_call: What the model asked for.
            timeout: Seconds it may take when the tool itself sets no limit.

        Raises:
            AssertionError: No callable is linked.
        """
        function = self._linked_function()
        seconds = timeout if self.timeout is None else self.timeout
        try:
            arguments = self._arguments(function_call)
            if seconds is None:
                result = function(**arguments)
                if inspect.isawaitable(result):
                    result = drive(_finish(result))
            else:
                result = drive(self._in_time(function, arguments, seconds))
            self._succeed(function_call, result)
        except BaseException as error:
            if not _is_failure(error):
                raise
            _fail(function_call, error)
        return function_call

    async def acall(self, function_call: FunctionCall, timeout: float | None = None) -> FunctionCall:
        """Run the tool without blocking the event loop; see `__call__`.

        Args:
            function_call: What the model asked for.
            timeout: Seconds it may take when the tool itself sets no limit.

        Raises:
            AssertionError: No callable is linked.
        """
        function = self._linked_function()
        seconds = timeout if self.timeout is None else self.timeout
        try:
            arguments = self._arguments(function_call)
            if seconds is None:
                result = await _awaited(function, arguments)
            else:
                result = await self._in_time(function, arguments, seconds)
            self._succeed(function_call, result)
        except BaseException as error:
            if not _is_failure(error):
                raise
            _fail(function_call, error)
        return function_call

    def to_tool(self, invoker: Invokers = Invokers.LITELLM) -> dict[str, Any]:
        """Return the declaration that is sent to a model.

        Args:
            invoker: Format of the declaration.

        Raises:
            NotImplementedError: The format is not known.
        """
        if invoker != Invokers.LITELLM:
            raise NotImplementedError(f"no tool format is known for {invoker!r}; use `Invokers.LITELLM`.")
        declared = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters_schema(),
            "strict": self.strict,
        }
        return {"type": "function", "function": declared}

    def parameters_schema(self) -> dict[str, Any]:
        """Return the JSON schema of all parameters together."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": self.additional_properties,
        }
        if self.definitions:
            schema["$defs"] = self.definitions
        return strict_object(schema) if self.strict else schema

    @classmethod
    def from_callable(
        cls,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        prop_desc: Mapping[str, str] | None = None,
        strict: bool = True,
        processor: Processor = default_processor,
        timeout: float | None = None,
    ) -> Self:
        """Make a tool of a callable; its signature gives the schema.

        Args:
            fn: The callable. `self` and `cls` are left out, parameters without a type take a string.
            name: Name of the tool; by default the callable's.
            description: What it is for; by default the docstring.
            prop_desc: What single parameters are for.
            strict: Whether the provider holds the model to the schema exactly; never with `**kwargs`.
            processor: Makes the text that answers the model.
            timeout: Seconds that one use may take; None leaves it to the agent.

        Raises:
            TypeError: `fn` is not callable.
            ValueError: `prop_desc` names a parameter that does not exist.
        """
        if not callable(fn):
            raise TypeError(f"a tool must be callable, got {type(fn).__name__}.")
        parameters = read_parameters(fn)
        described = dict(prop_desc or {})
        properties: dict[str, Any] = {}
        definitions: dict[str, Any] = {}
        for item in parameters.items:
            schema = item.schema(described.pop(item.name, ""))
            definitions.update(schema.pop("$defs", {}))
            properties[item.name] = schema
        if described:
            raise ValueError(
                f"prop_desc names unknown parameters {sorted(described)}; known: {sorted(properties)}."
            )
        return cls(
            name=name or str(getattr(fn, "__name__", type(fn).__name__)),
            description=inspect.getdoc(fn) or "" if description is None else description,
            properties=properties,
            required=[item.name for item in parameters.items if item.required],
            additional_properties=parameters.open_ended,
            strict=strict and not parameters.open_ended,
            function=fn,
            processor=processor,
            definitions=definitions,
            timeout=timeout,
        )

    def _linked_function(self) -> Callable[..., Any]:
        if self.function is None:
            raise AssertionError(f"tool {self.name!r} has no function; call link_function first.")
        return self.function

    def _arguments(self, function_call: FunctionCall) -> dict[str, Any]:
        function = self._linked_function()
        if self._parameters is None or self._parameters[0] is not function:
            self._parameters = (function, read_parameters(function))
        return self._parameters[1].validate(function_call.arguments)

    async def _in_time(self, function: Callable[..., Any], arguments: dict[str, Any], seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await _awaited(function, arguments)
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"tool '{self.name}' took longer than {seconds:g} s") from error
            raise

    def _succeed(self, function_call: FunctionCall, result: Any) -> None:
        function_call.result = result
        function_call.result_str = self.processor(result, function_call)


async def _finish(awaitable: Any) -> Any:
    return await awaitable


async def _awaited(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if _is_async(function):
        return await function(**arguments)
    result = await run_in_thread(lambda: function(**arguments))
    return await result if inspect.isawaitable(result) else result


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _is_failure(error: BaseException) -> bool:
    """Tell whether a tool failed, as opposed to being stopped: an exit is its own, a cancellation may be."""
    if not isinstance(error, asyncio.CancelledError):
        return isinstance(error, (Exception, SystemExit))
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True
    return task is not None and not task.cancelling()


def _fail(function_call: FunctionCall, error: BaseException) -> None:
    text = mask_secrets(error_text(error))
    if not isinstance(error, Exception):
        text = f"{type(error).__name__} {text}".strip()
    function_call.error_message = text
    function_call.result_str = f"Error: {text}"


@overload
def tool(description: Callable[..., Any]) -> Function: ...


@overload
def tool(
    description: str | None = None,
    prop_desc: Mapping[str, str] | None = None,
    *,
    name: str | None = None,
    strict: bool = True,
    processor: Processor = default_processor,
    timeout: float | None = None,
) -> Callable[[Callable[..., Any]], Function]: ...


def tool(
    description: str | Callable[..., Any] | None = None,
    prop_desc: Mapping[str, str] | None = None,
    *,
    name: str | None = None,
    strict: bool = True,
    processor: Processor = default_processor,
    timeout: float | None = None,
) -> Function | Callable[[Callable[..., Any]], Function]:
    """Turn a function into a tool; works with and without parentheses.

    Args:
        description: What the tool is for; by default the docstring. Without parentheses, the function itself.
        prop_desc: What single parameters are for.
        name: Name of the tool; by default the function's.
        strict: Whether the provider holds the model to the schema exactly.
        processor: Makes the text that answers the model.
        timeout: Seconds that one use may take; None leaves it to the agent.
    """
    if description is not None and not isinstance(description, str):
        return Function.from_callable(description)
    text = description

    def decorate(fn: Callable[..., Any]) -> Function:
        return Function.from_callable(
            fn,
            name=name,
            description=text,
            prop_desc=prop_desc,
            strict=strict,
            processor=processor,
            timeout=timeout,
        )

    return decorate
