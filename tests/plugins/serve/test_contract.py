"""The exchanges of the tactic service, as the contract words them."""

import asyncio
import json

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from lllm import (
    CallContext,
    Tactic,
    TacticEvent,
    create_service_app,
    create_tactic_app,
    endpoint,
    record_usage,
)


class EchoIn(BaseModel):
    text: str


class EchoOut(BaseModel):
    text: str


class Echo(Tactic[EchoIn, EchoOut]):
    """Says it louder."""

    name = "echo"

    def _run(self, input_value, *, context=None):
        record_usage("model", {"total_tokens": 3, "prompt_tokens": 2, "response_cost": 0.5})
        return EchoOut(text=input_value.text.upper())

    async def _astream(self, input_value, *, context=None):
        for letter in input_value.text:
            yield letter
        yield TacticEvent.result({"text": input_value.text}, api_key="hush", step=1)

    @endpoint.post("/act")
    def act(self, input_value, context):
        """Acts."""
        return {"acted": input_value.text, "endpoint": context.endpoint}

    @endpoint.post("/chunks", mode="stream")
    async def chunks(self, input_value):
        yield input_value.text
        yield {"a": 1}
        yield TacticEvent(kind="progress", data=input_value.text)

    @endpoint.post("/ag", mode="stream")
    def ag(self, input_value):
        yield "first"
        raise ValueError("z")


class Untyped(Tactic):
    name = "raw"

    def _run(self, input_value, *, context=None):
        return input_value


class Seen(Tactic):
    name = "seen"

    def _run(self, input_value, *, context=None):
        return json.loads(context.model_dump_json())


class Failing(Tactic):
    name = "fail"

    def _run(self, input_value, *, context=None):
        raise ValueError("cannot handle x")

    async def _astream(self, input_value, *, context=None):
        yield "hello"
        raise ValueError("boom")


@pytest.fixture(scope="module")
def client():
    """All tactics behind one application."""
    app = create_service_app([Echo(), Untyped(), Seen(), Failing()])
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def single():
    """One tactic at the root."""
    with TestClient(create_tactic_app(Echo()), base_url="http://127.0.0.1") as client:
        yield client


def error_of(response):
    """Return the error of a refused request; its nesting and keys are fixed."""
    body = response.json()
    assert list(body) == ["detail"]
    assert list(body["detail"]) == ["error"]
    error = body["detail"]["error"]
    assert list(error) == ["type", "message", "tactic", "endpoint", "request_id", "metadata"]
    return error


def post(client, path, body, **options):
    """Post JSON."""
    return client.post(path, json=body, **options)


def test_health_and_lists(client):
    """Exact health; the list in the order given; secrets filtered."""
    assert client.get("/health").text == '{"ok":true,"tactics":["echo","fail","raw","seen"]}'
    assert [info["name"] for info in client.get("/tactics").json()] == ["echo", "raw", "seen", "fail"]
    info = client.get("/tactics/echo/info").json()
    assert (info["description"], info["capabilities"]) == ("Says it louder.", ["arun", "run", "stream"])
    assert client.get("/nope").text == '{"detail":"Not Found"}'
    assert client.get("/tactics/echo/run").text == '{"detail":"Method Not Allowed"}'


def test_run(client):
    """Three keys, in this order."""
    context = {"request_id": "req-1", "trace_id": "t1", "metadata": {"a": 1}, "tags": {"k": "v"}}
    response = post(client, "/tactics/echo/run", {"input": {"text": "hi"}, "context": context})
    assert (response.status_code, response.text) == (
        200,
        '{"output":{"text":"HI"},"request_id":"req-1","tactic":"echo"}',
    )


def test_single_mode(single):
    """One tactic answers at the root as well."""
    assert post(single, "/run", {"input": {"text": "hi"}}).json()["output"] == {"text": "HI"}
    assert single.get("/info").json()["name"] == "echo"
    assert post(single, "/tactics/echo/run", {"text": "raw body"}).json()["output"] == {"text": "RAW BODY"}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"input": 0, "task": 7}, 0),
        ({"task": 5}, 5),
        ({"input": None, "task": 5}, 5),
        ({"input": 1, "extra": 2}, {"input": 1, "extra": 2}),
        ({"context": {"a": 1}}, {"context": {"a": 1}}),
        ([1, 2, 3], [1, 2, 3]),
        (5, 5),
        (None, None),
    ],
)
def test_envelopes_and_raw_bodies(client, body, value):
    """What is an envelope, and what is the input itself."""
    assert post(client, "/tactics/raw/run", body).json()["output"] == value


