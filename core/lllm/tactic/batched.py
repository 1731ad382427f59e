"""The half of a tactic that agent groups are called by: plain calls, batches and the threads they run in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lllm.tactic import host

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from lllm.tactic.traits import Traits

__all__ = ["LABELS", "Batched"]

LABELS = ("session_name", "tags", "metadata")
"""Keyword arguments of an agent-group call that label its session."""


class Batched:
    """Calls by `tactic(task)` and `acall`, and of many tasks at once by `bcall` and `ccall`."""

    if TYPE_CHECKING:
        config: Mapping[str, Any] | None
        _traits: Traits
        run: Any
        arun: Any

    def __call__(
        self,
        task: Any,
        session_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        return_session: Any = False,
        **kwargs: Any,
    ) -> Any:
        """Call the tactic; the same as `run`.

        Args:
            task: The input.
            session_name: Name of the session, for agent groups.
            tags: Labels of the session, for agent groups.
            metadata: Metadata of the session, for agent groups.
            return_session: As for `run`.
            **kwargs: Further arguments of `run` and of the implementation.
        """
        return self.run(task, return_session=return_session, **_given(session_name, tags, metadata, kwargs))

    async def acall(
        self,
        task: Any,
        session_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        return_session: Any = False,
        **kwargs: Any,
    ) -> Any:
        """Call the tactic and await its result; the same as `arun`, with the arguments of a plain call."""
        return await self.arun(
            task, return_session=return_session, **_given(session_name, tags, metadata, kwargs)
        )

    def bcall(
        self: Any,
        tasks: Iterable[Any],
        max_workers: int | None = None,
        fail_fast: bool = True,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        return_sessions: Any = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the tactic for many tasks in threads and return the results in the order of the tasks.

        Args:
            tasks: The inputs.
            max_workers: How many run at once; default `config["max_workers"]`, else 4.
            fail_fast: At the first failure start no further task, let running ones finish and raise the failure
                with the lowest index. False puts the exceptions into the list instead.
            tags: Labels of every session.
            metadata: Metadata of every session.
            return_sessions: Return sessions; with `fail_fast=False` also those that failed.
            **kwargs: Passed to the implementation.
        """
        from lllm.tactic import batch

        return batch.bcall(
            self, tasks, max_workers, fail_fast, return_sessions, _given(None, tags, metadata, kwargs)
        )

    def ccall(
        self: Any,
        tasks: Iterable[Any],
        max_workers: int | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        return_sessions: Any = False,
        *,
        fail_fast: bool = True,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Call the tactic for many tasks and iterate over `(index, result)` as they complete.

        Arguments are those of `bcall`, `fail_fast` only by keyword. A failing task raises at its turn, with its
        index as `task_index`;
        `fail_fast=False` yields `(index, exception)`. Leaving the loop early cancels what has not started.
        """
        from lllm.tactic import batch

        return batch.ccall(
            self, tasks, max_workers, fail_fast, return_sessions, _given(None, tags, metadata, kwargs)
        )

    @property
    def max_workers(self) -> int:
        """How many calls of a batch run at once by default."""
        from lllm.tactic import batch

        return batch.workers_of(self.config)

    @property
    def executor(self: Any) -> ThreadPoolExecutor | None:
        """The threads that asynchronous calls of an agent group run in; None means the process's workers."""
        from lllm.tactic import batch

        return batch.executor_of(self) if self._traits.call else None

    @classmethod
    def quick(cls, query: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Make a single agent, and ask it at once when a query is given.

        Args:
            query: What to ask, or None to get the agent.
            *args: See the agents runtime.
            **kwargs: `system_prompt`, `model`, `return_agent` and model arguments.

        Raises:
            PluginNotFoundError: The agents runtime is not installed.
        """
        runtime: Any = host.runtime_named("agents")
        return runtime.quick(query, *args, **kwargs)


def _given(
    session_name: str | None,
    tags: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    for name, value in zip(LABELS, (session_name, tags, metadata), strict=True):
        if value is not None:
            kwargs[name] = value
    return kwargs
