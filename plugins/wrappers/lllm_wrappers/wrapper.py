"""What all wrappers share: they look like the tactic inside and add one behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Self, cast

from lllm import Tactic
from lllm.names import check_metadata

__all__ = ["Wrapper", "aclose", "check_wrapped"]


def check_wrapped(tactic: object) -> Tactic[Any, Any]:
    """Return a tactic that can be wrapped.

    Args:
        tactic: Anything.

    Raises:
        TypeError: It is not a tactic.
    """
    if not isinstance(tactic, Tactic):
        raise TypeError(
            f"tactic must be a Tactic, not {type(tactic).__name__}; turn functions and agents into one with "
            f"lllm.as_tactic()."
        )
    return tactic


async def aclose(chunks: Any) -> None:
    """Close a stream; an iterator that a tactic made by hand may have nothing to close.

    Args:
        chunks: The asynchronous iterator of a stream, or None.
    """
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


class Wrapper(Tactic[Any, Any], register=False):
    """A tactic around another one, with its types, refs, examples and capabilities.

    A `with` block opens and closes what is inside, as far as that is a context manager.

    Args:
        tactic: The tactic inside.
        kind: Word that names the behaviour; the runtime kind and the end of the default name.
        name: Name instead of `<inner name>_<kind>`.
        description: Description instead of the default one.
        metadata: Metadata of the wrapper.
    """

    tactic: Tactic[Any, Any]

    def __init__(
        self,
        tactic: Tactic[Any, Any],
        kind: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        inner = check_wrapped(tactic)
        self.tactic = inner
        self._opened: list[ExitStack] = []
        self._aopened: list[AsyncExitStack] = []
        self.runtime_kind = kind
        self.input_type = inner.input_type
        self.output_type = inner.output_type
        super().__init__(
            name=f"{inner.tactic_name}_{kind}" if name is None else name,
            description=f"{kind.capitalize()} for {inner.tactic_name}."
            if description is None
            else description,
            package_ref=inner.package_ref,
            service_ref=inner.service_ref,
            examples=inner.examples,
            metadata=check_metadata(metadata),
        )

    def capabilities(self) -> set[str]:
        """Return what the wrapper does itself, and streams and events when the tactic inside has them."""
        return {"run", "arun"} | (self.tactic.capabilities() & {"stream", "events"})

    def _parts(self) -> tuple[Tactic[Any, Any], ...]:
        """Return the tactics inside, which `with` opens and closes."""
        return (self.tactic,)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for part in self._parts():
                if hasattr(type(part), "__enter__"):
                    stack.enter_context(cast("Any", part))
            self._opened.append(stack.pop_all())
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        return self._opened.pop().__exit__(*exception)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for part in self._parts():
                if hasattr(type(part), "__aenter__"):
                    await stack.enter_async_context(cast("Any", part))
                elif hasattr(type(part), "__enter__"):
                    stack.enter_context(cast("Any", part))
            self._aopened.append(stack.pop_all())
        return self

    async def __aexit__(self, *exception: Any) -> bool | None:
        return await self._aopened.pop().__aexit__(*exception)

    def _export_input_schema(self) -> dict[str, Any] | None:
        return self.tactic._export_input_schema()

    def _export_output_schema(self) -> dict[str, Any] | None:
        return self.tactic._export_output_schema()
