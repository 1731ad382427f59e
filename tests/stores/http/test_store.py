"""What is particular to a store behind HTTP: repeats, broken connections, older servers, streams."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import threading

import httpx
import pytest

from lllm import errors
from lllm.errors import (
    ArtifactCorruptError,
    EventConflictError,
    LeaseLostError,
    SnapshotConflictError,
    SSSNError,
    StoreBusyError,
    StoreClosedError,
    StoreURLError,
)
from lllm.store import Event, open_store
from lllm_store_http import AsyncHTTPStore, HTTPStore
from lllm_store_http.errors import RouteMissingError, error_parts, store_error

UNREACHED = httpx.ConnectError("refused")
BROKEN = httpx.ReadError("reset")
AFTER = ("after", httpx.RemoteProtocolError("server disconnected"))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Repeats come at once."""
    monkeypatch.setattr("lllm_store_http.faults.FIRST_PAUSE", 0.0)


def test_a_repeated_append_is_one_event(store, wire, served):
    """The id is fixed before the first try, so a lost answer costs nothing."""
    wire.faults = [AFTER, BROKEN]
    event = store.append_event({"channel": "raw", "payload": 1})
    assert event.cursor == 1
    assert served.query_events("raw") == (event,)
    assert len(wire.seen) == 3


def test_repeats_end(store, wire):
    """After the last try the error names the server and what broke."""
    wire.faults = [BROKEN] * 9
    with pytest.raises(SSSNError, match="the connection to the server at http://server broke: reset"):
        store.get_event("e")
    assert len(wire.seen) == 3


def test_batches_acks_and_commits_are_repeated(store, wire, served):
    """Each has the effect of one request, whatever was lost."""
    wire.faults = [AFTER]
    store.append_events([{"channel": "raw", "payload": n} for n in range(3)])
    assert served.head("raw") == 3
    store.create_subscription("raw", subscription_id="w")
    first, second, third = store.lease("w")
    wire.faults = [AFTER]
    assert store.ack([first]) == 1
    wire.faults = [AFTER]
    result = store.commit(acks=[second], events=[{"channel": "raw", "payload": "out"}])
    assert (result.acked, result.events[0].cursor, served.head("raw")) == (1, 4, 4)
    wire.faults = [AFTER]
    artifact = store.write_artifact(b"bytes")
    assert served.list_artifacts() == (artifact,)
    assert third.attempt == 1


def test_a_pull_is_never_repeated(store, wire):
    """A lost answer is a lost batch, and the caller hears of it."""
    store.append_event({"channel": "raw"})
    store.create_subscription("raw", subscription_id="w")
    wire.seen.clear()
    for fault in (BROKEN, AFTER):
        wire.faults = [fault]
        with pytest.raises(SSSNError, match="broke"):
            store.pull_subscription("w")
    assert len(wire.seen) == 2


def test_what_never_reached_the_server_is_repeated(store, wire):
    """A refused connection is safe for every request."""
    store.append_event({"channel": "raw"})
    store.create_subscription("raw", subscription_id="w")
    wire.faults = [UNREACHED, UNREACHED]
    assert len(store.pull_subscription("w")) == 1
    wire.faults = [UNREACHED] * 3
    with pytest.raises(SSSNError, match="the server at http://server cannot be reached: refused"):
        store.create_channel({"name": "x"})


def test_a_slow_server_is_not_asked_again(store, wire):
    """It may still be working on the first request."""
    wire.faults = [httpx.ReadTimeout("slow")]
    with pytest.raises(SSSNError, match=r"did not answer within 30.0 seconds"):
        store.get_channel("raw")
    assert len(wire.seen) == 1


def test_retries_can_be_turned_off(wire):
    """Then the first broken connection is the last."""
    with HTTPStore("http://server", transport=wire, retries=0) as store:
        wire.faults = [UNREACHED]
        with pytest.raises(SSSNError, match="cannot be reached"):
            store.list_channels()


def test_timestamps_that_nobody_named(store, wire, served, event):
    """They travel with the event, and do not make a repeat another event."""
    stored = store.append_event(event)
    assert stored.timestamp == event.timestamp
    again = Event(id="e", channel="raw", payload={"n": 1})
    assert again.timestamp != event.timestamp
    assert store.append_event(again) == stored
    assert store.append_events([again, {"id": "f", "channel": "raw"}])[0] == stored
    with pytest.raises(EventConflictError):
        store.append_event(Event(id="e", channel="raw", payload={"n": 1}, timestamp=1.0))
    with pytest.raises(EventConflictError):
        store.append_event({"id": "e", "channel": "raw", "payload": 2})
    assert served.head("raw") == 2


