"""The clients: exact bodies, checks before a request, errors, pooling."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
from types import MappingProxyType

import httpx
import pytest

from lllm.errors import ArtifactCorruptError, InvalidPayloadError
from sssn import (
    Artifact,
    AsyncSSSNClient,
    Channel,
    Event,
    Snapshot,
    SSSNClient,
    SSSNClientError,
    SSSNError,
    Subscription,
)

URL = "http://server"


class Blocking:
    """An `AsyncSSSNClient` whose coroutines are run to their end, so that one test serves both clients."""

    def __init__(self, server):
        self.client = AsyncSSSNClient(URL, transport=httpx.MockTransport(server))
        self.runner = asyncio.Runner()

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(*args, **kwargs):
            made = method(*args, **kwargs)
            if inspect.isasyncgen(made):
                return self.runner.run(collect(made))
            return self.runner.run(made)

        return call

    def close(self):
        self.runner.run(self.client.aclose())
        self.runner.close()


async def collect(iterator):
    return [item async for item in iterator]


@pytest.fixture(params=["sync", "async"])
def client(request, server):
    made = (
        SSSNClient(URL, transport=httpx.MockTransport(server))
        if request.param == "sync"
        else Blocking(server)
    )
    yield made
    made.close()


def test_create_channel_bodies(client, server):
    """A mapping is passed through, a model sends its five fields."""
    assert isinstance(client.create_channel({"name": "a", "zzz": 1}), Channel)
    assert server.last == ("POST", "/channels", {"name": "a", "zzz": 1})
    client.create_channel(Channel(name="a", schema="S", metadata={"k": (1,)}))
    assert server.body == {
        "name": "a",
        "schema": "S",
        "form": "log",
        "description": "",
        "metadata": {"k": [1]},
    }
    client.create_channel(MappingProxyType({"name": "a", "metadata": MappingProxyType({"x": 1})}))
    assert server.body == {"name": "a", "metadata": {"x": 1}}


def test_append_event_bodies(client, server):
    """A mapping gets its parent ids as a list, a model sends all eleven fields."""
    assert isinstance(client.append_event({"channel": "a", "payload": 1}), Event)
    assert server.last == ("POST", "/events", {"channel": "a", "payload": 1, "parent_ids": []})
    client.append_event({"channel": "a", "parent_ids": ("x", "y"), "other": True})
    assert server.body == {"channel": "a", "parent_ids": ["x", "y"], "other": True}
    event = Event(id="e", channel="a", timestamp=1.5, payload={"n": 1}, parent_ids=("x",))
    client.append_event(event)
    assert server.body == {
        "id": "e",
        "cursor": None,
        "channel": "a",
        "timestamp": 1.5,
        "source": None,
        "kind": "event",
        "payload": {"n": 1},
        "schema": None,
        "metadata": {},
        "correlation_id": None,
        "parent_ids": ["x"],
    }


def test_create_subscription_bodies(client, server):
    """Six keys always; the additions only when they are given."""
    assert isinstance(client.create_subscription("a"), Subscription)
    plain = {"id": None, "channel": "a", "consumer": None, "batch_size": 100, "filters": {}, "metadata": {}}
    assert server.last == ("POST", "/subscriptions", plain)
    client.create_subscription(
        "a", subscription_id="s", consumer="c", batch_size=5, filters={"kind": "k"}, metadata={"m": 1}
    )
    assert server.body == {
        "id": "s",
        "channel": "a",
        "consumer": "c",
        "batch_size": 5,
        "filters": {"kind": "k"},
        "metadata": {"m": 1},
    }
    client.create_subscription("a", start="end", max_deliveries=3, lease_seconds=2.5, dead_letter="dead")
    assert server.body == {
        **plain,
        "start": "end",
        "max_deliveries": 3,
        "lease_seconds": 2.5,
        "dead_letter": "dead",
    }


def test_write_artifact_bodies(client, server):
    """Bytes travel as base64, text as it is."""
    assert isinstance(client.write_artifact(b"\xff"), Artifact)
    rest = {"channel": None, "media_type": "application/octet-stream", "metadata": {}, "event_ids": []}
    assert server.last == ("POST", "/artifacts", {"data": "/w==", "encoding": "base64", **rest})
    client.write_artifact("héllo", channel="a", media_type="text/plain", metadata={"m": 1}, event_ids=("e",))
    assert server.body == {
        "data": "héllo",
        "encoding": "text",
        "channel": "a",
        "media_type": "text/plain",
        "metadata": {"m": 1},
        "event_ids": ["e"],
    }


def test_large_artifacts_are_streamed(client, server):
    """More than 1 MiB goes as a raw body, and as base64 where the server has no such route."""
    server.answers["POST", "/v1/artifacts"] = httpx.Response(200, json=server.default("POST", "/artifacts"))
    data = b"x" * ((1 << 20) + 1)
    client.write_artifact(data, channel="a", media_type="text/plain", metadata={"m": 1}, event_ids=["e", "f"])
    method, path, body = server.last
    assert (method, body) == ("POST", data)
    assert path == (
        "/v1/artifacts?channel=a&media_type=text%2Fplain&metadata=%7B%22m%22%3A1%7D&event_id=e&event_id=f"
    )
    server.answers["POST", "/v1/artifacts"] = httpx.Response(404, json={"detail": "Not Found"})
    client.write_artifact(data)
    assert server.last[1] == "/artifacts"
    server.answers["POST", "/v1/artifacts"] = error_answer(
        404, "ChannelNotFoundError", "Channel not found: a"
    )
    with pytest.raises(SSSNClientError, match="Channel not found: a"):
        client.write_artifact(data, channel="a")


def test_put_snapshot_bodies(client, server):
    """The value alone, with extras that are not None, or the fields of a snapshot."""
    assert isinstance(client.put_snapshot("n", {"x": 1}), Snapshot)
    assert server.last == ("PUT", "/snapshots/n", {"value": {"x": 1}})
    client.put_snapshot("n")
    assert server.body == {"value": None}
    client.put_snapshot("n", Snapshot(name="other", value=1, timestamp=2.0))
    assert server.last == ("PUT", "/snapshots/n", {"timestamp": 2.0, "value": 1, "metadata": {}})
    client.put_snapshot(
        "n", Snapshot(name="other", channel="b", timestamp=2.0, revision=4), channel="a", schema="S"
    )
    assert server.body == {"channel": "a", "timestamp": 2.0, "metadata": {}, "schema": "S"}
    client.put_snapshot("n", [1], timestamp=3.0, source_event_id="e", metadata={"m": 1}, expected_revision=0)
    assert server.body == {
        "value": [1],
        "timestamp": 3.0,
        "source_event_id": "e",
        "metadata": {"m": 1},
        "expected_revision": 0,
    }


@pytest.mark.parametrize(
    "value",
    [
        {"value": 1},
        {"channel": "a"},
        {"x": 1, "timestamp": 2},
        {"schema": None},
        {"metadata": {}},
        {"channel": None},
    ],
)
def test_ambiguous_snapshots(client, server, value):
    """A mapping that could be the value as well as the body is refused and nothing is sent."""
    with pytest.raises(
        InvalidPayloadError, match=r"^snapshot value is ambiguous: .*; pass Snapshot\(\.\.\.\) or a"
    ):
        client.put_snapshot("n", value)
    assert server.requests == []
    client.put_snapshot("n", value, metadata={})
    assert server.body == {"value": value, "metadata": {}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"channel": "a/b"}, "snapshot.channel must be a non-empty path segment."),
        ({"source_event_id": ""}, "snapshot.source_event_id must be a non-empty path segment."),
        ({"metadata": None}, "snapshot.metadata must be an object."),
        ({"metadata": [], "value": 1}, "snapshot.metadata must be an object."),
    ],
)
def test_ambiguous_snapshots_name_a_bad_field_first(client, server, value, text):
    """A field that could never be right is reported by its own text."""
    with pytest.raises(InvalidPayloadError) as error:
        client.put_snapshot("n", value)
    assert str(error.value) == text
    assert server.requests == []


def test_queries(client, server):
    """The query has three parameters, and the kind when it is given."""
    assert [event.id for event in client.query_events("a")] == ["e1"]
    assert server.last == ("GET", "/events?channel=a&after_cursor=0&limit=100", None)
    client.query_events("a", after_cursor=7, limit=2, kind="k")
    assert server.last[1] == "/events?channel=a&after_cursor=7&limit=2&kind=k"


def test_pull(client, server):
    """No body, and the limit only when it is given."""
    assert [event.id for event in client.pull_subscription("s")] == ["e1"]
    assert server.last == ("POST", "/subscriptions/s/pull", None)
    client.pull_subscription("s", limit=3)
    assert server.last == ("POST", "/subscriptions/s/pull?limit=3", None)


def test_reads(client, server):
    """Each resource has its path and its model."""
    assert [channel.name for channel in client.list_channels()] == ["a"]
    assert client.get_channel("a").name == "a"
    assert client.get_event("e1").cursor == 1
    assert client.get_subscription("s").id == "s"
    assert client.get_artifact("r").id == "r"
    assert server.last == ("GET", "/artifacts/r/metadata", None)
    assert client.get_snapshot("n").value == 1
    server.answers["GET", "/artifacts/r"] = httpx.Response(200, content=b"\x00\xff")
    assert client.read_artifact("r") == b"\x00\xff"


def test_names_are_escaped(client, server):
    """A name in a path means exactly that name."""
    client.get_channel("a?x=1#y@&é")
    assert server.last[1] == "/channels/a%3Fx%3D1%23y%40%26%C3%A9"


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "a/b", "a:b", "a\\b", "a%b", "a b", "a\n", None, 3, b"a"]
)
def test_bad_names_are_never_sent(client, server, name):
    """Each field of each method has its own text."""
    segment = {
        "channel.name": [lambda: client.create_channel({"name": name}), lambda: client.get_channel(name)],
        "event.id": [
            lambda: client.get_event(name),
            lambda: client.append_event({"channel": "a", "id": name}),
        ],
        "event.channel": [lambda: client.append_event({"channel": name}), lambda: client.query_events(name)],
        "subscription.id": [lambda: client.get_subscription(name), lambda: client.pull_subscription(name)],
        "subscription.channel": [lambda: client.create_subscription(name)],
        "artifact.id": [lambda: client.get_artifact(name), lambda: client.read_artifact(name)],
        "snapshot.name": [lambda: client.get_snapshot(name), lambda: client.put_snapshot(name, 1)],
    }
    if name is not None:
        segment["artifact.channel"] = [lambda: client.write_artifact(b"", channel=name)]
        segment["snapshot.channel"] = [lambda: client.put_snapshot("n", 1, channel=name)]
        segment["snapshot.source_event_id"] = [lambda: client.put_snapshot("n", 1, source_event_id=name)]
    for field, calls in segment.items():
        for call in calls:
            with pytest.raises(InvalidPayloadError) as error:
                call()
            assert str(error.value) == f"{field} must be a non-empty path segment."
    assert server.requests == []


def test_other_fields_are_checked_before_a_request(client, server):
    """Tokens, lists and objects have their texts; nothing is sent."""
    checks = {
        "event.kind must be a non-empty token.": [
            lambda: client.append_event({"channel": "a", "kind": "a b"}),
            lambda: client.append_event({"channel": "a", "kind": None}),
            lambda: client.query_events("a", kind=""),
        ],
        "event.correlation_id must be a non-empty token.": [
            lambda: client.append_event({"channel": "a", "correlation_id": "a/b"})
        ],
        "subscription.consumer must be a non-empty token.": [
            lambda: client.create_subscription("a", consumer=""),
        ],
        "event.parent_ids must be a list of path segments.": [
            lambda: client.append_event({"channel": "a", "parent_ids": "abc"}),
            lambda: client.append_event({"channel": "a", "parent_ids": None}),
            lambda: client.append_event({"channel": "a", "parent_ids": ["a/b"]}),
            lambda: client.append_event({"channel": "a", "parent_ids": 3}),
        ],
        "artifact.event_ids must be a list of path segments.": [
            lambda: client.write_artifact(b"", event_ids="abc"),
            lambda: client.write_artifact(b"", event_ids=None),
            lambda: client.write_artifact(b"", event_ids={"a": 1}),
        ],
        "channel.metadata must be an object.": [
            lambda: client.create_channel({"name": "a", "metadata": None})
        ],
        "event.metadata must be an object.": [lambda: client.append_event({"channel": "a", "metadata": [1]})],
        "subscription.metadata must be an object.": [lambda: client.create_subscription("a", metadata=[1])],
        "subscription.filters must be an object.": [lambda: client.create_subscription("a", filters="kind")],
        "artifact.metadata must be an object.": [lambda: client.write_artifact(b"", metadata=[1])],
        "snapshot.metadata must be an object.": [lambda: client.put_snapshot("n", 1, metadata=[1])],
        "artifact data must be bytes or text.": [
            lambda: client.write_artifact(3),
            lambda: client.write_artifact(None),
        ],
    }
    for text, calls in checks.items():
        for call in calls:
            with pytest.raises(InvalidPayloadError) as error:
                call()
            assert str(error.value) == text
    assert server.requests == []


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object(), b"\xff"])
def test_values_without_a_json_form(client, server, value):
    """What no JSON can say is refused before the request."""
    for call in (
        lambda: client.append_event({"channel": "a", "payload": value}),
        lambda: client.append_event(Event(channel="a", payload=[value])),
        lambda: client.put_snapshot("n", [value]),
        lambda: client.create_channel({"name": "a", "metadata": {"x": value}}),
        lambda: client.write_artifact(b"", metadata={"x": value}),
    ):
        with pytest.raises(InvalidPayloadError, match="not JSON serializable"):
            call()
    assert server.requests == []


def error_answer(status: int, kind: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": {"error": {"type": kind, "message": message}}})


def test_error_answers(client, server):
    """Status, type, message and the whole body are attributes; the text has them all."""
    server.answers["GET", "/channels/x"] = error_answer(404, "ChannelNotFoundError", "Channel not found: x")
    with pytest.raises(SSSNClientError) as error:
        client.get_channel("x")
    assert str(error.value) == "SSSN server returned HTTP 404 (ChannelNotFoundError): Channel not found: x"
    assert (error.value.status_code, error.value.error_type) == (404, "ChannelNotFoundError")
    assert error.value.message == "Channel not found: x"
    assert error.value.detail == {
        "detail": {"error": {"type": "ChannelNotFoundError", "message": "Channel not found: x"}}
    }
    assert not isinstance(error.value, SSSNError)


@pytest.mark.parametrize(
    ("body", "kind", "message", "text"),
    [
        ({"error": {"type": "T", "message": "m"}}, "T", "m", "SSSN server returned HTTP 500 (T): m"),
        ({"detail": "Not Found"}, None, "Not Found", "SSSN server returned HTTP 500: Not Found"),
        ({"detail": {"error": {"type": "a b", "message": 3}}}, None, None, "SSSN server returned HTTP 500"),
        ({"detail": {"error": "x"}}, None, None, "SSSN server returned HTTP 500"),
        ([1], None, None, "SSSN server returned HTTP 500"),
        ({"detail": {"error": {"type": "T"}}}, "T", None, "SSSN server returned HTTP 500 (T)"),
    ],
)
def test_error_bodies_of_other_shapes(client, server, body, kind, message, text):
    """A malformed part counts as missing, and the body is kept."""
    server.answers["GET", "/channels"] = httpx.Response(500, json=body)
    with pytest.raises(SSSNClientError) as error:
        client.list_channels()
    assert (error.value.error_type, error.value.message, error.value.detail) == (kind, message, body)
    assert str(error.value) == text


def test_error_bodies_that_are_no_json(client, server):
    """A proxy's page is kept as text."""
    server.answers["GET", "/channels"] = httpx.Response(502, text="<html>bad gateway</html>")
    with pytest.raises(SSSNClientError) as error:
        client.list_channels()
    assert (error.value.status_code, error.value.error_type, error.value.message) == (502, None, None)
    assert error.value.detail == "<html>bad gateway</html>"


