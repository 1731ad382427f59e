"""Tactics say whether their work needs a thread, and outermost calls can be listened to."""

import asyncio

import pytest

from lllm import Tactic
from lllm.calls import root_calls


class Sync(Tactic, register=False):
    def _run(self, input_value, *, context=None):
        return input_value


class Async(Tactic, register=False):
    async def _arun(self, input_value, *, context=None):
        return input_value


class Coroutine(Tactic, register=False):
    async def _run(self, input_value, *, context=None):
        return input_value


class Both(Sync, register=False):
    async def _arun(self, input_value, *, context=None):
        return input_value


class Own(Tactic, register=False):
    def run(self, input_value, **kwargs):
        return input_value


class Streams(Tactic, register=False):
    async def _astream(self, input_value, *, context=None):
        yield input_value


class Outer(Tactic, register=False):
    async def _arun(self, input_value, *, context=None):
        return await Async().arun(input_value)


@pytest.mark.parametrize(
    ("cls", "blocking"),
    [(Sync, True), (Own, True), (Async, False), (Coroutine, False), (Both, False), (Streams, False)],
)
def test_a_tactic_says_whether_it_blocks(cls, blocking):
    """Only work that has no asynchronous form needs a thread of its own."""
    assert cls().blocking is blocking


def test_outermost_calls_are_told_of():
    """A list in `root_calls` gets every call that begins outside of another, and no other."""
    begun = []
    token = root_calls.set(begun)
    try:
        asyncio.run(Outer().arun(1))
        Sync().run(2)
    finally:
        root_calls.reset(token)
    Sync().run(3)
    assert [(call.tactic_name, call.state, call.output) for call in begun] == [
        ("Outer", "success", 1),
        ("Sync", "success", 2),
    ]
