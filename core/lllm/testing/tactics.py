"""What makes a tactic a tactic: a suite of tests for whatever a runtime produces.

A runtime's author inherits `TacticConformance` and says how the runtime wraps a piece of work:

```python
from lllm.testing import TacticConformance

class TestShout(TacticConformance):
    def make(self, work):
        return ShoutTactic(work, input_type=Question, output_type=Answer)
```
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from lllm.context import CallContext
from lllm.errors import SchemaError, TacticUnsupportedError
from lllm.events import TacticEvent
from lllm.schema import export_json_schema
from lllm.session import TacticCallSession, current_session, record_usage
from lllm.tactic import Tactic
from lllm.trace import CallResult

__all__ = ["Answer", "Question", "TacticConformance"]


class Question(BaseModel):
    """Input of every tactic in the suite."""

    text: str


class Answer(BaseModel):
    """Output of every tactic in the suite."""

    text: str


def shout(question: Question) -> Answer:
    """Say it louder."""
    return Answer(text=question.text.upper())


def fail(question: Question) -> Answer:
    """Fail with an error that names the input."""
    raise LookupError(f"no answer to {question.text}")


class TacticConformance:
    """Tests that every tactic passes; inherit it in a class whose name begins with `Test`.

    Only `make` must be implemented. The other makers are for what a runtime offers beyond synchronous work;
    their tests are skipped as long as they answer None.

    Attributes:
        patience: Seconds after which something that should have happened has not.
    """

    patience: float = 5.0

    def make(self, work: Callable[[Question], Answer]) -> Tactic[Any, Any]:
        """Return a tactic from `Question` to `Answer` that does `work`.

        Args:
            work: A synchronous function. The tactic hands it the validated input and answers with what it
                returns; whatever it raises goes to the caller.
        """
        raise NotImplementedError

    def make_async(self, work: Callable[[Question], Awaitable[Answer]]) -> Tactic[Any, Any] | None:
        """Return a tactic that awaits `work`, or None when the runtime has no asynchronous work.

        Args:
            work: A coroutine function.
        """
        return None

    def make_stream(self, work: Callable[[Question], Iterator[Any]]) -> Tactic[Any, Any] | None:
        """Return a tactic from `Question` that streams what `work` yields, or None.

        Args:
            work: A generator function.
        """
        return None

    def make_astream(self, work: Callable[[Question], AsyncIterator[Any]]) -> Tactic[Any, Any] | None:
        """Return a tactic from `Question` that streams what `work` yields, or None.

        Args:
            work: An async generator function.
        """
        return None

    def error_type(self, error: type[Exception]) -> type[Exception]:
        """Return the type that a caller sees when the work raises `error`; the same one unless overridden.

        Args:
            error: What the work raises.
        """
        return error

    # --- one value in, one value out

    def test_run_answers_with_the_output_type(self) -> None:
        """`run` takes the model or what validates as one, and answers with a validated output."""
        tactic = self.make(shout)
        for value in ({"text": "hello"}, Question(text="hello")):
            answer = tactic.run(value)
            assert type(answer) is Answer
            assert answer.text == "HELLO"

    def test_every_way_to_call_agrees(self) -> None:
        """`run`, `arun` and the call of the tactic itself give the same answer."""
        tactic = self.make(shout)
        assert tactic.run({"text": "a"}) == asyncio.run(tactic.arun({"text": "a"})) == tactic({"text": "a"})

    def test_asynchronous_work_is_run_and_awaited(self) -> None:
        """A coroutine function works through `run` and through `arun`."""

        async def work(question: Question) -> Answer:
            await asyncio.sleep(0)
            return shout(question)

        tactic = self._need(self.make_async(work))
        assert tactic.run({"text": "a"}) == asyncio.run(tactic.arun({"text": "a"})) == Answer(text="A")

    def test_input_is_validated_before_the_work_begins(self) -> None:
        """A value that is no `Question` raises SchemaError for the input, and the work is never called."""
        begun: list[Question] = []

        def work(question: Question) -> Answer:
            begun.append(question)
            return shout(question)

        tactic = self.make(work)
        for call in (tactic.run, lambda value: asyncio.run(tactic.arun(value))):
            for value in ({"text": ["no"]}, {}, None, 7):
                with pytest.raises(SchemaError) as caught:
                    call(value)
                assert caught.value.direction == "input"
        assert begun == []

    def test_output_is_validated(self) -> None:
        """Work that answers with something else is an error of the output."""

        def work(question: Question) -> Answer:
            return {"words": question.text}  # type: ignore[return-value]  # that it lies is the point

        tactic = self.make(work)
        for call in (tactic.run, lambda value: asyncio.run(tactic.arun(value))):
            with pytest.raises(SchemaError) as caught:
                call({"text": "a"})
            assert caught.value.direction == "output"

    def test_errors_keep_type_and_text(self) -> None:
        """What the work raises arrives as it is, on every path."""
        tactic = self.make(fail)
        for call in (tactic.run, lambda value: asyncio.run(tactic.arun(value))):
            with pytest.raises(self.error_type(LookupError), match="no answer to life"):
                call({"text": "life"})

    def test_a_context_of_another_type_is_refused(self) -> None:
        """`context` is a CallContext or nothing; `return_trace` is a real flag."""
        tactic = self.make(shout)
        with pytest.raises(TypeError, match="CallContext"):
            tactic.run({"text": "a"}, context={"request_id": "r"})  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="return_trace"):
            tactic.run({"text": "a"}, return_trace=1)  # type: ignore[arg-type]

    def test_calls_share_no_state(self) -> None:
        """Many calls at once, from threads and on a loop: each gets its own answer."""
        tactic = self.make(shout)
        values = [{"text": f"t{number}"} for number in range(32)]
        wanted = [Answer(text=f"T{number}") for number in range(32)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(tactic.run, values)) == wanted

        async def together() -> list[Any]:
            return await asyncio.gather(*(tactic.arun(value) for value in values))

        assert asyncio.run(together()) == wanted

    # --- traces, sessions, cancellation

    def test_a_trace_tells_how_the_call_went(self) -> None:
        """`return_trace` answers with output and trace, and turns an exception into a result."""
        context = CallContext(request_id="r-1", metadata={"a": 1})
        good = self.make(shout).run({"text": "a"}, context=context, return_trace=True)
        bad = self.make(fail).run({"text": "a"}, context=context, return_trace=True)
        assert isinstance(good, CallResult)
        assert isinstance(bad, CallResult)
        assert (good.output, good.trace.state, good.trace.request_id) == (Answer(text="A"), "success", "r-1")
        assert (bad.output, bad.trace.state, bad.trace.request_id) == (None, "failure", "r-1")
        assert bad.trace.error_type == self.error_type(LookupError).__name__
        assert good.trace.metadata["a"] == 1

    def test_sessions_fold_into_the_caller(self) -> None:
        """What the work of two children used and cost is added up in the session of their parent."""

        def work(question: Question) -> Answer:
            record_usage("model", {"prompt_tokens": 3, "completion_tokens": 2}, cost=0.01)
            return shout(question)

        child = self.make(work)
        seen: list[TacticCallSession] = []

        class Parent(Tactic[Question, Answer], register=False):
            name = "conformance_parent"

            def _run(self, input_value: Question, *, context: CallContext | None = None) -> Answer:
                child.run(input_value)
                answer: Answer = child.run(input_value)
                session = current_session()
                assert session is not None
                seen.append(session)
                return answer

        for call in (Parent().run, lambda value: asyncio.run(Parent().arun(value))):
            call({"text": "a"})
            session = seen.pop()
            assert session.sub_tactic_call_count == 2
            assert session.agent_call_count == 0
            assert session.total_cost.total_tokens == 10
            assert session.total_cost.cost == pytest.approx(0.02)

    def test_cancelling_arun_cancels_the_work(self) -> None:
        """Asynchronous work sees the cancellation of the task that awaits `arun`."""
        begun, ended = threading.Event(), threading.Event()

        async def work(question: Question) -> Answer:
            begun.set()
            try:
                await asyncio.sleep(2 * self.patience)
            except asyncio.CancelledError:
                ended.set()
                raise
            return shout(question)

        tactic = self._need(self.make_async(work))

        async def cancelled() -> None:
            task = asyncio.create_task(tactic.arun({"text": "a"}))
            assert await asyncio.to_thread(begun.wait, self.patience)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # Here, because the end of the loop would cancel what was left running.
            assert await asyncio.to_thread(ended.wait, self.patience)

        asyncio.run(cancelled())

    # --- the description

    def test_info_says_what_the_tactic_does(self) -> None:
        """Names, schemas and capabilities are those of the tactic."""
        tactic = self.make(shout)
        info = tactic.info()
        assert info.name == tactic.tactic_name
        assert info.input_schema == export_json_schema(Question)
        assert info.output_schema == export_json_schema(Answer)
        assert info.capabilities == tuple(sorted(tactic.capabilities()))
        assert {"run", "arun"} <= tactic.capabilities()

    def test_info_is_a_copy(self) -> None:
        """Changing what `info` answered changes nothing of the tactic."""
        tactic = self.make(shout)
        described = tactic.info()
        described.metadata["changed"] = True
        described.examples.append({"changed": True})
        assert described.input_schema is not None
        described.input_schema.clear()
        again = tactic.info()
        assert "changed" not in again.metadata
        assert {"changed": True} not in again.examples
        assert again.input_schema == export_json_schema(Question)

    def test_capabilities_are_true(self) -> None:
        """A tactic streams if it says so and refuses otherwise; `supports` agrees with the list."""
        tactic = self.make(shout)
        for capability in ("run", "arun", "stream", "events"):
            assert tactic.supports(capability) == (capability in tactic.capabilities())
        if tactic.supports("stream"):
            assert list(tactic.stream({"text": "a"}))
        else:
            with pytest.raises(TacticUnsupportedError):
                list(tactic.stream({"text": "a"}))

    # --- streams

    def test_every_way_to_stream_agrees(self) -> None:
        """`stream`, `astream` and `aevents` deliver the same chunks in the same order."""
        for tactic in self._streams(["a", "b"]):
            chunks = _read_stream(tactic, {"text": "ab"})
            assert chunks == ["a", "b"]
            assert _read_astream(tactic, {"text": "ab"}) == chunks
            events = _read_aevents(tactic, {"text": "ab"})
            assert all(isinstance(event, TacticEvent) for event in events)
            assert [event.data for event in events if event.kind == "message"] == chunks
            assert tactic.supports("stream")

    def test_streams_validate_their_input(self) -> None:
        """A stream of an invalid input raises SchemaError before anything is delivered."""
        for tactic in self._streams(["a"]):
            for read in (_read_stream, _read_astream, _read_aevents):
                with pytest.raises(SchemaError) as caught:
                    read(tactic, {"text": 1})
                assert caught.value.direction == "input"

    def test_errors_in_a_stream_come_after_its_chunks(self) -> None:
        """What was yielded before the failure is delivered; then the failure itself arrives."""
        for tactic in self._streams(["a", LookupError("no more")]):
            seen: list[Any] = []
            with pytest.raises(self.error_type(LookupError), match="no more"):
                _deliver(tactic.stream({"text": "a"}), seen)
            assert seen == ["a"]

    def test_leaving_a_stream_stops_the_work(self) -> None:
        """Closing a stream early closes the generator behind it."""
        stopped = threading.Event()
        for tactic in self._streams(["a"] * 10_000, stopped=stopped):
            stream = tactic.stream({"text": "a"})
            assert next(iter(stream)) == "a"
            stream.close()  # type: ignore[attr-defined]
            assert stopped.wait(self.patience)
            stopped.clear()

            async def leave(tactic: Tactic[Any, Any] = tactic) -> None:
                chunks = tactic.astream({"text": "a"})
                assert await anext(aiter(chunks)) == "a"
                await chunks.aclose()  # type: ignore[attr-defined]

            asyncio.run(leave())
            assert stopped.wait(self.patience)
            stopped.clear()

    # --- what the tests share

    def _need(self, tactic: Tactic[Any, Any] | None) -> Tactic[Any, Any]:
        if tactic is None:
            pytest.skip("the runtime does not offer this")
        return tactic

    def _streams(
        self, script: list[Any], stopped: threading.Event | None = None
    ) -> Iterator[Tactic[Any, Any]]:
        """Yield each streaming tactic that the runtime makes of a script; an exception in it is raised."""

        def work(question: Question) -> Iterator[Any]:
            try:
                for step in script:
                    if isinstance(step, Exception):
                        raise step
                    yield step
            finally:
                if stopped is not None:
                    stopped.set()

        async def awork(question: Question) -> AsyncIterator[Any]:
            try:
                for step in script:
                    if isinstance(step, Exception):
                        raise step
                    await asyncio.sleep(0)
                    yield step
            finally:
                if stopped is not None:
                    stopped.set()

        made = [tactic for tactic in (self.make_stream(work), self.make_astream(awork)) if tactic is not None]
        if not made:
            pytest.skip("the runtime does not stream")
        yield from made


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def _read_stream(tactic: Tactic[Any, Any], value: Any) -> list[Any]:
    return list(tactic.stream(value))


def _read_astream(tactic: Tactic[Any, Any], value: Any) -> list[Any]:
    return asyncio.run(_collect(tactic.astream(value)))


def _read_aevents(tactic: Tactic[Any, Any], value: Any) -> list[Any]:
    return asyncio.run(_collect(tactic.aevents(value)))


def _deliver(items: Iterator[Any], seen: list[Any]) -> None:
    for item in items:
        seen.append(item)
