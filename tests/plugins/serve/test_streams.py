"""Streams: frames, honest beginnings and ends, heartbeats."""

import asyncio
import json
import time

import pytest
from pydantic import BaseModel

from lllm import Tactic, TacticEvent


def frames_of(text):
    """Return the frames of a stream as dicts of their fields; comments are listed under None."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields[name or None] = value
        found.append(fields)
    return found


def data_of(response):
    """Return the parsed data of each frame that has some."""
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return [json.loads(frame["data"]) for frame in frames_of(response.text) if "data" in frame]


class Number(BaseModel):
    n: int


async def count(value, context):
    """Stream two chunks and an event."""
    yield "a"
    yield {"b": 1}
    yield TacticEvent(id="e1", timestamp=1.5, kind="progress", data=None, metadata={"step": 1, "token": "x"})


def test_frames_have_ids_events_and_an_end(client, make):
    """Ids count up, the event is the kind, the last frame is `end` without data."""
    response = client(make(count)).post("/stream", json=1)
    frames = frames_of(response.text)
    assert [frame.get("id") for frame in frames] == ["1", "2", "3", "4"]
    assert [frame.get("event") for frame in frames] == ["message", "message", "progress", "end"]
    assert "data" not in frames[-1]
    assert response.text.endswith("id: 4\nevent: end\n\n")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")


def test_chunks_become_events(client, make):
    """Exactly the five keys of an event; secrets in metadata are left out."""
    first, second, third = data_of(client(make(count)).post("/stream", json=1))
    assert list(first) == ["id", "timestamp", "kind", "data", "metadata"]
    assert (first["kind"], first["data"], first["metadata"]) == ("message", "a", {})
    assert second["data"] == {"b": 1}
    assert third == {
        "id": "e1",
        "timestamp": 1.5,
        "kind": "progress",
        "data": None,
        "metadata": {"step": 1},
    }


def test_sync_streams_are_the_same(client, make):
    """A generator in a thread gives the same frames."""

    def letters(value, context):
        yield from value

    data = data_of(client(make(letters)).post("/stream", json="ab"))
    assert [event["data"] for event in data] == ["a", "b"]


def test_empty_streams_end(client, make):
    """Nothing but the end."""

    async def nothing(value, context):
        return
        yield

    response = client(make(nothing)).post("/stream", json=1)
    assert (response.status_code, response.text) == (200, "id: 1\nevent: end\n\n")


def test_input_is_validated_before_the_first_byte(client, make, error_of):
    """400 in JSON, for tactics that bring hooks and for those that override the public methods."""

    class Own(Tactic, register=False):
        name = "own"
        input_type = int

        async def astream(self, input_value, *, context=None):
            yield input_value + 1

    for tactic in (make(count, input_type=int), Own()):
        http = client(tactic)
        refused = http.post("/stream", json="x")
        assert (refused.status_code, error_of(refused)["type"]) == (400, "SchemaError")
        assert error_of(refused)["endpoint"] == "stream"
    assert data_of(http.post("/stream", json=1))[0]["data"] == 2


def test_results_are_validated(client, make):
    """A `result` event is converted to the output type, or ends the stream with an error."""

    async def work(value, context):
        yield TacticEvent.result({"n": value})

    http = client(make(work, output_type=Number))
    assert data_of(http.post("/stream", json="3"))[0]["data"] == {"n": 3}
    failed = http.post("/stream", json="x")
    assert failed.status_code == 500


def test_results_of_overridden_streams_are_validated(client):
    """The service does what the core leaves to a class that streams in its own way."""

    class Own(Tactic, register=False):
        name = "own"
        output_type = Number

        async def aevents(self, input_value, *, context=None):
            yield TacticEvent(data="a")
            yield TacticEvent.result({"n": input_value})

    http = client(Own())
    good, bad = http.post("/stream", json=1), http.post("/stream", json="x")
    assert data_of(good)[1]["data"] == {"n": 1}
    assert data_of(bad)[1]["metadata"]["error_type"] == "SchemaError"


def test_an_early_failure_keeps_its_status(client, make, error_of):
    """Before the first frame nothing has been promised."""

    async def work(value, context):
        raise LookupError("at once")
        yield

    response = client(make(work)).post("/stream", json=1)
    error = error_of(response)
    assert (response.status_code, error["type"], error["endpoint"]) == (500, "LookupError", "stream")


def test_a_late_failure_is_the_last_frame(client, make):
    """Status 200, an error frame with exactly four keys of metadata, then the end."""

    async def work(value, context):
        yield 1
        raise LookupError("later")

    response = client(make(work)).post("/stream", json={"input": 1, "context": {"request_id": "r9"}})
    first, error = data_of(response)
    assert first["data"] == 1
    assert (error["kind"], error["data"]) == ("error", {"message": "later"})
    assert error["metadata"] == {
        "error_type": "LookupError",
        "tactic": "work",
        "endpoint": "stream",
        "request_id": "r9",
    }
    assert response.text.endswith("event: end\n\n")


def test_chunks_without_a_json_form_end_the_stream(client, make):
    """With an error of their own; NaN is one of them."""

    async def work(value, context):
        yield 1
        yield object() if value == 1 else float("nan")

    http = client(make(work))
    for value in (1, 2):
        assert data_of(http.post("/stream", json=value))[1]["metadata"]["error_type"] == "OutputEncodingError"


def test_tactics_that_do_not_stream_say_so(client, untyped, error_of):
    """400 with the words of the contract."""
    response = client(untyped).post("/stream", json={"input": 1, "context": {"request_id": "r"}})
    error = error_of(response)
    assert (response.status_code, error["type"]) == (400, "TacticUnsupportedError")
    assert error["message"] == "Tactic 'raw' does not support streaming."
    assert error["request_id"] == "r"


def test_the_end_of_a_stream_tells_the_usage(client, make):
    """As a comment, to who asked."""
    from lllm import record_usage

    async def work(value, context):
        record_usage("m", {"response_cost": 0.5})
        yield 1

    http = client(make(work))
    asked = http.post("/stream", json=1, headers={"x-lllm-usage": "1"}).text
    comment, end = asked.split("\n\n")[-3:-1]
    assert json.loads(comment.removeprefix(": x-lllm-usage "))["cost"] == 0.5
    assert end == "id: 2\nevent: end"
    assert "usage" not in http.post("/stream", json=1).text


class Recorder:
    """An ASGI caller that notes when each message comes."""

    def __init__(self, body):
        self.body = body
        self.messages = []
        self.asked = 0
        self.gone = asyncio.Event()

    async def receive(self):
        self.asked += 1
        if self.asked == 1:
            return {"type": "http.request", "body": json.dumps(self.body).encode(), "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.messages.append((time.monotonic(), message))

    async def call(self, app, path="/stream"):
        """Call the application and return when it is done."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }
        await app(scope, self.receive, self.send)

    @property
    def body_text(self):
        """All that was sent."""
        return b"".join(message.get("body", b"") for _, message in self.messages).decode()


