"""Deadlines and cancellation: the run ends when its caller no longer waits."""

import asyncio
import threading
import time
from functools import partial

import pytest
from pydantic_ai import Agent, CancellationToken, RunContext
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import CallContext, DeadlineExceeded
from lllm_runtime_pydantic_ai import AgentCancelled, AgentTimeout, PydanticAITactic
from lllm_runtime_pydantic_ai.agent_facts import Accepted
from lllm_runtime_pydantic_ai.rounds import rounds_here
from lllm_runtime_pydantic_ai.stopping import CallerWatch

ANYTHING = Accepted(frozenset(), everything=True)
NOTHING = Accepted(frozenset(), everything=False)
TOKENS = Accepted(frozenset({"cancellation_token"}), everything=False)


class Endless:
    """A model that never answers, and tells when it was asked and when it was stopped."""

    def __init__(self):
        self.begun, self.stopped = threading.Event(), threading.Event()
        self.tactic = PydanticAITactic(
            Agent(FunctionModel(self.answer, stream_function=self.stream), name="endless")
        )

    async def answer(self, messages, info):
        self.begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.stopped.set()

    async def stream(self, messages, info):
        yield "first"
        await self.answer(messages, info)


@pytest.fixture
def endless():
    return Endless()


async def collect(items):
    """Return the items of an asynchronous iterator."""
    return [item async for item in items]


