"""Observers: plugins that are told of every call, from the outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import lllm
from lllm import Tactic
from lllm.plugins import PluginManager, use


class Watcher:
    """A plugin that writes down what it sees."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.ended: list[Any] = []

    @lllm.hookimpl
    def lllm_call_started(self, call: Any) -> None:
        self.begun.append((call.tactic_name, call.state))

    @lllm.hookimpl
    def lllm_call_finished(self, call: Any) -> None:
        self.ended.append(call)


class Echo(Tactic[str, str], register=False):
    """Says it again."""

    name = "echo"

    def _run(self, input_value: str, *, context: Any = None) -> str:
        if input_value == "fail":
            raise LookupError("asked to fail")
        return input_value


class Outer(Tactic[str, str], register=False):
    """Calls another tactic."""

    name = "outer"

    def _run(self, input_value: str, *, context: Any = None) -> str:
        result: str = Echo().run(input_value)
        return result


class Slow(Tactic[str, str], register=False):
    """Never ends by itself."""

    name = "slow"

    async def _arun(self, input_value: str, *, context: Any = None, **kwargs: Any) -> str:
        await asyncio.sleep(60)
        return input_value


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """Give a watcher that is the only plugin."""
    watching = Watcher()
    manager = PluginManager(discover=False)
    manager.register(watching, name="watcher")
    with use(manager):
        yield watching


def test_a_call_is_seen_when_it_begins_and_when_it_ends(watcher: Watcher) -> None:
    """The second time it has a state and a duration; `run` and `arun` alike."""
    Echo().run("a")
    asyncio.run(Echo().arun("b"))
    assert watcher.begun == [("echo", "running")] * 2
    assert [(call.state, call.error, call.output) for call in watcher.ended] == [
        ("success", None, "a"),
        ("success", None, "b"),
    ]
    assert all(call.duration_ms >= 0 for call in watcher.ended)
    assert len({call.request_id for call in watcher.ended}) == 2


def test_a_failure_is_seen_with_its_error(watcher: Watcher) -> None:
    """The caller gets the same exception."""
    with pytest.raises(LookupError) as caught:
        Echo().run("fail")
    (call,) = watcher.ended
    assert (call.state, call.error) == ("failure", caught.value)


def test_a_cancelled_call_is_seen_to_end(watcher: Watcher) -> None:
    """Whoever counts running calls counts right."""

    async def cancel() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Slow().arun("x"), 0.05)

    asyncio.run(cancel())
    assert [call.tactic_name for call in watcher.ended] == ["slow"]
    assert watcher.ended[0].state != "running"


def test_nested_calls_are_seen_with_their_parents(watcher: Watcher) -> None:
    """The inner one ends first."""
    Outer().run("a")
    assert [name for name, _ in watcher.begun] == ["outer", "echo"]
    inner, outer = watcher.ended
    assert (inner.tactic_name, outer.tactic_name) == ("echo", "outer")
    assert inner.parent is outer
    assert inner.trace_id == outer.trace_id


def test_observers_come_and_go(watcher: Watcher) -> None:
    """A manager used for a block observes calls in that block."""
    tactic = Echo()
    seen: list[str] = []
    other = PluginManager(discover=False)
    with use(other):
        tactic.run("a")
        observe = lllm.hookimpl(lambda call: seen.append(call.output))
        other.register(SimpleNamespace(lllm_call_finished=observe), name="late")
        tactic.run("b")
        other.unregister("late")
        tactic.run("c")
    tactic.run("d")
    assert seen == ["b"]
    assert [call.output for call in watcher.ended] == ["d"]


def test_nobody_watching_costs_nothing() -> None:
    """Without observers a call does not even ask."""
    with use(PluginManager(discover=False)) as manager:
        assert not manager.observed
        assert Echo().run("a") == "a"
