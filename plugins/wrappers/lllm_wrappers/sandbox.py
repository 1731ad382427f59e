"""A sandbox: limits on time, sizes and metadata at the boundary of a call. It does not isolate code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from copy import copy
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lllm import Tactic, TacticError
from lllm.background import drive, iterate_async
from lllm.context import CallContext
from lllm.fields import TokenText
from lllm_wrappers.json_form import json_bytes
from lllm_wrappers.wrapper import Wrapper, aclose, check_wrapped

__all__ = [
    "SandboxError",
    "SandboxLimitError",
    "SandboxPolicy",
    "SandboxTimeoutError",
    "SandboxedTactic",
    "sandbox_tactic",
]


class SandboxError(TacticError):
    """Base of the errors that a sandbox raises."""


class SandboxLimitError(SandboxError):
    """A size or the metadata of a call is outside the policy.

    Args:
        message: What is outside.
        kind: `input`, `output` or `metadata`.
    """

    def __init__(self, message: str, *, kind: str = "input") -> None:
        super().__init__(message)
        self.kind = kind


class SandboxTimeoutError(SandboxError):
    """The sandbox's own time limit passed."""


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not a boolean")  # noqa: TRY004  # pydantic reports ValueErrors
    return value


def _list_or_tuple(value: Any) -> Any:
    if value is not None and not isinstance(value, (list, tuple)):
        raise ValueError("allowed_metadata_keys must be a list or tuple of tokens")
    return value


class SandboxPolicy(BaseModel):
    """What a sandboxed call may do; None means no limit.

    Attributes:
        timeout_seconds: Most seconds for the call, or for a whole stream.
        max_input_bytes: Most bytes of the input as JSON.
        max_output_bytes: Most bytes of the output as JSON, or of all chunks of a stream together.
        allowed_metadata_keys: The only keys that metadata, tags and extra fields of the context may have.
    """

    model_config = ConfigDict(extra="forbid")

    timeout_seconds: Annotated[float, BeforeValidator(_no_bool), Field(gt=0, allow_inf_nan=False)] | None = (
        None
    )
    max_input_bytes: Annotated[int, BeforeValidator(_no_bool), Field(gt=0)] | None = None
    max_output_bytes: Annotated[int, BeforeValidator(_no_bool), Field(gt=0)] | None = None
    allowed_metadata_keys: Annotated[tuple[TokenText, ...] | None, BeforeValidator(_list_or_tuple)] = None