def call(app, body=1):
    """Return what one call of an application sent."""
    recorder = Recorder(body)
    asyncio.run(recorder.call(app))
    return recorder


def test_the_answer_begins_after_a_second_without_a_frame(make, monkeypatch):
    """A caller learns that it was heard although the first chunk takes its time."""
    from lllm import create_tactic_app
    from lllm_serve import sse

    monkeypatch.setattr(sse, "HOLD_SECONDS", 0.05)

    async def work(value, context):
        await asyncio.sleep(0.3)
        yield 1

    recorder = call(create_tactic_app(make(work)))
    (begun, start), (first, body) = recorder.messages[:2]
    assert start["type"] == "http.response.start"
    assert body["body"].startswith(b"id: 1")
    assert first - begun > 0.15


def test_a_failure_after_the_answer_has_begun_is_a_frame(make, monkeypatch):
    """Its status is 200 by then."""
    from lllm import create_tactic_app
    from lllm_serve import sse

    monkeypatch.setattr(sse, "HOLD_SECONDS", 0.02)

    async def work(value, context):
        await asyncio.sleep(0.1)
        raise LookupError("slowly")
        yield

    recorder = call(create_tactic_app(make(work)))
    assert recorder.messages[0][1]["status"] == 200
    assert '"error_type":"LookupError"' in recorder.body_text


def test_silence_is_broken_by_comments(make):
    """`: ping` as often as the option says, and not while frames flow."""
    from lllm import create_tactic_app

    async def work(value, context):
        yield 1
        await asyncio.sleep(0.9)
        for number in range(5):
            yield number
            await asyncio.sleep(0)

    text = call(create_tactic_app(make(work), heartbeat=0.4)).body_text
    assert text.count(": ping\n\n") >= 2
    assert text.index("id: 1") < text.index(": ping")
    assert text.rindex(": ping") < text.index("id: 2")


def test_frames_that_come_at_once_are_one_write(make):
    """And those that come one by one are sent one by one."""
    from lllm import create_tactic_app

    async def work(value, context):
        for number in range(100):
            yield number
        for number in range(3):
            await asyncio.sleep(0.01)
            yield number

    recorder = call(create_tactic_app(make(work)))
    bodies = [message["body"] for _, message in recorder.messages if message["type"] == "http.response.body"]
    assert 4 <= len(bodies) <= 7
    assert recorder.body_text.count("\ndata: ") == 103


def test_a_stream_that_never_waits_lets_others_run(make):
    """The loop gets its turn between batches, so that a caller who has left is noticed."""
    from lllm import create_tactic_app

    turns = []

    async def work(value, context):
        for number in range(5_000):
            yield number

    async def both():
        async def tick():
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await Recorder(1).call(create_tactic_app(make(work)))
        ticking.cancel()

    asyncio.run(both())
    assert len(turns) > 20


def test_a_caller_that_leaves_ends_the_stream(make):
    """The generator is closed, whatever it is doing."""
    from lllm import create_tactic_app

    ended = []

    async def work(value, context):
        try:
            yield 1
            await asyncio.sleep(30)
        finally:
            ended.append(context.cancelled)

    async def leave():
        recorder = Recorder(1)
        calling = asyncio.create_task(recorder.call(create_tactic_app(make(work))))
        await asyncio.sleep(0.1)
        recorder.gone.set()
        await asyncio.wait_for(calling, 2)

    asyncio.run(leave())
    assert ended == [True]


@pytest.mark.parametrize("text", ["line\nbreak", "\u2028", "a\r\nb", "data: x"])
def test_text_cannot_break_frames(client, make, text):
    """Whatever is streamed stays on one line."""

    async def work(value, context):
        yield text

    (event,) = data_of(client(make(work)).post("/stream", json=1))
    assert event["data"] == text
