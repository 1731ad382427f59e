"""Calls over a real connection: bodies, answers, errors, retries, deadlines, usage."""

import asyncio
import json
import time

import httpx
import pytest
from pydantic import BaseModel

from lllm import (
    CallContext,
    DeadlineExceeded,
    RemoteTactic,
    RemoteTacticError,
    SchemaError,
    Tactic,
    TacticServiceError,
)
from lllm.propagation import incoming_headers


class Word(BaseModel):
    text: str


def both(tactic, value, **options):
    """Call synchronously and asynchronously and return both results."""

    async def main():
        async with tactic:
            return await tactic.arun(value, **options)

    with tactic:
        return tactic.run(value, **options), asyncio.run(main())


def fails(tactic, value, error, **options):
    """Check that both paths raise, and return the two exceptions."""
    caught = []

    async def main():
        async with tactic:
            await tactic.arun(value, **options)

    with tactic:
        for call in (lambda: tactic.run(value, **options), lambda: asyncio.run(main())):
            with pytest.raises(error) as info:
                call()
            caught.append(info.value)
    return caught


def test_the_body_is_the_envelope_with_the_whole_context(service):
    """Input and context go as JSON; extras of the context travel."""
    context = CallContext(request_id="r1", trace_id="t", metadata={"a": 1}, robot="x")
    both(RemoteTactic(service.url, input_type=Word), {"text": "hi"}, context=context)
    for method, path, headers, body in service.requests:
        assert (method, path) == ("POST", "/run")
        assert headers["content-type"] == "application/json"
        assert headers["x-lllm-usage"] == "1"
        assert json.loads(body) == {"input": {"text": "hi"}, "context": json.loads(context.model_dump_json())}


def test_answers(service):
    """`output` of an object, any other JSON as it is; checked against output_type."""
    service.answers = [(200, {"output": {"text": "a"}}), (200, {"output": {"text": "a"}})]
    assert both(RemoteTactic(service.url, output_type=Word), 1) == (Word(text="a"), Word(text="a"))
    service.answers = [(200, [1, 2])] * 2
    assert both(RemoteTactic(service.url), 1) == ([1, 2], [1, 2])
    service.answers = [(200, {"output": {"text": 5}})] * 2
    fails(RemoteTactic(service.url, output_type=Word), 1, SchemaError)


def test_bad_input_is_not_sent(service):
    """What the input type refuses never leaves the process."""
    fails(RemoteTactic(service.url, input_type=Word), {"text": 1}, SchemaError)
    fails(RemoteTactic(service.url), {"x": float("nan")}, SchemaError)
    fails(RemoteTactic(service.url), {"x": object()}, SchemaError)
    assert service.requests == []
    with RemoteTactic(service.url, allow_nan=True) as tactic:
        assert tactic.run("the text NaN") == "the text NaN"


def test_error_bodies(service):
    """All fields of the error arrive."""
    body = {
        "detail": {
            "error": {
                "type": "ValueError",
                "message": "cannot",
                "tactic": "echo",
                "endpoint": "run",
                "request_id": "r9",
                "metadata": {},
            }
        }
    }
    service.answers = [(500, body), (500, body)]
    for error in fails(RemoteTactic(service.url), 1, RemoteTacticError):
        assert isinstance(error, ValueError)
        assert type(error).__name__ == "RemoteTacticError"
        assert (error.status_code, error.error_type, error.message) == (500, "ValueError", "cannot")
        assert (error.tactic, error.endpoint, error.request_id) == ("echo", "run", "r9")
        assert error.detail == body
        assert error.session.state == "failure"


def test_which_side_did_not_match(service):
    """As a local SchemaError does, one of a service says whether the input or the output was refused."""
    body = {"detail": {"error": {"type": "SchemaError", "message": "no"}}}
    for status, direction in ((400, "input"), (500, "output"), (422, None)):
        service.answers = [(status, body), (status, body)]
        for error in fails(RemoteTactic(service.url), 1, SchemaError):
            assert (error.status_code, error.direction) == (status, direction)