ROUTES = {
    "GET /channels": lambda client: client.list_channels(),
    "POST /channels": lambda client: client.create_channel({"name": "a"}),
    "GET /channels/{name}": lambda client: client.get_channel("a"),
    "POST /events": lambda client: client.append_event({"channel": "a"}),
    "GET /events": lambda client: client.query_events("a"),
    "GET /events/{id}": lambda client: client.get_event("a"),
    "POST /subscriptions": lambda client: client.create_subscription("a"),
    "GET /subscriptions/{id}": lambda client: client.get_subscription("a"),
    "POST /subscriptions/{id}/pull": lambda client: client.pull_subscription("a"),
    "POST /artifacts": lambda client: client.write_artifact(b""),
    "GET /artifacts/{id}/metadata": lambda client: client.get_artifact("a"),
    "PUT /snapshots/{name}": lambda client: client.put_snapshot("a", 1),
    "GET /snapshots/{name}": lambda client: client.get_snapshot("a"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"nope", "was not valid JSON."),
        (b"\xff", "was not valid JSON."),
        (b"", "was not valid JSON."),
        (b"3", "did not match the expected schema."),
        (b'{"x": 1}', "did not match the expected schema."),
        (b"[3]", "did not match the expected schema."),
    ],
)
def test_answers_that_are_not_what_was_promised(client, server, route, content, fault):
    """The error keeps the status and names the route by its template."""
    template = route.split()[1]
    path = template.replace("{name}", "a").replace("{id}", "a")
    server.answers[route.split()[0], path] = httpx.Response(200, content=content)
    with pytest.raises(SSSNClientError) as error:
        ROUTES[route](client)
    assert (error.value.status_code, error.value.error_type) == (200, "InvalidResponse")
    assert error.value.message == f"SSSN {route} response {fault}"


