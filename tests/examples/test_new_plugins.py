"""What `lllm plugins new` writes: installed, tested and checked as it is."""

import pytest

KINDS = ("runtime", "store", "tactic", "command")


@pytest.fixture(scope="module")
def folders(environment, tmp_path_factory):
    """One new plugin of each kind, all installed."""
    directory = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        environment.lllm("plugins", "new", kind, f"my-{kind}", "--directory", directory)
    made = {kind: directory / f"lllm-{kind}-my-{kind}" for kind in KINDS}
    environment.install(*made.values())
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_own_tests(environment, folders, kind):
    """Without a change, and with warnings as errors."""
    environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folders[kind], folders[kind])


def test_new_plugins_pass_the_check(environment, folders):
    """Each contribution is imported and fits its protocol."""
    for kind in KINDS:
        report = environment.lllm("plugins", "check", f"my-{kind}").stdout
        assert "FAIL" not in report
        assert "slow" not in report
        assert f"  ok    {kind} " in report


def test_new_plugins_are_listed_with_what_they_contribute(environment, folders):
    """The scheme of a URL, the ref, the command."""
    output = environment.lllm("plugins", "list").stdout
    for text in (
        "runtime my-runtime (my-runtime:)",
        "store my-store (my-store:)",
        "tactic psi://local/my-tactic/tactics/my-tactic",
        "command my-command",
    ):
        assert text in output


@pytest.mark.parametrize("kind", ["runtime", "store"])
def test_the_readme_of_a_new_plugin_runs(environment, folders, kind):
    """Its Python, as written."""
    text = (folders[kind] / "README.md").read_text(encoding="utf-8")
    environment.run("-c", text.split("```python\n")[1].partition("```")[0])


def test_the_commands_in_the_readmes_run(environment, folders):
    """A ref runs, and a command is a command."""
    result = environment.lllm("run", "psi://local/my-tactic/tactics/my-tactic", '{"text": "a longer word"}')
    assert '"longest": "longer"' in result.stdout
    assert environment.lllm("my-command", "hello", "--times", "2").stdout == "HELLO\nHELLO\n"
