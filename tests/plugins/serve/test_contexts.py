"""The context of a call: what the caller gives, what the service decides, what travels on."""

import json

import pytest

from lllm.propagation import outgoing_headers

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def seen_by(http, context, **options):
    """Return the context that the tactic saw."""
    response = http.post("/run", json={"input": 1, "context": context}, **options)
    assert response.status_code == 200, response.text
    return response.json()["output"]


def test_all_fields_travel(client, seen):
    """Known fields, and those that the protocol does not know."""
    given = {
        "request_id": "r1",
        "caller": "me",
        "trace_id": "t",
        "span_id": "s",
        "package_ref": "psi://a/b/tactics/c",
        "service_ref": "psi://a/b/services/c",
        "tactic_ref": "psi://a/b/tactics/d",
        "tags": {"k": "v"},
        "metadata": {"a": [1]},
        "robot": {"arm": 2},
    }
    assert seen_by(client(seen), given) == {**given, "endpoint": "run"}


@pytest.mark.parametrize("given", [{"request_id": None}, {"request_id": ""}, {"call_id": ""}, {}])
def test_a_missing_id_is_made(client, seen, given):
    """Null and empty ids are no ids."""
    assert len(seen_by(client(seen), given)["request_id"]) == 36


def test_the_request_id_wins_over_the_call_id(client, seen):
    """`call_id` is the older name; a present `request_id` decides even when it is null."""
    http = client(seen)
    assert seen_by(http, {"call_id": "c"})["request_id"] == "c"
    assert seen_by(http, {"call_id": "c", "request_id": "r"})["request_id"] == "r"
    assert len(seen_by(http, {"call_id": "c", "request_id": None})["request_id"]) == 36


def test_null_maps_are_empty(client, seen):
    """`metadata` and `tags` may be null."""
    found = seen_by(client(seen), {"metadata": None, "tags": None})
    assert (found["metadata"], found["tags"]) == ({}, {})


def test_the_tactics_own_ref_stands_in(client, seen):
    """Without a ref in the body the tactic's own one is used."""
    http = client(type(seen)(package_ref="psi://a/b/tactics/own"))
    assert seen_by(http, {})["tactic_ref"] == "psi://a/b/tactics/own"
    assert seen_by(http, {"tactic_ref": ""})["tactic_ref"] == "psi://a/b/tactics/own"
    assert seen_by(http, {"tactic_ref": "psi://a/b/tactics/x"})["tactic_ref"] == "psi://a/b/tactics/x"


@pytest.mark.parametrize("name", ["endpoint", "deadline", "cancelled", "principal", "model_config", "_fate"])
def test_reserved_names_cannot_be_spoofed(client, seen, name):
    """What the service decides, and what the context itself means by a name, is not the caller's to say."""
    found = seen_by(client(seen), {name: "spoof"})
    assert found.get(name, "run") == "run"


def test_extra_fields_are_bounded(client, seen, error_of):
    """Large values belong into the input."""
    response = client(seen).post("/run", json={"input": 1, "context": {"robot": "x" * 20_000}})
    assert response.status_code == 400
    assert "the limit is 16384" in error_of(response)["message"]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ([], "Request context must be an object."),
        ("x", "Request context must be an object."),
        ({"metadata": []}, "Request context metadata must be an object."),
        ({"tags": 1}, "Request context tags must be an object."),
        ({"request_id": "a b"}, "Invalid request context: "),
        ({"request_id": 5}, "Invalid request context: "),
        ({"package_ref": "psi://a/b/services/c"}, "Invalid request context: "),
        ({"tags": {"a": 1}}, "Invalid request context: "),
    ],
)
def test_malformed_contexts_are_refused(client, seen, error_of, context, message):
    """400, in the words of the contract."""
    response = client(seen).post("/run", json={"input": 1, "context": context})
    error = error_of(response)
    assert (response.status_code, error["type"]) == (400, "SchemaError")
    assert error["message"].startswith(message)


def test_an_error_keeps_the_callers_id(client, seen, error_of):
    """Whenever the id itself is valid, whatever else is wrong."""
    context = {"request_id": "mine", "tags": 1}
    response = client(seen).post("/run", json={"input": 1, "context": context})
    assert error_of(response)["request_id"] == "mine"
    assert response.headers["x-request-id"] == "mine"


def test_traces_are_taken_in_and_passed_on(client, make):
    """The trace id fills the context, and calls made inside carry the headers on."""
    tactic = make(lambda value, context: {"trace": context.trace_id, "sent": outgoing_headers()})
    http = client(tactic)
    headers = {"traceparent": TRACE, "tracestate": "a=b", "baggage": "user=1"}
    found = http.post("/run", json=1, headers=headers).json()["output"]
    assert found["trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert found["sent"] == headers
    own = http.post("/run", json={"input": 1, "context": {"trace_id": "own"}}, headers=headers)
    assert own.json()["output"]["trace"] == "own"
    assert outgoing_headers() == {}


@pytest.mark.parametrize(
    "traceparent", ["nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff" + TRACE[2:], TRACE[:-3]]
)
def test_a_malformed_trace_is_ignored(client, make, traceparent):
    """Nothing of it is believed or passed on."""
    http = client(make(lambda value, context: [context.trace_id, outgoing_headers()]))
    response = http.post("/run", json=1, headers={"traceparent": traceparent, "tracestate": "a=b"})
    assert response.json()["output"] == [None, {}]


def test_usage_is_told_to_who_asks(client, make, untyped):
    """In a header, summed over everything below; the body stays as it is."""
    from lllm import record_usage

    inner = make(lambda value, context: record_usage("m", {"total_tokens": 3, "response_cost": 0.25}))

    async def outer(value, context):
        await inner.arun(value)
        await inner.arun(value)

    http = client(make(outer))
    assert "x-lllm-usage" not in http.post("/run", json=1).headers
    response = http.post("/run", json=1, headers={"x-lllm-usage": "1"})
    assert json.loads(response.headers["x-lllm-usage"]) == {
        "cost": 0.5,
        "calls": 2,
        "unpriced": 0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 6,
    }
    none = client(untyped).post("/run", json=1, headers={"x-lllm-usage": "1"})
    assert json.loads(none.headers["x-lllm-usage"])["calls"] == 0


def test_usage_of_a_failed_call_is_told_too(client, make):
    """Money that was spent before the failure was spent."""
    from lllm import record_usage

    def work(value, context):
        record_usage("m", {"response_cost": 1.0})
        raise ValueError("after the bill")

    response = client(make(work)).post("/run", json=1, headers={"x-lllm-usage": "1"})
    assert response.status_code == 500
    assert json.loads(response.headers["x-lllm-usage"])["cost"] == 1.0
