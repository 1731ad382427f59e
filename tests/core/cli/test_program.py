"""The program: help, version, unknown commands, plugins' commands, and errors on one line."""

import runpy
import sys
from pathlib import Path

import pytest

import lllm
from lllm.cli import load_tactic_entrypoint, main
from lllm.cli.program import make_program
from lllm.plugins import manager as current_manager

ROOT = Path(__file__).resolve().parents[3]


def test_version_is_printed_without_loading_anything(spawn):
    """`lllm --version` imports neither plugins nor click nor pydantic."""
    code = "import sys; from lllm.cli import main; main(); print(*sys.modules)"
    result = spawn("--version", code=code)
    first, modules = result.stdout.splitlines()
    assert first == f"lllm {lllm.__version__}"
    assert result.returncode == 0
    loaded = set(modules.split())
    assert not loaded & {"click", "pydantic", "pluggy", "lllm.plugins", "lllm.errors", "importlib.metadata"}


def test_help_imports_no_implementation(spawn):
    """`lllm --help` loads the plugins' own modules and neither pydantic nor any command."""
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules)); from lllm.cli import main; main()"
    )
    result = spawn("--help", code=code)
    assert result.returncode == 0
    *shown, modules = result.stdout.splitlines()
    assert any(line.startswith("  run         Run a tactic on one input") for line in shown)
    loaded = set(modules.split())
    assert not loaded & {
        "pydantic",
        "httpx",
        "fastapi",
        "tomlkit",
        "lllm.tactic",
        "lllm.cli.running",
        "asyncio",
    }


def test_help_lists_the_commands_of_plugins(invoke):
    """Commands of plugins stand among the program's own, with their summaries."""
    result = invoke("--help")
    assert result.exit_code == 0
    assert "  acme        Say where this comes from." in result.output
    for name in ("completion", "inspect", "list", "plugins", "refs", "run"):
        assert f"\n  {name} " in result.output


def test_without_arguments_the_help_is_shown(invoke):
    """Calling the program alone, or with its options only, shows on stdout how to use it, and is no error."""
    shown = invoke("--help").stdout
    for arguments in ((), ("--traceback",)):
        result = invoke(*arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (0, shown, "")
    bare = invoke("--no-plugins")
    assert (bare.exit_code, bare.stdout) == (0, invoke("--no-plugins", "--help").stdout)


def test_the_help_cuts_no_sentence(invoke, manager):
    """A summary that is longer than a line goes on below it."""
    words = " ".join(f"word{number}" for number in range(30))

    class Long:
        @lllm.hookimpl
        def lllm_commands(self, cli):
            cli.command("long", help=f"{words}. More.")(lambda: None)

    manager.register(Long(), name="long")
    shown = invoke("--help").stdout
    assert words in " ".join(shown.split())
    assert "More" not in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_a_plugins_command_runs_and_its_result_is_no_exit_code(invoke):
    """What a command returns does not become the exit code."""
    result = invoke("acme")
    assert (result.exit_code, result.stdout) == (0, "from a plugin\n")


def test_no_plugins_turns_them_off_for_this_run(invoke, manager):
    """With --no-plugins no plugin contributes a command, and afterwards the manager is the old one."""
    result = invoke("--no-plugins", "--help")
    assert result.exit_code == 0
    assert "acme" not in result.stdout
    assert invoke("--no-plugins", "acme").exit_code == 2
    assert current_manager() is manager
    assert invoke("acme").exit_code == 0


def test_an_unknown_command_suggests_a_close_one(invoke):
    """A misspelt command names the one that was probably meant."""
    result = invoke("inspekt")
    assert result.exit_code == 2
    assert result.stderr == "lllm: error: No such command 'inspekt'; did you mean 'inspect'?\n"
    assert invoke("zzz").stderr == "lllm: error: No such command 'zzz'; see `lllm --help`.\n"


def test_a_known_command_that_is_not_installed_says_what_to_install(invoke):
    """A command of a first-party plugin names the command that installs it, as every other text does."""
    result = invoke("serve", "x:y")
    assert result.exit_code == 2
    assert "No such command 'serve'" in result.stderr
    assert "pip install 'lllm[server]'" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["run"], ["run", "--nonsense"], ["inspect", "a:b", "c"]]
)
def test_usage_errors_are_one_line(invoke, arguments):
    """Wrong options and arguments exit 2 with one line."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("lllm: error: ")
    assert result.stderr.count("\n") == 1


def test_a_malformed_config_does_not_hide_the_help(bind, spawn):
    """With a config that is no TOML the help is shown, and a command that needs it names file and line."""
    path = bind("a = 1\nb =\n")
    result = spawn("--help")
    assert result.returncode == 0
    assert "  run " in result.stdout
    assert "config.toml" in result.stderr
    result = spawn("refs")
    assert result.returncode == 2
    assert str(path) in result.stderr
    assert "line 2" in result.stderr
    assert result.stderr.count("\n") == 1


def test_main_returns_zero_or_exits(project, manager, capsys):
    """`main` returns 0 after a success and raises SystemExit with the code otherwise."""
    assert main(["inspect", "user_tactics:Shout"]) == 0
    with pytest.raises(SystemExit) as caught:
        main(["inspect", "nosuchmodule:x"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "lllm: error: No module named 'nosuchmodule'\n"
    sys.modules.pop("user_tactics")


def test_the_installed_script_is_the_same_program(project):
    """The console script runs `main`."""
    import importlib.metadata

    (script,) = importlib.metadata.entry_points(group="console_scripts", name="lllm")
    assert script.load() is main


def test_the_working_directory_is_importable_and_first(spawn, project):
    """A module of the working directory wins over an installed one, whatever started the program."""
    (project / "click_like.py").write_text("import sys\nfrom user_tactics import Shout\npath = sys.path[0]\n")
    result = spawn("inspect", "click_like:Shout")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "shout (python)\nSays it louder.\ncapabilities: arun, run, stream\n"


def test_traceback_shows_everything(invoke):
    """--traceback prints the whole traceback before the line."""
    result = invoke("--traceback", "run", "user_tactics:Fails", "1")
    assert result.exit_code == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert "user_tactics.py" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("lllm: error: KeyError: ")
    assert "Traceback" not in invoke("run", "user_tactics:Fails", "1").stderr


def test_errors_in_user_code_name_file_and_line(invoke, project):
    """What a user's module does wrong while it is imported has its place in the line."""
    (project / "broken_user.py").write_text("import json\n\nx = undefined_name\n")
    assert invoke("inspect", "broken_user:x").stderr == (
        "lllm: error: NameError: name 'undefined_name' is not defined (broken_user.py:3)\n"
    )
    (project / "broken_syntax.py").write_text("x = 1\ny = (\n")
    assert "(broken_syntax.py:2)" in invoke("inspect", "broken_syntax:x").stderr
    (project / "broken_import.py").write_text("\nimport nosuchlibrary\n")
    result = invoke("inspect", "broken_import:x")
    assert result.exit_code == 2
    assert result.stderr == "lllm: error: No module named 'nosuchlibrary' (broken_import.py:2)\n"


