"""Refs of channels and snapshots."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.refs import parse_psi_ref
from sssn import SSSNError, SSSNRef, SSSNRefError

RAW = "psi://demo/events/channels/raw"


def test_a_ref_has_its_parts():
    """The four parts, the text itself, and a text form that equals the value."""
    ref = SSSNRef(RAW)
    assert (ref.value, ref.org, ref.package, ref.resource_kind, ref.name) == (
        RAW,
        "demo",
        "events",
        "channels",
        "raw",
    )
    assert str(ref) == RAW
    assert SSSNRef("psi://demo/events/snapshots/latest").resource_kind == "snapshots"


def test_refs_are_values():
    """Equal texts are equal refs with one hash; a ref cannot change."""
    assert {SSSNRef(RAW), SSSNRef(RAW)} == {SSSNRef.parse(RAW)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        SSSNRef(RAW).name = "x"


def test_parse_returns_a_ref_as_it_is():
    """A parsed ref is not parsed again."""
    ref = SSSNRef(RAW)
    assert SSSNRef.parse(ref) is ref


@pytest.mark.parametrize("value", ["", "  ", "\n", None, 3, b"psi://demo/events/channels/raw"])
def test_blank_and_other_types(value):
    """What is not a non-blank str has one text."""
    with pytest.raises(SSSNRefError) as error:
        SSSNRef.parse(value)
    assert str(error.value) == "SSSN ref must be a non-empty string."


@pytest.mark.parametrize(
    "value",
    [
        "http://demo/events/channels/raw",
        "PSI://demo/events/channels/raw",
        "psi:demo/events/channels/raw",
        "psi://demo/events/channels",
        "psi://demo/events/channels/raw/",
        "psi://demo/events/channels/raw/x",
        "psi:///events/channels/raw",
        "psi://demo//channels/raw",
        "psi://demo/events/tactics/raw",
        "psi://demo/events/schemas/raw",
        "psi://demo/events/channels/raw?x=1",
        "psi://demo/events/channels/raw#x",
        "psi://demo/events/channels/raw;x",
        "psi://demo/events/channels/ra w",
        "psi://demo/events/channels/ra%20w",
        "psi://demo/events/channels/ra%2Fw",
        "psi://demo/events/channels/a:b",
        "psi://demo/events/channels/a\\b",
        "psi://demo/events/channels/..",
        "psi://./events/channels/raw",
        "psi://demo/../channels/raw",
        "psi://user@demo/events/channels/raw",
        "psi://de;mo/events/channels/raw",
        " psi://demo/events/channels/raw",
        "psi://demo/events/channels/raw\n",
    ],
)
def test_malformed_refs(value):
    """Every other fault is an SSSNRefError that starts with the label; it is a ValueError too."""
    with pytest.raises(SSSNRefError, match=r"^SSSN ref must ") as error:
        SSSNRef(value)
    assert isinstance(error.value, ValueError)
    assert isinstance(error.value, SSSNError)


@given(st.text(max_size=12), st.sampled_from(["channels", "snapshots"]))
def test_the_grammar_is_the_one_of_the_core(name, section):
    """A ref is accepted exactly when the core's parser accepts it."""
    text = f"psi://demo/events/{section}/{name}"
    try:
        parts = parse_psi_ref(text)
    except ValueError:
        with pytest.raises(SSSNRefError):
            SSSNRef(text)
    else:
        assert SSSNRef(text).name == parts.name == name
