"""`lllm plugins check`: every contribution imported and compared with its protocol, in a process of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lllm.cli.plugins import plugins
from lllm.plugins import use

from .conftest import Site

Check = Callable[..., Result]

PLUGIN = """
    import lllm

    @lllm.hookimpl
    def lllm_runtimes():
        return [lllm.RuntimeSpec("shout", "acme_shout.parts:Shout", "Shouts.", schemes=("shout",),
                                 claims=("shouted",), adapts=("builtins.str",))]

    @lllm.hookimpl
    def lllm_stores():
        return [lllm.StoreSpec("memory", "acme_shout.parts:open_memory", "Forgets.", schemes=("memory",))]

    @lllm.hookimpl
    def lllm_tactics():
        return {"psi://acme/x/tactics/y": "acme_shout.parts:Echo"}

    @lllm.hookimpl
    def lllm_commands(cli):
        cli.command("shout")(lambda: None)
"""

PARTS = """
    import lllm

    class Shout(lllm.Runtime):
        def adapt(self, target, **options): ...
        def open(self, ref, binding): ...
        def attach(self, tactic, config): ...
        def bind(self, tactic, call): ...

    def open_memory(url, **options): ...

    class Echo(lllm.Tactic[str, str]):
        name = "echo"
        def _run(self, input_value, *, context=None):
            return input_value
