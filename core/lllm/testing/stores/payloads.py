"""What payloads and metadata become, and what they may not be."""

from __future__ import annotations

import datetime
import decimal
import enum
import types
import uuid
from typing import Any

import pytest
from pydantic import BaseModel

from lllm.errors import InvalidPayloadError
from lllm.store import Event, Store
from lllm.testing.stores.suite import Suite, invalid


class _Point(BaseModel):
    x: int
    when: datetime.date = datetime.date(2024, 1, 2)


class _Colour(enum.Enum):
    RED = "red"


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _loop() -> Any:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


_UUID = uuid.UUID("12345678-1234-4234-8234-123456789012")

FORMS: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (0, 0),
    (-(2**63), -(2**63)),
    (2**63 - 1, 2**63 - 1),
    (1.5, 1.5),
    (-0.0, -0.0),
    (1e300, 1e300),
    (5e-324, 5e-324),
    ("", ""),
    ("text \x00\x7f\u2028 é 日本 🙂", "text \x00\x7f\u2028 é 日本 🙂"),
    ([], []),
    ({}, {}),
    ((1, (2, 3)), [1, [2, 3]]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    ({"b": 1, "a": {"d": None, "c": [True]}}, {"a": {"c": [True], "d": None}, "b": 1}),
    ({2: "b", 10: "a", 2.5: "c"}, {"10": "a", "2": "b", "2.5": "c"}),
    (b"bytes \xc3\xa9", "bytes é"),
    (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
    (datetime.date(2024, 1, 2), "2024-01-02"),
    (decimal.Decimal("1.10"), "1.10"),
    (_UUID, str(_UUID)),
    (_Colour.RED, "red"),
    (_Point(x=1), {"x": 1, "when": "2024-01-02"}),
    ({"point": [_Point(x=2)]}, {"point": [{"x": 2, "when": "2024-01-02"}]}),
    (types.MappingProxyType({"a": (1,)}), {"a": [1]}),
]

POISON: list[Any] = [
    float("nan"),
    float("inf"),
    {"a": [float("-inf")]},
    "\ud800",
    {"\udfff": 1},
    ["ok", {"deep": "a\ud83db"}],
    2**63,
    {"a": -(2**63) - 1},
    b"\xff",
    {1: "a", "1": "b"},
    {"a": {True: 1, "true": 2}},
    object(),
    {"a": object()},
    (number for number in range(3)),
    _loop(),
    _nested(201),
    {"a": _nested(200)},
]


class PayloadTests(Suite):
    """JSON values."""

    @pytest.mark.parametrize(("value", "form"), FORMS, ids=repr)
    def test_a_value_becomes_its_json_form(self, store: Store, value: Any, form: Any) -> None:
        """The write returns what a later read returns."""
        event = store.append_event({"channel": "raw", "payload": value, "metadata": {"value": value}})
        for seen in (event, store.get_event(event.id), store.query_events("raw")[0]):
            assert seen.payload == form
            assert type(seen.payload) is type(form)
            assert seen.metadata == {"value": form}
        made = store.append_event(Event(channel="raw", payload=value))
        assert made.payload == store.get_event(made.id).payload == form
        snapshot = store.put_snapshot({"name": "n", "value": value})
        assert snapshot.value == store.get_snapshot("n").value == form

    @pytest.mark.parametrize("value", POISON, ids=lambda value: type(value).__name__)
    def test_a_value_that_would_lose_something_is_refused(self, store: Store, value: Any) -> None:
        """Nothing is stored, and the channel stays readable."""
        for fields in ({"payload": value}, {"metadata": {"value": value}}):
            with invalid(""):
                store.append_event({"channel": "raw", **fields})
        with pytest.raises(InvalidPayloadError):
            store.put_snapshot({"name": "n", "value": value})
        assert store.query_events("raw") == ()
        assert store.list_snapshots() == ()

    @pytest.mark.parametrize("value", [float("nan"), "\ud800", 2**63, b"\xff", {1: 1, "1": 2}], ids=repr)
    def test_the_reason_is_given(self, store: Store, value: Any) -> None:
        """The text says that the value is no JSON."""
        with invalid("Value is not JSON serializable: "):
            store.append_event({"channel": "raw", "payload": value})

    def test_two_hundred_levels_are_enough(self, store: Store) -> None:
        """The deepest legal value is read back everywhere."""
        event = store.append_event({"id": "deep", "channel": "raw", "payload": _nested(200)})
        store.put_snapshot({"name": "deep", "value": _nested(200)})
        assert store.get_event("deep") == event
        assert store.get_snapshot("deep").value == _nested(200)

    def test_payloads_are_owned_by_the_store(self, store: Store) -> None:
        """Neither the argument nor a result is shared with the store."""
        payload = {"list": [1]}
        event = store.append_event({"id": "e", "channel": "raw", "payload": payload})
        payload["list"].append(2)
        event.payload["list"].append(3)
        store.get_event("e").payload["list"].append(4)
        assert store.get_event("e").payload == {"list": [1]}

    def test_an_event_object_copies_its_payload(self, store: Store) -> None:
        """What the maker does afterwards does not matter."""
        payload = {"list": [1]}
        event = Event(channel="raw", payload=payload)
        payload["list"].append(2)
        assert store.append_event(event).payload == {"list": [1]}

    def test_a_large_payload_is_kept(self, store: Store) -> None:
        """A megabyte of text is one event."""
        text = "é" * 500_000
        event = store.append_event({"channel": "raw", "payload": {"text": text}})
        assert store.get_event(event.id).payload["text"] == text
