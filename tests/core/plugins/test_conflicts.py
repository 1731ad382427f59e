"""Conflicts: two plugins that contribute one name, and how the user decides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

import lllm
from lllm.errors import PluginConflictError, PluginNotFoundError

from .conftest import Site

SOURCE = """
    import lllm

    @lllm.hookimpl
    def lllm_runtimes():
        return [
            lllm.RuntimeSpec("shared", "{package}.parts:Runtime", "Both.", schemes=("both",), claims=("both",)),
            lllm.RuntimeSpec("{name}", "{package}.parts:Runtime", "Own.", schemes=("{name}", "common"),
                             claims=("{name}_mark", "common_mark"), adapts=("builtins.function",)),
        ]

    @lllm.hookimpl
    def lllm_stores():
        return [
            lllm.StoreSpec("shared", "{package}.parts:Store", "Both.", schemes=("both",)),
            lllm.StoreSpec("{name}", "{package}.parts:Store", "Own.", schemes=("{name}",)),
        ]

    @lllm.hookimpl
    def lllm_tactics():
        return {{
            "psi://acme/x/tactics/shared": "{package}.parts:tactic",
            "psi://acme/x/tactics/{name}": "{package}.parts:tactic",
        }}

    @lllm.hookimpl
    def lllm_commands(cli):
        @cli.command("shared")
        def shared():
            print("{name} is shared")

        @cli.command("{name}")
        def own():
            print("{name} itself")
"""

PARTS = """
class Runtime:
    origin = "{name}"

    def open(self, ref, binding):
        return "{name}"

class Store:
    origin = "{name}"

tactic = object()
"""


@pytest.fixture
def pair(site: Site) -> Site:
    """Give a site with two plugins that contest a name of every kind."""
    for name in ("alpha", "beta"):
        site.install(f"acme-{name}", SOURCE.format(package=f"acme_{name}", name=name))
        (site.path / f"acme_{name}" / "parts.py").write_text(PARTS.format(name=name))
    return site


ASKED: list[tuple[str, Any]] = [
    ("runtime:shared", lambda manager: manager.runtime("shared")),
    ("scheme:common", lambda manager: manager.runtime_for_scheme("common")),
    ("store:shared", lambda manager: manager.store("shared")),
    ("scheme:both", lambda manager: manager.store_for_scheme("both")),
    (
        "tactic:psi://acme/x/tactics/shared",
        lambda manager: manager.load_tactic_target("psi://acme/x/tactics/shared"),
    ),
    ("claim:common_mark", lambda manager: manager.claimant(type("T", (), {"common_mark": 1}))),
]


@pytest.mark.parametrize(("key", "ask"), ASKED, ids=[key for key, _ in ASKED])
def test_using_a_contested_name_names_both_and_the_remedy(pair: Site, key: str, ask: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(PluginConflictError) as caught:
        ask(pair.manager())
    text = str(caught.value)
    assert "is claimed by `alpha` (acme-alpha 1.0) and `beta` (acme-beta 1.0)" in text
    assert text.endswith(f'choose one in .psi/config.toml: [plugins.prefer] "{key}" = "acme-alpha"')


@pytest.mark.parametrize("chosen", ["acme-alpha", "acme-beta", "alpha", "Acme_Beta"])
def test_the_user_decides(pair: Site, config: Any, chosen: str) -> None:
    """By distribution or plugin name, for each kind of name."""
    name = chosen[-5:].lower().strip("-_")
    lines = "".join(f'"{key}" = "{chosen}"\n' for key, _ in ASKED)
    config.write_text(f'[plugins.prefer]\n{lines}"command:shared" = "{chosen}"\n"claim:both" = "{chosen}"\n')
    manager = pair.manager()
    assert manager.runtime("shared").origin == name  # type: ignore[attr-defined]
    assert manager.runtime_for_scheme("common") == name
    assert manager.store("shared").origin == name  # type: ignore[attr-defined]
    assert manager.store("both:x").origin == name  # type: ignore[attr-defined]
    assert manager.claimant(type("T", (), {"common_mark": 1})) == name
    manager.examine()
    assert {info.state for info in manager.plugins()} == {"loaded"}


def test_everything_uncontested_keeps_working(pair: Site) -> None:
    """Each plugin's own names are found and used; listings leave contested names out."""
    manager = pair.manager()
    assert list(manager.runtimes()) == ["alpha", "beta"]
    assert list(manager.stores()) == ["alpha", "beta"]
    assert list(manager.tactics()) == ["psi://acme/x/tactics/alpha", "psi://acme/x/tactics/beta"]
    assert manager.runtime("alpha").origin == "alpha"  # type: ignore[attr-defined]
    assert manager.runtime_for_scheme("beta") == "beta"
    assert manager.claimant(type("T", (), {"alpha_mark": 1})) == "alpha"


def test_a_conflict_is_the_state_of_both(pair: Site) -> None:
    """It is known as soon as both were asked, and gone when one of them is."""
    manager = pair.manager()
    manager.load()
    assert {info.state for info in manager.plugins()} == {"loaded"}
    manager.examine()
    for info in manager.plugins():
        assert info.state == "conflict"
        assert info.error is not None
        assert info.error.startswith("runtime `shared` is claimed by")
        assert f"runtime {info.name} ({info.name}:, common:)" in info.contributes
    manager.unregister("beta")
    assert [info.state for info in manager.plugins()] == ["loaded"]
    assert manager.runtime("shared").origin == "alpha"  # type: ignore[attr-defined]


