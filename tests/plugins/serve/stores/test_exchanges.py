"""The exchanges of the contract, word for word."""

import pytest

EVENT = {
    "id": "e1",
    "channel": "events",
    "kind": "raw",
    "source": "s",
    "payload": {"n": 1},
    "timestamp": 1.5,
    "schema": "demo:Event",
    "metadata": {"k": "v"},
    "correlation_id": "c1",
    "cursor": 99,
}
STORED = (
    '{"id":"e1","cursor":1,"channel":"events","timestamp":1.5,"source":"s","kind":"raw","payload":{"n":1},'
    '"schema":"demo:Event","metadata":{"k":"v"},"correlation_id":"c1","parent_ids":[]}'
)


def failure(response):
    """Return status, type and message of a refused request, whose body has nothing else."""
    body = response.json()
    assert list(body) == ["detail"]
    assert list(body["detail"]) == ["error"]
    assert list(body["detail"]["error"]) == ["type", "message"]
    return response.status_code, body["detail"]["error"]["type"], body["detail"]["error"]["message"]


@pytest.fixture
def filled(client):
    """A client whose store has a channel, an event and a subscription."""
    client.post("/channels", json={"name": "events"})
    client.post("/events", json=EVENT)
    client.post("/subscriptions", json={"id": "w", "channel": "events"})
    return client


def test_health_is_exact(client):
    """One key and nothing else."""
    assert client.get("/health").text == '{"ok":true}'


def test_channels(client):
    """Create, again, list, get, and the ways to get it wrong."""
    body = {"name": "events", "schema": "demo:Event", "form": "log", "description": "d", "metadata": {"a": 1}}
    expected = '{"name":"events","schema":"demo:Event","form":"log","description":"d","metadata":{"a":1}}'
    created = client.post("/channels", json=body)
    assert (created.status_code, created.text) == (200, expected)
    assert failure(client.post("/channels", json={"name": "events"})) == (
        409,
        "ChannelExistsError",
        "Channel already exists: events",
    )
    assert client.get("/channels").text == f"[{expected}]"
    assert client.get("/channels/events").text == expected
    assert failure(client.get("/channels/none")) == (404, "ChannelNotFoundError", "Channel not found: none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"name":"bad/name"}', "Value error, channel.name must be a non-empty path segment."),
        (b"{bad", "1: JSON decode error"),
        (b'{"name":"x","form":"nope"}', "form: Input should be 'log', 'queue', "),
        (b"{}", "name: Field required"),
        (b'{"name":5}', "name: Input should be a valid string"),
        (b"[]", "Input should be a valid dictionary"),
    ],
)
def test_refused_channels(client, content, message):
    """Validation errors are 400 with one text."""
    response = client.post("/channels", content=content, headers={"content-type": "application/json"})
    status, kind, text = failure(response)
    assert (status, kind) == (400, "InvalidPayloadError")
    assert text.startswith(message)


def test_events(client):
    """The cursor of the body is ignored, a repeat is the same event, other content is a conflict."""
    client.post("/channels", json={"name": "events"})
    for _ in range(2):
        response = client.post("/events", json=EVENT)
        assert (response.status_code, response.text) == (200, STORED)
    assert client.get("/events/e1").text == STORED
    assert client.get("/events?channel=events").text == f"[{STORED}]"
    assert client.get("/events?channel=events&after_cursor=1").text == "[]"
    assert client.get("/events?channel=events&kind=other").text == "[]"
    assert failure(client.post("/events", json={**EVENT, "payload": 2}))[:2] == (409, "EventConflictError")
    assert failure(client.post("/events", json={"channel": "none"}))[:2] == (404, "ChannelNotFoundError")
    orphan = {"channel": "events", "parent_ids": ["none"]}
    assert failure(client.post("/events", json=orphan)) == (
        404,
        "EventNotFoundError",
        "Event not found: none",
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("channel=events&after_cursor=-1", "after_cursor must be greater than or equal to 0."),
        (
            "channel=events&limit=abc",
            "query.limit: Input should be a valid integer, unable to parse string as an integer",
        ),
        ("", "query.channel: Field required"),
        ("channel=events&limit=0", "limit must be greater than 0."),
        ("channel=events&limit=10001", "limit must be less than or equal to 10000."),
        ("channel=events&kind=a%20b", "event.kind must be a non-empty token."),
    ],
)
def test_refused_queries(filled, query, message):
    """Query errors keep their place, the store's own texts stand alone."""
    assert failure(filled.get(f"/events?{query}")) == (400, "InvalidPayloadError", message)


def test_subscriptions(filled):
    """Creation, its repeat, conflicts, and a pull that advances."""
    body = {
        "id": "s",
        "channel": "events",
        "consumer": "w1",
        "batch_size": 10,
        "filters": {"kind": "raw"},
        "metadata": {"m": 1},
    }
    expected = (
        '{"id":"s","channel":"events","cursor":0,"consumer":"w1","batch_size":10,"filters":{"kind":"raw"},'
        '"metadata":{"m":1}}'
    )
    assert filled.post("/subscriptions", json=body).text == expected
    assert filled.get("/subscriptions/s").text == expected
    filled.post("/channels", json={"name": "other"})
    assert failure(filled.post("/subscriptions", json={"id": "s", "channel": "other"}))[0] == 409
    assert filled.post("/subscriptions/s/pull?limit=5").text == f"[{STORED}]"
    assert filled.post("/subscriptions/s/pull?limit=5").text == "[]"
    assert filled.get("/subscriptions/s").json()["cursor"] == 1