def test_answers_that_are_not_json(service):
    """A success without JSON, NaN included, is an InvalidResponse; redirects are not followed."""
    service.answers = [(200, b"<html>")] * 2
    for error in fails(RemoteTactic(service.url), 1, RemoteTacticError):
        assert (error.status_code, error.error_type, error.endpoint) == (200, "InvalidResponse", "run")
        assert error.detail == "<html>"
        assert "not valid JSON" in str(error)
    service.answers = [(200, b'{"output": NaN}')] * 2
    fails(RemoteTactic(service.url), 1, RemoteTacticError)
    service.answers = [(302, b"moved", {"location": "/elsewhere"})] * 2
    fails(RemoteTactic(service.url), 1, RemoteTacticError)
    assert all(path == "/run" for _, path, _, _ in service.requests)


def test_info(service):
    """The description narrows capabilities and gives schemas; anything else is an InvalidResponse."""
    described = {"name": "echo", "capabilities": ["run", "arun"], "input_schema": {"type": "string"}}
    service.answers = [(200, described), (200, described), (200, {"nope": 1}), (404, {"detail": "Not Found"})]
    with RemoteTactic(service.url) as tactic:
        assert tactic.fetch_info().name == "echo"
        assert tactic.capabilities() == {"run", "arun"}
        assert tactic.info().input_schema == {"type": "string"}
        assert asyncio.run(_afetch(tactic)).name == "echo"
        with pytest.raises(RemoteTacticError, match="TacticInfo schema") as caught:
            tactic.fetch_info()
        assert (caught.value.error_type, caught.value.endpoint) == ("InvalidResponse", "info")
        with pytest.raises(RemoteTacticError, match="Not Found"):
            tactic.fetch_info()


async def _afetch(tactic):
    async with tactic:
        return await tactic.afetch_info()


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_run_is_tried_again(service, status):
    """With a pause as asked and an idempotency key on the repeat."""
    service.answers = [(status, {}, {"retry-after": "0.01"})]
    with RemoteTactic(service.url) as tactic:
        assert tactic.run(1) == 1
    first, second = (headers for _, _, headers, _ in service.requests)
    assert "idempotency-key" not in first
    assert second["idempotency-key"]


def refused(kind):
    """Return the body with which a service says what failed."""
    return {"detail": {"error": {"type": kind, "message": "m", "tactic": "t", "endpoint": "run"}}}


def test_what_may_have_run_is_tried_again_only_with_a_key(service):
    """A 502 or 504 that the service itself gives is final unless every try carries the key."""
    service.answers = [(502, refused("RemoteTacticError")), (504, refused("DeadlineExceeded"))]
    service.answers.append((200, {"output": "ok"}))
    with RemoteTactic(service.url) as tactic, pytest.raises(RemoteTacticError, match="502"):
        tactic.run(1)
    with RemoteTactic(service.url, idempotent=True) as tactic:
        assert tactic.run(1) == "ok"
    keys = [headers.get("idempotency-key") for _, _, headers, _ in service.requests]
    assert keys[0] is None
    assert keys[1] == keys[2] is not None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_a_gateway_refuses_is_tried_again_with_a_key(service, status):
    """The service did not say that it worked; the further tries carry one key, so that they are one piece of work."""
    service.answers = [(status, b"<html>"), (status, b"<html>"), (200, {"output": "ok"})]
    with RemoteTactic(service.url) as tactic:
        assert tactic.run(1) == "ok"
    keys = [headers.get("idempotency-key") for _, _, headers, _ in service.requests]
    assert keys[0] is None
    assert keys[1] == keys[2] is not None


def test_retries_end(service):
    """The last answer is raised, with what it asked for."""
    service.answers = [(503, {}, {"retry-after": "0"})] * 3
    with RemoteTactic(service.url, retries=2) as tactic, pytest.raises(RemoteTacticError) as caught:
        tactic.run(1)
    assert caught.value.retry_after == 0.0
    assert len(service.requests) == 3
    service.answers = [(503, {}, {"retry-after": "3600"})]
    with RemoteTactic(service.url) as tactic, pytest.raises(RemoteTacticError):
        tactic.run(1)
    assert len(service.requests) == 4


