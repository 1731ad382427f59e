"""What the tests of the agents runtime share: scripted agents, a stub of a provider, and a clean registry."""

import importlib.util
import sys
from pathlib import Path

import pytest

from lllm import Tactic
from lllm_runtime_agents import Agent, Prompt, build_invoker, invokers


def _load_stub():
    path = Path(__file__).with_name("stub_server.py")
    spec = importlib.util.spec_from_file_location("agents_stub_server", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


_stub = _load_stub()


@pytest.fixture
def reply():
    """The class of the stub server's scripted replies."""
    return _stub.Reply


@pytest.fixture
def server():
    """A server that speaks the OpenAI chat API over loopback."""
    with _stub.StubServer() as running:
        yield running


@pytest.fixture(autouse=True)
def registered_invokers(monkeypatch):
    """The table of invokers as it was before the test, without a default from the environment."""
    monkeypatch.delenv("LLLM_INVOKER", raising=False)
    monkeypatch.setattr(invokers, "_builders", dict(invokers._builders))


@pytest.fixture
def make_agent():
    """A function that makes an agent with the mock invoker; its dialog `main` is open."""

    def make(*script, prompt="You are a test.", invoker=None, open=True, config=None, **fields):
        mock = build_invoker({"invoker": "mock", "invoker_config": {"script": script, **(config or {})}})
        text = prompt if isinstance(prompt, Prompt) else Prompt(path="system", prompt=prompt)
        agent = Agent(
            name="tester", system_prompt=text, model="test-model", llm_invoker=invoker or mock, **fields
        )
        return agent.open("main") if open else agent

    return make


@pytest.fixture
def group_config():
    """A function that makes the config of a group of agents with the mock invoker."""

    def make(*names, script=(), **mock):
        return {
            "invoker": "mock",
            "invoker_config": {"script": list(script), **mock},
            "global": {"model_name": "test-model"},
            "agent_configs": [{"name": name, "system_prompt": f"You are {name}."} for name in names],
        }

    return make


class Ask(Tactic, register=False):
    """One agent, one question."""

    name = "ask"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"]
        writer.open("chat")
        writer.receive(str(task))
        return writer.respond().content


@pytest.fixture
def ask_class():
    """The class of a tactic with one agent, `writer`, that is asked once."""
    return Ask


@pytest.fixture
def ask(group_config):
    """A tactic with one scripted agent that echoes."""
    return Ask(group_config("writer"))