def test_error_class_checks_itself():
    """The type is a token and both texts are strings."""
    with pytest.raises(TypeError) as error:
        SSSNClientError(500, error_type=3)
    assert str(error.value) == "error_type must be a string."
    with pytest.raises(ValueError, match="error_type"):
        SSSNClientError(500, error_type="a b")
    with pytest.raises(TypeError):
        SSSNClientError(500, message=b"m")
    assert issubclass(SSSNClientError, RuntimeError)


@pytest.mark.parametrize(
    "url",
    ["", " ", "server", "ftp://server", "http://", "http://a b", " http://server", None, 3, b"http://server"],
)
def test_bad_base_urls(url):
    """A base URL is an absolute HTTP(S) URL without whitespace."""
    for kind in (SSSNClient, AsyncSSSNClient):
        with pytest.raises(ValueError, match=r"^base_url "):
            kind(url)


def test_base_url_keeps_its_prefix(server):
    """A trailing slash goes, a path stays in front of the routes."""
    with SSSNClient("http://server/stores/one/", transport=httpx.MockTransport(server)) as client:
        assert client.base_url == "http://server/stores/one"
        server.answers["GET", "/stores/one/channels"] = httpx.Response(200, json=[])
        assert client.list_channels() == ()


def test_any_transport_is_accepted_until_it_is_used():
    """The constructor touches neither the transport nor the network."""
    transport = object()
    for kind in (SSSNClient, AsyncSSSNClient):
        client = kind(URL, timeout=2.5, transport=transport)
        assert (client.timeout, client.transport) == (2.5, transport)