"""


@pytest.fixture
def check(site: Site) -> Check:
    """Give a function that runs `lllm plugins check ...` over what is installed in the site."""

    def run(*arguments: str, **options: Any) -> Result:
        with use(site.manager(**options)):
            return CliRunner().invoke(plugins, ["check", *arguments])

    return run


def install(site: Site, *, plugin: str = PLUGIN, parts: str = PARTS, name: str = "acme-shout") -> None:
    """Install a plugin with its implementations."""
    site.install(name, plugin)
    (site.path / name.replace("-", "_") / "parts.py").write_text(textwrap.dedent(parts))


def lines(result: Result) -> list[list[str]]:
    """Return the words of each line of a report, without times."""
    return [
        [word for word in line.split() if word != "ms" and not word[0].isdigit()]
        for line in result.stdout.splitlines()
    ]


def test_a_good_plugin_passes(site: Site, check: Check) -> None:
    """There is a line for its module, its hooks, and each contribution."""
    install(site)
    result = check()
    assert result.exit_code == 0, result.output
    assert lines(result) == [
        ["shout", "(acme-shout"],
        ["ok", "module", "acme_shout.plugin"],
        ["ok", "hooks", "lllm_commands,", "lllm_runtimes,", "lllm_stores,", "lllm_tactics"],
        ["ok", "runtime", "shout", "(shout:)"],
        ["ok", "store", "memory", "(memory:)"],
        ["ok", "tactic", "psi://acme/x/tactics/y"],
        ["ok", "command", "shout"],
        ["of", "plugins", "checked,", "failed"],
    ]
    assert result.stdout.splitlines()[-1] == "1 of 1 plugins checked, 0 failed"


@pytest.mark.parametrize(
    ("change", "title", "text"),
    [
        (
            ("Shout", "Other"),
            "runtime shout",
            "`acme_shout.parts:Shout` has no attribute `Shout`. Mend it, or reinstall its distribution.",
        ),
        (
            ("import lllm", "import lllm, acme_gone"),
            "runtime shout",
            "ModuleNotFoundError: No module named 'acme_gone'. Install what provides `acme_gone`.",
        ),
        (
            ("def open(", "def opens("),
            "runtime shout",
            "`acme_shout.parts:Shout` has no method `open`. Implement `open` as in `lllm.Runtime`, or leave "
            "`schemes` of its RuntimeSpec empty.",
        ),
        (
            ("bind(self, tactic, call)", "bind(self)"),
            "runtime shout",
            "`acme_shout.parts:Shout.bind()` cannot be called: too many positional arguments. "
            "Give it the arguments of the protocol.",
        ),
        (
            ("open_memory(url, **options)", "open_memory()"),
            "store memory",
            "cannot be called: too many positional arguments",
        ),
        (
            (
                "def open_memory(url, **options): ...",
                "class open_memory:\n        def __init__(self, url, **options): ...\n        append_event = None",
            ),
            "store memory",
            "lacks `ack`",
        ),
        (
            ("open_memory(url, **options): ...", "nothing(): ...\n    open_memory = 3"),
            "store memory",
            "is not callable. Name a class or function that takes a URL.",
        ),
        (
            ("class Echo(lllm.Tactic[str, str])", "Echo = 3\n    class Ekko(lllm.Tactic[str, str])"),
            "tactic psi://acme/x/tactics/y",
            "TypeError: ",
        ),
        (("class Shout", "raise SystemExit(4)\n    class Shout"), "runtime shout", "SystemExit: 4"),
    ],
)
def test_what_does_not_fit_its_protocol_fails(
    site: Site, check: Check, change: tuple[str, str], title: str, text: str
) -> None:
    """The line names the contribution, what is wrong and the remedy; the exit code is 1."""
    install(site, parts=PARTS.replace(*change))
    result = check("shout")
    assert result.exit_code == 1
    failing = [line for line in result.stdout.splitlines() if line.startswith(f"  FAIL  {title}")]
    assert len(failing) == 1, result.output
    assert text in failing[0]


def test_a_plugin_without_hooks_is_told_so(site: Site, check: Check) -> None:
    """It may be meant, so it is no failure."""
    site.install("acme-shout")
    result = check("shout")
    assert result.exit_code == 0
    assert "none; what a plugin contributes is in functions marked `@lllm.hookimpl`" in result.stdout


def test_a_runtime_need_not_inherit_the_protocol(site: Site, check: Check) -> None:
    """Having the methods is enough."""
    install(site, parts=PARTS.replace("class Shout(lllm.Runtime)", "class Shout"))
    assert check("shout").exit_code == 0


def test_the_install_text_of_a_spec_is_the_remedy(site: Site, check: Check) -> None:
    """The plugin's author knows best what to install."""
    plugin = PLUGIN.replace('"Shouts.",', '"Shouts.", install="acme[loud]",')
    install(site, plugin=plugin, parts=PARTS.replace("import lllm", "import lllm, acme_gone"))
    assert "No module named 'acme_gone'. Install it: pip install 'acme[loud]'." in check("shout").stdout


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise RuntimeError('no luck')", "FAIL  module acme_bad.plugin"),
        ("import lllm\n@lllm.hookimpl\ndef lllm_runtime(): pass", "the closest one is `lllm_runtimes`"),
        (
            "import lllm\n@lllm.hookimpl\ndef lllm_stores(): return 3",
            "`lllm_stores` must return a list of StoreSpec, got int.",
        ),
        (
            "import lllm\n@lllm.hookimpl\ndef lllm_commands(cli): cli.command('run')(print)",
            "replaces the command `run`",
        ),
        ("import os\nos._exit(3)", "its process ended with exit code 3"),
    ],
)
def test_a_broken_plugin_fails_and_the_others_are_checked(
    site: Site, check: Check, source: str, text: str
) -> None:
    """Even one that ends its process."""
    site.install("acme-bad", source)
    install(site)
    result = check()
    assert result.exit_code == 1
    assert text in result.stdout
    assert "ok    tactic psi://acme/x/tactics/y" in result.stdout
    assert result.stdout.splitlines()[-1] == "2 of 2 plugins checked, 1 failed"


def test_a_plugin_that_never_ends_is_stopped(site: Site, check: Check) -> None:
    """The line names the step that was not done in time."""
    install(site, parts=PARTS.replace("class Shout", "import time; time.sleep(60)\n    class Shout"))
    result = check("shout", "--timeout", "3")
    assert result.exit_code == 1
    assert "FAIL  runtime shout (shout:)" in result.stdout
    assert "not done after 3 s; look at what it does when it is imported" in result.stdout
    assert "ok    module acme_shout.plugin" in result.stdout


