"""`lllm plugins list`, `show` and `hooks`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lllm.cli.plugins import plugins
from lllm.cli.program import make_program
from lllm.plugins import PluginInfo, use

from .conftest import Site

Invoke = Callable[..., Result]

SHOUT = """
    import lllm

    @lllm.hookimpl
    def lllm_runtimes():
        return [lllm.RuntimeSpec("shout", "acme_shout.parts:Shout", "Shouts.", schemes=("shout", "loud"))]

    @lllm.hookimpl
    def lllm_stores():
        return [lllm.StoreSpec("memory", "acme_shout.parts:Memory", "Forgets.", schemes=("memory",))]

    @lllm.hookimpl
    def lllm_tactics():
        return {"psi://acme/x/tactics/y": "acme_shout.parts:tactic"}

    @lllm.hookimpl
    def lllm_commands(cli):
        print("noise on stdout")
        cli.command("shout")(lambda: None)

    @lllm.hookimpl
    def lllm_call_started(call):
        pass
"""


@pytest.fixture
def invoke(site: Site) -> Invoke:
    """Give a function that runs `lllm plugins ...` over what is installed in the site."""

    def run(*arguments: str) -> Result:
        with use(site.manager()):
            return CliRunner().invoke(plugins, arguments)

    return run


def test_the_list_has_a_row_for_each_plugin(site: Site, invoke: Invoke) -> None:
    """Name, distribution, version, state, and everything that it contributes."""
    site.install("acme-shout", SHOUT, version="1.2")
    site.install("acme-empty")
    result = invoke("list")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "NAME   DISTRIBUTION  VERSION  STATE   CONTRIBUTES",
        "empty  acme-empty    1.0      loaded  -",
        "shout  acme-shout    1.2      loaded  runtime shout (shout:, loud:), store memory (memory:), "
        "tactic psi://acme/x/tactics/y, command shout, hook lllm_call_started",
    ]
    assert "noise on stdout" in result.stderr


def test_a_broken_plugin_shows_the_first_line_of_its_error(site: Site, invoke: Invoke) -> None:
    """The list itself succeeds."""
    site.install("acme-bad", "raise RuntimeError('no luck\\nat all')")
    result = invoke("list")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split(None, 4) == [
        "bad",
        "acme-bad",
        "1.0",
        "broken",
        "RuntimeError: no luck at all",
    ]


def test_disabled_plugins_are_listed_on_request(
    site: Site, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--all` only, and with the reason."""
    monkeypatch.setenv("LLLM_PLUGINS_DISABLE", "shout")
    site.install("acme-shout", SHOUT)
    site.install("acme-empty")
    assert "shout" not in invoke("list").stdout
    assert "disabled  turned off by LLLM_PLUGINS_DISABLE" in invoke("list", "--all").stdout
    assert [info["name"] for info in json.loads(invoke("list", "--json").stdout)] == ["empty"]
    assert len(json.loads(invoke("list", "--json", "--all").stdout)) == 2


def test_a_conflict_is_listed_with_both_and_the_remedy(site: Site, invoke: Invoke) -> None:
    """Whoever reads the list learns how to decide."""
    for name in ("acme-a", "acme-b"):
        site.install(
            name,
            "import lllm\n@lllm.hookimpl\ndef lllm_runtimes(): return [lllm.RuntimeSpec('x', 'a:b', 'X.')]\n",
        )
    lines = invoke("list").stdout.splitlines()
    assert len(lines) == 3
    for line in lines[1:]:
        assert "conflict  runtime x; runtime `x` is claimed by `a` (acme-a 1.0) and `b` (acme-b 1.0)" in line
        assert '[plugins.prefer] "runtime:x" = "acme-a"' in line


def test_json_is_an_array_of_the_fields_of_plugin_info(site: Site, invoke: Invoke) -> None:
    """Programs may rely on the shape; noise of plugins is not in it."""
    site.install("acme-shout", SHOUT)
    (listed,) = json.loads(invoke("list", "--json").stdout)
    assert list(listed) == list(PluginInfo.__slots__)
    assert listed == {
        "name": "shout",
        "distribution": "acme-shout",
        "version": "1.0",
        "entry_point": "acme_shout.plugin",
        "location": str(site.path),
        "editable": False,
        "state": "loaded",
        "error": None,
        "contributes": [
            "runtime shout (shout:, loud:)",
            "store memory (memory:)",
            "tactic psi://acme/x/tactics/y",
            "command shout",
            "hook lllm_call_started",
        ],
    }
    assert json.loads(invoke("show", "shout", "--json").stdout) == [listed]


def test_nothing_installed_says_what_to_install(invoke: Invoke) -> None:
    """An empty table would help nobody."""
    result = invoke("list")
    assert (result.exit_code, result.stdout) == (
        0,
        "No plugins are installed. To get the usual ones: pip install 'lllm[standard]'\n",
    )
    assert json.loads(invoke("list", "--json").stdout) == []


