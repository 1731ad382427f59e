"""The examples run offline, and unchanged against an OpenAI-compatible server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def run(program, *arguments, **environment):
    """Run an example in its own folder and return what it prints."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "LLLM_"))}
    path = EXAMPLES / program
    done = subprocess.run(
        [sys.executable, path.name, *arguments],
        cwd=path.parent,
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lesson_runs_offline():
    """A pipeline with its bill, then results as they complete."""
    lines = run("agents/lesson.py", LLLM_INVOKER="mock").splitlines()
    assert lines[1] == "-- own agent calls: 1, of the research: 2"
    assert lines[2] == "-- $0.0300, of which $0.0200 for the research"
    assert sorted(line.split(":")[0] for line in lines[3:]) == ["first text", "second text"]


def test_inheritance_runs_offline():
    """Three agents of the extended pipeline, two of the blog post."""
    lines = run("advanced/multi_agent_tactic.py", LLLM_INVOKER="mock").splitlines()
    assert lines[1].startswith("-- 3 agent calls")
    assert lines[2].endswith("#agents")


def test_the_code_review_runs_offline():
    """Typed output from a structured reply."""
    review = json.loads(run("code_review_service/review.py", LLLM_INVOKER="mock"))
    assert review["approved"] is False
    assert review["findings"][0]["file"] == "mean.py"


def test_the_code_review_is_run_by_the_command_line():
    """Like any other tactic, from its entry point."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lllm"),
            "run",
            "tactics.code_review:build_code_review",
            '{"diff": "x"}',
        ],
        cwd=EXAMPLES / "code_review_service",
        env={**os.environ, "LLLM_INVOKER": "mock"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["summary"] == "It divides by the number of items."


@pytest.mark.parametrize("program", ["agents/lesson.py", "advanced/multi_agent_tactic.py"])
def test_examples_run_unchanged_against_a_server(server, program):
    """The environment names the server, and the model is asked over a connection."""
    run(program, "tides", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="unused")
    assert {request["model"] for request in server.requests} == {"gpt-4o"}
    assert "tides" in server.requests[0]["messages"][-1]["content"]


def test_the_code_review_runs_unchanged_against_a_server(server):
    """The server is asked for the schema of the findings."""
    server.say("It does something.", '{"findings": []}')
    printed = run("code_review_service/review.py", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="unused")
    assert json.loads(printed)["approved"] is True
    assert server.requests[1]["response_format"]["json_schema"]["name"] == "Findings"


def test_three_runtimes_have_one_bill():
    """An agent group, a plain function, and a tactic behind HTTP."""
    printed = run("agents/mixed_pipeline.py", LLLM_INVOKER="mock")
    assert '"text": "Tides follow the moon."' in printed
    assert '"verdict": "fine"' in printed
    assert printed.splitlines()[-3:] == [
        "tidy: success, $0.0000",
        "checker: success, $0.0100",
        "all together: 2 model calls, $0.0200",
    ]