def test_heavy_modules_are_named(site: Site, check: Check) -> None:
    """Slowness of an implementation is told; in the plugin module itself it is a fault with a remedy."""
    heavy = site.path / "acme_heavy.py"
    heavy.write_text("import time\ntime.sleep(0.15)\n")
    install(
        site,
        plugin=f"    import acme_heavy{PLUGIN}",
        parts=PARTS.replace("import lllm", "import lllm, acme_heavier"),
    )
    (site.path / "acme_heavier.py").write_text("import time\ntime.sleep(0.03)\n")
    output = check("shout").stdout
    (module,) = (line for line in output.splitlines() if "module acme_shout.plugin" in line)
    assert module.startswith("  slow  module acme_shout.plugin")
    assert "heavy: acme_heavy 0." in module
    assert " s; import nothing but lllm and the standard library here" in module
    (runtime,) = (line for line in output.splitlines() if "runtime shout" in line)
    assert runtime.startswith("  ok    runtime shout")
    assert "heavy: acme_heavier 0." in runtime


def test_what_is_printed_by_a_plugin_does_not_disturb(site: Site, check: Check) -> None:
    """Neither on stdout nor on the descriptor below it."""
    install(site, plugin=f"    import os\n    print('noise')\n    os.write(1, b'noise')\n{PLUGIN}")
    result = check("shout")
    assert result.exit_code == 0
    assert "noise" not in result.stdout


def test_two_plugins_with_one_name_fail(site: Site, check: Check, config: Any) -> None:
    """Each says who the other is, until the user decides."""
    install(site)
    install(site, name="acme-loud", plugin=PLUGIN.replace("acme_shout", "acme_loud"))
    result = check()
    assert result.exit_code == 1
    assert (
        result.stdout.count(
            "runtime `shout` is claimed by `loud` (acme-loud 1.0) and `shout` (acme-shout 1.0)"
        )
        == 2
    )
    assert "FAIL  store scheme memory" in result.stdout
    keys = (
        "runtime:shout",
        "scheme:shout",
        "claim:shouted",
        "store:memory",
        "scheme:memory",
        "command:shout",
    )
    decided = "".join(f'"{key}" = "loud"\n' for key in (*keys, "tactic:psi://acme/x/tactics/y"))
    config.write_text(f"[plugins.prefer]\n{decided}")
    assert check().exit_code == 0


def test_what_policy_refuses_fails_without_a_process(site: Site, check: Check) -> None:
    """Incompatible plugins and contested names have their reason already."""
    site.install("acme-new", "raise AssertionError", requires=("lllm>=99",))
    result = check()
    assert result.exit_code == 1
    assert "FAIL  plugin" in result.stdout
    assert "acme-new requires lllm>=99" in result.stdout


def test_disabled_plugins_are_passed_over(site: Site, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, they are shown as off; that is no failure."""
    monkeypatch.setenv("LLLM_PLUGINS_DISABLE", "bad")
    site.install("acme-bad", "raise AssertionError")
    assert check().stdout == "0 of 1 plugins checked, 0 failed\n"
    result = check("bad")
    assert result.exit_code == 0
    assert "off   plugin" in result.stdout
    assert "turned off by LLLM_PLUGINS_DISABLE" in result.stdout


def test_a_plugin_that_extends_a_plugin_is_checked_beside_it(site: Site, check: Check) -> None:
    """Its hook exists only when the other one is loaded."""
    site.install(
        "acme-zoo",
        "import lllm\nclass Specs:\n    @staticmethod\n    @lllm.hookspec\n    def acme_colours(): ...\n"
        "@lllm.hookimpl\ndef lllm_add_hookspecs(manager): manager.add_hookspecs(Specs)\n",
    )
    site.install("acme-user", "import lllm\n@lllm.hookimpl\ndef acme_colours(): return []\n")
    assert check("user").exit_code == 0