def test_show_tells_everything_about_one_plugin(site: Site, invoke: Invoke) -> None:
    """Contributions come with their targets and summaries."""
    metadata = "Name: acme-shout\nVersion: 1.0\nSummary: It shouts.\nRequires-Dist: lllm\n"
    site.install("acme-shout", SHOUT, metadata=metadata)
    result = invoke("show", "shout")
    assert result.exit_code == 0
    for line in (
        "shout",
        "  distribution acme-shout 1.0",
        f"  location     {site.path}",
        "  module       acme_shout.plugin",
        "  summary      It shouts.",
        "  state        loaded",
        "  hooks        lllm_call_started, lllm_commands, lllm_runtimes, lllm_stores, lllm_tactics",
        "    runtime shout (shout:, loud:)  acme_shout.parts:Shout   Shouts.",
        "    store memory (memory:)         acme_shout.parts:Memory  Forgets.",
        "    tactic psi://acme/x/tactics/y  acme_shout.parts:tactic",
        "    command shout                  acme_shout.plugin",
    ):
        assert line in result.stdout.splitlines()


def test_show_has_the_traceback_of_a_broken_plugin(site: Site, invoke: Invoke) -> None:
    """The place where it failed is in it."""
    site.install("acme-bad", "def fail():\n    raise RuntimeError('no\\x1b luck')\nfail()\n")
    output = invoke("show", "acme-bad").stdout
    assert "  error        RuntimeError: no\ufffd luck" in output
    assert 'acme_bad/plugin.py", line 2, in fail' in output
    assert "\x1b" not in output


def test_show_finds_plugins_by_distribution(site: Site, invoke: Invoke) -> None:
    """All plugins of one distribution are shown."""
    site.install("acme-two", "", entry_points="[lllm]\none = acme_two.plugin\ntwo = acme_two\n")
    output = invoke("show", "Acme_Two").stdout
    assert [line for line in output.splitlines() if line and line[0] != " "] == ["one", "two"]


@pytest.mark.parametrize("command", ["show", "check"])
def test_an_unknown_name_is_wrong_usage(site: Site, invoke: Invoke, command: str) -> None:
    """The closest name is suggested; the exit code is that of wrong usage."""
    site.install("acme-shout")
    result = invoke(command, "shuot")
    assert result.exit_code == 2
    assert "No plugin or distribution is called `shuot`; did you mean `shout`?" in result.stderr
    assert "see `lllm plugins list --all`" in invoke(command, "entirely-else").stderr


def test_hooks_shows_who_specifies_and_implements(site: Site, invoke: Invoke) -> None:
    """Hooks of plugins stand beside those of the core."""
    site.install("acme-shout", SHOUT)
    site.install(
        "acme-zoo",
        "import lllm\nclass Specs:\n    @staticmethod\n    @lllm.hookspec\n    def acme_colours(palette): ...\n"
        "@lllm.hookimpl\ndef lllm_add_hookspecs(manager): manager.add_hookspecs(Specs)\n",
    )
    lines = [line.split() for line in invoke("hooks").stdout.splitlines()]
    assert ["acme_colours(palette)", "zoo", "-"] in lines
    assert ["lllm_add_hookspecs(manager)", "lllm", "zoo"] in lines
    assert ["lllm_runtimes()", "lllm", "shout"] in lines


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: path.write_text("[plugins\n"), "config.toml"),
        (lambda path: path.write_bytes(b"[plugins]\ndisable = ['\xff']\n"), "config.toml"),
        (lambda path: path.mkdir(), "config.toml"),
        (lambda path: path.symlink_to(path.name), "config.toml"),
        (
            lambda path: path.write_text("# ours\n[plugins]\nallow = 'shout'\n"),
            ".psi/config.toml:3: `plugins.allow` must be a list of strings, got str.",
        ),
        (
            lambda path: path.write_text("[plugins]\ndisabled = ['shout']\n"),
            ".psi/config.toml:2: `plugins.disabled` is not a key of [plugins]",
        ),
    ],
)
def test_a_hostile_config_is_one_clear_line(site: Site, config: Path, write: Any, text: str) -> None:
    """Nothing is loaded under a policy that cannot be read; file, line and key are named."""
    site.install("acme-shout", "raise AssertionError")
    write(config)
    with use(site.manager()):
        result = CliRunner().invoke(make_program(), ["plugins", "list"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("lllm: error: ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr


def test_no_plugins_lists_them_as_disabled(site: Site) -> None:
    """Nothing is imported for one run, whatever is installed."""
    site.install("acme-bad", "raise AssertionError")
    result = CliRunner().invoke(make_program(), ["--no-plugins", "plugins", "list", "--all"])
    assert result.exit_code == 0
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("bad "))
    assert "disabled  all plugins are turned off" in row
    assert "loaded" not in result.stdout
