"""What the package exports, and what importing it does not import."""

import importlib
import json
import subprocess
import sys

import pytest

import lllm
import lllm_runtime_agents

HEAVY = ["pydantic_ai", "openai", "yaml", "litellm", "httpx", "httpx2", "genai_prices", "opentelemetry"]


def loaded_after(program):
    """Return which heavy libraries a fresh interpreter has loaded after a program."""
    code = (
        f"import sys, json\n{program}\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


MOCKED = """
from lllm import Tactic
class Ask(Tactic):
    name = "ask"
    agent_group = ["a"]
    def call(self, task):
        self.agents["a"].open("x")
        return self.agents["a"].respond().content
config = {"agent_configs": [{"name": "a", "model_name": "gpt-4o", "system_prompt": "x"}]}
"""


def test_every_name_is_there():
    """Sorted, and each can be imported."""
    names = lllm_runtime_agents.__all__
    assert names == sorted(names)
    assert dir(lllm_runtime_agents) == names
    for name in names:
        assert getattr(lllm_runtime_agents, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lllm_runtime_agents.nonsense


@pytest.mark.parametrize(
    "name",
    "Agent Prompt Function FunctionCall MCP tool Message Dialog AgentSpec parse_agent_configs LogStore "
    "LocalFileBackend SQLiteBackend NoOpBackend setup_logging BaseParser DefaultTagParser ParseError "
    "find_xml_blocks find_md_blocks NativeTacticAdapter".split(),
)
def test_names_are_forwarded_from_the_core(name):
    """The same object under both names."""
    assert getattr(lllm, name) is getattr(lllm_runtime_agents, name)


def test_the_invokers_have_their_own_module():
    """The tutorial names it."""
    module = importlib.import_module("lllm.invokers")
    for name in ("build_invoker", "register_invoker", "BaseInvoker", "BaseStreamHandler", "InvokerBuilder"):
        assert getattr(module, name) is getattr(lllm_runtime_agents, name)


@pytest.mark.parametrize(
    "program",
    [
        "import lllm_runtime_agents, lllm_runtime_agents.plugin",
        "from lllm.invokers import build_invoker",
        "from lllm_runtime_agents import *",
        MOCKED + "Ask(config)",
        MOCKED + "print(Ask({**config, 'invoker': 'mock'})('x'))",
    ],
    ids=["plugin", "invokers", "everything", "constructed", "mocked"],
)
def test_provider_libraries_wait_for_the_first_model_call(program):
    """Not even constructing a tactic on the default invoker loads them."""
    assert loaded_after(program) == []


def test_the_plugin_module_imports_no_implementation():
    """Listing plugins stays quick."""
    code = (
        "import sys, lllm_runtime_agents.plugin\n"
        "print([name for name in sys.modules if name.startswith('lllm_runtime_agents')], 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = ["lllm_runtime_agents", "lllm_runtime_agents.hookspecs", "lllm_runtime_agents.plugin"]
    listed, pydantic = done.stdout.strip().rsplit("] ", 1)
    assert sorted(eval(listed + "]")) == expected
    assert pydantic == "False"


def test_the_runtime_is_what_the_plugin_says():
    """The specification names a class with the runtime's methods."""
    spec = lllm.plugins.manager().runtimes()["agents"]
    assert spec.claims == ("agent_group",)
    runtime = lllm.plugins.manager().runtime("agents")
    assert type(runtime).__name__ == "AgentsRuntime"
    with pytest.raises(lllm.TacticUnsupportedError):
        runtime.adapt(object())
    with pytest.raises(lllm.TacticUnsupportedError):
        runtime.open(None, {})
