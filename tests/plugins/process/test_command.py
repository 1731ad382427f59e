"""`lllm process` as people run it: options, signals, kill -9."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lllm.store import open_store

TACTICS = """
import time
from lllm import Tactic


class Upper(Tactic[dict, dict]):
    name = "upper"

    def _run(self, input_value, *, context=None):
        if "text" not in input_value:
            raise ValueError("no text")
        return {"text": input_value["text"].upper()}


class Slow(Tactic[dict, dict]):
    def _run(self, input_value, *, context=None):
        time.sleep(0.3)
        return input_value
"""
KILLS = int(os.environ.get("LLLM_TEST_KILLS", "6"))
"""How often the processor is killed; `LLLM_TEST_KILLS=50` is the long form of the test."""


@pytest.fixture
def project(tmp_path, store):
    """A working directory with tactics and a config that binds both channels."""
    (tmp_path / "mytactics.py").write_text(TACTICS)
    (tmp_path / ".psi").mkdir()
    refs = [f'[refs."psi://demo/events/channels/{name}"]\nstore = "store"\n' for name in ("raw", "analysis")]
    (tmp_path / ".psi" / "config.toml").write_text("\n".join(refs))
    return tmp_path


def command(*arguments):
    """Return the command line of a processor of this project."""
    defaults = ["--from", "psi://demo/events/channels/raw", "--to", "psi://demo/events/channels/analysis"]
    return [sys.executable, "-m", "lllm", "process", *defaults, *arguments]


def run(project, *arguments):
    """Run a processor to its end."""
    return subprocess.run(
        command(*arguments), cwd=project, capture_output=True, text=True, timeout=60, check=False
    )


def test_refs_of_the_config_name_the_channels(project, store, fill):
    """Events go from channel to channel; the log is JSON lines and ends with the counts."""
    fill(12)
    done = run(project, "--tactic", "mytactics:Upper", "--once", "--workers", "4", "--kind", "analysis")
    assert done.returncode == 0, done.stderr
    outputs = store.query_events("analysis")
    assert sorted(event.payload["text"] for event in outputs) == sorted(f"T{number}" for number in range(12))
    assert {event.kind for event in outputs} == {"analysis"}
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["message"] == "stopped"
    assert (last["progress"]["done"], last["progress"]["lag"]) == (12, 0)
    assert done.stdout == ""


def test_events_given_up_make_the_exit_code(project, store):
    """With --once the exit code says that something was given up; the dead letter says why."""
    store.append_event({"channel": "raw", "payload": {"no": "text"}})
    done = run(
        project,
        *("--tactic", "mytactics:Upper", "--once", "--backoff", "0"),
        *("--max-deliveries", "2", "--dead-letter", "dead"),
    )
    assert done.returncode == 1
    (letter,) = store.query_events("dead")
    assert letter.metadata["dead_letter"]["error"] == "ValueError: no text"


def test_channels_by_name_filters_and_replay(project, store, fill):
    """Names live in --store; a filter picks one kind; a replay goes back and changes nothing."""
    fill(3)
    fill(2, kind="other")
    options = ["--tactic", "mytactics:Upper", "--once", "--filter-kind", "message", "--quiet"]
    plain = [
        sys.executable,
        "-m",
        "lllm",
        "process",
        "--from",
        "raw",
        "--to",
        "new",
        "--store",
        "store",
        *options,
    ]
    for extra in ([], ["--replay", "beginning"], ["--replay", "1"]):
        done = subprocess.run(
            [*plain, *extra], cwd=project, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(store.query_events("new")) == 3


def test_limits_reach_a_subscription_that_is_there_already(project, store, fill):
    """What is asked for holds; what is not asked for stays."""
    store.append_event({"channel": "raw", "payload": {"no": "text"}})
    store.create_subscription("raw", subscription_id="shared", lease_seconds=7)
    limits = ["--max-deliveries", "2", "--dead-letter", "lost"]
    done = run(
        project,
        "--tactic",
        "mytactics:Upper",
        "--once",
        "--subscription",
        "shared",
        "--backoff",
        "0",
        *limits,
    )
    assert done.returncode == 1
    subscription = store.get_subscription("shared")
    assert (subscription.max_deliveries, subscription.dead_letter) == (2, "lost")
    assert subscription.lease_seconds == 7
    assert len(store.query_events("lost")) == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--tactic", "nowhere:Tactic"], "No module named 'nowhere'"),
        (["--tactic", "mytactics:Upper", "--start", "soon"], "--start must be beginning, end or a cursor"),
        (["--tactic", "mytactics:Upper", "--replay", "noon"], "--replay must be beginning"),
        (["--tactic", "mytactics:Upper", "--replay", "1700000000000"], "lies in the future"),
        (["--tactic", "mytactics:Upper", "--timeout", "nan"], "timeout must be a finite number"),
        (["--tactic", "mytactics:Upper", "--to", "raw", "--from", "raw"], "are the same channel"),
        (["--tactic", "mytactics:Upper", "--workers", "0"], "--workers"),
        (["--tactic", "mytactics:Upper", "--from", "missing"], "Channel not found: missing"),
        (["--tactic", "mytactics:Upper", "--from", "psi://demo/events/channels/no"], "not bound"),
    ],
)
def test_mistakes_are_one_line(project, arguments, part):
    """Usage and load errors exit 2 and say what to change."""
    done = run(project, *arguments, "--store", "store", "--once")
    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_not_there_is_not_made(project):
    """A mistake in its name leaves nothing behind."""
    done = run(project, "--tactic", "mytactics:Upper", "--from", "raw", "--to", "new", "--store", "sture")
    assert done.returncode == 2
    assert "Channel not found: raw; there is no store at `sture`." in done.stderr
    assert not (project / "sture").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_work_finish(project, store, fill, number):
    """What runs is stored, the rest is given back, and the exit code is 0."""
    fill(5)
    with subprocess.Popen(
        command("--tactic", "mytactics:Slow"), cwd=project, stderr=subprocess.PIPE, text=True
    ) as process:
        started = store.wait_events("analysis", after_cursor=0, timeout=30)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert started, errors
    assert process.returncode == 0, errors
    done = len(store.query_events("analysis"))
    last = json.loads(errors.splitlines()[-1])
    assert (last["message"], last["progress"]["done"], last["progress"]["lag"]) == ("stopped", done, 5 - done)
    lag = store.lag(store.list_subscriptions("raw")[0].id)
    assert 1 <= done < 5
    assert (lag.undelivered + lag.in_flight + lag.delayed, lag.in_flight) == (5 - done, 0)


def test_a_terminal_gets_one_line_and_no_keys(project, store, fill):
    """Counts, rate, lag and failures; failures stand above the line, and Ctrl-C is explained."""
    (project / "telling.py").write_text(
        "def tell(value):\n    if 'bad' in value:\n        raise ValueError('sk-abcdefghijklmnopqrstuvwxyz')\n"
    )
    fill(3)
    store.append_event({"channel": "raw", "payload": {"bad": 1}})
    ours, theirs = os.openpty()
    arguments = ["--tactic", "telling:tell", "--max-deliveries", "1", "--dead-letter", "dead"]
    with subprocess.Popen(command(*arguments), cwd=project, stderr=theirs) as process:
        os.close(theirs)
        assert store.wait_events("dead", after_cursor=0, timeout=30)
        assert store.wait_events("analysis", after_cursor=2, timeout=30)
        process.send_signal(signal.SIGINT)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65_536):
                shown += piece
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 0, text
    assert "ERROR event" in text
    assert "ValueError: ***" in text
    assert "sk-abc" not in text
    assert "a second signal ends it" in text
    last = text.rstrip().rpartition("\r")[2]
    assert re.search(r"done 3  \d+/s  lag \d+  failed 1", last), last


def test_killed_processors_lose_and_double_nothing(project, store, fill):
    """However often it is killed, every event ends with exactly one output that names it as parent."""
    events = fill(40 * KILLS)
    arguments = [
        "--tactic",
        "mytactics:Upper",
        "--once",
        "--workers",
        "4",
        "--lease-seconds",
        "0.5",
        "--quiet",
    ]
    chance = random.Random(7)
    kills = 0
    while kills < KILLS:
        before = store.head("analysis")
        process = subprocess.Popen(command(*arguments), cwd=project, stderr=subprocess.DEVNULL)
        # Killed somewhere in the middle of its work, and not while the interpreter starts.
        deadline = time.monotonic() + 20
        while store.head("analysis") == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.03)
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
    done = run(project, *arguments)
    assert done.returncode == 0, done.stderr
    outputs = list(store.iter_events("analysis"))
    assert kills > 0
    assert len(outputs) == len(events)
    assert sorted(output.parent_ids for output in outputs) == sorted((event.id,) for event in events)
    assert store.check().ok


def test_two_processors_share_the_work(project, store, fill, root):
    """Side by side they do each event once."""
    events = fill(100)
    arguments = ["--tactic", "mytactics:Upper", "--once", "--workers", "4", "--quiet"]
    processes = [subprocess.Popen(command(*arguments), cwd=project) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert Path(root).is_dir()
    with open_store(root) as other:
        assert len(list(other.iter_events("analysis"))) == len(events)
