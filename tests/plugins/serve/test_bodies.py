"""What a body means: envelope or input, JSON or text, and what is refused."""

from datetime import date
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict

JSON = {"content-type": "application/json"}


class Task(BaseModel):
    """An input with a field that the envelope has as well."""

    task: str
    extra: str | None = None


class Dated(BaseModel):
    """Strict: a text is no date in Python, and is one in JSON."""

    model_config = ConfigDict(strict=True)
    day: date


def output(response):
    """Return the output of a call that succeeded."""
    assert response.status_code == 200, response.text
    return response.json()["output"]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"input": 1, "context": None}, 1),
        ({"input": 1, "context": {}}, 1),
        ({"input": 1, "task": None}, 1),
        ({"task": 0}, 0),
        ({"input": False, "task": 1}, False),
        ({"input": 1, "extra": 2}, {"input": 1, "extra": 2}),
        ({"context": {"request_id": "r"}}, {"context": {"request_id": "r"}}),
        ({}, {}),
        ("text", "text"),
    ],
)
def test_envelopes_are_told_by_their_keys(client, untyped, body, value):
    """An object with `input` or `task` and nothing unknown is an envelope, all else is the input."""
    assert output(client(untyped).post("/run", json=body)) == value


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"", None), (b"{bad", "{bad"), (b"hello", "hello"), (b"[1, 2]", [1, 2]), (b" ", " ")],
)
def test_bodies_that_do_not_claim_json(client, untyped, content, value):
    """JSON is JSON whatever it is called; other text is text."""
    http = client(untyped)
    assert output(http.post("/run", content=content)) == value
    assert output(http.post("/run", content=content, headers={"content-type": "text/plain"})) == value


def test_bytes_reach_the_tactic(client, make):
    """What is neither JSON nor text arrives as bytes."""
    http = client(make(lambda value, context: {"type": type(value).__name__, "size": len(value)}))
    assert output(http.post("/run", content=b"\xff\xfe")) == {"type": "bytes", "size": 2}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{bad", "key must be a string at line 1 column 2"),
        (b'{"input": 1', "EOF while parsing an object at line 1 column 11"),
        (b"\xff\xfe", "expected value at line 1 column 1"),
        (b'"\xff"', "invalid unicode code point"),
        (b"{} {}", "trailing characters at line 1 column 4"),
        (b"[" * 100_000, "recursion limit exceeded"),
        (b'{"input":' * 300 + b"1" + b"}" * 300, "recursion limit exceeded"),
        (b"1" * 5000, "number out of range"),
        (b'"\\ud800"', "hex escape"),
    ],
)
def test_broken_json_is_refused_with_its_place(client, untyped, error_of, content, text):
    """Malformed, truncated, too deep, too long: 400 and where."""
    response = client(untyped).post("/run", content=content, headers=JSON)
    error = error_of(response)
    assert (response.status_code, error["type"], error["endpoint"]) == (400, "SchemaError", "run")
    assert error["message"].startswith("Request body is not valid JSON: ")
    assert text in error["message"]


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_media_types_that_claim_json(client, untyped, media_type):
    """Parameters, case and the suffix `+json` are understood."""
    response = client(untyped).post("/run", content=b"{bad", headers={"content-type": media_type})
    assert response.status_code == 400


def test_typed_inputs_arrive_validated(client, echo):
    """In an envelope, under the older name, and raw."""
    http = client(echo)
    for body in ({"input": {"text": "a"}}, {"task": {"text": "a"}}, {"text": "a"}):
        assert output(http.post("/run", json=body)) == {"text": "A"}


def test_strict_models_read_json_as_json(client, make):
    """A strict model takes from JSON what JSON can say, in every form of body."""
    http = client(make(lambda value, context: value.day.year, input_type=Dated))
    for body in ({"input": {"day": "2026-11-21"}}, {"task": {"day": "2026-11-21"}}, {"day": "2026-11-21"}):
        assert output(http.post("/run", json=body)) == 2026


