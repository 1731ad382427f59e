"""Streams of classes that a runtime claims: what it binds may stream, or the runtime puts something around that."""

import asyncio
import copy
import sys
from types import ModuleType

import pytest

import lllm
from lllm import Tactic, TacticUnsupportedError
from lllm.testing.plugins import plugin_manager

__all__ = ["plugin_manager"]


class Letters(Tactic, register=False):
    """Streams what a bound tactic says, letter by letter."""

    def __init__(self, bound):
        super().__init__(name=bound.tactic_name)
        self.bound = bound

    def _stream(self, input_value, *, context=None):
        yield from self.bound.said + input_value


class Plain(lllm.Runtime):
    """Binds, and knows nothing of streams."""

    capabilities = frozenset()

    def attach(self, tactic, config):
        tactic.declared_capabilities = self.capabilities

    def bind(self, tactic, call):
        return copy.copy(tactic)


class Careless(Plain):
    """Says that it streams, and does not."""

    capabilities = frozenset({"stream"})


class Streaming(Careless):
    """Puts something around what it binds."""

    def streaming(self, bound, call):
        return Letters(bound)


class Minimal:
    """Has the methods that it needs, and does not inherit the others."""

    attach = Careless.attach
    bind = Careless.bind
    capabilities = frozenset({"stream"})


class Said(Tactic, register=False):
    """Claimed by the runtime of the test."""

    said = "ab"


@pytest.fixture
def claimed(plugin_manager, monkeypatch):
    """A function that makes a tactic whose class a runtime claims."""

    def make(runtime):
        module = ModuleType("claiming_runtime")
        module.Runtime = runtime
        monkeypatch.setitem(sys.modules, module.__name__, module)

        class Plugin:
            @staticmethod
            @lllm.hookimpl
            def lllm_runtimes():
                spec = {"summary": "Claims.", "claims": ("said",)}
                return [lllm.RuntimeSpec(name="claiming", target="claiming_runtime:Runtime", **spec)]

        plugin_manager.register(Plugin, name="claiming")
        return Said()

    return make


def test_the_runtime_streams_for_its_classes(claimed):
    """All three ways to read go through what it returns."""
    tactic = claimed(Streaming)

    async def read(chunks):
        return [chunk async for chunk in chunks]

    assert tactic.supports("stream")
    assert list(tactic.stream("c")) == ["a", "b", "c"]
    assert asyncio.run(read(tactic.astream("c"))) == ["a", "b", "c"]
    assert [event.data for event in asyncio.run(read(tactic.aevents("c")))] == ["a", "b", "c"]


@pytest.mark.parametrize("runtime", [Plain, Careless, Minimal])
def test_a_runtime_that_cannot_stream_says_so(claimed, runtime):
    """Whatever it has declared."""
    with pytest.raises(TacticUnsupportedError, match="does not support stream"):
        list(claimed(runtime).stream("c"))
