"""The end of the tutorial: prompts, configs and tactics of a project, found by name."""

import subprocess
import sys
import textwrap

import pytest

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

        system = Prompt(path="system", prompt="You speak like {who}.")
    """,
    "configs/default.yaml": """
        tactic_type: my_tactic
        invoker: mock
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

            def call(self, task, **kwargs):
                writer = self.agents["writer"]
                writer.open("chat", {"who": "a poet"})
                writer.receive(task)
                return writer.respond().content
    """,
    "main.py": """
        from lllm import build_tactic, resolve_config

        tactic = build_tactic(resolve_config("default"))
        session = tactic("hello", return_session=True)
        print(session.tactic_path, session.delivery)
        print(tactic.llm_invoker.seen[0]["messages"][0].content)
    """,
}


@pytest.fixture
def project(tmp_path):
    """The folder of the tutorial's package."""
    for name, text in FILES.items():
        file = tmp_path / "my_project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
    return tmp_path / "my_project"


def test_a_tactic_uses_the_prompts_and_configs_of_its_package(project):
    """Without any call that loads the package."""
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "my_project::my_tactic echo:hello",
        "You speak like a poet.",
    ]
