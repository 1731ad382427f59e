"""Contexts, events and traces: fields, dumps and validation."""

import copy
import json
import pickle
import time
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from lllm import CallContext, CallResult, CallTrace, TacticEvent, TacticInfo
from lllm.ids import new_id


def test_context_dump_is_exact():
    """Keys, their order and the nulls are part of the wire format."""
    assert CallContext(request_id="r").model_dump_json() == (
        '{"request_id":"r","caller":null,"trace_id":null,"span_id":null,"package_ref":null,"service_ref":null,'
        '"tactic_ref":null,"endpoint":null,"tags":{},"metadata":{}}'
    )


def test_fresh_contexts_equal_constructed_ones():
    """The quick construction differs from the validated one in nothing but the id."""
    fresh = CallContext.fresh()
    built = CallContext(request_id=fresh.request_id)
    assert fresh == built
    assert fresh.model_dump_json() == built.model_dump_json()
    assert list(fresh.__dict__) == list(built.__dict__)
    fresh.caller = "me"
    assert fresh.model_dump(exclude_unset=True) == {"caller": "me"}


def test_event_and_result_dumps_are_exact():
    """The dumps of events and call results have exactly the keys of the protocol."""
    event = TacticEvent(id="i", timestamp=1.0)
    assert event.model_dump_json() == '{"id":"i","timestamp":1.0,"kind":"message","data":null,"metadata":{}}'
    trace = CallTrace(request_id="r1", tactic="echo", started_at=1.0)
    assert list(json.loads(CallResult(output={"text": "a"}, trace=trace).model_dump_json())["trace"]) == [
        "request_id",
        "tactic",
        "state",
        "started_at",
        "ended_at",
        "latency_ms",
        "input_type",
        "output_type",
        "error_type",
        "error",
        "traceback",
        "metadata",
    ]


def test_context_keeps_unknown_fields():
    """Extras stay and are dumped after the known fields."""
    context = CallContext(request_id="r", robot="r2")
    assert context.robot == "r2"
    assert context.model_dump()["robot"] == "r2"
    assert context.call_id == "r"


@pytest.mark.parametrize(
    "fields",
    [
        {"request_id": 1},
        {"request_id": b"r"},
        {"request_id": "a b"},
        {"request_id": ""},
        {"trace_id": "a/b"},
        {"span_id": "a\u2028b"},
        {"endpoint": "a:b"},
        {"caller": 7},
        {"metadata": None},
        {"metadata": [("a", 1)]},
        {"metadata": {"a": [{1: 2}]}},
        {"tags": {"a": 1}},
        {"tags": None},
        {"package_ref": "psi://org/pkg/services/x"},
        {"tactic_ref": "http://x"},
        {"service_ref": "ftp://x"},
    ],
)
def test_context_errors_name_the_field(fields):
    """Every malformed field is a ValidationError that names it."""
    with pytest.raises(ValidationError, match=next(iter(fields))):
        CallContext(**fields)


def test_metadata_is_copied_and_any_mapping_is_taken():
    """A read-only mapping becomes an owned dict."""
    inner = {"list": [1]}
    context = CallContext(metadata=MappingProxyType(inner))
    inner["list"].append(2)
    assert context.metadata == {"list": [1]}


@pytest.mark.parametrize("fields", [{"timestamp": True}, {"kind": ""}, {"id": 5}, {"metadata": None}])
def test_event_errors_name_the_field(fields):
    """Booleans are not numbers, blank kinds are not tokens."""
    with pytest.raises(ValidationError, match=next(iter(fields))):
        TacticEvent(**fields)


def test_event_constructors():
    """`result` and `error` set kind, data and metadata; numeric text is a timestamp."""
    assert TacticEvent(timestamp="1.5").timestamp == 1.5
    result = TacticEvent.result({"a": 1}, step=2)
    assert (result.kind, result.data, result.metadata) == ("result", {"a": 1}, {"step": 2})
    error = TacticEvent.error("boom")
    assert (error.kind, error.data) == ("error", {"message": "boom"})


def test_event_data_is_copied():
    """An event does not change when its source does."""
    data = {"a": [1]}
    event = TacticEvent(data=data)
    data["a"].append(2)
    assert event.data == {"a": [1]}


