"""The exceptions of the core, and the tree that `errors.py` opens with."""

import builtins
import inspect
import re

import pytest

from lllm import errors

LINE = re.compile(r"^(?P<branch>[│├└ ]*)(?P<name>\w+)(?: ?\((?P<also>[^)]*)\))?$")


def drawn_tree():
    """Return the drawing as pairs of a class and the set of its bases, by name."""
    drawing = errors.__doc__.split("```")[1].strip("\n")
    tree, path = {}, []
    for line in drawing.splitlines():
        found = LINE.match(line)
        depth = len(found["branch"]) // 2
        also = (found["also"] or "").removeprefix("also ")
        path[depth:] = [found["name"]]
        tree[found["name"]] = {*path[depth - 1 : depth], *filter(None, also.split(", "))}
    return tree


def defined():
    """Return every exception class that the module defines."""
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
    }


def test_the_drawing_shows_every_class_with_its_bases():
    """The tree at the top of the module names each class once, under its true parents."""
    truth = {name: {base.__name__ for base in value.__bases__} for name, value in defined().items()}
    assert drawn_tree() == truth


def test_every_class_is_public():
    """`__all__` is sorted and holds exactly the classes that the module defines."""
    assert errors.__all__ == sorted(defined())


@pytest.mark.parametrize("name", sorted(defined()))
def test_every_class_says_in_one_sentence_what_happened(name):
    """Each exception has a docstring of its own whose first line is one sentence."""
    doc = vars(errors)[name].__doc__
    assert doc
    assert re.fullmatch(r"[^.]+\.", doc.splitlines()[0])


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("LLLMError", "RuntimeError"),
        ("SSSNError", "RuntimeError"),
        ("PluginImportError", "ImportError"),
        ("PluginNotFoundError", "LookupError"),
        ("StoreURLError", "ValueError"),
    ],
)
def test_errors_are_caught_as_the_closest_builtin(name, builtin):
    """Callers who know only Python's own exceptions catch ours too."""
    assert issubclass(getattr(errors, name), getattr(builtins, builtin))


def test_a_store_error_is_not_a_tactic_error():
    """The two families are apart: neither handler swallows the other's failures."""
    assert not issubclass(errors.SSSNError, errors.LLLMError)
    assert not issubclass(errors.LLLMError, errors.SSSNError)


def test_errors_carry_the_culprit_as_data():
    """Programs read attributes, never the text."""
    assert errors.PluginError("no", plugin="shout").plugin == "shout"
    assert errors.SchemaError("no", direction="input").direction == "input"
    assert errors.LeaseLostError(["a", "b"]).tokens == ("a", "b")
    conflict = errors.SnapshotConflictError("state", 2, 3)
    assert (conflict.name, conflict.expected, conflict.current) == ("state", 2, 3)


def test_texts_of_the_data_plane_are_the_documented_ones():
    """Callers match on these texts."""
    assert str(errors.LeaseLostError(["a", "b"])) == "Lease is not held: a, b"
    assert (
        str(errors.SnapshotConflictError("s", 2, 3))
        == "Snapshot revision conflict: s (expected 2, current 3)"
    )
    assert str(errors.StoreClosedError()) == "Store is closed."