def test_token_and_headers(server):
    """Both go with every request."""
    transport = httpx.MockTransport(server)
    with SSSNClient(
        URL, transport=transport, token="t0k", headers={"X-A": "1", "authorization": "no"}
    ) as client:
        client.list_channels()
    assert server.headers[0]["authorization"] == "Bearer t0k"
    assert server.headers[0]["x-a"] == "1"


def test_every_call_goes_through_one_method(server):
    """`_request` gets method, path, and `json` and `params` as keywords."""
    seen = []

    class Watched(SSSNClient):
        def _request(self, method, path, **options):
            seen.append((method, path, options))
            return super()._request(method, path, **options)

    with Watched(URL, transport=httpx.MockTransport(server)) as client:
        client.append_event({"channel": "a"})
        client.query_events("a", limit=2)
        client.get_event("e1")
    assert seen == [
        ("POST", "/events", {"json": {"channel": "a", "parent_ids": []}}),
        ("GET", "/events", {"params": {"channel": "a", "after_cursor": 0, "limit": 2}}),
        ("GET", "/events/e1", {}),
    ]


def test_one_pooled_client(server):
    """The httpx client is made at the first request and kept; after `close` a new one is made."""
    client = SSSNClient(URL, transport=httpx.MockTransport(server))
    client.list_channels()
    first = client._pool.client()
    client.list_channels()
    assert client._pool.client() is first
    client.close()
    client.close()
    assert first.is_closed
    client.list_channels()
    client.close()


