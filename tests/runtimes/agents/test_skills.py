"""Skills: found, announced, and read when they are needed."""

import contextlib
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lllm import Tactic
from lllm_runtime_agents import FunctionCall, find_skills
from lllm_runtime_agents.front_matter import split_front_matter
from lllm_runtime_agents.skills import catalogue, load_skills

SKILL = """\
---
name: {name}
description: "Writes {{braces}} well"  # a comment
allowed-tools: Read, Write
---
# How to write

Use short words.
"""


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A working directory and a home folder, both empty."""
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    return work, home


def put(folder, name, text=None):
    place = folder / name
    place.mkdir(parents=True)
    (place / "SKILL.md").write_text(text or SKILL.format(name=name), encoding="utf-8")
    return place


def test_the_nearest_skill_of_a_name_wins(folders):
    """Agents before Claude, the working directory before home."""
    work, home = folders
    put(home / ".agents/skills", "b", "---\nname: writing\ndescription: far\n---\nfar")
    put(work / ".claude/skills", "a", "---\nname: writing\ndescription: near\n---\nnear")
    put(home / ".claude/skills", "plain", "no front matter")
    found = find_skills()
    assert sorted(found) == ["plain", "writing"]
    assert found["writing"].body == "near"
    assert found["plain"].body == "no front matter"


def test_an_agent_learns_of_its_skills(folders, group_config):
    """The prompt lists them, and the tool reads one."""
    work, _ = folders
    place = put(work / ".agents/skills", "writing")
    (place / "examples").mkdir()
    (place / "examples" / "good.txt").write_text("x")

    class Ask(Tactic, register=False):
        name = "ask"
        agent_group = ["writer"]

        def call(self, task, **kwargs):
            writer = self.agents["writer"]
            writer.open("x")
            writer.respond()
            return [message.content for message in writer.current_dialog.messages]

    config = group_config(
        "writer", script=[[{"name": "activate_skill", "arguments": {"name": "writing"}}], "ok"]
    )
    config["agent_configs"][0]["skills"] = ["writing"]
    tactic = Ask(config)
    system, _, read, _ = tactic("go")
    assert system.startswith("You are writer.")
    assert "- writing: Writes {braces} well" in system
    assert "Use short words." in read
    assert f"Skill folder: {place}" in read
    assert "- examples/good.txt" in read
    assert tactic.llm_invoker.seen[0]["tools"] == ["activate_skill"]


def test_all_skills_or_none(folders):
    """A star takes all; an unknown name is an error; the tool refuses what was not offered."""
    work, _ = folders
    put(work / ".agents/skills", "a")
    put(work / ".agents/skills", "b")
    assert [skill.name for skill in load_skills("*")] == ["a", "b"]
    assert [skill.name for skill in load_skills("b")] == ["b"]
    with pytest.raises(KeyError, match=r"Skill 'c' not found. Available: \['a', 'b'\]"):
        load_skills(["c"])
    from lllm_runtime_agents.skills import activation_tool

    activate = activation_tool(load_skills(["a"]))
    assert activate(FunctionCall(id="1", name="activate_skill", arguments={"name": "b"})).error_message


def test_changed_files_are_read_again(folders):
    """The cache goes by the time of the last change."""
    work, _ = folders
    place = put(work / ".agents/skills", "a")
    assert find_skills()["a"].body.endswith("short words.")
    file = place / "SKILL.md"
    file.write_text("---\nname: a\ndescription: d\n---\nnew", encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert find_skills()["a"].body == "new"


def test_what_cannot_be_read_is_left_out(folders, caplog):
    """One bad file fails nobody who does not ask for it."""
    work, _ = folders
    skills = work / ".agents/skills"
    put(skills, "good")
    for name, data in {"binary": b"\xff\xfe", "huge": b"x" * 1_100_000}.items():
        (skills / name).mkdir()
        (skills / name / "SKILL.md").write_bytes(data)
    (skills / "folder" / "SKILL.md").mkdir(parents=True)
    assert [skill.name for skill in load_skills("*")] == ["good"]
    assert caplog.text.count("cannot be used") == 3
    with pytest.raises(KeyError, match="huge"):
        load_skills(["huge"])


def test_a_description_is_one_line_of_the_catalogue(folders):
    """It cannot pass for further lines of the prompt."""
    work, _ = folders
    place = work / ".agents/skills/a"
    place.mkdir(parents=True)
    (place / "SKILL.md").write_text(
        "---\nname: a\ndescription: |\n  one\n  - two: three\n---\n", encoding="utf-8"
    )
    assert catalogue(load_skills("*")).splitlines()[-1] == "- a: one - two: three"


@pytest.fixture
def site():
    """A web server with one skill, and one file that is too large."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            return

        def do_GET(self):
            if "slow" in self.path:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(500):
                        self.wfile.write(b"x")
                        time.sleep(0.01)
                return
            data = SKILL.format(name="remote").encode() if "good" in self.path else b"x" * 1_100_000
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_skills_are_fetched_only_when_they_are_listed(folders, site):
    """By their URL, within limits."""
    (skill,) = load_skills([f"{site}/good/SKILL.md"])
    assert (skill.name, skill.folder) == ("remote", None)
    assert skill.activated() == skill.body
    with pytest.raises(ValueError, match="larger than"):
        load_skills([f"{site}/huge/SKILL.md"])
    with pytest.raises(ValueError, match="http or https"):
        load_skills(["file:///etc/passwd"])


def test_a_slow_server_is_not_waited_for(folders, site, monkeypatch):
    """Not even one that always sends a little."""
    monkeypatch.setattr("lllm_runtime_agents.skills._TIMEOUT", 0.2)
    with pytest.raises(OSError):
        load_skills([f"{site}/slow/SKILL.md"])


@pytest.mark.parametrize(
    ("text", "fields", "body"),
    [
        ("plain", {}, "plain"),
        ("---\nopen", {}, "---\nopen"),
        ("---\na: 1\nb: 'x y'\n---\nbody", {"a": "1", "b": "x y"}, "body"),
        ("---\na: [x, 'y']\nb:\n  - p\n  - q\n---\n", {"a": ["x", "y"], "b": ["p", "q"]}, ""),
        ("---\na: >\n  one\n  two\nb: |\n  1\n  2\n---\n", {"a": "one two", "b": "1\n2"}, ""),
        ("---\na: one\n  two\nnonsense\n---\n", {"a": "one two"}, ""),
    ],
)
def test_front_matter_is_read(text, fields, body):
    """Texts, lists in both notations, and block texts."""
    assert split_front_matter(text) == (fields, body)
