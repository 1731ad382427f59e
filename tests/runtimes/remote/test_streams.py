"""Streams: frames, malformed frames, errors, ends."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm import RemoteTactic, RemoteTacticError, SchemaError, Tactic, TacticEvent
from lllm_runtime_remote import StreamTruncated
from lllm_runtime_remote.sse import FrameReader, event_of


def events_in(*chunks):
    """Return the events that chunks of bytes carry."""
    reader = FrameReader()
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)] + list(reader.end())
    return [event for event in map(event_of, frames) if event is not None]


def test_frames():
    """Data lines are joined, one space is stripped, other fields are ignored, the last frame may be open."""
    raw = (
        b": hello\nretry: 5\ndata: a\ndata:b\ndata:  c\n\nevent: x\n\ndata: 1\r\n\r\ndata: [2]\r\rdata: open"
    )
    assert [event.data for event in events_in(raw)] == ["a\nb\n c", 1, [2], "open"]


def test_only_line_ends_end_lines():
    """U+2028 and vertical tabs are text."""
    raw = 'data: "a\u2028b\\u000bc\x0b"\n\n'.encode()
    assert events_in(raw)[0].data == '"a\u2028b\\u000bc\x0b"'
    assert events_in('data: "a\u2028b"\n\n'.encode())[0].data == "a\u2028b"


@given(st.binary(max_size=80), st.integers(0, 80))
def test_cuts_do_not_matter(raw, at):
    """However the bytes arrive, the events are the same; malformed input never raises."""

    def shape(events):
        return [(event.kind, event.data) for event in events]

    assert shape(events_in(raw[:at], raw[at:])) == shape(events_in(raw))


def test_envelopes():
    """kind and data make an event; extra keys go to metadata; a malformed one is an error event."""
    good = {"id": "i", "timestamp": 1.0, "kind": "k", "data": {"a": 1}, "metadata": {"m": 1}, "extra": 2}
    (event,) = events_in(b"data: " + json.dumps(good).encode() + b"\n\n")
    assert event == TacticEvent(id="i", timestamp=1.0, kind="k", data={"a": 1}, metadata={"m": 1, "extra": 2})
    (bad,) = events_in(b'data: {"kind": "a b", "data": 1}\n\n')
    assert bad.data == {"message": "Invalid SSE event envelope."}
    assert set(bad.metadata) == {"payload", "errors"}
    (line,) = events_in(b"data: \xff\n\n")
    assert line.data == {"message": "Invalid SSE stream line."}
    assert set(line.metadata) == {"line_type", "errors"}


def frames(*values, end=True, numbered=True):
    """Return a stream as our own service sends it."""
    raw = b""
    for number, value in enumerate(values):
        raw += (
            (f"id: {number}\n" if numbered else "").encode()
            + b"data: "
            + json.dumps(value).encode()
            + b"\n\n"
        )
    return raw + (b"event: end\nid: 99\n\n" if end else b"")


def streamed(raw, broken=False):
    """Return an answer that streams bytes."""
    return lambda handler: handler.stream(raw, broken)


async def collect(tactic, method, value):
    """Return the items of an asynchronous stream."""
    async with tactic:
        return [item async for item in getattr(tactic, method)(value)]


def all_ways(service, answer, value=1):
    """Return what stream, astream and aevents give for the same answer."""
    service.answers = [answer] * 3
    with RemoteTactic(service.url) as tactic:
        sync = list(tactic.stream(value))
    return (
        sync,
        asyncio.run(collect(RemoteTactic(service.url), "astream", value)),
        asyncio.run(collect(RemoteTactic(service.url), "aevents", value)),
    )


def test_chunks_and_events(service):
    """stream and astream give data, aevents gives events; heartbeats and the end are not seen."""
    raw = [b": ping\n\n", frames("a", end=False), b": ping\n\n", frames({"kind": "result", "data": {"x": 1}})]
    sync, asynchronous, events = all_ways(service, streamed(raw))
    assert sync == asynchronous == ["a", {"x": 1}]
    assert [(event.kind, event.data) for event in events] == [("message", "a"), ("result", {"x": 1})]
    assert service.requests[0][1] == "/stream"


def test_done_ends_a_stream(service):
    """What some services send as a last frame is no data."""
    sync, asynchronous, _ = all_ways(service, streamed(b'data: "a"\n\ndata: [DONE]\n\ndata: "late"\n\n'))
    assert sync == asynchronous == ["a"]


def test_error_frames_raise_and_stay_events(service):
    """Readers of chunks get an exception with all fields; readers of events get the event."""
    error = {
        "id": "e",
        "timestamp": 1.0,
        "kind": "error",
        "data": {"message": "boom"},
        "metadata": {"error_type": "ValueError", "tactic": "t", "endpoint": "stream", "request_id": "r9"},
    }
    service.answers = [streamed(frames("a", error))] * 3
    with RemoteTactic(service.url) as tactic:
        reader = tactic.stream(1)
        assert next(reader) == "a"
        with pytest.raises(RemoteTacticError, match="boom") as caught:
            next(reader)
    assert isinstance(caught.value, ValueError)
    fields = (caught.value.error_type, caught.value.tactic, caught.value.endpoint, caught.value.request_id)
    assert fields == ("ValueError", "t", "stream", "r9")
    with pytest.raises(RemoteTacticError, match="boom"):
        asyncio.run(collect(RemoteTactic(service.url), "astream", 1))
    events = asyncio.run(collect(RemoteTactic(service.url), "aevents", 1))
    assert [event.kind for event in events] == ["message", "error"]


def test_refused_streams_raise_with_their_status(service):
    """An error before the stream begins is an ordinary error."""
    body = {"detail": {"error": {"type": "TacticUnsupportedError", "message": "no stream"}}}
    service.answers = [(400, body), (400, body)]
    with RemoteTactic(service.url) as tactic, pytest.raises(RemoteTacticError, match="no stream") as caught:
        list(tactic.stream(1))
    assert caught.value.status_code == 400
    with pytest.raises(RemoteTacticError, match="no stream"):
        asyncio.run(collect(RemoteTactic(service.url), "aevents", 1))


@pytest.mark.parametrize("broken", [False, True])
def test_streams_that_break_off_are_not_taken_for_success(service, broken):
    """A service that numbers its frames also marks the end; without the mark the stream is truncated."""
    service.answers = [streamed(frames("a", end=False), broken)] * 2
    seen = []
    with RemoteTactic(service.url) as tactic, pytest.raises(StreamTruncated, match="broke off"):
        for chunk in tactic.stream(1):
            seen.append(chunk)
    assert seen == ["a"]
    with pytest.raises(StreamTruncated):
        asyncio.run(collect(RemoteTactic(service.url), "astream", 1))


def test_other_services_may_just_end(service):
    """Without numbers there is no promise of a mark."""
    sync, asynchronous, _ = all_ways(service, streamed(frames("a", end=False, numbered=False)))
    assert sync == asynchronous == ["a"]


def test_usage_comments_fold(service):
    """The last comment of a stream carries what it cost."""
    usage = b': x-lllm-usage {"cost": 0.5, "calls": 2}\n\n'

    class Outer(Tactic):
        async def _arun(self, input_value, *, context=None):
            async with RemoteTactic(service.url, name="remote") as remote:
                return [chunk async for chunk in remote.astream(1)]

    service.answers = [streamed(frames("a", end=False) + usage + b"event: end\nid: 9\n\n")]
    session = Outer().run(None, return_session=True)
    assert (session.delivery, session.total_cost.cost, session.llm_call_count) == (["a"], 0.5, 2)
    assert list(session.sub_tactic_sessions) == ["remote"]


def test_nan_is_no_json_unless_it_is_allowed():
    """As in answers: by default the data is a text and no number."""
    frame = FrameReader().feed(b"data: [NaN]\n\n")[0]
    assert event_of(frame).data == "[NaN]"
    assert event_of(frame, allow_nan=True).data != "[NaN]"


def test_a_long_line_is_joined_once():
    """Chunks of a line without an end are kept apart until it comes, so the work grows with the length only."""
    reader = FrameReader()
    assert not list(reader.feed(b'data: "'))
    for _ in range(20_000):
        assert not list(reader.feed(b"x" * 100))
    (frame,) = reader.feed(b'"\n\n')
    assert len(event_of(frame).data) == 2_000_000


def test_the_result_of_a_stream_is_validated(service):
    """The data of a result event is of the output type, as that of `run` is."""
    service.answers.append(lambda handler: handler.stream(b'data: {"kind": "result", "data": "7"}\n\n'))
    tactic = RemoteTactic(service.url, output_type=int)
    assert list(tactic.stream(1)) == [7]
    service.answers.append(lambda handler: handler.stream(b'data: {"kind": "result", "data": "x"}\n\n'))
    with pytest.raises(SchemaError):
        list(tactic.stream(1))
    tactic.close()
