"""Wrappers around tactics and contexts that are out of the ordinary."""

import asyncio
import threading

import pytest

from lllm import CallContext, InMemoryProxyLog, SandboxLimitError, Tactic, proxy_tactic, sandbox_tactic
from lllm_wrappers import cache, limit, retry


class ByHand:
    """An asynchronous iterator that is no generator: it has no `aclose`."""

    def __init__(self, items):
        self.items = list(items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop(0)


class Plain(Tactic):
    """Overrides the public stream with such an iterator."""

    def astream(self, input_value, *, context=None, **options):
        return ByHand(input_value)


@pytest.mark.parametrize(
    "wrap",
    [
        proxy_tactic,
        lambda tactic: sandbox_tactic(tactic, {"timeout_seconds": 5}),
        cache,
        retry,
        lambda tactic: limit(tactic, concurrency=1),
    ],
)
def test_a_stream_without_aclose_passes(wrap):
    """What a tactic's own `astream` returns need not be a generator."""

    async def read():
        return [chunk async for chunk in wrap(Plain()).astream("abc")]

    assert asyncio.run(read()) == ["a", "b", "c"]


def test_a_refused_stream_does_not_begin_inside():
    """The policy is checked before the tactic inside is asked for its stream."""
    asked = []

    class Noting(Tactic):
        def astream(self, input_value, *, context=None, **options):
            asked.append(input_value)
            return ByHand(input_value)

    async def read():
        return [chunk async for chunk in sandbox_tactic(Noting(), {"max_input_bytes": 2}).astream("abc")]

    with pytest.raises(SandboxLimitError):
        asyncio.run(read())
    assert asked == []


def test_metadata_keys_that_are_no_strings_are_refused_by_name():
    """Whoever puts such keys into a context later gets the policy's own error."""
    context = CallContext()
    context.metadata = {2: "b", "a": 1}
    with pytest.raises(SandboxLimitError, match="Context metadata keys are not allowed: 2, a"):
        sandbox_tactic(Plain(), {"allowed_metadata_keys": []}).run(1, context=context)


def test_an_error_without_a_text_is_recorded():
    """The record is written whatever the exception says."""

    class Mute(Exception):
        def __str__(self):
            raise KeyError

    class Failing(Tactic):
        def _run(self, input_value, *, context=None):
            raise Mute

    log = InMemoryProxyLog()
    with pytest.raises(Mute):
        proxy_tactic(Failing(), sink=log).run(1)
    assert [record.error_type for record in log.records] == ["Mute"]


def test_a_cached_call_goes_on_when_the_one_that_works_goes_away():
    """Who waits for another caller's work does it when that caller is interrupted."""
    begun, leave = threading.Event(), threading.Event()

    class Interrupted(Tactic):
        tries = 0

        def _run(self, input_value, *, context=None):
            type(self).tries += 1
            if type(self).tries > 1:
                return "done"
            begun.set()
            leave.wait(5)
            raise KeyboardInterrupt

    tactic = cache(Interrupted())

    def first():
        with pytest.raises(KeyboardInterrupt):
            tactic.run(1)

    answers = []
    threads = [threading.Thread(target=first), threading.Thread(target=lambda: answers.append(tactic.run(1)))]
    threads[0].start()
    begun.wait(5)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join(5)
    assert answers == ["done"]
