"""Work with a deadline: it costs a timer only where something is waited for, and changes nothing else."""

import asyncio

import pytest

from lllm import CallContext, DeadlineExceeded, Tactic
from lllm.tactic import streams


class Work(Tactic[str, str], register=False):
    """Does what its input says, and notes how it ended."""

    name = "work"

    def __init__(self):
        super().__init__()
        self.ended = []

    async def _arun(self, input_value, *, context=None):
        try:
            if input_value == "steps":
                for _ in range(3):
                    await asyncio.sleep(0)
                await asyncio.wait_for(asyncio.sleep(0.01), 5)
            elif input_value == "wait":
                await asyncio.sleep(60)
            elif input_value == "stop":
                raise StopAsyncIteration
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        return input_value.upper()


def within(seconds):
    """Return a context with a deadline."""
    return CallContext().limit(seconds)


def test_work_that_waits_for_nothing_needs_no_timer(monkeypatch):
    """It is done before one could be set."""
    monkeypatch.setattr(streams.asyncio, "timeout", None)
    assert asyncio.run(Work().arun("now", context=within(60))) == "NOW"


@pytest.mark.parametrize("seconds", [60, None])
def test_every_step_is_made(seconds):
    """Pauses without anything to wait for, and futures, reach the loop as they would without a deadline."""
    assert asyncio.run(Work().arun("steps", context=within(seconds))) == "STEPS"


def test_waiting_work_is_cancelled_at_its_deadline():
    """And its caller is told why."""
    work = Work()
    with pytest.raises(DeadlineExceeded):
        asyncio.run(work.arun("wait", context=within(0.05)))
    assert work.ended == ["cancelled"]


def test_a_caller_can_cancel_before_the_deadline():
    """What it waits for is cancelled, and it sees its own cancellation."""
    work = Work()

    async def main():
        call = asyncio.create_task(work.arun("wait", context=within(60)))
        await asyncio.sleep(0.01)
        call.cancel()
        await call

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert work.ended == ["cancelled"]


def test_errors_of_the_first_step_pass():
    """As they would have without a deadline."""
    with pytest.raises(StopAsyncIteration):
        asyncio.run(Work().arun("stop", context=within(60)))
