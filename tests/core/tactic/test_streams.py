"""Streams: validation, both directions of the sync and async bridge, events, closing."""

import asyncio
import time

import pytest
from pydantic import BaseModel

from lllm import (
    CallContext,
    DeadlineExceeded,
    SchemaError,
    Tactic,
    TacticEvent,
    TacticUnsupportedError,
    current_call,
)


class Word(BaseModel):
    text: str


def stream_sync(self, value, *, context=None):
    yield from value.text


async def stream_async(self, value, *, context=None):
    for letter in value.text:
        await asyncio.sleep(0)
        yield letter


def public_sync(self, value, *, context=None, **kwargs):
    yield from self.validate_input(value).text


async def public_async(self, value, *, context=None, **kwargs):
    for letter in self.validate_input(value).text:
        yield letter


async def public_events(self, value, *, context=None, **kwargs):
    for letter in self.validate_input(value).text:
        yield TacticEvent(data=letter)


def make(**methods):
    """Return an instance of a streaming tactic class."""
    return type("Streaming", (Tactic,), {"input_type": Word, **methods})()


async def collect(iterator):
    """Return the items of an asynchronous iterator."""
    return [item async for item in iterator]


WAYS = {
    "_stream": stream_sync,
    "_astream": stream_async,
    "stream": public_sync,
    "astream": public_async,
    "aevents": public_events,
    "_aevents": public_events,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_streaming_serves_every_reader(way):
    """Whichever method a class brings, stream, astream and aevents all work."""
    tactic = make(**{way: WAYS[way]})
    assert list(tactic.stream({"text": "abc"})) == ["a", "b", "c"]
    assert asyncio.run(collect(tactic.astream({"text": "abc"}))) == ["a", "b", "c"]
    events = asyncio.run(collect(tactic.aevents({"text": "abc"})))
    assert [(event.kind, event.data) for event in events] == [("message", letter) for letter in "abc"]


@pytest.mark.parametrize("way", ["_stream", "_astream"])
def test_input_is_validated_before_anything_streams(way):
    """The error comes from the call itself, not from the first chunk."""
    tactic = make(**{way: WAYS[way]})
    for call in (tactic.stream, tactic.astream):
        with pytest.raises(SchemaError, match="Word") as caught:
            call({"text": 1})
        assert caught.value.session.state == "failure"


def test_tactics_without_a_stream_say_so():
    """The error names the class."""

    class Plain(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    for call in (Plain().stream, Plain().astream):
        with pytest.raises(TacticUnsupportedError, match=r"^Plain does not support stream\(\)\.$"):
            call(1)


@pytest.mark.parametrize("way", ["_stream", "_astream"])
def test_result_events_are_validated_against_the_output_type(way):
    """A good result becomes the output type, a bad one ends the stream."""

    def sync(self, value, *, context=None):
        yield "chunk"
        yield TacticEvent.result({"text": value.text} if value.text != "bad" else {"text": 5})

    async def asynchronous(self, value, *, context=None):
        for item in sync(self, value):
            yield item

    tactic = make(output_type=Word, **{way: {"_stream": sync, "_astream": asynchronous}[way]})
    assert list(tactic.stream({"text": "ok"}))[-1].data == Word(text="ok")
    assert asyncio.run(collect(tactic.aevents({"text": "ok"})))[-1].data == Word(text="ok")
    with pytest.raises(SchemaError, match="Word"):
        list(tactic.stream({"text": "bad"}))
    with pytest.raises(SchemaError, match="Word"):
        asyncio.run(collect(tactic.astream({"text": "bad"})))


def test_sync_streams_do_not_block_the_loop():
    """A slow generator runs in a thread and keeps its context variables."""
    names = []

    def slow(self, value, *, context=None):
        for letter in value.text:
            names.append(current_call().tactic_name)
            time.sleep(0.02)
            yield letter

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.002)
                ticks += 1

        ticker = asyncio.create_task(tick())
        letters = await collect(make(_stream=slow).astream({"text": "abc"}))
        ticker.cancel()
        return letters, ticks

    letters, ticks = asyncio.run(main())
    assert letters == ["a", "b", "c"]
    assert ticks >= 5
    assert set(names) == {"Streaming"}


def test_errors_in_a_stream_keep_their_type_and_carry_the_session():
    """Chunks before the error arrive, then the error itself."""

    def broken(self, value, *, context=None):
        yield "a"
        raise LookupError("gone")

    async def abroken(self, value, *, context=None):
        yield "a"
        raise LookupError("gone")

    for tactic in (make(_stream=broken), make(_astream=abroken)):
        seen = []
        with pytest.raises(LookupError, match="gone") as caught:
            for chunk in tactic.stream({"text": "x"}):
                seen.append(chunk)
        assert seen == ["a"]
        assert caught.value.session.state == "failure"
        with pytest.raises(LookupError, match="gone"):
            asyncio.run(collect(tactic.astream({"text": "x"})))


@pytest.mark.parametrize("way", ["_stream", "_astream"])
def test_leaving_a_stream_early_closes_it(way):
    """The implementation's `finally` runs, from either reader."""
    closed = []

    def sync(self, value, *, context=None):
        try:
            yield from "abc"
        finally:
            closed.append("closed")

    async def asynchronous(self, value, *, context=None):
        try:
            for letter in "abc":
                yield letter
        finally:
            closed.append("closed")

    tactic = make(**{way: {"_stream": sync, "_astream": asynchronous}[way]})
    reader = tactic.stream({"text": "x"})
    assert next(reader) == "a"
    reader.close()

    async def main():
        areader = tactic.astream({"text": "x"})
        assert await anext(areader) == "a"
        await areader.aclose()

    asyncio.run(main())
    deadline = time.monotonic() + 2
    while len(closed) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert closed == ["closed", "closed"]


def test_a_deadline_ends_a_stream():
    """An asynchronous stream that hangs is cancelled when the caller's time is up."""

    async def hang(self, value, *, context=None):
        yield "a"
        await asyncio.sleep(60)

    async def main():
        seen = []
        with pytest.raises(DeadlineExceeded):
            async for chunk in make(_astream=hang).astream({"text": "x"}, context=CallContext().limit(0.05)):
                seen.append(chunk)
        return seen

    assert asyncio.run(main()) == ["a"]


def test_long_streams_cross_both_bridges_completely_and_in_order():
    """More items than either side may run ahead."""

    def sync(self, value, *, context=None):
        yield from range(1000)

    async def asynchronous(self, value, *, context=None):
        for number in range(1000):
            yield number

    assert asyncio.run(collect(make(_stream=sync).astream({"text": ""}))) == list(range(1000))
    assert list(make(_astream=asynchronous).stream({"text": ""})) == list(range(1000))


def test_a_stream_folds_what_it_calls():
    """Calls made inside a stream are children of the stream's session."""

    class Inner(Tactic):
        name = "inner"

        def _run(self, input_value, *, context=None):
            return current_call().parent.tactic_name

    def outer(self, value, *, context=None):
        yield Inner().run(1)
        yield current_call().session

    first, session = make(_stream=outer).stream({"text": "x"})
    assert first == "Streaming"
    assert session.state == "success"
    assert session.sub_tactic_sessions["inner"][0].state == "success"
