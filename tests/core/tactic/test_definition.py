"""Defining and constructing tactics."""

from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from lllm import Tactic, build_tactic, get_tactic_class, register_tactic_class


class In(BaseModel):
    text: str


class Out(BaseModel):
    text: str


T = TypeVar("T")


class Middle(Tactic[In, T], Generic[T], register=False):
    pass


class Leaf(Middle[Out]):
    pass


class Later(Tactic["In", "Out"]):
    pass


class Half(Tactic[In, Any]):
    output_type = Out


@pytest.mark.parametrize("cls", [Leaf, Later, Half])
def test_generic_parameters_set_the_types(cls):
    """Directly, through a generic base, as text, and below an explicit attribute."""
    assert (cls.input_type, cls.output_type) == (In, Out)


def test_unparametrised_tactics_check_nothing():
    """Without types every value passes."""

    class Any_(Tactic, register=False):
        def _run(self, input_value, *, context=None):
            return input_value

    value = object()
    assert Any_().run(value) is value
    assert Any_().info().input_schema is None


def test_name_comes_from_constructor_class_attribute_or_class():
    """In this order; an explicit blank name is an error and not a default."""

    class Nameless(Tactic):
        pass

    class Named(Tactic):
        name = "given"

    assert Nameless().tactic_name == "Nameless"
    assert Named().tactic_name == "given"
    assert Named(name="other").tactic_name == "other"
    for blank in ("", "  "):
        with pytest.raises(ValueError, match="name must be a non-empty name"):
            Named(name=blank)
    with pytest.raises(TypeError, match="name must be a string"):
        Named(name=b"x")


@pytest.mark.parametrize("field", ["description", "package_ref", "service_ref"])
def test_text_arguments_are_strings(field):
    """A wrong type is a TypeError that names the argument."""
    with pytest.raises(TypeError, match=f"{field} must be a string"):
        Tactic(**{field: 7})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("package_ref", "psi://org/pkg/services/x"),
        ("package_ref", "http://x"),
        ("service_ref", "psi://org/pkg/tactics/x"),
        ("service_ref", "http://user@host"),
    ],
)
def test_refs_are_checked(field, value):
    """Refs of the wrong kind are refused with the argument's name in front."""
    with pytest.raises(ValueError, match=field):
        Tactic(**{field: value})


def test_examples_and_metadata_are_owned_copies():
    """The caller's containers may change afterwards."""
    examples, metadata = [{"in": [1]}], {"k": {"v": 1}}
    tactic = Tactic(examples=examples, metadata=metadata)
    examples[0]["in"].append(2)
    metadata["k"]["v"] = 2
    assert tactic.examples == [{"in": [1]}]
    assert tactic.metadata == {"k": {"v": 1}}
    info = tactic.info()
    info.metadata["k"]["v"] = 3
    assert tactic.metadata == {"k": {"v": 1}}
    with pytest.raises(TypeError, match="examples"):
        Tactic(examples={})
    with pytest.raises(TypeError, match="metadata"):
        Tactic(metadata=[])


def test_config_is_for_agent_groups_only():
    """A config that nobody would read is refused by name."""

    class Typed(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    with pytest.raises(TypeError, match="config"):
        Typed({"a": 1})


def test_call_needs_an_agent_group():
    """A class with `call` says which agents it uses, if only none."""

    class Forgetful(Tactic, register=False):
        def call(self, task):
            return task

    with pytest.raises(AssertionError, match="agent_group not set for tactic `Forgetful`"):
        Forgetful()


def test_defined_classes_are_registered_by_name():
    """The last class of a name wins, without an error; `register=False` and nameless classes stay out."""

    class First(Tactic):
        name = "registry-probe"

    class Second(Tactic):
        name = "registry-probe"

    class Hidden(Tactic, register=False):
        name = "registry-hidden"

    class Inheriting(Second):
        pass

    assert get_tactic_class("registry-probe") is Second
    with pytest.raises(KeyError, match="registry-hidden"):
        get_tactic_class("registry-hidden")
    register_tactic_class(First)
    assert get_tactic_class("registry-probe") is First
    with pytest.raises(AssertionError, match=r"Tactic class `Nameless` must define"):
        register_tactic_class(type("Nameless", (Tactic,), {}))


def test_build_tactic_needs_a_known_name():
    """No name is a ValueError, an unknown one a KeyError with close matches."""

    class Known(Tactic):
        name = "build-probe"

    assert isinstance(build_tactic(None, name="build-probe"), Known)
    with pytest.raises(ValueError, match="Invalid tactic name"):
        build_tactic({})
    with pytest.raises(KeyError, match="build-probe"):
        build_tactic({"tactic_type": "build-prob"})


def test_a_registry_object_can_take_the_place_of_the_table():
    """`runtime=` is asked instead of the default table."""

    class Registry(dict):
        def register_tactic(self, name, cls, overwrite=False):
            self[name] = cls

        def get_tactic(self, name):
            return self[name]

    registry = Registry()

    class Elsewhere(Tactic, runtime=registry):
        name = "elsewhere"

    assert registry == {"elsewhere": Elsewhere}
    assert get_tactic_class("elsewhere", registry) is Elsewhere
    with pytest.raises(KeyError):
        get_tactic_class("elsewhere")
