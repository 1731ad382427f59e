"""`lllm inspect` and the entry points it takes."""

import json
import sys

import pytest

from lllm.cli import load_tactic_entrypoint
from lllm.entrypoint import is_declared_factory


def test_text_shows_name_runtime_description_and_capabilities(invoke):
    """The text form is three lines; a tactic without a description has two."""
    assert invoke("inspect", "user_tactics:Shout").stdout == (
        "shout (python)\nSays it louder.\ncapabilities: arun, run, stream\n"
    )
    assert invoke("inspect", "user_tactics:Silent").stdout == "silent (python)\ncapabilities: arun, run\n"


def test_json_is_the_tactics_resource(invoke):
    """--json prints tactic_resource, indented by two, keys sorted."""
    from lllm.tactic import tactic_resource

    output = invoke("inspect", "user_tactics:Shout", "--json").stdout
    resource = json.loads(output)
    assert output == json.dumps(resource, indent=2, sort_keys=True) + "\n"
    assert resource == json.loads(json.dumps(tactic_resource(sys.modules["user_tactics"].Shout())))


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("user_tactics:Shout", "shout"),
        ("user_tactics:instance", "shout"),
        ("user_tactics:build_shout", "shout"),
        ("user_tactics:annotated", "shout"),
        ("user_tactics:quiet", "quiet"),
        ("user_tactics:reverse", "reverse"),
        ("user_tactics:Container.inner", "silent"),
        ("psi://acme/cli/tactics/wrapped", "<lambda>"),
    ],
)
def test_what_can_be_inspected(invoke, entry, name):
    """Classes, instances, declared factories, functions, nested attributes and refs; others are not called."""
    result = invoke("inspect", entry)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{name} (python)\n")
    module = sys.modules.get("user_tactics")
    assert module is None or "quiet" not in module.calls


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("user_tactics", "Entrypoint must have the form 'module:attribute'"),
        ("user_tactics:", "Entrypoint must have the form 'module:attribute'"),
        (":x", "Entrypoint must have the form 'module:attribute'"),
        (" user_tactics:x", "Entrypoint must have the form 'module:attribute'"),
        ("user_tactics:x ", "Entrypoint must have the form 'module:attribute'"),
        ("user..tactics:x", "Entrypoint must have the form 'module:attribute'"),
        ("user_tactics:x.", "Entrypoint must have the form 'module:attribute'"),
        ("user/tactics:x", "Entrypoint must have the form 'module:attribute'"),
        ("user\\tactics:x", "Entrypoint must have the form 'module:attribute'"),
        ("user_tactics:x:y", "Entrypoint must have the form 'module:attribute'"),
        ("user%20tactics:x", "Entrypoint must have the form 'module:attribute'"),
        ("user_tactics:nothing", "did not resolve to a tactic or callable"),
        ("user_tactics:absent", "has no attribute 'absent'"),
        ("nosuchmodule:x", "No module named 'nosuchmodule'"),
        ("psi://a/b/tactics/unbound", "Tactic ref is not bound"),
        ("psi://a/b/c", "must have shape"),
    ],
)
def test_what_cannot_be_inspected_exits_2(invoke, entry, message):
    """Load errors are one line and exit code 2."""
    result = invoke("inspect", entry)
    assert result.exit_code == 2
    assert result.stderr.startswith("lllm: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_loader_calls_what_takes_no_arguments(project, manager):
    """Outside of inspect a function without parameters is a factory, whatever it says about itself."""
    sys.path.insert(0, str(project))
    assert load_tactic_entrypoint("user_tactics:quiet").tactic_name == "shout"
    assert load_tactic_entrypoint("user_tactics:build_shout").tactic_name == "shout"
    assert load_tactic_entrypoint("user_tactics:reverse").run("ab") == "ba"
    for value in (None, 3, b"a:b"):
        with pytest.raises(ValueError, match="Entrypoint must have the form"):
            load_tactic_entrypoint(value)
    sys.modules.pop("user_tactics")


def test_annotations_that_cannot_be_read_declare_nothing():
    """A return annotation that is no type, or does not exist, does not make a factory."""

    def odd() -> "NoSuchName":  # noqa: F821
        pass

    def other() -> "list[int]":
        pass

    assert not is_declared_factory(odd)
    assert not is_declared_factory(other)