def test_bodies_that_are_not_json(client):
    """Empty is None; text stays text where JSON is not claimed; broken JSON is refused."""
    assert client.post("/tactics/raw/run").json()["output"] is None
    bad = client.post("/tactics/raw/run", content=b"{bad", headers={"content-type": "application/json"})
    assert (bad.status_code, error_of(bad)["type"]) == (400, "SchemaError")


def test_contexts(client):
    """Ids, fallbacks and the endpoint, which cannot be spoofed; extras survive."""

    def seen(context):
        return post(client, "/tactics/seen/run", {"input": 1, "context": context}).json()["output"]

    assert seen({"call_id": "cid-1"})["request_id"] == "cid-1"
    assert seen({"request_id": ""})["request_id"] not in {"", None}
    assert seen({"endpoint": "spoof"})["endpoint"] == "run"
    full = {"request_id": "r", "caller": "me", "trace_id": "t", "span_id": "s", "robot": {"x": 1}}
    assert {name: seen(full)[name] for name in full} == full


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (5, "Request context must be an object."),
        ({"metadata": 5}, "Request context metadata must be an object."),
        ({"tags": []}, "Request context tags must be an object."),
        ({"trace_id": "a b"}, "Invalid request context: "),
    ],
)
def test_bad_contexts(client, context, message):
    """Each is a SchemaError with the text of the contract."""
    response = post(client, "/tactics/echo/run", {"input": {"text": "x"}, "context": context})
    error = error_of(response)
    assert (response.status_code, error["type"]) == (400, "SchemaError")
    assert error["message"].startswith(message)


def test_errors(client):
    """Input errors 400, unknown tactics 404, failures 500, no stream 400."""
    bad = post(client, "/tactics/echo/run", {"input": {"text": 1}, "context": {"request_id": "r7"}})
    error = error_of(bad)
    assert (bad.status_code, error["type"], error["request_id"]) == (400, "SchemaError", "r7")
    assert error["message"].startswith("Value does not match schema EchoIn: ")
    missing = post(client, "/tactics/nope/run", {})
    assert missing.status_code == 404
    assert error_of(missing) == {
        "type": "TacticNotFound",
        "message": "Tactic not found: nope",
        "tactic": "nope",
        "endpoint": None,
        "request_id": None,
        "metadata": {},
    }
    failed = post(client, "/tactics/fail/run", {"input": 1})
    error = error_of(failed)
    assert (failed.status_code, error["type"], error["message"]) == (500, "ValueError", "cannot handle x")
    assert (error["tactic"], error["endpoint"]) == ("fail", "run")
    unsupported = post(client, "/tactics/raw/stream", {"input": 1})
    error = error_of(unsupported)
    assert (unsupported.status_code, error["type"]) == (400, "TacticUnsupportedError")
    assert error["message"] == "Tactic 'raw' does not support streaming."


def frames_of(response):
    """Return the data of a stream's frames."""
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def test_streams(client):
    """Chunks are message events, results are validated, metadata is filtered, the end is marked."""
    response = post(client, "/tactics/echo/stream", {"input": {"text": "ab"}})
    frames = frames_of(response)
    assert [(frame["kind"], frame["data"]) for frame in frames] == [
        ("message", "a"),
        ("message", "b"),
        ("result", {"text": "ab"}),
    ]
    assert list(frames[0]) == ["id", "timestamp", "kind", "data", "metadata"]
    assert frames[2]["metadata"] == {"step": 1}
    assert "event: end" in response.text
    refused = post(client, "/tactics/echo/stream", {"input": {"text": 1}})
    assert refused.status_code == 400


def test_a_failure_in_a_stream_is_its_last_frame(client):
    """Status 200, then an error frame with exactly four keys of metadata."""
    body = {"input": 1, "context": {"request_id": "r9"}}
    frames = frames_of(post(client, "/tactics/fail/stream", body))
    assert frames[0]["data"] == "hello"
    assert (frames[1]["kind"], frames[1]["data"]) == ("error", {"message": "boom"})
    assert frames[1]["metadata"] == {
        "error_type": "ValueError",
        "tactic": "fail",
        "endpoint": "stream",
        "request_id": "r9",
    }


