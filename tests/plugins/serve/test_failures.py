"""What a caller is told when a call fails, and what only the log knows."""

import asyncio
import logging
import sys
from collections.abc import Callable

import pytest
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from lllm import (
    BudgetExceeded,
    DeadlineExceeded,
    SchemaError,
    TacticError,
    TacticServiceError,
    TacticUnsupportedError,
)


class RemoteTacticError(TacticError):
    """Looks like the remote runtime's error, which need not be installed."""

    def __init__(self):
        super().__init__("Remote tactic returned HTTP 503 (Busy): no")
        self.status_code, self.error_type, self.request_id, self.retry_after = 503, "Busy", "far-1", 7.2


class SandboxLimitError(TacticError):
    """Looks like the wrappers' error."""

    def __init__(self, kind):
        super().__init__(f"{kind} is too large")
        self.kind = kind


class SandboxTimeoutError(TacticError):
    """Looks like the wrappers' error."""


class Number(BaseModel):
    n: int


def raising(make, error):
    """Return a tactic that raises."""

    async def work(value, context):
        raise error

    return make(work)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ValueError("x"), 500, "ValueError"),
        (KeyError("k"), 500, "KeyError"),
        (ZeroDivisionError(), 500, "ZeroDivisionError"),
        (SchemaError("plain"), 400, "SchemaError"),
        (SchemaError("about the output", direction="output"), 500, "SchemaError"),
        (SchemaError("about the input of another tactic", direction="input"), 500, "SchemaError"),
        (TacticUnsupportedError("no"), 400, "TacticUnsupportedError"),
        (DeadlineExceeded("late"), 504, "DeadlineExceeded"),
        (TacticServiceError("unreachable"), 502, "TacticServiceError"),
        (BudgetExceeded("too dear"), 500, "BudgetExceeded"),
        (SandboxTimeoutError("late"), 500, "SandboxTimeoutError"),
        (SandboxLimitError("input"), 413, "SandboxLimitError"),
        (SandboxLimitError("metadata"), 403, "SandboxLimitError"),
        (SandboxLimitError("output"), 500, "SandboxLimitError"),
        (SystemExit(3), 500, "SystemExit"),
        (RecursionError("deep"), 500, "RecursionError"),
    ],
)
def test_each_error_has_its_status(client, make, error_of, error, status, kind):
    """The type is the class name, the message its text."""
    response = client(raising(make, error)).post("/run", json={"input": 1, "context": {"request_id": "r"}})
    found = error_of(response)
    assert (response.status_code, found["type"]) == (status, kind)
    assert found["message"] == (str(error) or kind)
    assert (found["tactic"], found["endpoint"], found["request_id"]) == ("work", "run", "r")
    assert found["metadata"] == {}


def test_a_tactic_that_exits_takes_nothing_down(client, make):
    """`sys.exit` in a coroutine or in a thread is a failed call."""

    async def later(value, context):
        sys.exit(1)

    for tactic in (make(later), make(lambda value, context: sys.exit(1))):
        http = client(tactic)
        assert http.post("/run", json=1).status_code == 500
        assert http.get("/health").status_code == 200


def test_output_that_does_not_match_is_the_tactics_fault(client, make, error_of):
    """500; the type stays SchemaError."""
    response = client(make(lambda value, context: {"n": "x"}, output_type=Number)).post("/run", json=1)
    error = error_of(response)
    assert (response.status_code, error["type"]) == (500, "SchemaError")
    assert error["message"].startswith("Value does not match schema Number: ")


def test_an_input_that_the_tactic_passed_on_is_the_tactics_fault(client, make, error_of):
    """Only the caller's own input is answered with 400."""
    inner = make(lambda value, context: value, input_type=Number)

    async def outer(value, context):
        return await inner.arun({"n": "not a number"})

    for tactic in (make(outer), make(outer, input_type=Number), make(outer, input_type=dict[str, int])):
        response = client(tactic).post("/run", json={"input": {"n": 1}})
        assert (response.status_code, error_of(response)["type"]) == (500, "SchemaError")
        assert client(tactic).post("/run", json={"input": {"n": 1}}).status_code == 500


def test_an_http_exception_keeps_status_and_headers(client, make, error_of):
    """In the envelope, since that is what callers read."""
    refused = HTTPException(418, "short and stout", {"X-Pot": "tea"})
    response = client(raising(make, refused)).post("/run", json=1)
    error = error_of(response)
    assert (response.status_code, response.headers["x-pot"]) == (418, "tea")
    assert (error["type"], error["message"]) == ("HTTPException", "short and stout")
    detailed = client(raising(make, HTTPException(409, {"id": 3}))).post("/run", json=1)
    assert error_of(detailed)["metadata"] == {"detail": {"id": 3}}


