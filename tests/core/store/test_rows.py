"""Events on their way into a backend and out of it."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.errors import InvalidPayloadError
from lllm.store import Event
from lllm.store.drafts import draft_event, draft_events
from lllm.store.rows import (
    content_digest,
    event_of,
    events_of,
    quick_draft,
    row_of,
    same_content,
    trusted_draft,
)

names = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True)
payloads = (
    st.none()
    | st.integers(-5, 5)
    | st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False, width=16))
)


@st.composite
def events(draw):
    """Return the fields of some event."""
    fields = {"channel": draw(names), "payload": draw(payloads.filter(finite))}
    for name, values in (
        ("id", names),
        ("kind", names),
        ("source", st.text("a é", max_size=3)),
        ("schema", st.text("b:", max_size=3)),
        ("metadata", st.dictionaries(st.text("k", max_size=2), st.integers(0, 3), max_size=2)),
        ("correlation_id", names),
        ("parent_ids", st.lists(names, max_size=3)),
        ("timestamp", st.floats(0, 4e9)),
    ):
        if draw(st.booleans()):
            fields[name] = draw(values)
    return fields


def finite(payload):
    """Tell whether a payload has a JSON form."""
    return not isinstance(payload, dict) or all(abs(number) < 1e6 for number in payload.values())


@given(events())
def test_a_row_gives_its_event_back(fields):
    """What the write returns is what a read returns, with every field."""
    draft = draft_event(fields)
    row = row_of(draft, 7, 1234)
    event = event_of(row)
    assert event == draft[0]
    assert list(event.__dict__) == list(Event.model_fields)
    assert (
        event.model_dump()
        == Event.model_validate(
            {**fields, **event.model_dump(include={"id", "timestamp", "cursor"})}
        ).model_dump()
    )
    assert same_content(row, draft)


@given(events())
def test_the_quick_path_agrees_with_validation(fields):
    """An event and its fields make the same draft, whichever path they take."""
    event = Event.model_validate(fields)
    quick, full = draft_event({**fields, "id": event.id, "timestamp": event.timestamp}), draft_event(event)
    assert quick[:2] == full[:2]
    assert quick[0] == event


def test_drafts_do_not_share_with_their_source():
    """Neither mappings nor events."""
    fields = {"channel": "a", "payload": {"x": [1]}, "metadata": {"y": [1]}, "parent_ids": ["p"]}
    event, _, _ = draft_event(fields)
    fields["payload"]["x"].append(2)
    fields["metadata"]["y"].append(2)
    fields["parent_ids"].append("q")
    assert (event.payload, event.metadata, event.parent_ids) == ({"x": [1]}, {"y": [1]}, ("p",))


def test_a_draft_knows_whether_the_time_was_given():
    """Only then a repeat must name the same one."""
    assert draft_event({"channel": "a", "timestamp": 1.0})[2]
    assert not draft_event({"channel": "a"})[2]
    assert draft_event(Event(channel="a", timestamp=1.0))[2]
    assert not draft_event(Event(channel="a"))[2]
    changed = Event(channel="a")
    changed.timestamp = 5.0
    assert draft_event(changed)[2]


def test_fields_that_need_conversion_take_the_long_way():
    """With the same result."""
    assert quick_draft({"channel": "a", "timestamp": 1}, timed=True, now=0.0) is None
    assert draft_event({"channel": "a", "timestamp": 1})[0].timestamp == 1.0
    assert quick_draft({"channel": "a", "parent_ids": {"p"}}, timed=False, now=0.0) is None
    assert draft_event({"channel": "a", "parent_ids": {"p"}})[0].parent_ids == ("p",)


def test_unknown_fields_are_ignored_with_one_warning(caplog):
    """Those that are close to a known one are errors."""
    with caplog.at_level(logging.WARNING, logger="lllm.store"):
        for _ in range(3):
            draft_event({"channel": "a", "colour": "red"})
    assert [record.getMessage() for record in caplog.records] == [
        "unknown field 'colour' in event is ignored"
    ]
    with pytest.raises(InvalidPayloadError, match=r"'parentIds'.*'parent_ids'"):
        draft_event({"channel": "a", "parentIds": ["p"]})


def test_names_of_older_stores_are_trusted_only_when_they_were_stored():
    """A dead letter of an old event keeps its kind, a new event cannot have it."""
    assert trusted_draft({"id": "a;b", "channel": "c", "timestamp": 1.0, "kind": "k;l"})[0].kind == "k;l"
    with pytest.raises(InvalidPayloadError):
        draft_event({"id": "a;b", "channel": "c"})


def test_any_iterable_is_a_batch():
    """But one event is none, and the error names the index."""
    assert len(draft_events({"channel": "a"} for _ in range(3))) == 3
    with pytest.raises(InvalidPayloadError, match=r"^events\[1\]: "):
        draft_events([{"channel": "a"}, {"channel": ""}])


@pytest.mark.parametrize("body", ["", "nonsense", "null", "5", "[]", '{"a":1}', "[1", None, 5])
def test_a_damaged_row_is_skipped_and_logged_once(body, caplog):
    """The others are returned."""
    good = row_of(draft_event({"channel": "a"}), 1, 10)
    bad = (f"bad-{body!r}", 2, "a", 1.0, "event", None, body, 11)
    with caplog.at_level(logging.WARNING, logger="lllm.store"):
        for _ in range(2):
            assert events_of([good, bad]) == [event_of(good)]
    assert len(caplog.records) == 1
    assert f"bad-{body!r}" in caplog.records[0].getMessage().replace("\\", "")


def test_the_digest_is_of_the_content_alone():
    """The same event has the same digest wherever it stands."""
    draft = draft_event({"channel": "a", "payload": 1})
    other = draft_event({"channel": "a", "payload": 2})
    assert content_digest(row_of(draft, 1, 10)) == content_digest(row_of(draft, 2, 20))
    assert content_digest(row_of(draft, 1, 10)) != content_digest(row_of(other, 1, 10))
