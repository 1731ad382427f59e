"""Every hook of the core is documented, with its arguments and an example that runs, and has a test."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import pytest

from lllm import hookspecs
from lllm.plugins import PluginManager

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
HOOKS = {hook.name: hook.signature for hook in PluginManager(discover=False).hooks()}


def section(name: str) -> str:
    """Return the section of the page about a hook."""
    start = PAGE.index(f"\n### `{HOOKS[name]}`\n")
    end = re.compile(r"^##", re.MULTILINE).search(PAGE, start + 5)
    assert end is not None
    return PAGE[start : end.start()]


def test_the_hooks_are_those_of_the_contract() -> None:
    """A new hook is a decision, and this list is where it is taken."""
    assert list(HOOKS.values()) == [
        "lllm_add_hookspecs(manager)",
        "lllm_call_finished(call)",
        "lllm_call_started(call)",
        "lllm_commands(cli)",
        "lllm_runtimes()",
        "lllm_stores()",
        "lllm_tactics()",
    ]


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_section_with_its_arguments(name: str) -> None:
    """The heading is its signature; each argument, the return value and an example are in it."""
    text = section(name)
    for argument in inspect.signature(getattr(hookspecs, name)).parameters:
        assert f"**`{argument}`**" in text
    assert "**Returns**" in text
    assert f"@lllm.hookimpl\ndef {HOOKS[name]}:" in text


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_docstring_with_an_example_that_runs(name: str) -> None:
    """What an editor shows is enough to implement it."""
    function = getattr(hookspecs, name)
    docstring = inspect.getdoc(function) or ""
    for argument in inspect.signature(function).parameters:
        assert f"    {argument}: " in docstring
    assert "Example:" in docstring
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name)
    assert f"def {HOOKS[name]}:" in example.docstring
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(example).failed == 0


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_test(name: str) -> None:
    """Some test of this folder implements it."""
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(f"def {name}(" in source or f"{name}=" in source for source in sources)


@pytest.mark.parametrize("record", [hookspecs.RuntimeSpec, hookspecs.StoreSpec])
def test_a_spec_is_documented_field_by_field(record: type) -> None:
    """In the docstring and in the table of the page."""
    table = PAGE[PAGE.index(f"| `{record.__name__}` |") :].partition("\n\n")[0]
    for parameter in inspect.signature(record).parameters.values():
        assert f"    {parameter.name}: " in (inspect.getdoc(record) or "")
        shown = (
            parameter.name
            if parameter.default is parameter.empty
            else f"{parameter.name}={parameter.default}"
        )
        assert f"| `{shown}` |" in table


def test_the_states_of_a_plugin_are_documented() -> None:
    """Each is explained in the table of the page."""
    from typing import get_args

    from lllm.plugins.records import PluginState

    for state in get_args(PluginState):
        assert f"\n| `{state}` | " in PAGE
