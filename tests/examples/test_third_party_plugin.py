"""A plugin by somebody else: installed, listed, used in every way, removed, and gone."""

import json
import shutil

import pytest

REF = "psi://acme/shout/tactics/shout"


@pytest.fixture(scope="module")
def source(tmp_path_factory, examples):
    """A copy of the example, so that nothing is built in the checkout."""
    return shutil.copytree(
        examples / "third_party_plugin",
        tmp_path_factory.mktemp("source") / "third_party_plugin",
        ignore=shutil.ignore_patterns("__pycache__"),
    )


@pytest.fixture(scope="module")
def installed(environment, source):
    """The environment with the plugin in it."""
    environment.install(source)
    return environment


def listed(environment):
    """Return the public record of the plugin, None when it is not installed."""
    rows = json.loads(environment.lllm("plugins", "list", "--json").stdout)
    return next((row for row in rows if row["name"] == "shout"), None)


def test_it_is_listed(installed):
    """With its distribution, its state, and everything that it contributes."""
    row = listed(installed)
    assert (row["distribution"], row["version"], row["state"], row["error"]) == (
        "acme-shout",
        "1.0.0",
        "loaded",
        None,
    )
    assert row["contributes"] == [
        "runtime shout (shout:)",
        "store memory (memory:)",
        f"tactic {REF}",
        "command shout",
    ]


def test_its_ref_runs(installed):
    """Installing it is all that its ref needs."""
    result = installed.lllm("run", REF, '{"text": "hello"}')
    assert json.loads(result.stdout) == {"text": "HELLO!"}
    assert REF in installed.lllm("list").stdout


def test_its_command_runs(installed):
    """It stands among the commands of `lllm`."""
    assert installed.lllm("shout", "hello", "--marks", "2").stdout == "HELLO!!\n"
    assert "Say TEXT in capital letters." in installed.lllm("--help").stdout


def test_its_readme_runs(installed, source):
    """Every block of Python in it, as written: runtime, store and tactic."""
    text = (source / "README.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```python\n")[1:]]
    assert blocks
    installed.run("-c", "\n".join(blocks))


def test_it_passes_the_check(installed):
    """Every contribution is imported and fits its protocol."""
    report = installed.lllm("plugins", "check", "shout").stdout
    assert "FAIL" not in report
    for title in ("runtime shout (shout:)", "store memory (memory:)", f"tactic {REF}", "command shout"):
        assert f"  ok    {title}" in report


def test_its_own_tests_pass(installed, source):
    """They need nothing but pytest."""
    installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", source, source)


def test_after_its_removal_it_is_gone(installed):
    """Nothing of it is listed or runs, and the rest works."""
    installed.uninstall("acme-shout")
    assert listed(installed) is None
    assert REF not in installed.lllm("list").stdout
    refused = installed.lllm("run", REF, '{"text": "hello"}', check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert REF in refused.stderr
    unknown = installed.lllm("shout", "hello", check=False)
    assert unknown.returncode == 2
    assert "No such command 'shout'" in unknown.stderr
