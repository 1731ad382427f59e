"""What people do to tactics that no tutorial shows: endless recursion, forks, nested driving, dropped streams."""

import asyncio
import contextvars
import copy
import gc
import os
import threading
from typing import Generic, TypeVar

import pytest
from pydantic import BaseModel

from lllm import CallContext, DeadlineExceeded, SchemaError, Tactic
from lllm.background import adrive, drive, iterate_async, run_in_thread

Given = TypeVar("Given")
Answer = TypeVar("Answer")


class Number(BaseModel):
    """An input."""

    value: int


class Forwarding(Tactic[Given, Answer], Generic[Given, Answer]):
    """A generic base."""


class FurtherForwarding(Forwarding[Given, Answer], Generic[Given, Answer]):
    """A generic base of a generic base."""


class Chunks(Tactic):
    """Streams one chunk."""

    def _stream(self, input_value, *, context=None):
        yield input_value


def in_time(function):
    """Return what a function returns, or fail when it does not return within five seconds."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()), daemon=True)
    thread.start()
    thread.join(5)
    assert answers, "it hangs"
    return answers[0]


def test_driven_code_may_drive_at_any_depth():
    """Every level that blocks its loop gets another one, whether it blocks by driving or by a sync stream."""

    async def items():
        yield 1
        yield 2

    async def innermost():
        return list(await run_in_thread(list, iterate_async(items)))

    async def third():
        return await adrive(innermost())

    async def second():
        return drive(third())

    async def first():
        return drive(second())

    assert in_time(lambda: drive(first())) == [1, 2]


@pytest.mark.parametrize("wish", [SystemExit, KeyboardInterrupt])
def test_driven_code_that_wants_to_end_the_process_does_not_end_the_loop(wish):
    """Who waits gets the exception, also from a task below; whoever drives next is served as before."""

    async def leave():
        raise wish("enough")

    async def below():
        await asyncio.create_task(leave())

    async def stay():
        return "still here"

    for coroutine in (leave, below):
        with pytest.raises(wish, match="enough"):
            drive(coroutine())
        assert drive(stay()) == "still here"


def test_a_stop_iteration_in_a_worker_thread_is_an_error_and_no_hang():
    """A future cannot carry it; the caller learns of it as generators tell it, by a RuntimeError."""

    class Empty(Tactic):
        def _run(self, input_value, *, context=None):
            return next(iter(input_value))

    async def call():
        await asyncio.wait_for(Empty().arun([]), 5)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(call())


def test_an_exception_without_a_text_is_still_the_one_that_is_raised():
    """What fails in `__str__` never takes the place of the failure, and trace and session say so."""

    class Mute(Exception):
        def __str__(self):
            raise KeyError("no text")

    class Failing(Tactic):
        def _run(self, input_value, *, context=None):
            raise Mute

    with pytest.raises(Mute) as failure:
        Failing().run(1)
    assert failure.value.session.error == "Mute: <no text: __str__ raised KeyError>"
    assert Failing().run(1, return_trace=True).trace.error_type == "Mute"


def test_a_failure_deep_below_writes_down_the_innermost_frames():
    """Every call of a nest keeps a traceback, so each is cut to the frames next to the failure."""

    class Nest(Tactic):
        def _run(self, input_value, *, context=None):
            if input_value == 60:
                raise ValueError("at the bottom")
            return self.run(input_value + 1)

    with pytest.raises(ValueError, match="at the bottom") as failure:
        Nest().run(0)
    text = failure.value.session.error_traceback
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: at the bottom\n")
    assert text.count('  File "') == 64


def test_a_traceback_shows_the_cause():
    """Causes stand before the failure, with their own frames."""

    class Failing(Tactic):
        def _run(self, input_value, *, context=None):
            try:
                return {}["key"]
            except KeyError as error:
                raise ValueError("no such thing") from error

    text = Failing().run(1, return_trace=True).trace.traceback
    assert "KeyError: 'key'\n\nThe above exception was the direct cause" in text
    assert text.count('return {}["key"]') == 1


def test_types_reach_a_class_through_several_generic_bases():
    """Each base may forward its parameters to the next."""

    class Both(FurtherForwarding[Number, int]):
        pass

    class Half(Forwarding[Number, Answer], Generic[Answer]):
        pass

    class Whole(Half[str]):
        pass

    assert (Both.input_type, Both.output_type) == (Number, int)
    assert (Whole.input_type, Whole.output_type) == (Number, str)


def test_a_model_that_is_not_complete_is_a_schema_error():
    """An annotation that names nothing is told as every other trouble with a schema."""

    class Incomplete(BaseModel):
        part: "NowhereDefined"  # noqa: F821

    class Taking(Tactic):
        input_type = Incomplete

    with pytest.raises(SchemaError, match="Cannot build a validator for Incomplete"):
        Taking().run({"part": 1})


def test_a_class_with_one_public_method_has_the_other_too():
    """`capabilities` names both, so both work."""

    class Runs(Tactic):
        def run(self, input_value, **options):
            return input_value + 1

    class Awaits(Tactic):
        async def arun(self, input_value, **options):
            return input_value + 1

    assert asyncio.run(Runs().arun(1)) == 2
    assert Awaits().run(1) == 2


def test_a_deadline_ends_asynchronous_work_of_a_synchronous_call():
    """`run` keeps the deadline as `arun` does."""

    class Slow(Tactic):
        async def _arun(self, input_value, *, context=None):
            await asyncio.sleep(10)

    with pytest.raises(DeadlineExceeded):
        Slow().run(1, context=CallContext().limit(0.05))


def test_a_stream_that_is_never_read_ends_its_call():
    """Closed or dropped, the session of the call does not stay `running`."""

    class Owner(Tactic):
        def _run(self, input_value, *, context=None):
            Chunks().stream(1).close()
            Chunks().stream(2)

    session = Owner().run(1, return_session=True)
    assert [child.state for child in session.sub_tactic_sessions["Chunks"]] == ["failure", "failure"]


def test_an_asynchronous_stream_that_is_never_read_ends_its_call():
    """The same on an event loop, which closes what is dropped."""

    class Owner(Tactic):
        async def _arun(self, input_value, *, context=None):
            await Chunks().astream(1).aclose()
            Chunks().aevents(2)
            gc.collect()
            await asyncio.sleep(0.01)

    session = asyncio.run(Owner().arun(1, return_session=True))
    assert [child.state for child in session.sub_tactic_sessions["Chunks"]] == ["failure", "failure"]


def test_a_stream_made_outside_of_a_loop_is_read_inside_of_one():
    """The first chunk is the first that the tactic gives."""
    chunks = Chunks().astream(7)

    async def read():
        return [chunk async for chunk in chunks]

    assert asyncio.run(read()) == [7]


def test_a_call_that_its_loop_left_behind_is_collected_in_silence(recwarn):
    """Closing the coroutine from outside its task leaves the running call of that place alone."""

    class Waiting(Tactic):
        async def _arun(self, input_value, *, context=None):
            await asyncio.sleep(10)

    coroutine = Waiting().arun(1)
    loop = asyncio.new_event_loop()
    other = contextvars.Context()
    loop.call_soon(lambda: other.run(coroutine.send, None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    coroutine.close()
    loop.close()
    assert not recwarn.list


def test_a_fresh_context_of_a_subclass_has_the_fields_of_the_subclass():
    """Its own defaults are there, and what is shared with the context above too."""

    class Tenant(CallContext):
        tenant: str = "nobody"

    above = CallContext(trace_id="t").limit(60)
    below = Tenant.fresh(above)
    assert (below.tenant, below.trace_id, below.deadline) == ("nobody", "t", above.deadline)


def test_a_part_of_a_running_call_can_be_copied():
    """The copy is a tactic like the part."""

    class Part(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    class Whole(Tactic):
        name = "odd_whole"
        agent_group = []

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.part = Part()

        def call(self, task, **kwargs):
            return copy.copy(self.part).run(task)

    assert Whole({})(3) == 3


def test_ccall_takes_tags_where_they_always_were():
    """By position: tasks, workers, tags, metadata, sessions; `fail_fast` only by keyword."""

    class Group(Tactic):
        name = "odd_group"
        agent_group = []

        def call(self, task, **kwargs):
            return task

    async def collect():
        return [item async for item in Group({}).ccall([1], 1, {"team": "a"}, {"run": 2}, True)]

    ((index, session),) = asyncio.run(collect())
    assert (index, session.tags, session.metadata) == (0, {"team": "a"}, {"run": 2})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_calls_agent_groups():
    """The threads of the parent are not there; the child makes its own."""

    class Group(Tactic):
        name = "odd_forked"
        agent_group = []

        def call(self, task, **kwargs):
            return task

    group = Group({})
    assert asyncio.run(group.acall(1)) == 1
    pid = os.fork()
    if pid == 0:
        answer = 1
        try:
            answer = in_time(lambda: asyncio.run(asyncio.wait_for(group.acall(5), 4)))
        finally:
            os._exit(answer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
