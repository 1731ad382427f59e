"""The plugin as the host sees it: listed without the library, imported when it is used."""

import json
import os
import subprocess
import sys

import pytest

import lllm_runtime_pydantic_ai
from lllm import TacticUnsupportedError
from lllm.plugins import manager
from lllm_runtime_pydantic_ai import PydanticAIRuntime

BLOCKED = "import sys\nsys.modules['pydantic_ai'] = None\n"


def python(source, *arguments):
    """Run Python in a process of its own and return what it did."""
    return subprocess.run(
        [sys.executable, "-c", source, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )


def said(source):
    """Run Python and return what it printed as JSON."""
    done = python(source)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_plugin_contributes_the_runtime():
    """What it claims and adapts is known without importing anything."""
    spec = manager().runtimes()["pydantic-ai"]
    assert spec.claims == ("agent",)
    assert spec.adapts == ("pydantic_ai.agent.abstract.AbstractAgent", "pydantic_ai.agent.AbstractAgent")
    assert isinstance(manager().runtime("pydantic-ai"), PydanticAIRuntime)


def test_the_type_it_adapts_exists():
    """The name is the one where the library defines its agents."""
    from pydantic_ai.agent import AbstractAgent

    assert (
        f"{AbstractAgent.__module__}.{AbstractAgent.__qualname__}"
        in manager().runtimes()["pydantic-ai"].adapts
    )


def test_it_opens_no_bindings():
    """An agent has no URL."""
    with pytest.raises(TacticUnsupportedError, match="PydanticAIRuntime"):
        PydanticAIRuntime().open(None, {"url": "agent://x"})


def test_importing_lllm_and_listing_plugins_import_nothing_of_the_library():
    """Neither does importing the package; its names are there on first use."""
    loaded = said(
        "import json, sys, lllm, lllm.plugins, lllm_runtime_pydantic_ai.plugin\n"
        "lllm.plugins.manager().runtimes()\n"
        "dir(lllm_runtime_pydantic_ai)\n"
        "print(json.dumps([name for name in sys.modules if name.partition('.')[0] == 'pydantic_ai']))"
    )
    assert loaded == []


def test_public_names():
    """They are sorted, and all are there."""
    assert (
        sorted(lllm_runtime_pydantic_ai.__all__)
        == lllm_runtime_pydantic_ai.__all__
        == dir(lllm_runtime_pydantic_ai)
    )
    for name in lllm_runtime_pydantic_ai.__all__:
        assert getattr(lllm_runtime_pydantic_ai, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such"):
        _ = lllm_runtime_pydantic_ai.no_such


def test_without_the_library_the_plugin_is_listed_and_says_what_to_install():
    """Forwarded names, `as_tactic` of a claimed class and the runtime itself name the distribution."""
    states = said(
        f"{BLOCKED}import json, lllm\n"
        "host = lllm.plugins.manager()\n"
        "errors = []\n"
        "class Brief(lllm.Tactic[str, str], register=False):\n"
        "    agent = object()\n"
        "for use in (lambda: lllm.PydanticAITactic, lambda: host.runtime('pydantic-ai'), Brief):\n"
        "    try:\n"
        "        use()\n"
        "    except ImportError as error:\n"
        "        errors.append(str(error))\n"
        "states = {info.name: info.state for info in host.plugins()}\n"
        "print(json.dumps([states['pydantic-ai'], errors]))"
    )
    assert states[0] == "loaded"
    assert len(states[1]) == 3
    assert all("pip install 'pydantic-ai-slim>=2.40,<3'" in text for text in states[1])


def test_plugins_check_passes():
    """The command examines every contribution in a process of its own."""
    done = python("from lllm.cli import main; main()", "plugins", "check", "pydantic-ai")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    runtime pydantic-ai" in done.stdout
