"""Names: what may be written is a part of what may be read, and both are what the contract says."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lllm.errors import InvalidPayloadError
from lllm.store.names import (
    MAX_NAME_LENGTH,
    is_name,
    is_new_name,
    known_name,
    require_segment,
    require_segments,
    require_token,
)
from lllm.testing.stores.suite import BAD_NAMES, GOOD_NAMES

texts = st.text(st.characters(), max_size=20) | st.text(
    "abc./:\\%;?#@& \t\x00\x7f\u00a0\ud800é日🙂", max_size=6
)


def readable(text):
    """Say the rule of the contract, word by word."""
    return (
        text.strip() != ""
        and text not in {".", ".."}
        and "%" not in text
        and not any(character.isspace() for character in text)
        and not any(character in "/:\\" for character in text)
    )


def writable(text):
    """Say the tighter rule of the contract."""
    return (
        readable(text)
        and len(text) <= 512
        and ";" not in text
        and not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text)
    )


@given(texts)
@example("x" * 512)
@example("x" * 513)
@example("." * 3)
@example("-")
@example("a\n")
@example("..\n")
def test_the_rules_are_those_of_the_contract(text):
    """The patterns agree with the words, on any text."""
    assert is_name(text) == readable(text)
    assert is_new_name(text) == known_name(text) == writable(text)


@given(texts)
def test_what_can_be_written_can_be_read(text):
    """The rule for writing is the tighter one."""
    assert is_name(text) or not is_new_name(text)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names(name):
    """The names that the conformance suite writes."""
    assert is_new_name(name)
    assert len(name) <= MAX_NAME_LENGTH


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(name):
    """The names that the conformance suite expects to be refused."""
    assert not is_new_name(name)


@pytest.mark.parametrize("value", [None, 5, b"a", ["a"], True])
def test_only_text_is_a_name(value):
    """Nothing is converted."""
    assert not is_name(value)
    assert not is_new_name(value)


def test_the_texts_name_the_field():
    """Segment and token are one rule with two messages."""
    for check, text in (
        (require_segment, "x.y must be a non-empty path segment."),
        (require_token, "x.y must be a non-empty token."),
        (require_segments, "x.y must be a list of path segments."),
    ):
        with pytest.raises(InvalidPayloadError) as caught:
            check("a/b", "x.y")
        assert str(caught.value) == text


def test_older_names_can_be_read():
    """What older stores accepted is accepted where nothing is written."""
    assert require_segment("a;b", "x") == "a;b"
    assert require_token("x" * 600, "x") == "x" * 600
    assert require_segments(iter(["a;b"]), "x") == ("a;b",)
    for check in (require_segment, require_token):
        with pytest.raises(InvalidPayloadError):
            check("a;b", "x", new=True)
    with pytest.raises(InvalidPayloadError):
        require_segments(["a;b"], "x", new=True)