class SandboxedTactic(Wrapper, register=False):
    """A tactic whose calls stay within a policy.

    Args:
        tactic: The tactic inside.
        policy: A `SandboxPolicy`, a map of its fields, or None for no limits. It is copied.
        name: Name instead of `<inner name>_sandbox`.
        description: Description instead of `Sandbox wrapper for <inner name>.`

    Raises:
        TypeError: `policy` is none of these.
        ValidationError: A field of the policy is unknown or malformed.
    """

    def __init__(
        self,
        tactic: Tactic[Any, Any],
        *,
        policy: SandboxPolicy | Mapping[str, Any] | None = None,
        name: str | None = None,
        description: str | None = None,
    ) -> None:
        self.policy = _policy(policy)
        inner = check_wrapped(tactic)
        super().__init__(
            inner,
            "sandbox",
            name=name,
            description=f"Sandbox wrapper for {inner.tactic_name}." if description is None else description,
            metadata={
                "sandboxed_tactic": inner.tactic_name,
                "sandboxed_runtime_kind": inner.runtime_kind,
                "sandbox_policy": self.policy.model_dump(mode="json", exclude_none=True),
            },
        )

    @property
    def max_body_bytes(self) -> int | None:
        """Most bytes that a service should read for one call, before it parses any: the input and what is around it.

        JSON that escapes every character takes three times the room, and a context comes along.
        """
        limit = self.policy.max_input_bytes
        return None if limit is None else 4 * limit + 65_536

    def _run(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        if self.policy.timeout_seconds is not None:
            return drive(self._arun(input_value, context=context, **kwargs))
        self._check_before(input_value, context)
        output = self.tactic.run(input_value, context=context, **kwargs)
        self._check_size("output", self._size_of(output))
        return output

    async def _arun(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Any:
        self._check_before(input_value, context)
        inner = self._inner_context(context)
        output = await self._in_time(self.tactic.arun(input_value, context=inner, **kwargs), inner)
        self._check_size("output", self._size_of(output))
        return output

    def _stream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> Iterator[Any]:
        if self.policy.timeout_seconds is not None:
            yield from iterate_async(lambda: self._astream(input_value, context=context, **kwargs))
            return
        self._check_before(input_value, context)
        total = 0
        for chunk in self.tactic.stream(input_value, context=context, **kwargs):
            total += self._size_of(chunk)
            self._check_size("output", total)
            yield chunk

    def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        self._check_before(input_value, context)
        inner = self._inner_context(context)
        source: Any = self.tactic.astream(input_value, context=inner, **kwargs)
        return self._limited(source, inner)

    def _aevents(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        self._check_before(input_value, context)
        inner = self._inner_context(context)
        source: Any = self.tactic.aevents(input_value, context=inner, **kwargs)
        return self._limited(source, inner)

    async def _limited(self, source: Any, context: CallContext) -> AsyncIterator[Any]:
        """Pass a stream on while it stays within the time and the size of the policy."""
        chunks = aiter(source)
        seconds, total = self.policy.timeout_seconds, 0
        end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        try:
            while True:
                try:
                    chunk = await self._in_time(anext(chunks), context, end)
                except StopAsyncIteration:
                    return
                total += self._size_of(chunk)
                self._check_size("output", total)
                yield chunk
        finally:
            await aclose(chunks)

    def _inner_context(self, context: CallContext) -> CallContext:
        """Return a context that the sandbox can cancel without telling the caller's other work to stop."""
        return context if self.policy.timeout_seconds is None else copy(context)

    async def _in_time(
        self, work: Coroutine[Any, Any, Any], context: CallContext, end: float | None = None
    ) -> Any:
        seconds = self.policy.timeout_seconds
        if seconds is None:
            return await work
        until = asyncio.get_running_loop().time() + seconds if end is None else end
        try:
            async with asyncio.timeout_at(until) as limit:
                return await work
        except TimeoutError as error:
            if not limit.expired():
                raise
            context.cancel()
            raise SandboxTimeoutError(f"Tactic exceeded timeout of {seconds:g} seconds.") from error

    def _check_before(self, input_value: Any, context: CallContext) -> None:
        allowed = self.policy.allowed_metadata_keys
        if allowed is not None:
            keys = {*context.metadata, *context.tags, *(context.model_extra or {})}
            refused = sorted(str(key) for key in keys.difference(allowed))
            if refused:
                raise SandboxLimitError(
                    f"Context metadata keys are not allowed: {', '.join(refused)}", kind="metadata"
                )
        if self.policy.max_input_bytes is not None:
            self._check_size("input", len(json_bytes(input_value)))

    def _size_of(self, value: Any) -> int:
        return 0 if self.policy.max_output_bytes is None else len(json_bytes(value))

    def _check_size(self, kind: str, size: int) -> None:
        limit = self.policy.max_input_bytes if kind == "input" else self.policy.max_output_bytes
        if limit is not None and size > limit:
            raise SandboxLimitError(f"{kind} is {size} bytes; limit is {limit} bytes.", kind=kind)


def _policy(policy: Any) -> SandboxPolicy:
    if policy is None:
        return SandboxPolicy()
    if isinstance(policy, SandboxPolicy):
        return policy.model_copy(deep=True)
    if isinstance(policy, Mapping):
        return SandboxPolicy(**policy)
    raise TypeError(f"policy must be a SandboxPolicy, a mapping or None, not {type(policy).__name__}.")


def sandbox_tactic(
    tactic: Tactic[Any, Any], policy: SandboxPolicy | Mapping[str, Any] | None = None, **options: Any
) -> SandboxedTactic:
    """Return a sandbox around a tactic.

    Args:
        tactic: The tactic inside.
        policy: As for `SandboxedTactic`.
        **options: Further arguments of `SandboxedTactic`.
    """
    return SandboxedTactic(tactic, policy=policy, **options)
