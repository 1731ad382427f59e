"""The programs in examples/pydantic_ai do what they say, offline."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "pydantic_ai"


@pytest.fixture
def run(tmp_path):
    """A function that runs a program in an empty directory and returns the lines that it printed."""

    def run(name, *arguments):
        environ = {key: value for key, value in os.environ.items() if not key.startswith("LLLM_")}
        command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
        done = subprocess.run(command, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_a_served_agent_is_read_while_it_writes(run):
    """Tool calls, pieces, usage and the output come over HTTP; partial outputs grow locally."""
    lines = run("served_brief.py", "clocks")
    kinds = [line.split()[0] for line in lines]
    assert [kind for kind in kinds if kind in {"tool_call", "tool_result", "usage"}] == [
        "tool_call",
        "tool_result",
        "usage",
    ]
    assert kinds.count("writing") == 4
    assert '  "title": "About clocks",' in lines
    assert lines[-4:] == ["so far 0 points", "so far 1 points", "so far 2 points", "at once 2 points"]


def test_an_agent_asks_a_service(run):
    """The model is told the service's schema, and the call is in the session."""
    assert run("remote_tool.py", "Bonn") == [
        "tool forecast ['city']",
        "Sun over Bonn, 21 degrees.",
        "below the agent: forecast",
    ]


def test_a_processor_runs_an_agent(run):
    """Each message gets one label; a second run processes what is new."""
    first = run("processed_events.py", "store")
    assert first[0] == "done 3, failed 0"
    assert sorted(first[1:]) == [
        "complaint ! The parcel is broken!",
        "other       Thank you, all is well.",
        "question    Where do I find my invoice?",
    ]
    second = run("processed_events.py", "store")
    assert second[0] == "done 3, failed 0"
    assert len(second) == 7