def test_async_client_in_several_loops(server):
    """Each event loop gets connections of its own."""
    client = AsyncSSSNClient(URL, transport=httpx.MockTransport(server))

    async def use():
        async with client:
            return await client.list_channels()

    assert len(asyncio.run(use())) == len(asyncio.run(use())) == 1


def test_artifacts_are_verified(client, server):
    """Bytes that do not have the hash of the answer are refused."""
    server.answers["GET", "/artifacts/r"] = httpx.Response(
        200, content=b"bad", headers={"ETag": f'"{"0" * 64}"'}
    )
    with pytest.raises(ArtifactCorruptError, match="Artifact payload is corrupt: r"):
        client.read_artifact("r")
    with pytest.raises(ArtifactCorruptError):
        list(client.iter_artifact("r"))


def test_parts_of_artifacts(client, server):
    """A range is asked for, and cut out where the server sends everything."""
    server.answers["GET", "/artifacts/r"] = httpx.Response(206, content=b"cde")
    assert b"".join(client.iter_artifact("r", start=2, stop=5)) == b"cde"
    assert server.headers[-1]["range"] == "bytes=2-4"
    server.answers["GET", "/artifacts/r"] = httpx.Response(200, content=b"abcdefgh")
    assert b"".join(client.iter_artifact("r", start=2, stop=5, chunk_size=2)) == b"cde"
    assert b"".join(client.iter_artifact("r", start=6)) == b"gh"
    server.answers["GET", "/artifacts/r"] = httpx.Response(416)
    assert list(client.iter_artifact("r", start=99)) == []