def test_custom_endpoints(single):
    """Results come bare, streams give raw items, errors the usual frame."""
    assert post(single, "/act", {"input": {"text": "go"}}).text == '{"acted":"go","endpoint":"act"}'
    first, second, third = frames_of(post(single, "/chunks", {"input": {"text": "go"}}))
    assert (first, second) == ("go", {"a": 1})
    assert (third["kind"], third["data"]) == ("progress", "go")
    failed = frames_of(post(single, "/ag", {"input": {"text": "go"}}))
    assert (failed[-1]["kind"], failed[-1]["data"]) == ("error", {"message": "z"})
    assert failed[-1]["metadata"]["endpoint"] == "ag"
    paths = single.get("/openapi.json").json()["paths"]
    assert paths["/act"]["post"]["summary"] == "Act"


def test_usage_travels_in_a_header(client):
    """Only a caller that asks for it gets it."""
    body = {"input": {"text": "hi"}}
    assert "x-lllm-usage" not in post(client, "/tactics/echo/run", body).headers
    asked = post(client, "/tactics/echo/run", body, headers={"x-lllm-usage": "1"})
    usage = json.loads(asked.headers["x-lllm-usage"])
    assert (usage["cost"], usage["calls"], usage["total_tokens"]) == (0.5, 1, 3)


def test_a_spent_deadline_is_504(client):
    """The caller's remaining time crosses the connection."""

    class Slow(Tactic):
        name = "slow"

        async def _arun(self, input_value, *, context=None):
            assert context.remaining < 1
            await asyncio.sleep(30)

    with TestClient(create_tactic_app(Slow()), base_url="http://127.0.0.1") as slow:
        response = post(slow, "/run", {"input": 1}, headers={"X-LLLM-Timeout-Ms": "50"})
    assert (response.status_code, error_of(response)["type"]) == (504, "DeadlineExceeded")


def test_idempotency_keys_replay(client):
    """The same key and input give the stored answer; other input is a conflict."""
    headers = {"Idempotency-Key": "k1"}
    body = {"input": {"text": "hi"}}
    first = post(client, "/tactics/echo/run", body, headers=headers)
    second = post(client, "/tactics/echo/run", body, headers=headers)
    assert second.text == first.text
    assert second.headers["Idempotency-Replayed"] == "true"
    other = post(client, "/tactics/echo/run", {"input": {"text": "no"}}, headers=headers)
    assert other.status_code == 409


def test_problem_documents_for_those_who_accept_them(client):
    """RFC 9457 instead of the envelope."""
    response = post(
        client, "/tactics/echo/run", {"input": {"text": 1}}, headers={"accept": "application/problem+json"}
    )
    assert response.headers["content-type"].startswith("application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["retryable"]) == (400, False)
    assert problem["errors"][0]["pointer"].endswith("/text")


def test_web_pages_and_foreign_hosts_are_refused(client):
    """A page of another origin, and a name that somebody points here."""
    body = {"input": {"text": "x"}}
    assert (
        post(client, "/tactics/echo/run", body, headers={"Origin": "http://evil.example"}).status_code == 403
    )
    assert post(client, "/tactics/echo/run", body, headers={"Host": "evil.example"}).status_code == 403


def test_what_cannot_be_served_is_refused_when_built():
    """Empty collections, other objects, unroutable and duplicate names, clashing endpoints."""
    with pytest.raises(ValueError, match="requires at least one tactic"):
        create_service_app([])
    with pytest.raises(ValueError, match="must be Tactic instances"):
        create_service_app([print])
    with pytest.raises(ValueError, match=r"tactic\.name must be a non-empty path segment\."):
        create_service_app([Untyped(name="add numbers")])
    with pytest.raises(ValueError, match=r"Duplicate tactic\.name route: raw"):
        create_service_app([Untyped(), Untyped()])

    class Clash(Tactic):
        @endpoint.post("/run")
        def mine(self, value):
            return value

        def _run(self, input_value, *, context=None):
            return input_value

    with pytest.raises(ValueError, match="reserved LLLM service route"):
        create_tactic_app(Clash())


def test_openapi_shows_the_schemas(client):
    """Generated clients are typed."""
    text = client.get("/openapi.json").text
    assert "EchoIn" in text
    assert "/tactics/echo/run" in json.loads(text)["paths"]
    assert CallContext.__name__ in text or "context" in text