def test_every_error_class_survives_the_trip():
    """Type and text of the envelope become the class and the text."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not issubclass(kind, SSSNError) or kind in {LeaseLostError, SnapshotConflictError}:
            continue
        body = {"detail": {"error": {"type": name, "message": "text"}}}
        error = store_error(400, body, request="GET /x")
        assert (type(error), str(error)) == (kind, "text")


def test_errors_with_attributes():
    """Lost tokens and revisions are read back from the text."""
    body = {"detail": {"error": {"type": "LeaseLostError", "message": "Lease is not held: a, b"}}}
    assert store_error(409, body, request="").tokens == ("a", "b")
    text = "Snapshot revision conflict: a (expected 1, current 2) (expected 3, current 4)"
    error = store_error(
        409, {"detail": {"error": {"type": "SnapshotConflictError", "message": text}}}, request=""
    )
    assert (error.name, error.expected, error.current) == ("a (expected 1, current 2)", 3, 4)
    for kind in ("LeaseLostError", "SnapshotConflictError"):
        odd = store_error(409, {"error": {"type": kind, "message": "other text"}}, request="")
        assert (type(odd), str(odd)) == (SSSNError, "other text")


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (404, {"detail": "Not Found"}, RouteMissingError, "server does not offer GET /x"),
        (405, {"detail": "Method Not Allowed"}, RouteMissingError, "server does not offer GET /x"),
        (
            401,
            {"error": {"type": "Unauthorized", "message": "no"}},
            SSSNError,
            "refused GET /x with HTTP 401: no",
        ),
        (413, {"error": {"type": "PayloadTooLarge", "message": "16 MiB"}}, SSSNError, "too large: 16 MiB"),
        (503, {}, StoreBusyError, "Store is busy: HTTP 503"),
        (500, "oops", SSSNError, "the server failed at GET /x with HTTP 500 (unknown): HTTP 500"),
        (502, None, SSSNError, "HTTP 502"),
    ],
)
def test_other_error_answers(status, body, kind, text):
    """Whatever a server or a proxy says, an SSSNError says it on."""
    error = store_error(status, body, request="GET /x")
    assert isinstance(error, kind)
    assert text in str(error)


def test_malformed_envelopes():
    """A part that is no error counts as missing."""
    for body in (None, 3, "x", [], {}, {"detail": None}, {"detail": {"error": []}}, {"error": "x"}):
        assert error_parts(body) == (None, None)
    assert error_parts({"detail": "text"}) == (None, "text")


def test_an_older_server(store, wire, served):
    """The base routes go on working; what is missing says so, before anything is written."""
    wire.base_only = True
    assert store.append_event({"channel": "raw"}).cursor == 1
    store.create_subscription("raw", subscription_id="w")
    assert len(store.pull_subscription("w")) == 1
    artifact = store.write_artifact(b"\xff", media_type="text/plain")
    assert store.read_artifact(artifact.id) == b"\xff"
    assert store.put_snapshot({"name": "n", "value": 1}).value == 1
    for call in (
        lambda: store.append_events([{"channel": "raw"}]),
        lambda: store.lease("w"),
        lambda: store.put_snapshot({"name": "n", "value": 2}, expected_revision=0),
        lambda: store.query_events("raw", reverse=True),
        lambda: store.write_artifact_stream(io.BytesIO(b"x")),
    ):
        with pytest.raises(SSSNError, match="server does not offer"):
            call()
    assert served.get_snapshot("n").value == 1


def test_an_answer_that_is_not_what_was_promised(store, wire, monkeypatch):
    """It is an SSSNError that names the route."""
    monkeypatch.setattr(wire, "answer", lambda request: httpx.Response(200, text="<html>"))
    with pytest.raises(SSSNError, match=r"SSSN GET /channels/\{name\} response was not valid JSON"):
        store.get_channel("raw")
    monkeypatch.setattr(wire, "answer", lambda request: httpx.Response(200, json=[3]))
    with pytest.raises(SSSNError, match=r"did not match the expected schema"):
        store.get_channel("raw")


def test_content_is_verified(store, wire, monkeypatch):
    """Other bytes than were stored are never handed out as complete."""
    artifact = store.write_artifact(b"content")
    answer = wire.answer

    def damaged(request):
        response = answer(request)
        if request.url.path == f"/artifacts/{artifact.id}":
            return httpx.Response(200, content=b"c0ntent", headers=response.headers if tagged else {})
        return response

    monkeypatch.setattr(wire, "answer", damaged)
    for tagged in (True, False):
        with pytest.raises(ArtifactCorruptError, match="Artifact payload is corrupt"):
            store.read_artifact(artifact.id)
        with pytest.raises(ArtifactCorruptError), store.open_artifact(artifact.id):
            pass


def test_a_connection_that_breaks_in_a_stream(store, wire, monkeypatch):
    """Half of an artifact is an error, not an artifact."""

    class Half(httpx.SyncByteStream):
        def __iter__(self):
            yield b"half"
            raise httpx.ReadError("gone")

    artifact = store.write_artifact(b"half and half")
    answer = wire.answer
    monkeypatch.setattr(
        wire,
        "answer",
        lambda request: (
            httpx.Response(200, stream=Half())
            if request.url.path == f"/artifacts/{artifact.id}"
            else answer(request)
        ),
    )
    with pytest.raises(SSSNError, match="broke: gone"):
        store.read_artifact(artifact.id)


def test_uploads_say_what_they_are(store, wire):
    """A raw body with everything else in the query."""
    store.append_event({"id": "e", "channel": "raw"})
    made = store.write_artifact_stream(
        iter([b"ab", b"", memoryview(b"cd")]),
        channel="raw",
        media_type="text/plain",
        metadata={"k": "é"},
        event_ids=["e"],
        artifact_id="mine",
    )
    assert (made.id, made.size, made.metadata, made.event_ids) == ("mine", 4, {"k": "é"}, ("e",))
    assert wire.seen[-1][1].startswith("/v1/artifacts?channel=raw&media_type=text%2Fplain&metadata=")
    assert wire.headers[-1]["content-type"] == "application/octet-stream"
    with pytest.raises(errors.InvalidPayloadError, match="artifact data must be bytes"):
        store.write_artifact_stream(["text"])


def test_tokens(wire):
    """The bearer token goes with every request."""
    with HTTPStore("http://server", transport=wire, token="t0k") as store:
        store.list_channels()
    assert wire.headers[-1]["authorization"] == "Bearer t0k"


def test_opening_by_url():
    """`open_store` finds the backend; bad URLs and options are StoreURLErrors."""
    with open_store("http://127.0.0.1:7700/prefix/", timeout=2.5, token="t", retries=0) as store:
        assert isinstance(store, HTTPStore)
        assert (store.base_url, store.timeout) == ("http://127.0.0.1:7700/prefix", 2.5)
        assert repr(store) == "HTTPStore('http://127.0.0.1:7700/prefix')"
    for url, options in (
        ("http://", {}),
        ("http://user:pw@host", {}),
        ("http://host/?q=1", {}),
        ("http://host", {"create": False}),
    ):
        with pytest.raises(StoreURLError):
            open_store(url, **options)


def test_a_closed_store_stays_closed(store):
    """Closing twice is no error, and its asynchronous face is closed with it."""
    face = store.aio
    store.close()
    store.close()
    assert store.closed
    with pytest.raises(StoreClosedError):
        store.list_channels()
    with pytest.raises(StoreClosedError):
        asyncio.run(face.list_channels())


def test_closing_while_a_request_breaks(store, wire):
    """A request that breaks because the store was closed says that."""

    def close_and_break(request):
        store.close()
        raise BROKEN

    wire.answer = close_and_break
    with pytest.raises(StoreClosedError):
        store.list_channels()


def test_threads_share_a_store(store, served):
    """Appends of several threads all arrive, each once."""

    def work(number):
        for n in range(20):
            store.append_event({"channel": "raw", "payload": [number, n]})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = served.query_events("raw", limit=1000)
    assert len({tuple(event.payload) for event in events}) == len(events) == 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_connections_of_its_own(store):
    """Parent and child never share a socket."""
    store.list_channels()
    before = store._pool.client()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"same" if store._pool.client() is before else b"new")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 9) == b"new"
    assert store._pool.client() is before
    os.close(read)
    os.close(write)


def test_export_and_import_stream(store, served, tmp_path):
    """Files and open files will do, and the count is that of the records."""
    store.append_events([{"channel": "raw", "payload": "\u2028 line"} for _ in range(3)])
    count = store.export(tmp_path / "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_bytes().splitlines()
    assert (json.loads(lines[0])["format"], len(lines) - 1) == ("lllm-store-export", count)
    assert store.import_(tmp_path / "all.jsonl") >= 0
    with pytest.raises(SSSNError, match="the file of the export cannot be used"):
        store.export(tmp_path / "missing" / "all.jsonl")
    with pytest.raises(SSSNError, match="the file of the export cannot be used"):
        store.import_(tmp_path / "missing.jsonl")


async def collect(iterator):
    return [item async for item in iterator]


def test_the_asynchronous_twin(wire, served):
    """The same methods as coroutines and async iterators, native to the loop."""

    async def use():
        async with AsyncHTTPStore("http://server", transport=wire) as store:
            await store.ensure_channel({"name": "out"})
            await store.ensure_channel({"name": "out"})
            wire.faults = [AFTER]
            events = await store.append_events([{"channel": "raw", "payload": n} for n in range(5)])
            assert await store.get_events([event.id for event in events]) == events
            assert await collect(store.iter_events("raw", page_size=2)) == list(events)
            newest = await collect(store.iter_events("raw", page_size=2, reverse=True))
            assert newest == list(reversed(events))
            assert [e.cursor for e in await collect(store.tail("raw", after_cursor=3, timeout=0.01))] == [
                4,
                5,
            ]
            assert await collect(store.tail("raw", timeout=0.01)) == []
            await store.create_subscription("raw", subscription_id="w")
            first, *rest = await store.lease("w")
            await store.commit(acks=[first], events=[{"channel": "out"}], snapshots=[{"name": "n"}])
            assert await store.release(rest) == 4
            made = await store.write_artifact_stream(io.BytesIO(b"stream"))
            assert await store.read_artifact(made.id) == b"stream"
            async with store.open_artifact(made.id) as file:
                file.seek(2)
                assert file.read() == b"ream"
            assert (await store.check()).ok
            assert (await store.capabilities())["leases"] is True
            text = io.StringIO()
            assert await store.export(text) > 0
            assert await store.import_(io.StringIO(text.getvalue())) >= 0
            return store

    store = asyncio.run(use())
    assert served.head("out") == 1
    with pytest.raises(StoreClosedError):
        asyncio.run(store.list_channels())


def test_a_cancelled_lease_is_given_back(wire, served):
    """What a cancelled call still gets does not wait for its lease to run out."""

    async def use():
        async with AsyncHTTPStore("http://server", transport=wire) as store:
            await store.create_subscription("raw", subscription_id="w")
            call = asyncio.ensure_future(store.lease("w", wait=5.0))
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            served.append_event({"channel": "raw"})
            for _ in range(200):
                await asyncio.sleep(0.01)
                if ("POST", "/v1/leases/release") in wire.seen:
                    break
            (delivery,) = await store.lease("w")
            return delivery

    assert asyncio.run(use()).attempt <= 2


def test_a_loop_that_ends_closes_its_connections(wire):
    """Nobody has to close the asynchronous face of each loop."""
    store = HTTPStore("http://server", transport=wire)
    clients = []

    async def use():
        await store.aio.list_channels()
        clients.append(await store.aio._pool.client())
        assert await store.aio._pool.client() is clients[-1]

    asyncio.run(use())
    asyncio.run(use())
    assert clients[0] is not clients[1]
    assert all(client.is_closed for client in clients)
    store.close()


def test_the_face_of_a_store_with_a_synchronous_transport(served, make_wire):
    """A transport that cannot serve a loop is used from worker threads."""
    wire = make_wire(served)

    class Plain(httpx.BaseTransport):
        def handle_request(self, request):
            return wire.handle_request(request)

    async def use():
        async with HTTPStore("http://server", transport=Plain()).aio as store:
            return await store.list_channels()

    assert [channel.name for channel in asyncio.run(use())] == ["raw"]


def test_the_plugin_is_cheap():
    """Looking at the backends imports neither httpx nor the store."""
    code = (
        "import sys\n"
        "from lllm.plugins import manager\n"
        "assert manager().stores()['http'].schemes == ('http', 'https')\n"
        "print([name for name in ('httpx', 'pydantic', 'lllm_store_http.store') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
