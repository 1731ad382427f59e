"""Many calls at once: order, failures, cancellation."""

import asyncio
import threading
import time

import pytest

from lllm import Tactic


class Work(Tactic, register=False):
    """Does what its task says: fail, wait, or answer."""

    name = "work"
    agent_group = ["writer"]
    ran = None

    def call(self, task, **kwargs):
        self.ran.append(task)
        if task == "fail":
            time.sleep(0.02)
            raise ValueError("asked to fail")
        if isinstance(task, float):
            time.sleep(task)
        writer = self.agents["writer"]
        writer.open("x")
        writer.receive(str(task))
        return writer.respond().content


@pytest.fixture
def work(group_config):
    """A tactic that notes the tasks that it begins."""
    tactic = Work({**group_config("writer"), "max_workers": 2})
    tactic.ran = []
    return tactic


def test_results_stand_in_the_order_of_the_tasks(work):
    """However long each one takes."""
    assert work.bcall([0.05, "b", 0.01]) == ["echo:0.05", "echo:b", "echo:0.01"]
    assert work.bcall([]) == []
    sessions = work.bcall(["a", "b"], return_sessions=True, tags={"t": 1})
    assert [session.delivery for session in sessions] == ["echo:a", "echo:b"]
    assert {session.tags["t"] for session in sessions} == {1}
    assert [s.state for s in work.bcall(["a"], return_session=True)] == ["success"]


def test_a_failure_stops_what_has_not_begun(work):
    """What runs ends, and the failure with the lowest index is raised."""
    with pytest.raises(ValueError, match="asked to fail") as caught:
        work.bcall(["fail", "a", *[0.01] * 50])
    assert caught.value.session.state == "failure"
    assert len(work.ran) < 50


def test_failures_can_stand_in_the_list(work):
    """As exceptions with their sessions, or as the failed sessions themselves."""
    results = work.bcall(["a", "fail", "b"], fail_fast=False)
    assert results[0] == "echo:a"
    assert isinstance(results[1], ValueError)
    assert results[1].session.state == "failure"
    sessions = work.bcall(["a", "fail"], fail_fast=False, return_sessions=True)
    assert [session.state for session in sessions] == ["success", "failure"]


def test_workers_are_limited_by_the_config(work):
    """Two at once, unless the call says otherwise."""
    running, most = [0], [0]
    lock = threading.Lock()

    class Counting(Work, register=False):
        def call(self, task, **kwargs):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.02)
            with lock:
                running[0] -= 1

    tactic = Counting(work.config)
    tactic.bcall(range(8))
    assert most[0] == 2
    tactic.bcall(range(8), max_workers=4)
    assert most[0] == 4


def test_results_are_yielded_as_they_complete(work):
    """Each with the index of its task."""

    async def collect():
        return [pair async for pair in work.ccall([0.2, "b", 0.01], max_workers=3)]

    pairs = asyncio.run(collect())
    assert sorted(pairs) == [(0, "echo:0.2"), (1, "echo:b"), (2, "echo:0.01")]
    assert pairs[-1][0] == 0


def test_a_failing_task_raises_at_its_turn(work):
    """With its index; or it is yielded like a result."""

    async def collect(**options):
        return [pair async for pair in work.ccall(["a", "fail"], max_workers=1, **options)]

    with pytest.raises(ValueError) as caught:
        asyncio.run(collect())
    assert caught.value.task_index == 1
    pairs = asyncio.run(collect(fail_fast=False))
    assert pairs[0] == (0, "echo:a")
    assert isinstance(pairs[1][1], ValueError)


def test_leaving_early_cancels_what_waits(work):
    """Without blocking the event loop."""

    async def leave():
        begun = time.monotonic()
        results = work.ccall([0.01, 0.3, *["later"] * 30], max_workers=2)
        async for _ in results:
            break
        await results.aclose()
        return time.monotonic() - begun

    assert asyncio.run(leave()) < 0.25
    time.sleep(0.35)
    assert len(work.ran) < 20


def test_an_awaited_call_does_not_block_the_loop(work):
    """Other tasks run while a synchronous call works."""

    async def run():
        ticks = 0
        task = asyncio.create_task(work.acall(0.1))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return ticks, await task

    ticks, result = asyncio.run(run())
    assert result == "echo:0.1"
    assert ticks > 3


def test_cancelling_an_awaited_call_stops_its_agents(group_config):
    """The session is a failure, and no further model call is made."""

    class Endless(Work, register=False):
        def call(self, task, **kwargs):
            writer = self.agents["writer"]
            writer.open("x")
            while True:
                writer.respond()

    tactic = Endless(group_config("writer", delay=0.02))

    async def run():
        task = asyncio.create_task(tactic.acall("x"))
        await asyncio.sleep(0.1)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error.session

    session = asyncio.run(run())
    assert session.state == "failure"
    tactic.executor.shutdown(wait=True)
    made = len(tactic.llm_invoker.seen)
    time.sleep(0.1)
    assert len(tactic.llm_invoker.seen) == made


def test_async_calls_run_on_the_loop(group_config):
    """`async def call` overlaps without threads."""

    class Awaiting(Work, register=False):
        async def call(self, task, **kwargs):
            writer = self.agents["writer"]
            writer.open("x")
            writer.receive(task)
            return (await writer.arespond()).content, threading.current_thread().name

    tactic = Awaiting(group_config("writer", delay=0.05))

    async def run():
        begun = time.monotonic()
        results = await asyncio.gather(*(tactic.acall(str(n)) for n in range(20)))
        return results, time.monotonic() - begun

    results, took = asyncio.run(run())
    assert {thread for _, thread in results} == {threading.current_thread().name}
    assert [text for text, _ in results] == [f"echo:{n}" for n in range(20)]
    assert took < 0.8
    assert tactic("x")[0] == "echo:x"