@pytest.mark.parametrize("status", [204, 205, 304])
def test_statuses_without_a_body_have_none(client, make, status):
    """A body after such a status would be taken for the next answer on the connection."""
    response = client(raising(make, HTTPException(status, headers={"X-Why": "done"}))).post("/run", json=1)
    assert (response.status_code, response.content, response.headers["x-why"]) == (status, b"", "done")
    assert "content-length" not in response.headers


@pytest.mark.parametrize("status", [0, 42, 101, 600, 999])
def test_statuses_that_http_does_not_know_are_failures(client, make, error_of, status):
    """No server can send them."""
    response = client(raising(make, HTTPException(status, "odd"))).post("/run", json=1)
    assert (response.status_code, error_of(response)["type"]) == (500, "HTTPException")
    assert str(status) in error_of(response)["message"]


def test_headers_that_cannot_be_sent_are_left_out(client, make):
    """A line break in one would begin another; numbers are written as text."""
    headers = {
        "Retry-After": 5,
        "X-Split": "a\r\nSet-Cookie: b",
        "x\r\ny": "z",
        "": "e",
        "ü": "u",
        "X-Fine": "f",
    }
    response = client(raising(make, HTTPException(429, "later", headers))).post("/run", json=1)
    assert response.status_code == 429
    sent = set(response.headers) - {"content-type", "content-length", "x-request-id"}
    assert sent == {"retry-after", "x-fine"}
    assert response.headers["retry-after"] == "5"


def test_a_tactic_that_was_cancelled_inside_has_failed(client, make, error_of):
    """Nobody cancelled the call: something that it waited for was."""

    async def work(value, context):
        waited_for = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        waited_for.cancel()
        await waited_for

    async def streamed(value, context):
        yield 1
        await work(value, context)

    response = client(make(work)).post("/run", json=1)
    assert (response.status_code, error_of(response)["type"]) == (500, "CancelledError")
    text = client(make(streamed)).post("/stream", json=1).text
    assert '"error_type":"CancelledError"' in text
    assert text.endswith("event: end\n\n")


