"""`GroupStream`: a call of an agent group, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from lllm.calls import Call
from lllm.context import CallContext
from lllm.events import TacticEvent
from lllm.tactic import Tactic
from lllm_runtime_agents.listening import listen

__all__ = ["GroupStream"]


class GroupStream(Tactic[Any, Any], register=False):
    """Runs one call of a group and yields what its agents write while they write it.

    As events: kind `text` with the piece and, in the metadata, the names of agent and tactic; then the `result`. As
    chunks: the pieces, then the output as the last item.
    """

    _bound: Tactic[Any, Any]
    _call: Call

    @classmethod
    def of_call(cls, bound: Tactic[Any, Any], call: Call) -> Self:
        """Return the stream of a call.

        Args:
            bound: The copy of the tactic with fresh agents.
            call: The call that begins.
        """
        made = cls.__new__(cls)
        made.__dict__.update(_bound=bound, _call=call, _given_name=bound.tactic_name)
        return made

    async def _aevents(
        self, input_value: Any, *, context: CallContext, **kwargs: Any
    ) -> AsyncIterator[TacticEvent]:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[TacticEvent | None] = asyncio.Queue()

        def hear(text: str, agent: str, tactic: str) -> None:
            event = TacticEvent(kind="text", data=text, metadata={"agent": agent, "tactic": tactic})
            loop.call_soon_threadsafe(pieces.put_nowait, event)

        task = asyncio.create_task(self._bound._arun(input_value, context=context, **kwargs))
        task.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            with listen(self._call, hear):
                while (piece := await pieces.get()) is not None:
                    yield piece
            yield TacticEvent.result(await task)
        finally:
            if not task.done():
                # What runs in a thread reads of it before its next model call or tool.
                context.cancel()
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _astream(self, input_value: Any, *, context: CallContext, **kwargs: Any) -> AsyncIterator[Any]:
        events = self._aevents(input_value, context=context, **kwargs)
        try:
            async for event in events:
                yield self._call.tactic.validate_output(event.data) if event.kind == "result" else event.data
        finally:
            await events.aclose()  # type: ignore[attr-defined]
