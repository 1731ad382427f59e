"""The plugin: what it contributes, what `as_tactic` hands to it, and what importing it costs."""

import functools
import subprocess
import sys

import pytest

import lllm
from lllm import RuntimeSpec, TacticUnsupportedError, as_tactic
from lllm_runtime_callable import CallableRuntime, CallableTactic, plugin


class Shouter:
    def __call__(self, text):
        return text.upper()

    def method(self, text):
        return text.upper()


def test_it_contributes_one_runtime():
    """A spec named `callable`, with the types of everything that Python can call."""
    (spec,) = plugin.lllm_runtimes()
    assert isinstance(spec, RuntimeSpec)
    assert (spec.name, spec.schemes, spec.claims) == ("callable", (), ())
    assert spec.adapts[-1] == "builtins.object"


def test_the_runtime_is_found_through_its_entry_point():
    """The plugin host knows it by name and imports it on demand."""
    assert isinstance(lllm.plugins.manager().runtime("callable"), CallableRuntime)


@pytest.mark.parametrize(
    "target",
    [
        lambda text: text.upper(),
        str.upper,
        "hello".__add__,
        Shouter(),
        Shouter().method,
        functools.partial(str.replace, "hello", "h"),
        str,
    ],
)
def test_as_tactic_adapts_whatever_can_be_called(target):
    """Functions, methods, builtins, partials, classes and objects with `__call__`."""
    tactic = as_tactic(target)
    assert isinstance(tactic, CallableTactic)
    assert tactic.run("hello") == target("hello")


def test_as_tactic_hands_its_options_on():
    """They are those of `CallableTactic`; an unknown one is an error."""
    assert as_tactic(len, name="length").tactic_name == "length"
    with pytest.raises(TypeError, match="volume"):
        as_tactic(len, volume=11)


@pytest.mark.parametrize("target", [7, None, object()])
def test_what_cannot_be_called_is_refused(target):
    """The last resort takes objects of any type, and says what is wrong with those it cannot use."""
    with pytest.raises(TypeError, match="callable"):
        as_tactic(target)


def test_it_opens_no_bindings_and_claims_no_classes():
    """What does not apply raises TacticUnsupportedError."""
    runtime = CallableRuntime()
    with pytest.raises(TacticUnsupportedError):
        runtime.open("psi://a/b/tactics/c", {"url": "x://y"})
    with pytest.raises(TacticUnsupportedError):
        runtime.attach(as_tactic(len), None)
    with pytest.raises(TacticUnsupportedError):
        runtime.bind(as_tactic(len), None)


def test_importing_the_plugin_module_is_cheap():
    """It imports neither the implementation nor pydantic."""
    program = (
        "import sys, importlib.util as u\n"
        "import lllm\n"
        "before = set(sys.modules)\n"
        "from lllm_runtime_callable import plugin\n"
        "plugin.lllm_runtimes()\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "lllm_runtime_callable.plugin" in loaded
    assert not {name for name in loaded if name.startswith(("pydantic", "lllm.tactic"))}
    assert "lllm_runtime_callable.tactic" not in loaded
