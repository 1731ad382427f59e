"""run and arun: validation, contexts, traces, sessions, errors and cancellation."""

import asyncio
import threading
import time

import pytest
from pydantic import BaseModel

from lllm import (
    CallContext,
    DeadlineExceeded,
    SchemaError,
    Tactic,
    TacticError,
    TacticUnsupportedError,
    current_call,
)


class Number(BaseModel):
    value: int


def make(**methods):
    """Return an instance of a tactic class with the given methods."""
    return type("Made", (Tactic,), methods)()


def both(tactic, value, **kwargs):
    """Return what run and arun return."""
    return tactic.run(value, **kwargs), asyncio.run(tactic.arun(value, **kwargs))


def test_input_and_output_are_validated(echo):
    """Dictionaries become models on the way in; both paths agree."""
    assert [out.text for out in both(echo, {"text": "hi"})] == ["HI", "HI"]


@pytest.mark.parametrize("value", [{"text": 1}, {}, None, "text"])
def test_bad_input_is_a_schema_error(echo, value):
    """The error says which schema and which direction, on both paths."""
    for call in (echo.run, lambda v: asyncio.run(echo.arun(v))):
        with pytest.raises(SchemaError, match="Value does not match schema EchoInput") as caught:
            call(value)
        assert caught.value.direction == "input"


def test_bad_output_is_a_schema_error():
    """What the implementation returns is checked as well."""
    tactic = make(output_type=Number, _run=lambda self, v, *, context=None: {"value": "x"})
    with pytest.raises(SchemaError, match="Number") as caught:
        tactic.run(1)
    assert caught.value.direction == "output"


def test_a_context_is_made_when_none_is_given():
    """The implementation always gets a CallContext; each call has its own id."""
    seen = []
    tactic = make(_run=lambda self, v, *, context=None: seen.append(context))
    both(tactic, 1)
    assert all(isinstance(context, CallContext) for context in seen)
    assert seen[0].request_id != seen[1].request_id
    given = CallContext(trace_id="t")
    tactic.run(1, context=given)
    assert seen[2] is given


@pytest.mark.parametrize("context", [{}, "ctx", 1])
def test_a_context_is_a_call_context(echo, context):
    """Dictionaries are not taken for contexts."""
    with pytest.raises(TypeError, match=r"^context must be a CallContext\.$"):
        echo.run({"text": "x"}, context=context)
    with pytest.raises(TypeError, match="context"):
        asyncio.run(echo.arun({"text": "x"}, context=context))


@pytest.mark.parametrize("flag", [0, 1, "true", None])
def test_return_trace_is_a_real_boolean(echo, flag):
    """Strict flags name themselves."""
    with pytest.raises(TypeError, match="return_trace must be a boolean"):
        echo.run({"text": "x"}, return_trace=flag)
    with pytest.raises(TypeError, match="return_session must be a boolean"):
        echo.run({"text": "x"}, return_session=flag)


def test_trace_of_a_success(echo):
    """The trace carries the context's id and a copy of its metadata; the output is the very object."""
    context = CallContext(request_id="r1", metadata={"a": [1]})
    result = echo.run({"text": "x"}, context=context, return_trace=True)
    assert result.output.text == "X"
    trace = result.trace
    assert (trace.request_id, trace.tactic, trace.state) == ("r1", "echo", "success")
    assert (trace.input_type, trace.output_type) == ("EchoInput", "EchoOutput")
    assert trace.metadata == {"a": [1]}
    assert trace.metadata["a"] is not context.metadata["a"]


def test_a_trace_does_not_copy_the_output():
    """Objects that cannot be copied, and large ones, come back as they are."""
    lock = threading.Lock()
    tactic = make(_run=lambda self, v, *, context=None: lock)
    assert tactic.run(1, return_trace=True).output is lock


def test_trace_of_a_failure(echo):
    """An exception ends in a failed trace instead of a raise; bad input too."""

    def fail(self, value, *, context=None):
        raise ValueError("cannot")

    for result in both(make(_run=fail), 1, return_trace=True):
        assert result.output is None
        assert (result.trace.state, result.trace.error_type, result.trace.error) == (
            "failure",
            "ValueError",
            "cannot",
        )
        assert "in fail" in result.trace.traceback
    assert echo.run(1, return_trace=True).trace.error_type == "SchemaError"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_base_exceptions_are_never_swallowed(error):
    """A trace does not keep a program from being stopped."""

    def stop(self, value, *, context=None):
        raise error

    with pytest.raises(error):
        make(_run=stop).run(1, return_trace=True)


