"""The package project: run where it is, exported, installed elsewhere, and used there."""

import json
import os
import shutil
import subprocess
import sys

import pytest

ANSWER = "Twice a Day\n\nThe sea comes and goes twice a day.\n"


@pytest.fixture
def project(tmp_path, examples):
    """A copy of the project."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(examples / "package_project", tmp_path / "project", ignore=ignored)


@pytest.fixture
def run(tmp_path):
    """Run Python in a folder, with a home of its own and no settings; return what it printed."""

    def run_python(folder, *arguments):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("LLLM_", "OPENAI_"))
        }
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env={**environment, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_python


def lllm(*arguments):
    """Return the arguments for Python that run the command line."""
    return ["-c", "from lllm.cli import main; main()", *arguments]


def test_it_runs_where_it_is(project, run):
    """Without a key; the cost of the sub-tactic is in the sum."""
    assert run(project, "main.py", "tides") == f"{ANSWER}\n3 answers by agents, $0.04 in all\n"
    assert run(project / "data", "../main.py").startswith(ANSWER)


def test_its_configs_resolve(project, run):
    """The models come from the other package, the server from the environment."""
    config = json.loads(
        run(project, "-c", "import json, lllm; print(json.dumps(lllm.resolve_config('newsroom:default')))")
    )
    assert config["global"] == {"model_name": "gpt-4o-mini", "model_args": {"temperature": 0.3}}
    assert config["invoker_config"] == {
        "base_url": "https://api.openai.com/v1",
        "api_key_env": "OPENAI_API_KEY",
    }
    assert "base" not in config


def test_every_resource_can_be_loaded(project, run):
    """In both packages, by their whole names."""
    code = "from lllm import get_default_runtime\nfor item in get_default_runtime().iter_items():\n"
    code += "    print(item[0], type(item[1]).__name__)"
    assert run(project, "-c", code).splitlines() == [
        "house_style.configs:models dict",
        "house_style.prompts:editor/editor Prompt",
        "newsroom.configs:default dict",
        "newsroom.configs:offline dict",
        "newsroom.data:topics.json list",
        "newsroom.prompts:headline/headline Prompt",
        "newsroom.prompts:reporter/reporter Prompt",
        "newsroom.tactics:article type",
        "newsroom.tactics:headline type",
        "newsroom.tools:count_words/count_words Function",
        "style.configs:models dict",
        "style.prompts:editor/editor Prompt",
    ]


def test_it_is_used_where_it_was_installed(project, run, tmp_path):
    """Exported with what it depends on, installed, the sources gone: it works in any folder."""
    run(project, *lllm("pkg", "export", "newsroom", str(tmp_path / "newsroom-v1.0"), "--bundle-deps"))
    shutil.rmtree(project)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(elsewhere, *lllm("pkg", "install", str(tmp_path / "newsroom-v1.0.zip")))
    code = "from lllm import build_tactic, resolve_config\nconfig = resolve_config('newsroom:offline')\n"
    code += "print(build_tactic(config)('tides'))"
    assert run(elsewhere, "-c", code) == ANSWER
    assert "article" in run(elsewhere, "-c", "import lllm; print(lllm.load_tactic('article').tactic_path)")