def test_a_service_that_is_not_there(service):
    """A transport error is a TacticServiceError with its cause, and never hangs."""
    service.stop()
    tactic = RemoteTactic(service.url, retries=1)
    for error in fails(tactic, 1, TacticServiceError):
        assert isinstance(error.__cause__, httpx.ConnectError)
        assert service.url in str(error)
    service.thread.join()


def test_timeouts_and_deadlines(service):
    """The timeout of a try is a TacticServiceError, the caller's deadline a DeadlineExceeded."""

    def slow(handler):
        time.sleep(0.3)

    service.answers = [slow] * 4
    for error in fails(RemoteTactic(service.url, timeout=0.05), 1, TacticServiceError):
        assert "did not answer in time" in str(error)
    for path in ("run", "arun"):
        context = CallContext().limit(0.05)
        with RemoteTactic(service.url) as tactic, pytest.raises(DeadlineExceeded):
            if path == "run":
                tactic.run(1, context=context)
            else:
                asyncio.run(_closed(tactic, tactic.arun(1, context=context)))
    sent = [int(headers["x-lllm-timeout-ms"]) for _, _, headers, _ in service.requests[2:]]
    assert all(0 < milliseconds <= 50 for milliseconds in sent)


async def _closed(tactic, awaitable):
    async with tactic:
        return await awaitable


def test_headers_auth_and_trace(service):
    """Headers of the tactic, of the call, credentials and trace headers are sent."""
    token = incoming_headers.set({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"})
    try:
        with RemoteTactic(service.url, headers={"X-A": "1"}, auth=lambda: "secret") as tactic:
            tactic.run(1, headers={"X-B": "2"})
    finally:
        incoming_headers.reset(token)
    headers = service.requests[0][2]
    assert (headers["x-a"], headers["x-b"], headers["authorization"]) == ("1", "2", "Bearer secret")
    assert headers["traceparent"].startswith("00-111")
    with RemoteTactic(service.url, auth=("user", "pass")) as tactic:
        tactic.run(1)
    assert service.requests[1][2]["authorization"] == "Basic dXNlcjpwYXNz"
    assert "secret" not in repr(tactic)


def test_usage_folds_into_the_caller(service):
    """The header becomes cost of the call; a malformed one is ignored."""
    usage = {
        "cost": 0.03,
        "calls": 3,
        "unpriced": 0,
        "prompt_tokens": 30,
        "completion_tokens": 15,
        "total_tokens": 45,
    }

    class Outer(Tactic):
        def __init__(self):
            super().__init__()
            self.remote = RemoteTactic(service.url)

        def _run(self, input_value, *, context=None):
            with self.remote:
                return [self.remote.run(1), self.remote.run(2), self.remote.run(3)]

    good = {"x-lllm-usage": json.dumps(usage)}
    service.answers = [
        (200, {"output": 1}, good),
        (200, {"output": 2}, {"x-lllm-usage": "{"}),
        (200, {"output": 3}),
    ]
    session = Outer().run(None, return_session=True)
    assert session.delivery == [1, 2, 3]
    assert session.total_cost.cost == pytest.approx(0.03)
    assert session.llm_call_count == 3
    assert len(session.sub_tactic_sessions["remote"]) == 3


def test_a_given_client_is_used_and_left_open(service):
    """httpx clients of either kind work and are not closed."""
    with httpx.Client() as client:
        with RemoteTactic(service.url, client=client) as tactic:
            assert tactic.run(1) == 1
        assert not client.is_closed
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json={"output": "mock"}))
    assert both(RemoteTactic("http://h", transport=mock), 1) == ("mock", "mock")


def test_connections_are_kept(service):
    """Calls share one connection, and a closed tactic opens a new one when it is used again."""
    tactic = RemoteTactic(service.url)
    client = tactic._clients.sync()
    assert [tactic.run(number) for number in range(3)] == [0, 1, 2]
    assert tactic._clients.sync() is client
    tactic.close()
    assert client.client.is_closed
    assert tactic.run(4) == 4
    tactic.close()