def test_session_of_a_success_and_of_a_failure(echo):
    """True returns the session and still raises; "always" returns the failed session; exceptions carry it."""
    session = echo.run({"text": "x"}, return_session=True)
    assert (session.state, session.delivery.text, session.task.text) == ("success", "X", "x")
    assert session.duration_ms > 0

    def fail(self, value, *, context=None):
        raise LookupError("gone")

    failing = make(_run=fail)
    with pytest.raises(LookupError) as caught:
        failing.run(1, return_session=True)
    assert caught.value.session.error == "LookupError: gone"
    failed = failing.run(1, return_session="always")
    assert (failed.state, failed.task) == ("failure", 1)
    assert "in fail" in failed.error_traceback


def test_trace_and_session_exclude_each_other(echo):
    """A call returns one thing."""
    with pytest.raises(TypeError, match="return_trace and return_session"):
        echo.run({"text": "x"}, return_trace=True, return_session=True)


def test_nothing_implemented_is_unsupported():
    """The error names the class and the method."""

    class Empty(Tactic):
        pass

    with pytest.raises(TacticUnsupportedError, match=r"^Empty does not implement _run\(\)\.$"):
        Empty().run(1)
    with pytest.raises(TacticUnsupportedError, match=r"_run\(\)"):
        asyncio.run(Empty().arun(1))


def test_keyword_arguments_reach_the_implementation():
    """Whatever run and arun do not know is passed on."""
    tactic = make(_run=lambda self, v, *, context=None, scale=1, tags=None: (v * scale, tags))
    assert both(tactic, 2, scale=3, tags="mine") == ((6, "mine"), (6, "mine"))
    assert tactic(2, tags={"a": 1}) == (2, {"a": 1})


def test_async_implementations_run_from_both_sides():
    """`async def _run`, `_arun` alone, and a function that returns an awaitable."""

    async def work(self, value, *, context=None):
        await asyncio.sleep(0)
        return value + 1

    for tactic in (
        make(_run=work),
        make(_arun=work),
        make(_run=lambda self, v, *, context=None: work(self, v, context=context)),
    ):
        assert both(tactic, 1) == (2, 2)


def test_run_of_an_async_tactic_inside_a_loop_is_a_clear_error():
    """Blocking the loop would be worse; the text says what to call instead."""

    async def work(self, value, *, context=None):
        return value

    async def main():
        return make(_run=work).run(1)

    with pytest.raises(TacticError, match=r"await arun\(\) instead of calling run\(\)"):
        asyncio.run(main())


def test_arun_of_a_sync_tactic_keeps_the_loop_free():
    """The work happens in a worker thread, with the caller's context variables."""
    threads = []

    def work(self, value, *, context=None):
        threads.append(threading.current_thread())
        time.sleep(0.05)
        return current_call().tactic_name

    async def main():
        ticks = 0
        task = asyncio.create_task(make(_run=work).arun(1))
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        return task.result(), ticks

    name, ticks = asyncio.run(main())
    assert name == "Made"
    assert ticks >= 3
    assert threads[0] is not threading.main_thread()


def test_cancelling_arun_cancels_async_work_and_tells_threads():
    """A coroutine is cancelled; a thread sees `context.cancelled`."""
    told = threading.Event()

    def watch(self, value, *, context=None):
        while not context.cancelled:
            time.sleep(0.002)
        told.set()

    async def cancel(tactic):
        task = asyncio.create_task(tactic.arun(1))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel(make(_run=watch)))
    assert told.wait(2)

    closed = []

    async def forever(self, value, *, context=None):
        try:
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    asyncio.run(cancel(make(_arun=forever)))
    assert closed == [True]


def test_a_deadline_ends_async_work():
    """The work is cancelled and the error says why; a TimeoutError of the work's own is not relabelled."""

    async def forever(self, value, *, context=None):
        await asyncio.sleep(60)

    with pytest.raises(DeadlineExceeded, match="deadline"):
        asyncio.run(make(_arun=forever).arun(1, context=CallContext().limit(0.02)))

    async def own(self, value, *, context=None):
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        asyncio.run(make(_arun=own).arun(1, context=CallContext().limit(5)))


def test_a_spent_deadline_starts_nothing():
    """No work is begun for a caller who has stopped waiting."""
    ran = []
    tactic = make(_run=lambda self, v, *, context=None: ran.append(v))
    context = CallContext().limit(-1)
    with pytest.raises(DeadlineExceeded):
        tactic.run(1, context=context)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(tactic.arun(1, context=context))
    assert ran == []


def test_overridden_validation_is_used():
    """validate_input and validate_output are the one place where values are checked."""
    tactic = make(
        validate_input=lambda self, v: v * 2,
        validate_output=lambda self, v: f"<{v}>",
        _run=lambda self, v, *, context=None: v,
    )
    assert both(tactic, 2) == ("<4>", "<4>")


def test_a_subclass_without_super_init_still_works():
    """Forgetting `super().__init__()` costs nothing but the constructor's arguments."""

    class Careless(Tactic):
        def __init__(self):
            self.scale = 2

        def _run(self, input_value, *, context=None):
            return input_value * self.scale

    assert Careless().run(2) == 4
    assert Careless().info().metadata == {}
