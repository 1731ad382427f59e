"""JSON values: canonical, lossless, and refused when they could not be."""

import datetime
import enum
import json
import math
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from lllm.errors import InvalidPayloadError
from lllm.store.encoding import canonical_json, decode_json, json_form, plain_text, record_text

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
rich = st.recursive(
    scalars
    | st.datetimes()
    | st.uuids()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3).map(lambda text: text.encode("utf-8", "ignore")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys | st.integers(0, 9) | st.uuids(), inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4).map(MappingProxyType)
    ),
    max_leaves=20,
)


@given(plain)
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example({"\u2028": "\x7f\x00é🙂"})
def test_plain_values_are_their_own_form(value):
    """They come back from their text exactly, in new containers."""
    form = json_form(value)
    assert form == value
    text = canonical_json(value)
    assert text.isascii()
    assert "\n" not in text
    again = decode_json(text)
    assert again == value
    assert json.dumps(again, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(plain)
def test_the_text_is_that_of_the_standard_library_in_another_order(value):
    """Any JSON parser reads it, and keys are sorted at every level."""
    parsed = json.loads(canonical_json(value), object_pairs_hook=OrderedDict)
    assert parsed == value
    assert canonical_json(parsed) == canonical_json(value)

    def check(item):
        if isinstance(item, dict):
            assert list(item) == sorted(item)
            item = list(item.values())
        if isinstance(item, list):
            for part in item:
                check(part)

    check(parsed)


@given(plain, st.randoms())
def test_the_order_of_keys_does_not_matter(value, noise):
    """Equal values have one text."""

    def shuffled(item):
        if isinstance(item, dict):
            pairs = list(item.items())
            noise.shuffle(pairs)
            return {key: shuffled(part) for key, part in pairs}
        return [shuffled(part) for part in item] if isinstance(item, list) else item

    assert canonical_json(shuffled(value)) == canonical_json(value)


@given(rich)
def test_the_form_is_stable(value):
    """The form of the form is the form, whatever the value was; or the value is refused."""
    try:
        form = json_form(value)
    except InvalidPayloadError:
        assume(False)
    assert json_form(form) == form
    assert decode_json(plain_text(form)) == form
    assert canonical_json(value) == canonical_json(form)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(str):
    """Text of a kind of its own."""


class Point(BaseModel):
    x: dict


@dataclass
class Pair:
    left: int = 1
    right: dict = field(default_factory=dict)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ((1, 2), [1, 2]),
        (deque([1]), [1]),
        ({3, 1}, [1, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({2: "b", 10: "a"}, {"10": "a", "2": "b"}),
        ({None: 1, True: 2}, {"None": 1, "true": 2}),
        ({Colour.RED: 1}, {"red": 1}),
        ({datetime.date(2024, 1, 2): 1}, {"2024-01-02": 1}),
        (b"\xc3\xa9", "é"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (Name("x"), "x"),
        ({Name("k"): Name("v")}, {"k": "v"}),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.timedelta(seconds=5), "PT5S"),
        (Point(x={1: 2}), {"x": {"1": 2}}),
        (Pair(), {"left": 1, "right": {}}),
    ],
    ids=repr,
)
def test_other_values_are_converted(value, form):
    """With pydantic's JSON mode, and sets in one order."""
    assert json_form(value) == form
    assert json_form({"deep": [value]}) == {"deep": [form]}

    def exact(item):
        assert type(item) in {dict, list, str, int, float, bool, type(None)}
        for part in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            exact(part)

    exact(json_form([value]))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -math.inf,
        2**63,
        -(2**63) - 1,
        b"\xff",
        {1: 1, "1": 1},
        {"a": {None: 1, "None": 2}},
        Point(x={1: 1, "1": 2}),
        Pair(right={True: 1, "true": 2}),
        object(),
        (part for part in "abc"),
        open,
        {"a": {object()}},
        Decimal("NaN").__class__,
    ],
    ids=repr,
)
def test_what_would_lose_something_is_refused(value):
    """At the top and below, with the reason."""
    for item in (value, [value], {"a": (value,)}):
        with pytest.raises(InvalidPayloadError, match=r"^Value is not JSON serializable: "):
            json_form(item)


@pytest.mark.parametrize("value", ["\ud800", ["a\udfffb"], {"\ud83d": 1}, Name("\ud800")], ids=ascii)
def test_lone_surrogates_have_no_text(value):
    """They are found when the text is written."""
    with pytest.raises(InvalidPayloadError, match="lone surrogate"):
        canonical_json(value)


def nested(depth, wrap):
    """Return 1 inside so many containers."""
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, lambda v: deque([v])])
def test_depth_is_bounded(wrap):
    """200 levels are legal, also inside a record; the next one is not."""
    form = json_form(nested(200, wrap))
    assert decode_json(record_text({"value": form}))["value"] == form
    for depth in (201, 5000):
        with pytest.raises(InvalidPayloadError, match="deeper than 200"):
            json_form(nested(depth, wrap))


def test_a_value_that_contains_itself_is_refused():
    """Instead of running for ever."""
    loop = []
    loop.append(loop)
    twisted = deque()
    twisted.append({"a": twisted})
    for value in (loop, {"a": loop}, twisted):
        with pytest.raises(InvalidPayloadError):
            json_form(value)


def test_models_are_not_mutated():
    """Conversion works on copies."""
    model = Point(x={"b": 1, "a": [1]})
    form = json_form(model)
    form["x"]["a"].append(2)
    assert model.x == {"b": 1, "a": [1]}


@pytest.mark.parametrize("text", ["", "{", "[1,]", "NaN", "[Infinity]", "nul", '"\\ud800"', "1 2"])
def test_what_is_not_json_cannot_be_decoded(text):
    """A damaged text is a ValueError, never a value."""
    with pytest.raises(ValueError):
        decode_json(text)


def test_a_very_deep_text_can_be_decoded():
    """Envelopes add levels to the deepest legal value."""
    text = "[" * 230 + "]" * 230
    assert decode_json(text) == json.loads(text)
