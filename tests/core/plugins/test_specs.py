"""The records that plugins return, checked when they are made, and import strings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.hookspecs import RuntimeSpec, StoreSpec
from lllm.import_strings import ImportString, load_import_string, parse_import_string


def test_a_spec_is_frozen_and_owns_tuples() -> None:
    """Lists are accepted and become what the annotation says."""
    schemes = ["http", "https"]
    spec = RuntimeSpec("remote", "a.b:C", "Far.", schemes=schemes, claims=["agent"])  # type: ignore[arg-type]
    schemes.append("ftp")
    assert (spec.schemes, spec.claims, spec.adapts, spec.install) == (("http", "https"), ("agent",), (), None)
    with pytest.raises(AttributeError):
        spec.name = "other"  # type: ignore[misc]
    assert hash(spec) == hash(
        RuntimeSpec("remote", "a.b:C", "Far.", schemes=("http", "https"), claims=("agent",))
    )
    with pytest.raises(TypeError):
        RuntimeSpec("remote", "a.b:C", "Far.", ("agent",))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"name": 3}, TypeError, "`RuntimeSpec.name` must be a string, got int."),
        (
            {"name": "A"},
            ValueError,
            "digits, `_` and `-`, and begin with a letter or digit; got 'A'.",
        ),
        ({"name": ""}, ValueError, "got ''."),
        (
            {"target": None},
            TypeError,
            "`RuntimeSpec.target` must be an import string `package.module:attribute`, got NoneType.",
        ),
        (
            {"target": "a.b"},
            ValueError,
            "`RuntimeSpec.target` must be an import string `package.module:attribute`, got 'a.b'.",
        ),
        ({"summary": ""}, ValueError, "`RuntimeSpec.summary` must be one line of text, got ''."),
        ({"summary": "a\nb"}, ValueError, "`RuntimeSpec.summary` must be one line of text"),
        ({"install": "a\nb"}, ValueError, "`RuntimeSpec.install` must be one line of text"),
        ({"install": ["x"]}, TypeError, "`RuntimeSpec.install` must be a string, got list."),
        ({"schemes": "http"}, TypeError, "`RuntimeSpec.schemes` must be a tuple of strings, got str."),
        (
            {"schemes": ("HTTP",)},
            ValueError,
            "`RuntimeSpec.schemes` holds 'HTTP', which is not a lower-case URL scheme such as `http`.",
        ),
        (
            {"schemes": ("http:",)},
            ValueError,
            "holds 'http:', which is not a lower-case URL scheme such as `http`.",
        ),
        ({"schemes": (b"http",)}, TypeError, "`RuntimeSpec.schemes[]` must be a string, got bytes."),
        ({"schemes": ("a", "a")}, ValueError, "`RuntimeSpec.schemes` names something twice: a, a."),
        (
            {"claims": ("agent group",)},
            ValueError,
            "holds 'agent group', which is not an attribute name such as `agent_group`.",
        ),
        (
            {"adapts": ("function",)},
            ValueError,
            "holds 'function', which is not a qualified type name such as `builtins.function`.",
        ),
    ],
)
def test_a_malformed_runtime_spec_is_refused(
    changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    """The error names the field, what it holds and what it must hold."""
    with pytest.raises(error) as caught:
        RuntimeSpec(**{"name": "x", "target": "a:b", "summary": "One.", **changes})
    assert str(caught.value).endswith(text) or str(caught.value).startswith(text)


@pytest.mark.parametrize("marker", ["a/b", "", ".", "..", "a\\b", "a\x00"])
def test_a_marker_is_the_name_of_a_file(marker: str) -> None:
    """It lies directly inside the directory."""
    with pytest.raises(
        ValueError, match=r"`StoreSpec.markers` holds .* not the name of a file directly inside"
    ):
        StoreSpec("x", "a:b", "One.", markers=(marker,))


def test_markers_may_be_hidden_files() -> None:
    """Many stores use one."""
    assert StoreSpec("x", "a:b", "One.", markers=(".store", "data.sqlite")).markers == (
        ".store",
        "data.sqlite",
    )


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
paths = st.lists(names, min_size=1, max_size=3).map(".".join)


@given(paths, paths)
def test_an_import_string_has_one_spelling(module: str, attribute: str) -> None:
    """Parsing and printing are inverse."""
    text = f"{module}:{attribute}"
    parsed = parse_import_string(text)
    assert parsed == ImportString(module, attribute)
    assert str(parsed) == text
    assert str(parse_import_string(module, attribute=False)) == module


@given(st.text(max_size=12))
def test_any_text_is_an_import_string_or_refused(text: str) -> None:
    """Nothing else is raised, and what is accepted has only identifiers."""
    module, _, attribute = text.partition(":")
    if all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
        assert str(parse_import_string(text)) == text
    else:
        with pytest.raises(ValueError, match=re.escape(repr(text))):
            parse_import_string(text)


def test_loading_follows_attributes() -> None:
    """Nested attributes are allowed; a module alone is the module."""
    from collections import OrderedDict

    assert load_import_string("collections:OrderedDict.fromkeys") == OrderedDict.fromkeys
    assert load_import_string("collections").__name__ == "collections"
    with pytest.raises(AttributeError, match=r"`collections:OrderedDict\.nope` has no attribute `nope`"):
        load_import_string("collections:OrderedDict.nope")
    with pytest.raises(ModuleNotFoundError):
        load_import_string("collections.nope:x")