def test_a_contested_command_says_so_when_it_is_called(pair: Site) -> None:
    """The other commands of both plugins work."""
    group = click.Group("lllm")
    pair.manager().add_commands(group)
    runner = CliRunner()
    assert runner.invoke(group, ["alpha"]).output == "alpha itself\n"
    assert runner.invoke(group, ["beta"]).output == "beta itself\n"
    result = runner.invoke(group, ["shared", "--option", "value"])
    assert isinstance(result.exception, PluginConflictError)
    assert "command `shared` is claimed by `alpha` (acme-alpha 1.0) and `beta` (acme-beta 1.0)" in str(
        result.exception
    )
    assert "Contested: alpha, beta." in runner.invoke(group, ["--help"]).output


def test_two_plugins_of_one_distribution_are_told_apart_by_name(site: Site) -> None:
    """The remedy names the plugin, because the distribution would decide nothing."""
    source = 'import lllm\n@lllm.hookimpl\ndef lllm_runtimes(): return [lllm.RuntimeSpec("x", "a:b", "X.")]\n'
    site.install("acme-two", source, entry_points="[lllm]\none = acme_two.plugin\ntwo = acme_two.other\n")
    (site.path / "acme_two" / "other.py").write_text(source)
    with pytest.raises(PluginConflictError, match='"runtime:x" = "one"'):
        site.manager().runtime("x")


def test_runtimes_and_stores_do_not_contest_each_others_schemes(site: Site) -> None:
    """`http` opens a tactic binding here and a store there."""
    source = (
        "import lllm\n@lllm.hookimpl\ndef lllm_{}s(): return [lllm.{}('x', 'a:b', 'X.', schemes=('http',))]\n"
    )
    site.install("acme-a", source.format("runtime", "RuntimeSpec"))
    site.install("acme-b", source.format("store", "StoreSpec"))
    manager = site.manager()
    manager.examine()
    assert {info.state for info in manager.plugins()} == {"loaded"}


def test_a_class_that_two_runtimes_claim_is_a_conflict(pair: Site) -> None:
    """The text says which attributes and what to do about it."""
    manager = pair.manager()
    twice = type("Twice", (), {"alpha_mark": 1, "beta_mark": 2})
    with pytest.raises(PluginConflictError) as caught:
        manager.claimant(twice)
    assert str(caught.value) == (
        "Class `Twice` is claimed by runtime `alpha` (attribute `alpha_mark`) and runtime `beta` "
        "(attribute `beta_mark`); set the attribute that is not meant to None."
    )
    assert manager.claimant(type("Once", (twice,), {"alpha_mark": None})) == "beta"


@pytest.mark.parametrize("chosen", ["acme-loud", "acme-shout"])
def test_the_user_decides_which_distribution_a_plugin_name_means(
    site: Site, config: Any, chosen: str
) -> None:
    """The chosen one contributes, wherever it stands in the order; the other is never imported."""
    source = "import lllm\n@lllm.hookimpl\ndef lllm_runtimes(): return [lllm.RuntimeSpec('x', 'a:b', 'X.')]\n"
    for name in ("acme-shout", "acme-loud"):
        package = name.replace("-", "_")
        code = source if name == chosen else "raise AssertionError"
        site.install(name, code, entry_points=f"[lllm]\nshout = {package}.plugin\n")
    config.write_text(f'[plugins.prefer]\n"plugin:shout" = "{chosen}"\n')
    manager = site.manager()
    assert list(manager.runtimes()) == ["x"]
    states = {info.distribution: info.state for info in manager.plugins()}
    assert states.pop(chosen) == "loaded"
    assert list(states.values()) == ["disabled"]
    assert site.lines == []


def test_the_name_of_a_disabled_plugin_is_free(site: Site) -> None:
    """A test may put its own plugin in the place of an installed one."""
    site.install("acme-shout", "raise AssertionError")
    manager = site.manager(enabled=False)
    spec = lllm.RuntimeSpec("x", "a:b", "X.")
    manager.register(SimpleNamespace(lllm_runtimes=lllm.hookimpl(lambda: [spec])), name="shout")
    assert list(manager.runtimes()) == ["x"]


def test_two_distributions_of_one_plugin_name_are_both_left_out(site: Site) -> None:
    """Neither is imported, and whoever needs the plugin is told."""
    for name in ("acme-shout", "acme-loud"):
        package = name.replace("-", "_")
        site.install(name, "raise AssertionError", entry_points=f"[lllm]\nshout = {package}.plugin\n")
    manager = site.manager()
    assert manager.runtimes() == {}
    assert {info.state for info in manager.plugins()} == {"conflict"}
    assert [line.partition(" is conflict: ")[0] for line in site.lines] == [
        "lllm: plugin `shout` (acme-loud 1.0)",
        "lllm: plugin `shout` (acme-shout 1.0)",
    ]
    with pytest.raises(PluginNotFoundError, match="is conflict: several distributions declare this plugin"):
        manager.runtime("shout")
