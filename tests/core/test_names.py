"""The rules for names, tokens and string-keyed maps."""

import string
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm import names

PLAIN = st.text(alphabet=string.ascii_letters + string.digits + "._-", min_size=1).filter(
    lambda text: text not in {".", ".."}
)


@pytest.mark.parametrize("value", [b"x", 1, None, ["x"]])
@pytest.mark.parametrize("check", [names.check_text, names.check_segment, names.check_token])
def test_only_strings_are_names(check, value):
    """Bytes and numbers are refused and never decoded."""
    with pytest.raises(TypeError, match=r"^field must be a string\.$"):
        check(value, "field")


@pytest.mark.parametrize("value", ["a b", "a\nb", "a?b", "a#b", "{x}", "<x>", "ü", " padded "])
def test_segments_are_display_names(value):
    """Inner white space and most punctuation are legal in names that people read."""
    assert names.check_segment(value, "name") == value


@pytest.mark.parametrize("value", ["", "  ", "\t", ".", "..", "a/b", "a:b", "a\\b", "a;b", "a%b"])
def test_segments_cannot_steer_a_path(value):
    """What could change the meaning of a path or URL is refused, with the field's name."""
    with pytest.raises(ValueError, match=r"^name must be a non-empty name without percent escapes"):
        names.check_segment(value, "name")


@pytest.mark.parametrize("space", [" ", "\n", "\u00a0", "\u2028", "\x1c", "\x1f", "\u3000"])
@pytest.mark.parametrize("shape", ["a{}b", "{}a", "a{}", "{}"])
def test_tokens_hold_no_space_of_any_kind(space, shape):
    """Every character that `str.isspace` knows is refused, also at the ends."""
    with pytest.raises(ValueError, match=r"^id must be a non-empty token without whitespace"):
        names.check_token(shape.format(space), "id")


@given(PLAIN)
def test_plain_tokens_pass_unchanged(value):
    """Letters, digits, dots, dashes and underscores make tokens and segments."""
    assert names.check_token(value, "id") == names.check_segment(value, "id") == value


@given(st.text())
def test_a_token_is_a_segment_without_spaces(value):
    """The two rules differ in white space and in nothing else."""

    def accepts(check):
        try:
            check(value, "x")
        except ValueError:
            return False
        return True

    has_space = any(character.isspace() for character in value)
    assert accepts(names.check_token) == (accepts(names.check_segment) and not has_space)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_flags_are_real_booleans(value):
    """Nothing is taken for true or false but the booleans."""
    with pytest.raises(TypeError, match=r"^force must be a boolean\.$"):
        names.check_flag(value, "force")
    assert names.check_flag(True, "force") is True


def test_copies_share_no_container():
    """Any mapping becomes a dict, sequences and sets are rebuilt, leaves are deep-copied."""
    leaf = bytearray(b"x")
    source = MappingProxyType({"a": [1, (2, {3}), frozenset({4})], "leaf": leaf})
    copied = names.copy_boundary(source)
    assert copied == {"a": [1, (2, {3}), frozenset({4})], "leaf": leaf}
    assert type(copied) is dict
    assert copied["a"] is not source["a"]
    assert copied["leaf"] is not leaf


def test_what_cannot_be_copied_is_refused_or_kept():
    """A lock cannot be copied: strict copies say so, lenient ones keep the object itself."""
    import threading

    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock cannot be copied"):
        names.copy_boundary({"a": lock})
    assert names.copy_boundary({"a": lock}, lenient=True)["a"] is lock


def test_a_value_that_contains_itself_is_an_error_not_a_crash():
    """Cycles end in a ValueError."""
    loop: list = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        names.copy_boundary(loop)
    with pytest.raises(ValueError, match="metadata nests too deeply"):
        names.check_metadata({"a": loop})


@pytest.mark.parametrize("value", [[("a", 1)], "a", 1, {"a"}])
def test_metadata_is_a_mapping(value):
    """Lists of pairs and the like are not taken for mappings."""
    with pytest.raises(TypeError, match=r"^metadata must be a mapping\.$"):
        names.check_metadata(value)


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": {1: 2}}, {"a": [{1: 2}]}, {"a": ({None: 2},)}, {"a": MappingProxyType({1: 2})}]
)
def test_metadata_keys_are_strings_at_every_depth(value):
    """Keys are checked through maps, lists and tuples."""
    with pytest.raises(TypeError, match=r"^metadata keys must be strings\.$"):
        names.check_metadata(value)


def test_none_means_nothing_given():
    """Constructors take None for an empty map or list."""
    assert names.check_metadata(None) == {}
    assert names.check_examples(None) == []


@pytest.mark.parametrize("value", [{}, (), "x", [1], [[]], [{1: 2}], [{"a": [{1: 2}]}]])
def test_examples_are_a_list_of_string_keyed_maps(value):
    """A tuple, a map or a list of anything else is a TypeError that names the field."""
    with pytest.raises(TypeError, match="examples"):
        names.check_examples(value)
