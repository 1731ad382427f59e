"""Observers of agent calls, tools and tactics."""

import logging

import pytest

from lllm import Tactic, plugins
from lllm_runtime_agents import Observer, observe, tool


class Recorder(Observer):
    def __init__(self):
        self.seen = []

    def on_agent_call(self, agent, session):
        self.seen.append(("agent", agent, session.state))

    def on_tool(self, agent, call):
        self.seen.append(("tool", agent, call.name, call.success))

    def on_tactic(self, session):
        self.seen.append(("tactic", session.tactic_name, session.state))


@tool
def look(q: str) -> str:
    return q


@pytest.fixture
def asking(group_config, ask_class):
    """A tactic whose agent uses a tool, then answers, then fails."""
    script = [[{"name": "look", "arguments": {"q": "x"}}], "done", KeyError("gone")]
    config = group_config("writer", script=script)
    config["global"]["tools"] = [look]
    return ask_class(config)


def test_everything_is_seen_in_order(asking):
    """Tools, agent calls and tactics, in success and failure."""
    recorder = Recorder()
    with observe(recorder) as given:
        assert given is recorder
        asking("x")
        with pytest.raises(KeyError):
            asking("x")
    asking("unseen")
    assert recorder.seen == [
        ("tool", "writer", "look", True),
        ("agent", "writer", "success"),
        ("tactic", "ask", "success"),
        ("agent", "writer", "failure"),
        ("tactic", "ask", "failure"),
    ]


def test_tactics_of_other_runtimes_are_seen_too():
    """`on_tactic` is told of every call."""

    class Typed(Tactic[str, str], register=False):
        name = "typed"

        def _run(self, input_value, *, context=None):
            return input_value

    recorder = Recorder()
    with observe(recorder):
        Typed().run("x")
    assert recorder.seen == [("tactic", "typed", "success")]


def test_a_failing_observer_changes_nothing(asking, caplog):
    """It is logged; the others go on, and so does the call."""

    class Broken(Observer):
        def on_agent_call(self, agent, session):
            raise RuntimeError("observer is broken")

    recorder = Recorder()
    with observe(Broken()), observe(recorder), caplog.at_level(logging.ERROR):
        assert asking("x") == "done"
    assert len(recorder.seen) == 3
    assert "observer is broken" in caplog.text


def test_nobody_is_asked_when_nobody_observes():
    """The plugin manager knows of observers only while there are some."""
    assert not plugins.manager().observed
    with observe(Recorder()), observe(Recorder()):
        assert plugins.manager().observed
    assert not plugins.manager().observed
