"""Tactics to wrap."""

import asyncio
import time

import pytest
from pydantic import BaseModel

from lllm import Tactic, TacticEvent, record_usage


class Word(BaseModel):
    text: str


class Echo(Tactic[Word, Word]):
    """Runs and streams, synchronously and not."""

    name = "echo"

    def _run(self, input_value, *, context=None):
        record_usage("model", {"total_tokens": 2, "response_cost": 0.01})
        return Word(text=input_value.text.upper())

    def _stream(self, input_value, *, context=None):
        yield from input_value.text

    async def _astream(self, input_value, *, context=None):
        for letter in input_value.text:
            await asyncio.sleep(0)
            yield letter


class Native(Tactic[Word, Word]):
    """Brings events of its own."""

    name = "native"

    async def _arun(self, input_value, *, context=None):
        return input_value

    async def _aevents(self, input_value, *, context=None):
        yield TacticEvent(kind="text", data=input_value.text)
        yield TacticEvent.result({"text": input_value.text})


class Flaky(Tactic[Word, Word]):
    """Fails a number of times before it succeeds; streams fail after some chunks."""

    name = "flaky"

    def __init__(self, failures, error=ConnectionError, chunks=0):
        super().__init__()
        self.failures = failures
        self.error = error
        self.chunks = chunks
        self.calls = 0

    def _attempt(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"failure {self.calls}")

    def _run(self, input_value, *, context=None):
        self._attempt()
        return input_value

    def _stream(self, input_value, *, context=None):
        yield from input_value.text[: self.chunks]
        self._attempt()
        yield from input_value.text[self.chunks :]


class Sleepy(Tactic[Word, Word]):
    """Takes its time, in a thread or on the loop, and notices when nobody waits."""

    name = "sleepy"

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self.stopped = False

    def _run(self, input_value, *, context=None):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            if context.cancelled:
                self.stopped = True
                break
            time.sleep(0.002)
        return input_value

    def _stream(self, input_value, *, context=None):
        for letter in input_value.text:
            yield letter
            self._run(input_value, context=context)


async def collect(iterator):
    """Return the items of an asynchronous iterator."""
    return [item async for item in iterator]


@pytest.fixture
def tactics():
    """The classes above, by name."""
    return {
        "echo": Echo,
        "native": Native,
        "flaky": Flaky,
        "sleepy": Sleepy,
        "word": Word,
        "collect": collect,
    }


@pytest.fixture
def echo():
    """A tactic that upper-cases and streams letters."""
    return Echo()