def test_ensure_channel(client, server):
    """An equal channel is returned, another definition is the server's error."""
    assert client.ensure_channel({"name": "a"}).name == "a"
    server.answers["POST", "/channels"] = error_answer(409, "ChannelExistsError", "Channel already exists: a")
    assert client.ensure_channel(Channel(name="a")).name == "a"
    with pytest.raises(SSSNClientError, match="already exists"):
        client.ensure_channel({"name": "a", "description": "other"})


def test_added_routes(client, server):
    """The additions of the protocol have methods of the same names."""
    event = server.default("POST", "/events")
    delivery = {"event": event, "subscription": "s", "token": "t", "attempt": 1, "deadline": 9.0}
    answers = {
        ("POST", "/v1/events/batch"): {"events": [event]},
        ("POST", "/v1/subscriptions/s/lease"): {"deliveries": [delivery]},
        ("POST", "/v1/leases/ack"): {"count": 1},
        ("POST", "/v1/leases/extend"): {"deliveries": [delivery]},
        ("POST", "/v1/commit"): {"acked": 1, "events": [event], "snapshots": []},
        ("GET", "/v1/trace/c"): {"events": [event], "next": None},
        ("GET", "/v1/channels/a/head"): {"channel": "a", "head": 4, "first_cursor": 2},
    }
    for key, body in answers.items():
        server.answers[key] = httpx.Response(200, json=body)
    assert client.append_events([{"channel": "a"}])[0].id == "e1"
    assert server.body == {"events": [{"channel": "a", "parent_ids": []}]}
    assert client.append_events([]) == ()
    (leased,) = client.lease("s", limit=1, wait=0.0)
    assert server.body == {"limit": 1, "wait": 0.0}
    assert client.ack([leased]) == 1
    assert server.body == {"tokens": ["t"]}
    assert client.extend("t", seconds=5)[0].token == "t"
    assert (
        client.commit(acks=[leased], events=[{"channel": "a"}], snapshots=[{"name": "n", "value": 1}]).acked
        == 1
    )
    assert server.body == {
        "acks": ["t"],
        "events": [{"channel": "a", "parent_ids": []}],
        "snapshots": [{"name": "n", "value": 1}],
    }
    assert client.trace("c")[0].id == "e1"
    assert (client.head("a"), client.first_cursor("a")) == (4, 2)


def test_clients_import_httpx_at_the_first_request():
    """Making a client imports nothing of httpx."""
    code = (
        "import sys\n"
        "from sssn import AsyncSSSNClient, SSSNClient\n"
        "SSSNClient('http://server'), AsyncSSSNClient('http://server')\n"
        "print('httpx' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_without_the_http_store():
    """The error names the extra to install."""
    code = (
        "import sys\n"
        "sys.modules['lllm_store_http'] = None\n"
        "try:\n"
        "    from sssn import SSSNClient\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "Install sssn[client] to use the HTTP clients.\n"


def test_json_of_bodies_is_plain(server):
    """What is sent is JSON that any server can read."""
    with SSSNClient(URL, transport=httpx.MockTransport(server)) as client:
        client.append_event({"channel": "a", "payload": {"é": {1, 2}}})
    assert json.loads(json.dumps(server.body))["payload"] == {"é": [1, 2]}