def test_unknown_keys_of_an_envelope_are_refused(client, untyped, error_of):
    """With a context it can only be an envelope; a stray key is a mistake."""
    body = {"input": 1, "context": {}, "contxt": 1, "other": 2}
    response = client(untyped).post("/run", json=body)
    assert response.status_code == 400
    assert "unknown keys: `contxt`, `other`" in error_of(response)["message"]


def test_inputs_that_look_like_envelopes(client, make):
    """A model with a field `task` is tried raw first; with a context it is an envelope."""
    http = client(make(lambda value, context: value.task, input_type=Task))
    assert output(http.post("/run", json={"task": "raw"})) == "raw"
    assert output(http.post("/run", json={"task": {"task": "inner"}})) == "inner"
    assert output(http.post("/run", json={"input": {"task": "inner"}})) == "inner"
    assert output(http.post("/run", json={"task": {"task": "inner"}, "context": {}})) == "inner"
    assert output(http.post("/run", json={"task": "raw", "extra": "x"})) == "raw"


def test_declared_keys_beside_a_context_make_it_an_input(client, make):
    """Every unknown key is a field of the input: it is the input."""

    class Rich(BaseModel):
        input: str
        context: dict
        mood: str

    http = client(make(lambda value, context: value.mood, input_type=Rich))
    assert output(http.post("/run", json={"input": "i", "context": {}, "mood": "good"})) == "good"


def test_the_header_forces_either_form(client, untyped, error_of):
    """`X-LLLM-Envelope: 0` takes the whole body, `1` insists on an envelope."""
    http = client(untyped)
    body = {"input": 1, "context": {}}
    assert output(http.post("/run", json=body, headers={"X-LLLM-Envelope": "0"})) == body
    assert output(http.post("/run", json={"input": 2}, headers={"X-LLLM-Envelope": "1"})) == 2
    assert output(http.post("/run", json={"context": {}}, headers={"X-LLLM-Envelope": "1"})) is None
    for wrong in ({"input": 1, "extra": 2}, [1], None):
        response = http.post("/run", json=wrong, headers={"X-LLLM-Envelope": "1"})
        assert (response.status_code, error_of(response)["type"]) == (400, "SchemaError")
    assert http.post("/run", json=1, headers={"X-LLLM-Envelope": "yes"}).status_code == 400


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", '{"input": -1e400}'])
def test_numbers_that_json_does_not_know_are_refused(client, untyped, error_of, text):
    """On the way in, with a clear message."""
    response = client(untyped).post("/run", content=text.encode(), headers=JSON)
    assert response.status_code == 400
    assert "JSON" in error_of(response)["message"]
    assert "it holds" in error_of(response)["message"]


def test_numbers_that_only_look_infinite_pass(client, untyped):
    """Texts and large finite numbers are not mistaken for infinities."""
    value = {"a": "1e999", "b": 1e300, "c": "NaN", "d": "0" * 400}
    assert output(client(untyped).post("/run", json=value)) == value


def test_allow_nan_lets_them_through(client, untyped, make):
    """Both ways, as the words that JavaScript has for them."""
    http = client(untyped, allow_nan=True)
    response = http.post("/run", content=b'{"a": NaN, "b": [-Infinity]}', headers=JSON)
    assert response.text.startswith('{"output":{"a":NaN,"b":[-Infinity]},')

    class Number(BaseModel):
        x: float

    http = client(make(lambda value, context: value, input_type=Number, output_type=Number), allow_nan=True)
    assert http.post("/run", content=b'{"input":{"x":NaN}}').text.startswith('{"output":{"x":NaN},')


def test_validators_run_once_for_types_that_change_what_they_check(client, make):
    """An input type that is not idempotent is applied to what the caller sent, once."""
    doubled = Annotated[int, AfterValidator(lambda number: number * 2)]
    http = client(make(lambda value, context: value, input_type=doubled))
    assert output(http.post("/run", json={"input": 3})) == 6
