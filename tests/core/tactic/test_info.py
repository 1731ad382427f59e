"""What tactics say about themselves."""

import pytest
from pydantic import BaseModel

from lllm import Tactic
from lllm.tactic import tactic_resource


class Documented(Tactic):
    """Does a thing.

    In detail.
    """


class Described(Documented):
    """Not this."""

    description = "This."


class Silent(Documented):
    pass


def test_description_is_own_and_never_inherited():
    """Constructor, class attribute, own docstring, nothing: in this order."""
    assert Documented().info().description == "Does a thing.\n\nIn detail."
    assert Described().info().description == "This."
    assert Described(description="").info().description == ""
    assert Silent().info().description == ""
    assert Tactic(description="x").info().description == "x"


def test_info_of_an_echo(echo):
    """Schemas, capabilities and refs."""
    info = echo.info()
    assert info.name == "echo"
    assert info.input_schema["title"] == "EchoInput"
    assert info.output_schema["required"] == ["text"]
    assert info.capabilities == ("arun", "run")
    assert (info.runtime_kind, info.package_ref, info.service_ref) == ("python", None, None)


def _streaming(**methods):
    return type("Streaming", (Tactic,), methods)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ({"_run": lambda self, v, *, context=None: v}, {"run", "arun"}),
        ({"_arun": lambda self, v, *, context=None: v}, {"run", "arun"}),
        ({}, {"run", "arun"}),
        ({"_stream": lambda self, v, *, context=None: iter(v)}, {"stream"}),
        ({"_astream": lambda self, v, *, context=None: v}, {"stream"}),
        ({"stream": lambda self, v: iter(v)}, {"stream"}),
        ({"aevents": lambda self, v: iter(v)}, {"stream", "events"}),
        (
            {"_run": lambda self, v, *, context=None: v, "astream": lambda self, v: v},
            {"run", "arun", "stream"},
        ),
    ],
)
def test_capabilities_reflect_what_exists(methods, expected):
    """What a class brings decides what it claims to do."""
    tactic = _streaming(**methods)()
    assert tactic.capabilities() == expected
    assert all(tactic.supports(capability) for capability in expected)
    assert not tactic.supports("fly")


def test_resource_has_exact_keys_and_no_secrets():
    """Package cards rely on the keys; secret-shaped metadata stays behind, also when info() shows it."""
    tactic = Tactic(
        name="t",
        package_ref="psi://o/p/tactics/t",
        examples=[{"password": "x", "in": 1}],
        metadata={"api_key": "x", "label": "y"},
    )
    assert tactic.info().metadata == {"api_key": "x", "label": "y"}
    assert tactic_resource(tactic) == {
        "name": "t",
        "description": "",
        "runtime": "python",
        "capabilities": ["arun", "run"],
        "endpoints": [],
        "input_schema": None,
        "output_schema": None,
        "package_ref": "psi://o/p/tactics/t",
        "service_ref": None,
        "examples": [{"in": 1}],
        "metadata": {"label": "y"},
    }


def test_resource_checks_refs_again():
    """Any object with a suitable info() works, and its refs are not trusted."""

    class Odd:
        def info(self):
            info = Tactic().info()
            info.package_ref = "nonsense"
            return info

    with pytest.raises(ValueError, match="package_ref"):
        tactic_resource(Odd())


def test_a_resource_shows_no_default_of_a_secret_field():
    """Package cards are public; the local `info()` shows the schema as it is."""

    class Settings(BaseModel):
        api_key: str = "a-real-one"
        colour: str = "red"

    class Keyed(Tactic[Settings, list[Settings]]):
        pass

    resource = tactic_resource(Keyed())
    shown = resource["input_schema"]["properties"]
    assert ("default" in shown["api_key"], shown["colour"]["default"]) == (False, "red")
    assert "a-real-one" not in str(resource)
    assert Keyed().info().input_schema["properties"]["api_key"]["default"] == "a-real-one"