def test_artifacts(filled):
    """The record of the contract, the bytes with their type, and bad base64."""
    body = {
        "data": "aGVsbG8=",
        "encoding": "base64",
        "channel": "events",
        "media_type": "text/plain",
        "metadata": {"r": 1},
        "event_ids": ["e1"],
    }
    record = filled.post("/artifacts", json=body).json()
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert list(record) == ["id", "channel", "path", "media_type", "size", "sha256", "metadata", "event_ids"]
    assert (record["path"], record["size"], record["sha256"]) == (f"artifacts/{digest}", 5, digest)
    content = filled.get(f"/artifacts/{record['id']}")
    assert (content.content, content.headers["content-type"]) == (b"hello", "text/plain; charset=utf-8")
    assert filled.get(f"/artifacts/{record['id']}/metadata").json() == record
    assert failure(filled.post("/artifacts", json={"data": "!", "encoding": "base64"})) == (
        400,
        "InvalidPayloadError",
        "Invalid base64 artifact data.",
    )


def test_snapshots(filled):
    """The written form with its revision; a name in the body is ignored."""
    body = {
        "channel": "events",
        "value": {"a": None, "b": [None, 1]},
        "source_event_id": "e1",
        "schema": "S",
        "metadata": {"z": None},
        "timestamp": 2.0,
        "name": "ignored",
    }
    expected = (
        '{"name":"latest","channel":"events","timestamp":2.0,"value":{"a":null,"b":[null,1]},"schema":"S",'
        '"source_event_id":"e1","metadata":{"z":null},"revision":1}'
    )
    assert filled.put("/snapshots/latest", json=body).text == expected
    assert filled.get("/snapshots/latest").text == expected
    plain = filled.put("/snapshots/plain", json={}).json()
    assert (plain["channel"], plain["value"], plain["metadata"]) == (None, None, {})
    conflict = filled.put("/snapshots/latest", json={"value": 1}, headers={"If-Match": '"7"'})
    assert failure(conflict)[:2] == (409, "SnapshotConflictError")
    assert filled.put("/snapshots/latest?expected_revision=1", json={"value": 1}).json()["revision"] == 2


def test_leases_and_commit(filled):
    """Lease, commit with an output, and a token that is no longer good."""
    (delivery,) = filled.post("/v1/subscriptions/w/lease", json={}).json()["deliveries"]
    assert list(delivery) == ["event", "subscription", "token", "attempt", "deadline"]
    filled.post("/channels", json={"name": "out"})
    output = {"id": "o1", "channel": "out", "parent_ids": ["e1"]}
    body = {"acks": [delivery["token"]], "events": [output]}
    for _ in range(2):
        done = filled.post("/v1/commit", json=body).json()
        assert (done["acked"], done["events"][0]["cursor"], done["snapshots"]) == (1, 1, [])
    assert filled.get("/v1/subscriptions/w/lag").json()["undelivered"] == 0
    assert [event["id"] for event in filled.get("/v1/events/e1/children").json()["events"]] == ["o1"]
    assert failure(filled.post("/v1/leases/ack", json={"tokens": ["nope"]})) == (
        409,
        "LeaseLostError",
        "Lease is not held: nope",
    )


def test_unknown_routes_keep_the_framework_bodies(client):
    """Clients tell a missing route from a missing record by them."""
    assert (client.get("/nope").status_code, client.get("/nope").text) == (404, '{"detail":"Not Found"}')
    refused = client.delete("/channels")
    assert (refused.status_code, refused.text) == (405, '{"detail":"Method Not Allowed"}')


def test_other_content_types_are_refused(client):
    """A JSON route takes JSON and nothing that a web form can send."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        response = client.post("/channels", content=b'{"name":"y"}', headers={"content-type": kind})
        assert failure(response)[0] == 400
    assert client.get("/channels").json() == []


@pytest.mark.parametrize("content", [b'{"channel":"events","payload":NaN}', b"[" * 100_000, b"\xff\xfe"])
def test_poison_bodies_are_refused(filled, content):
    """NaN, deep nesting and broken text change nothing and leave the server well."""
    response = filled.post("/events", content=content, headers={"content-type": "application/json"})
    assert failure(response)[:2] == (400, "InvalidPayloadError")
    assert filled.get("/health").json() == {"ok": True}


def test_unexpected_errors_show_no_text(client, store, monkeypatch, caplog):
    """The class name may be seen, the text goes to the log."""

    def broken():
        raise RuntimeError("the password is hush")

    monkeypatch.setattr(store, "list_channels", broken)
    response = client.get("/channels")
    assert failure(response) == (500, "RuntimeError", "Internal server error")
    assert "hush" in caplog.text


def test_openapi_has_real_models(client):
    """Generated clients are typed."""
    document = client.get("/openapi.json").json()
    assert document["info"]["title"] == "SSSN Store"
    create = document["paths"]["/channels"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("Channel")
    assert create["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("Channel")
    assert "/v1/commit" in document["paths"]
