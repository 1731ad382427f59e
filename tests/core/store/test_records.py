"""The models, and the checks of what is written."""

import types

import pytest
from pydantic import ValidationError

from lllm.errors import InvalidPayloadError
from lllm.store import Artifact, Channel, Event, Snapshot, Subscription
from lllm.store.inputs import object_of, seconds, tokens_of, whole_number
from lllm.store.records import channel_record

WIRE = {
    Channel: ["name", "schema", "form", "description", "metadata"],
    Event: [
        "id",
        "cursor",
        "channel",
        "timestamp",
        "source",
        "kind",
        "payload",
        "schema",
        "metadata",
        "correlation_id",
        "parent_ids",
    ],
    Artifact: ["id", "channel", "path", "media_type", "size", "sha256", "metadata", "event_ids"],
    Snapshot: ["name", "channel", "timestamp", "value", "schema", "source_event_id", "metadata"],
    Subscription: ["id", "channel", "cursor", "consumer", "batch_size", "filters", "metadata"],
}
MINIMAL = {
    Channel: {"name": "a"},
    Event: {"channel": "a"},
    Artifact: {"path": "p", "size": 1},
    Snapshot: {"name": "a"},
    Subscription: {"channel": "a"},
}
models = pytest.mark.parametrize("model", WIRE, ids=lambda model: model.__name__)


@models
def test_fields_come_in_the_order_of_the_wire(model):
    """Extension fields are left out while they are None, in every form."""
    record = model(**MINIMAL[model])
    assert list(record.model_dump(by_alias=True)) == WIRE[model]
    assert list(record.model_dump(by_alias=True, mode="json")) == WIRE[model]
    assert record == model.model_validate_json(record.model_dump_json(by_alias=True))


def test_extension_fields_show_when_they_are_set():
    """At the end."""
    assert list(Snapshot(name="a", revision=3).model_dump())[-1] == "revision"
    shown = Subscription(channel="a", lease_seconds=1, max_deliveries=2, dead_letter="d").model_dump()
    assert list(shown)[-3:] == ["lease_seconds", "max_deliveries", "dead_letter"]


@models
def test_mappings_are_copied(model):
    """Read-only mappings become dictionaries, and nothing is shared."""
    inner = {"list": [1]}
    record = model(**MINIMAL[model], metadata=types.MappingProxyType(inner))
    inner["list"].append(2)
    assert record.metadata == {"list": [1]}
    assert type(record.metadata) is dict


@models
def test_metadata_is_an_object(model):
    """The error names the field."""
    for value in (None, [1], "a", 5):
        with pytest.raises(ValidationError, match=rf"{model.__name__.lower()}\.metadata must be an object\."):
            model(**MINIMAL[model], metadata=value)


@pytest.mark.parametrize(
    ("model", "field", "text"),
    [
        (Channel, "name", "channel.name must be a non-empty path segment."),
        (Event, "id", "event.id must be a non-empty path segment."),
        (Event, "channel", "event.channel must be a non-empty path segment."),
        (Event, "kind", "event.kind must be a non-empty token."),
        (Event, "correlation_id", "event.correlation_id must be a non-empty token."),
        (Artifact, "id", "artifact.id must be a non-empty path segment."),
        (Artifact, "channel", "artifact.channel must be a non-empty path segment."),
        (Snapshot, "name", "snapshot.name must be a non-empty path segment."),
        (Snapshot, "channel", "snapshot.channel must be a non-empty path segment."),
        (Snapshot, "source_event_id", "snapshot.source_event_id must be a non-empty path segment."),
        (Subscription, "id", "subscription.id must be a non-empty path segment."),
        (Subscription, "channel", "subscription.channel must be a non-empty path segment."),
        (Subscription, "consumer", "subscription.consumer must be a non-empty token."),
    ],
)
def test_names_are_checked_at_construction(model, field, text):
    """By the rule for reading, with the text of the contract; only strings are taken."""
    for value in ("", " ", ".", "a b", "a/b", "a%20b"):
        with pytest.raises(ValidationError, match=text.replace(".", r"\.")):
            model(**{**MINIMAL[model], field: value})
    for value in (5, b"a", ["a"]):
        with pytest.raises(ValidationError, match=r"valid string"):
            model(**{**MINIMAL[model], field: value})
    assert getattr(model(**{**MINIMAL[model], field: "a;b"}), field) == "a;b"


def test_the_schema_has_an_alias():
    """Input takes either name, and a property returns it."""
    for model in (Channel, Event, Snapshot):
        by_alias = model(**MINIMAL[model], schema="s")
        by_name = model(**MINIMAL[model], schema_ref="s")
        assert by_alias.schema == by_name.schema == by_name.schema_ref == "s"
        with pytest.raises((AttributeError, ValidationError)):
            by_name.schema = "t"


def test_channels_are_frozen():
    """The other records can be changed, unchecked."""
    with pytest.raises(ValidationError):
        Channel(name="a").name = "b"
    event = Event(channel="a")
    event.kind = "not a token"
    assert event.kind == "not a token"


def test_unknown_fields_are_ignored_by_models():
    """Servers may say more than we know."""
    assert Event.model_validate({"channel": "a", "newer": 1}) is not None


def test_values_that_cannot_be_copied_are_refused():
    """With an error of validation, not of the copy."""
    loop = {}
    loop["self"] = loop
    for payload in ((part for part in "ab"), loop):
        with pytest.raises(ValidationError):
            Event(channel="a", payload=payload)


def test_written_names_follow_the_tighter_rule():
    """A channel that older stores accepted cannot be created again."""
    with pytest.raises(InvalidPayloadError, match=r"channel\.name must be a non-empty path segment\."):
        channel_record(Channel(name="a;b"))


def test_whole_numbers():
    """Bools, floats and texts are none."""
    assert whole_number(0, "n") == 0
    assert whole_number(2**63 - 1, "n", least=1) == 2**63 - 1
    for value, text in (
        (True, "n must be an integer."),
        (1.0, "n must be an integer."),
        ("1", "n must be an integer."),
        (-1, "n must be greater than or equal to 0."),
        (2**63, "n must fit in 64 bits."),
    ):
        with pytest.raises(InvalidPayloadError) as caught:
            whole_number(value, "n")
        assert str(caught.value) == text
    with pytest.raises(InvalidPayloadError, match=r"n must be greater than 0\."):
        whole_number(0, "n", least=1)


def test_seconds():
    """Finite numbers that are not negative."""
    assert seconds(1, "t") == 1.0
    assert seconds(0, "t") == 0.0
    for value in (float("nan"), float("inf"), 10**400, "1", True, None, -0.1):
        with pytest.raises(InvalidPayloadError, match=r"^t must be"):
            seconds(value, "t")
    with pytest.raises(InvalidPayloadError, match=r"t must be greater than 0\."):
        seconds(0, "t", positive=True)


def test_objects_and_tokens():
    """None is an empty object, and a token is counted once."""
    assert object_of(None, "x") == {}
    with pytest.raises(InvalidPayloadError, match=r"x must be an object\."):
        object_of([("a", 1)], "x")
    assert tokens_of("abc") == ("abc",)
    assert tokens_of(["b", "a", "b"]) == ("b", "a")
    assert tokens_of(()) == ()