def test_trace_success_and_failure():
    """Both ends set times on a monotonic clock; a failure keeps class, text and traceback."""
    trace = CallTrace(request_id="r", tactic="t")
    trace.success({"a": 1})
    assert (trace.state, trace.output_type) == ("success", "dict")
    assert trace.latency_ms >= 0
    failed = CallTrace(request_id="r", tactic="t")
    try:
        raise KeyError("gone")
    except KeyError as error:
        failed.failure(error)
    assert (failed.state, failed.error_type, failed.error) == ("failure", "KeyError", "'gone'")
    assert "Traceback" in failed.traceback


def test_latency_ignores_the_wall_clock(monkeypatch):
    """A clock that is set back does not make latencies negative."""
    trace = CallTrace(request_id="r", tactic="t")
    monkeypatch.setattr("lllm.trace.time", lambda: 0.0)
    trace.success(None)
    assert trace.latency_ms >= 0


def test_call_result_copies_containers_and_keeps_what_cannot_be_copied():
    """Direct construction owns its containers; a lock stays the same lock."""
    import threading

    lock, items = threading.Lock(), [1]
    result = CallResult(output={"lock": lock, "items": items}, trace=CallTrace(request_id="r", tactic="t"))
    assert result.output["lock"] is lock
    assert result.output["items"] is not items


def test_bad_examples_of_an_info_are_a_type_error():
    """Callers rely on TypeError here, where other fields raise ValidationError."""
    with pytest.raises(TypeError, match="examples"):
        TacticInfo(name="t", examples=({},))
    with pytest.raises(TypeError, match="examples"):
        TacticInfo(name="t", examples=None)
    with pytest.raises(ValidationError, match="input_schema"):
        TacticInfo(name="t", input_schema={1: 2})


def test_deadlines_only_shorten():
    """A second, later limit changes nothing; the deadline is part of no dump."""
    context = CallContext()
    assert (context.deadline, context.remaining, context.bounded) == (None, None, False)
    context.limit(5)
    first = context.deadline
    context.limit(50)
    assert context.deadline == first
    context.limit(1)
    assert context.deadline < first
    assert 0 < context.remaining <= 1
    assert "deadline" not in context.model_dump_json()


@pytest.mark.parametrize("seconds", [True, "1", float("nan"), float("inf")])
def test_a_limit_is_a_finite_number(seconds):
    """Anything else is refused by name."""
    with pytest.raises(ValueError, match="seconds must be a finite number"):
        CallContext().limit(seconds)


def test_cancellation_reaches_derived_contexts():
    """Children and copies see that the caller has gone; the caller does not see theirs."""
    caller = CallContext(trace_id="t")
    child = CallContext.fresh(caller)
    copied = copy.copy(child)
    assert child.trace_id == "t"
    copied.cancel()
    assert (caller.cancelled, child.cancelled, copied.cancelled) == (False, False, True)
    caller.cancel()
    assert child.cancelled


def test_a_passed_deadline_counts_as_cancelled():
    """Work that polls `cancelled` stops when nobody waits any more."""
    context = CallContext().limit(0.001)
    time.sleep(0.005)
    assert context.cancelled


def test_contexts_can_be_pickled_and_copied():
    """The hidden deadline does not get in the way."""
    context = CallContext(request_id=new_id()).limit(5)
    assert pickle.loads(pickle.dumps(context)).request_id == context.request_id
    assert copy.deepcopy(context).deadline == context.deadline
    assert context.model_copy().deadline == context.deadline


def test_traces_and_results_made_quickly_equal_validated_ones():
    """The short way of construction differs in nothing that a reader sees."""
    quick = CallTrace.of_call("r1", "echo", "In", {"a": [1]})
    built = CallTrace(
        request_id="r1", tactic="echo", input_type="In", metadata={"a": [1]}, started_at=quick.started_at
    )
    assert quick.model_dump_json() == built.model_dump_json()
    assert list(quick.__dict__) == list(built.__dict__)
    quick.success(1)
    assert quick.latency_ms >= 0
    result = CallResult.of("x", quick)
    assert result.model_dump_json() == CallResult(output="x", trace=quick).model_dump_json()
    assert pickle.loads(pickle.dumps(result)).output == "x"