def test_errors_show_no_secrets_and_no_control_characters(invoke, project):
    """The line is safe to print and to paste."""
    (project / "leaky.py").write_text("raise ValueError('bad key sk-0123456789abcdef0123\\x1b[2J\\nnext')\n")
    line = invoke("inspect", "leaky:x").stderr
    assert "sk-0123" not in line
    assert "\x1b" not in line
    assert line.count("\n") == 1


def test_an_interrupt_is_exit_code_130(invoke, manager):
    """Ctrl-C ends the program without a traceback."""

    class Interrupting:
        @lllm.hookimpl
        def lllm_commands(self, cli):
            @cli.command("wait")
            def wait():
                raise KeyboardInterrupt

    manager.register(Interrupting(), name="interrupting")
    result = invoke("wait")
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_completion_prints_a_script_and_completes(invoke, spawn, monkeypatch):
    """The script of each shell is printed, and click completes commands through it."""
    for shell in ("zsh", "fish"):
        assert "_LLLM_COMPLETE" in invoke("completion", shell).stdout
    assert invoke("completion", "tcsh").exit_code == 2
    monkeypatch.setenv("_LLLM_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "lllm ins")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert spawn("", code="from lllm.cli import main; main([])").stdout.splitlines()[:2] == [
        "plain",
        "inspect",
    ]


def test_the_entrypoint_loader_is_public(project):
    """`lllm.cli.load_tactic_entrypoint` is there, and other names are not."""
    assert load_tactic_entrypoint.__module__.startswith("lllm.")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        sys.modules["lllm.cli"].nonsense


def test_summaries_are_those_of_the_commands():
    """The summary that the program shows without importing a command is the first line of its help."""
    program = make_program()
    for name, stub in program.commands.items():
        command = program.get_command(None, name)
        assert command.name == name
        assert command.help.splitlines()[0] == stub.help


def test_the_documented_help_is_the_real_one():
    """docs/cli.md holds what `python scripts/cli_help.py` would write, for every command of the core."""
    scripts = runpy.run_path(str(ROOT / "scripts" / "cli_help.py"))
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert scripts["render"](page) == page
    for name in make_program().commands:
        assert f"\n$ lllm {name} --help\n" in page


def test_a_working_directory_that_is_gone_is_told(spawn, project, tmp_path):
    """A command says so in one line; `--version` needs no directory."""
    leave = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    code = f"{leave}; from lllm.cli import main; main()"
    result = spawn("list", code=code)
    line = "lllm: error: The working directory does not exist any more; change to another one.\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", line)
    assert spawn("--version", code=code).returncode == 0