WAYS = {
    "run": lambda tactic, **kwargs: tactic.run("x", **kwargs),
    "arun": lambda tactic, **kwargs: asyncio.run(tactic.arun("x", **kwargs)),
    "stream": lambda tactic, **kwargs: list(tactic.stream("x", **kwargs)),
    "astream": lambda tactic, **kwargs: asyncio.run(collect(tactic.astream("x", **kwargs))),
    "aevents": lambda tactic, **kwargs: asyncio.run(collect(tactic.aevents("x", **kwargs))),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_deadline_of_the_caller_ends_the_run(endless, way):
    """On every path, with the core's error."""
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        way(endless.tactic, context=CallContext().limit(0.3))
    assert time.monotonic() - begun < 5
    assert endless.stopped.wait(5) or not endless.begun.is_set()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_caller_that_has_gone_ends_the_run(endless, way):
    """A context that is cancelled from another thread stops the work, on every path."""
    context = CallContext()

    def leave():
        endless.begun.wait(5)
        context.cancel()

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises(AgentCancelled):
        way(endless.tactic, context=context)
    thread.join()
    assert endless.stopped.wait(3)


def test_cancelling_the_task_cancels_the_run(endless):
    """`arun` raises CancelledError as any coroutine does, when the model has been stopped."""

    async def main():
        task = asyncio.create_task(endless.tactic.arun("x"))
        assert await asyncio.to_thread(endless.begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert endless.stopped.is_set()

    asyncio.run(main())


@pytest.mark.parametrize("way", ["astream", "aevents"])
def test_cancelling_a_reader_closes_the_stream(endless, way):
    """The task that owns the stream has ended before the reader's error arrives."""

    async def main():
        task = asyncio.create_task(collect(getattr(endless.tactic, way)("x")))
        assert await asyncio.to_thread(endless.begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert endless.stopped.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_cancelled_run_is_recorded(endless):
    """Its session says so."""
    context = CallContext().limit(0.05)
    session = endless.tactic.run("x", context=context, return_session="always")
    assert session.state == "failure"
    assert session.agent_sessions["endless"][0].state == "failure"


def test_a_time_limit_of_the_run_is_no_deadline(endless):
    """`timeout`, where the library has it, is the run's own."""
    with pytest.raises((AgentTimeout, TypeError)) as caught:
        endless.tactic.run("x", timeout=0.05)
    if caught.type is TypeError:
        pytest.skip("this release of the library has no time limit for runs")
    with pytest.raises(DeadlineExceeded):
        endless.tactic.run("x", timeout=30, context=CallContext().limit(0.05))


def test_a_token_of_the_user_works_and_is_not_used_up(endless):
    """It cancels the run; a caller that goes leaves it as it was."""
    token, context = CancellationToken(), CallContext()
    threading.Timer(0.05, token.cancel).start()
    with pytest.raises(AgentCancelled):
        endless.tactic.run("x", cancellation_token=token)
    unused = CancellationToken()
    threading.Timer(0.05, context.cancel).start()
    with pytest.raises(AgentCancelled):
        endless.tactic.run("x", cancellation_token=unused, context=context)
    assert not unused.cancelled


def test_a_tool_may_cancel_its_run():
    """`ctx.cancel()` of the library is a cancellation."""
    agent = Agent(ScriptedModel(), name="quitter")

    @agent.tool
    async def quit_now(ctx: RunContext[object]) -> str:
        ctx.cancel()
        await asyncio.sleep(5)
        return "never"

    with pytest.raises(AgentCancelled, match="quitter") as caught:
        PydanticAITactic(agent).run("x")
    assert type(caught.value.__cause__).__name__ == "RunCancelled"


def test_a_tactic_in_a_tool_shares_the_deadline(endless):
    """The inner run ends with the outer one."""
    agent = Agent(ScriptedModel())

    @agent.tool_plain
    def ask() -> str:
        return endless.tactic.run("q")

    with pytest.raises(DeadlineExceeded):
        PydanticAITactic(agent).run("x", context=CallContext().limit(0.5))
    assert endless.stopped.wait(5) or not endless.begun.is_set()


# --- without the library's own means


async def wait_inside(context, arguments, accepted, raised=None):
    """Run something endless, or something that fails, under a watch, and return what it ended with."""
    watch = CallerWatch(context, arguments, accepted)
    await watch.begin()
    try:
        if raised is not None:
            raise raised
        await asyncio.sleep(60)
    except BaseException as error:
        return await watch.end(error)


def test_a_release_without_time_limits_keeps_the_deadline():
    """Then this package keeps it, and ends with the same error."""
    ended = asyncio.run(wait_inside(CallContext().limit(0.05), {}, NOTHING))
    assert type(ended) is DeadlineExceeded
    ended = asyncio.run(wait_inside(CallContext().limit(0.05), {}, TOKENS))
    assert type(ended) is DeadlineExceeded


def test_a_release_without_tokens_sees_the_cancellation():
    """Then the run is left by cancelling its task, which is not cancelled for anybody outside."""
    context = CallContext()

    async def main():
        asyncio.get_running_loop().call_later(0.02, context.cancel)
        assert type(await wait_inside(context, {}, NOTHING)) is AgentCancelled
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(main())


def test_what_the_library_can_do_is_left_to_it():
    """The shorter of both time limits, and a token of its own for each run."""

    async def main():
        for own, kept in ((None, 5.0), (1.0, 1.0), (60.0, 5.0)):
            arguments = {} if own is None else {"timeout": own}
            watch = CallerWatch(CallContext().limit(5.0), arguments, ANYTHING)
            assert arguments["timeout"] == pytest.approx(kept, abs=0.5)
            assert not arguments["cancellation_token"].cancelled
            assert await watch.end(None) is None

    asyncio.run(main())


def test_other_errors_of_the_run_pass():
    """Only the ends that are put to a run here are translated."""
    raised = TimeoutError("its own")
    for accepted in (NOTHING, ANYTHING):
        assert asyncio.run(wait_inside(CallContext(), {}, accepted, raised)) is raised


def test_one_timer_looks_at_every_run_of_a_loop():
    """It goes round while anything is in it, rests, and begins again; a loop has its own."""

    async def look_at(count):
        rounds, seen, all_seen = rounds_here(), set(), asyncio.Event()
        assert rounds_here() is rounds

        def look(number):
            seen.add(number)
            if len(seen) == count:
                all_seen.set()

        looks = [partial(look, number) for number in range(count)]
        for each in looks:
            rounds.add(each)
        await all_seen.wait()
        for each in looks:
            rounds.discard(each)
        return rounds

    async def main():
        first = await look_at(3)
        await asyncio.sleep(0.12)  # a round with nothing in it has passed
        assert await look_at(2) is first
        return first

    assert asyncio.run(main()) is not asyncio.run(main())


def test_many_runs_are_ended_at_once(endless):
    """Each by its own caller, and only by that one."""
    contexts = [CallContext() for _ in range(5)]

    async def main():
        tasks = [asyncio.create_task(endless.tactic.arun("x", context=context)) for context in contexts]
        for context, task in zip(contexts, tasks, strict=True):
            assert not task.done()
            context.cancel()
            with pytest.raises(AgentCancelled):
                await task

    asyncio.run(main())