@pytest.mark.parametrize(
    "error", [StopIteration(1), GeneratorExit(), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_a_thread_cannot_raise_what_only_coroutines_mean(client, make, error_of, error):
    """A future cannot carry `StopIteration`: the caller would wait for ever."""

    def work(value, context):
        raise error

    response = client(make(work)).post("/run", json=1)
    assert (response.status_code, error_of(response)["type"]) == (500, "RuntimeError")
    assert type(error).__name__ in error_of(response)["message"]


def test_a_remote_error_is_a_bad_gateway(client, make, error_of):
    """502 with what the other service said."""
    response = client(raising(make, RemoteTacticError())).post("/run", json=1)
    error = error_of(response)
    assert (response.status_code, error["type"]) == (502, "RemoteTacticError")
    assert error["metadata"] == {
        "upstream_status": 503,
        "upstream_type": "Busy",
        "upstream_request_id": "far-1",
    }
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "output", [object(), {"a": lambda: 1}, float("nan"), [float("inf")], "\ud800", b"\xff", {1: object()}]
)
def test_output_without_a_json_form(client, make, error_of, output):
    """An envelope, not a broken connection."""
    response = client(make(lambda value, context: output)).post("/run", json=1)
    error = error_of(response)
    assert (response.status_code, error["type"]) == (500, "OutputEncodingError")
    assert error["message"].startswith("The output has no JSON form: ")


def test_nan_in_a_model_is_refused(client, make, error_of):
    """Models would write it as null."""

    class Score(BaseModel):
        score: float
        note: str | None = None

    http = client(make(lambda value, context: {"score": value}, output_type=Score))
    assert http.post("/run", json=1.5).json()["output"] == {"score": 1.5, "note": None}
    failed = client(make(lambda value, context: {"score": float("nan")}, output_type=Score))
    assert error_of(failed.post("/run", json=1))["type"] == "OutputEncodingError"


def test_sets_dates_and_aliases_are_written(client, make):
    """What pydantic can write is written, by alias."""
    from datetime import datetime

    from pydantic import Field

    class Answer(BaseModel):
        at: datetime = Field(serialization_alias="when")
        names: set[str]

    http = client(make(lambda value, context: Answer(at=datetime(2026, 1, 2), names={"a"})))
    assert http.post("/run", json=1).json()["output"] == {"when": "2026-01-02T00:00:00", "names": ["a"]}


def test_failures_are_logged_with_their_traceback(client, make, caplog):
    """Under the id of the request; the body has no traceback."""

    def work(value, context):
        raise ValueError("secret is sk-abcdefghijklmnopqrstuvwxyz123456")

    with caplog.at_level(logging.ERROR, "lllm.serve"):
        body = {"input": 1, "context": {"request_id": "r77"}}
        response = client(make(work)).post("/run", json=body)
    (record,) = [each for each in caplog.records if each.name == "lllm.serve"]
    assert "Traceback" in record.getMessage()
    assert record.fields == {
        "request_id": "r77",
        "tactic": "work",
        "endpoint": "run",
        "error_type": "ValueError",
    }
    assert "sk-abc" not in record.getMessage()
    assert "sk-abc" not in response.text
    assert "Traceback" not in response.text


def test_the_callers_mistakes_are_not_logged(client, echo, caplog):
    """A refused input is no failure of the service."""
    with caplog.at_level(logging.ERROR, "lllm.serve"):
        client(echo).post("/run", json={"input": {"text": 1}})
    assert not caplog.records


def test_messages_can_be_hidden(client, make, error_of):
    """`expose_errors="type"` keeps the texts of failures inside; input errors stay clear."""

    def work(value, context):
        raise ValueError("internal detail")

    http = client(make(work, input_type=int), expose_errors="type")
    error = error_of(http.post("/run", json=1))
    assert error["type"] == "ValueError"
    assert "internal detail" not in error["message"]
    assert "Value does not match schema int" in error_of(http.post("/run", json="x"))["message"]


def test_problem_documents(client, echo, make):
    """RFC 9457, with JSON pointers into the body."""
    headers = {"accept": "application/json, application/problem+json;q=0.9"}
    body = {"input": {"text": 1}, "context": {"request_id": "r"}}
    response = client(echo).post("/run", json=body, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == 400
    problem = response.json()
    assert problem.pop("detail").startswith("Value does not match schema EchoIn: ")
    assert problem == {
        "type": "urn:lllm:error:SchemaError",
        "title": "Bad Request",
        "status": 400,
        "code": "SchemaError",
        "request_id": "r",
        "retryable": False,
        "errors": [
            {"pointer": "#/input/text", "detail": "Input should be a valid string", "code": "string_type"}
        ],
    }
    raw = client(echo).post("/run", json={"text": 1}, headers=headers).json()
    assert raw["errors"][0]["pointer"] == "#/text"
    busy = client(raising(make, TacticServiceError("down"))).post("/run", json=1, headers=headers).json()
    assert (busy["status"], busy["retryable"]) == (502, True)
    missing = client(echo).post("/tactics/none/run", json=1, headers=headers)
    assert (missing.status_code, missing.json()["code"]) == (404, "TacticNotFound")


def test_odd_exceptions_still_make_an_envelope(client, make, error_of):
    """Classes with strange names, texts that cannot be made, and lone surrogates."""
    strange = type("Strange: name", (Exception,), {})

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    assert error_of(client(raising(make, strange("x"))).post("/run", json=1))["type"] == "Error"
    assert error_of(client(raising(make, Mute())).post("/run", json=1))["message"] == "Mute"
    assert error_of(client(raising(make, ValueError("\ud800"))).post("/run", json=1))["message"] == "?"


def test_the_request_id_of_an_early_error_is_new(client, untyped, error_of):
    """Broken JSON has no id; the one in the body is the one in the header."""
    response = client(untyped).post("/run", content=b"{", headers={"content-type": "application/json"})
    assert error_of(response)["request_id"] == response.headers["x-request-id"]


def test_sync_and_async_tactics_fail_alike(client, make, error_of):
    """The thread does not change what the caller sees."""

    def work(value, context):
        raise LookupError("nothing")

    response = client(make(work)).post("/run", json=1)
    assert (response.status_code, error_of(response)["message"]) == (500, "nothing")


@pytest.mark.parametrize("input_type", [type(print), Callable[[int], int]])
def test_a_tactic_that_cannot_describe_itself_is_served(client, echo, make, caplog, input_type):
    """One bad tactic does not break the list."""
    with caplog.at_level(logging.WARNING, "lllm.serve"):
        http = client([echo, make(lambda value, context: 1, name="odd", input_type=input_type)])
    listed = http.get("/tactics").json()
    assert [info["name"] for info in listed] == ["echo", "odd"]
    assert listed[1]["input_schema"] is None
    assert "cannot describe itself" in caplog.text
    assert http.post("/tactics/odd/run", json=1).status_code == 400
    assert http.get("/openapi.json").status_code == 200
