"""What the tests of the Pydantic AI runtime share: agents on scripted models, and a provider on loopback."""

import importlib.util
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel as ScriptedModel
from pydantic_ai.providers.openai import OpenAIProvider


def _load_stub():
    """The stub of an OpenAI-compatible server that the tests of the agents runtime use too."""
    path = Path(__file__).parents[1] / "agents" / "stub_server.py"
    spec = importlib.util.spec_from_file_location("pydantic_ai_stub_server", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


_stub = _load_stub()


class Topic(BaseModel):
    """What a brief is about."""

    topic: str


class Brief(BaseModel):
    """What an agent has to say about a topic."""

    title: str
    words: int


@pytest.fixture
def topic_type():
    """The input model of the tests."""
    return Topic


@pytest.fixture
def brief_type():
    """The output model of the tests."""
    return Brief


@pytest.fixture
def reply():
    """The class of the stub server's scripted replies."""
    return _stub.Reply


@pytest.fixture
def server():
    """A server that speaks the OpenAI chat API over loopback."""
    with _stub.StubServer() as running:
        yield running


@pytest.fixture
def make_served(server):
    """A function that makes an agent whose model is the stub server, over a real connection."""

    def make(**options):
        provider = OpenAIProvider(base_url=server.url, api_key="sk-test")
        provider.client.max_retries = 0
        options.setdefault("name", "served")
        return Agent(OpenAIChatModel("gpt-4o", provider=provider), **options)

    return make


@pytest.fixture
def talker():
    """An agent that says three words."""
    return Agent(ScriptedModel(custom_output_text="one two three"), name="talker")


@pytest.fixture
def briefer():
    """An agent with structured output and one tool."""
    model = ScriptedModel(custom_output_args={"title": "Refs", "words": 3})
    agent = Agent(model, output_type=Brief, name="briefer")

    @agent.tool_plain
    def look_up(word: str) -> dict[str, str]:
        """Look a word up."""
        return {"found": word}

    return agent
