"""The package of the tutorial: laid out, discovered, zipped by hand, installed, used."""

import os
import shutil

import pytest

from lllm import build_tactic, get_default_runtime, load_runtime, resolve_config
from lllm.cli import main

FILES = {
    "lllm.toml": """
        [package]
        name = "my_project"
        version = "1.0.0"
        [prompts]
        paths = ["prompts/"]
        [configs]
        paths = ["configs/"]
        [tactics]
        paths = ["tactics/"]
    """,
    "prompts/system.py": """
        from lllm import Prompt

        SYSTEM = Prompt(path="system", prompt="You are a concise technical writer.")
    """,
    "configs/default.yaml": """
        tactic_type: my_tactic
        invoker: mock
        invoker_config: {script: [Three points.], cost: 0.01}
        global: {model_name: gpt-4o}
        agent_configs:
          - name: writer
            system_prompt_path: my_project:system
    """,
    "tactics/my_tactic.py": """
        from lllm import Tactic


        class MyTactic(Tactic):
            name = "my_tactic"
            agent_group = ["writer"]

            def call(self, task: str, **kwargs) -> str:
                writer = self.agents["writer"]
                writer.open("session")
                writer.receive(f"Summarize this text:\\n\\n{task}")
                return writer.respond().content
    """,
}


@pytest.fixture
def project(write, tmp_path):
    """Write the tutorial's package, with what an editor and Python leave in a folder."""
    return write(
        tmp_path / "my_project", {**FILES, ".DS_Store": "x", "tactics/__pycache__/my_tactic.pyc": b"x"}
    )


def check():
    """Use the package as the tutorial does."""
    tactic = build_tactic(resolve_config("default"), name="my_tactic")
    session = tactic("Machine learning.", return_session=True)
    assert (session.delivery, session.state, session.agent_call_count) == ("Three points.", "success", 1)
    assert session.total_cost.cost == pytest.approx(0.01)
    assert session.tactic_path == "my_project::my_tactic"
    (call,) = session.agent_sessions["writer"]
    assert call.delivery.content == "Three points."
    assert tactic.llm_invoker.seen[0]["messages"][0].content == "You are a concise technical writer."


def test_it_works_in_its_own_folder(project, monkeypatch):
    """Nothing is loaded by hand."""
    monkeypatch.chdir(project)
    check()


@pytest.mark.parametrize("at_the_root", [False, True])
def test_zipped_by_hand_it_can_be_installed(project, tmp_path, capsys, at_the_root):
    """With the folder in the archive or without it; then it works anywhere, here and in a new registry."""
    root, base = (project, ".") if at_the_root else (tmp_path, "my_project")
    here = os.getcwd()
    shutil.make_archive(str(tmp_path / "my_project-v1.0"), "zip", root, base)
    assert os.getcwd() == here
    shutil.rmtree(project)
    main(["pkg", "install", str(tmp_path / "my_project-v1.0.zip")])
    assert capsys.readouterr().out.startswith("Installed to ")
    check()
    load_runtime()
    check()
    assert list(get_default_runtime().packages) == ["my_project"]
