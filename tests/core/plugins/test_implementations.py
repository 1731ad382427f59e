"""Implementations: imported when they are first used, cached, and explained when they cannot be."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import lllm
from lllm.errors import PluginError, PluginImportError, PluginNotFoundError, TacticUnsupportedError
from lllm.plugins import PluginManager

from .conftest import Site

REINSTALL = "Run `lllm plugins check shout`, or reinstall it: pip install --force-reinstall acme-shout"

PLUGIN = """
    import lllm

    @lllm.hookimpl
    def lllm_runtimes():
        return [lllm.RuntimeSpec("shout", "acme_shout.parts:Shout", "Shouts.",
                                 schemes=("shout",), install={install!r})]

    @lllm.hookimpl
    def lllm_stores():
        return [lllm.StoreSpec("memory", "acme_shout.parts:Memory", "Forgets.", schemes=("memory",))]

    @lllm.hookimpl
    def lllm_tactics():
        return {{"psi://acme/x/tactics/y": "acme_shout.parts:tactic", "psi://acme/x/tactics/z": lllm.hookimpl}}
"""


@pytest.fixture
def parts(site: Site) -> Path:
    """Give the module with the implementations of the plugin `shout`."""
    site.install("acme-shout", PLUGIN.format(install=None))
    path = site.path / "acme_shout" / "parts.py"
    path.write_text(
        "class Shout:\n    def open(self, ref, binding): return ref\nclass Memory: pass\ntactic = 3\n"
    )
    return path


def test_nothing_is_imported_before_its_first_use(site: Site, parts: Path) -> None:
    """Listing everything leaves the implementations alone."""
    manager = site.manager()
    manager.examine()
    assert "shout" in manager.runtimes()
    assert manager.runtime_for_scheme("SHOUT") == "shout"
    assert manager.adapters(3) == ()
    assert "acme_shout.parts" not in sys.modules
    manager.runtime("shout")
    assert "acme_shout.parts" in sys.modules


def test_a_runtime_is_constructed_once(site: Site, parts: Path) -> None:
    """It may keep connections and caches."""
    manager = site.manager()
    assert manager.runtime("shout") is manager.runtime("shout")
    assert site.manager().runtime("shout") is not manager.runtime("shout")


def test_a_runtime_survives_the_registration_of_others(site: Site, parts: Path) -> None:
    """Only its own plugin's end ends it."""
    manager = site.manager()
    runtime = manager.runtime("shout")
    manager.register(SimpleNamespace(), name="other")
    assert manager.runtime("shout") is runtime


def test_what_a_runtime_does_not_implement_is_unsupported(site: Site, parts: Path) -> None:
    """Without inheriting anything it has all methods of the protocol."""
    runtime = site.manager().runtime("shout")
    assert runtime.open("psi://a/b/tactics/c", {}) == "psi://a/b/tactics/c"  # type: ignore[comparison-overlap]
    nothing: Any = None
    for call in (
        lambda: runtime.adapt(print),
        lambda: runtime.attach(nothing, {}),
        lambda: runtime.bind(nothing, nothing),
    ):
        with pytest.raises(TacticUnsupportedError):
            call()


def test_the_protocol_class_implements_nothing() -> None:
    """Its methods raise with the name of the runtime."""

    class Mute(lllm.Runtime):
        pass

    nothing: Any = None
    with pytest.raises(TacticUnsupportedError, match="Runtime `Mute` does not adapt objects to tactics"):
        Mute().adapt(print)
    with pytest.raises(TacticUnsupportedError, match="Runtime `Mute` opens no tactic bindings"):
        Mute().open(None, {})
    with pytest.raises(TacticUnsupportedError, match="Runtime `Mute` claims no tactic classes"):
        Mute().attach(nothing, None)
    with pytest.raises(TacticUnsupportedError, match="Runtime `Mute` claims no tactic classes"):
        Mute().bind(nothing, nothing)


def test_stores_are_found_by_url_and_by_name(site: Site, parts: Path) -> None:
    """The factory is what the import string names."""
    manager = site.manager()
    assert manager.store("memory:x") is manager.store("MEMORY:") is manager.store("memory")
    assert manager.store("memory").__name__ == "Memory"


def test_tactic_targets_are_imported_or_taken_as_they_are(site: Site, parts: Path) -> None:
    """A plugin may return the object itself."""
    manager = site.manager()
    assert manager.tactics()["psi://acme/x/tactics/y"] == "acme_shout.parts:tactic"
    assert manager.load_tactic_target("psi://acme/x/tactics/y") == 3
    assert manager.load_tactic_target("psi://acme/x/tactics/z") is lllm.hookimpl


@pytest.mark.parametrize(
    ("install", "code", "text"),
    [
        (None, "import acme_gone.deep", "No module named 'acme_gone'. Install it: pip install acme_gone"),
        (
            "acme-gone[fast]>=2",
            "import acme_gone",
            "No module named 'acme_gone'. Install it: pip install 'acme-gone[fast]>=2'",
        ),
        (
            "acme-gone",
            "raise ImportError('too old')",
            "ImportError: too old. Install it: pip install acme-gone",
        ),
        (
            None,
            "",
            "has no attribute `Shout`. " + REINSTALL,
        ),
        (
            None,
            "raise SystemExit(1)",
            "SystemExit: 1. " + REINSTALL,
        ),
        (
            None,
            None,
            "No module named 'acme_shout.parts'. " + REINSTALL,
        ),
    ],
)
def test_what_cannot_be_imported_says_what_to_install(
    site: Site, parts: Path, install: str | None, code: str | None, text: str
) -> None:
    """The error names plugin, distribution, what is missing and the command; it comes again each time."""
    (site.path / "acme_shout" / "plugin.py").write_text(
        __import__("textwrap").dedent(PLUGIN.format(install=install))
    )
    parts.unlink() if code is None else parts.write_text(f"{code}\nclass Memory: pass\n")
    manager = site.manager()
    for _ in range(2):
        with pytest.raises(PluginImportError) as caught:
            manager.runtime("shout")
        assert str(caught.value).startswith(
            "Plugin `shout` (acme-shout 1.0) cannot import its runtime `shout`: "
        )
        assert str(caught.value).endswith(text)
        assert caught.value.plugin == "shout"
        assert caught.value.__cause__ is not None
    assert [info.state for info in manager.plugins()] == ["loaded"]


def test_an_interrupt_while_importing_is_not_swallowed(site: Site, parts: Path) -> None:
    """Ctrl-C during a slow first import ends the program."""
    parts.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        site.manager().runtime("shout")
    parts.write_text("class Shout:\n    def __init__(self): raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        site.manager().runtime("shout")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "class Shout:\n    def __init__(self): 1 / 0",
            "cannot construct its runtime `shout`: ZeroDivisionError: division by zero",
        ),
        (
            "class Shout: pass",
            "`acme_shout.parts:Shout` is not a runtime; it has none of adapt, open, attach, bind.",
        ),
        ("Shout = 3", "cannot construct its runtime `shout`: TypeError: 'int' object is not callable"),
    ],
)
def test_what_is_no_runtime_is_refused(site: Site, parts: Path, code: str, text: str) -> None:
    """The plugin stays; only this contribution cannot be used."""
    parts.write_text(f"{code}\n")
    with pytest.raises(PluginError) as caught:
        site.manager().runtime("shout")
    assert str(caught.value).endswith(text)


def test_a_store_target_must_be_callable(site: Site, parts: Path) -> None:
    """It is called with a URL."""
    parts.write_text("Memory = 'x'\n")
    with pytest.raises(PluginError, match=r"`acme_shout\.parts:Memory` is not callable"):
        site.manager().store("memory")


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (
            lambda m: m.runtime("remote"),
            "No plugin contributes the runtime `remote`. Install it: pip install 'lllm[client]'.",
        ),
        (
            lambda m: m.runtime_for_scheme("https"),
            "No plugin contributes the runtime scheme `https`. Install it: pip install 'lllm[client]'.",
        ),
        (
            lambda m: m.store("sqlite"),
            "No plugin contributes the store `sqlite`. Install it: pip install lllm-store-sqlite.",
        ),
        (
            lambda m: m.store("file:x"),
            "No plugin contributes the store scheme `file`. Install it: pip install lllm-store-file.",
        ),
        (lambda m: m.runtime("zzz"), "No plugin contributes the runtime `zzz`."),
    ],
)
def test_a_missing_name_says_what_to_install(ask: Any, text: str) -> None:
    """For the distributions of this repository the command is known."""
    with pytest.raises(PluginNotFoundError) as caught:
        ask(PluginManager(discover=False))
    assert str(caught.value) == text


def test_a_missing_name_lists_what_is_there(site: Site, parts: Path) -> None:
    """A typing error is seen at once; unusable plugins are mentioned, since the name may be theirs."""
    site.install("acme-bad", "raise RuntimeError")
    with pytest.raises(PluginNotFoundError) as caught:
        site.manager().runtime("shuot")
    assert str(caught.value) == (
        "No plugin contributes the runtime `shuot`. There are: `shout`. "
        "Not usable: `bad` (acme-bad 1.0); see `lllm plugins check`."
    )


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        "{'psi://acme/x/channels/y': 'a:b'}",
        "{'x': 'a:b'}",
        "{3: 'a:b'}",
        "{'psi://acme/x/tactics/y': 'a b'}",
        "{'psi://acme/x/tactics/y': None}",
    ],
)
def test_tactics_are_a_mapping_of_refs_to_targets(site: Site, answer: str) -> None:
    """Anything else breaks the plugin that said it."""
    site.install("acme-bad", f"import lllm\n@lllm.hookimpl\ndef lllm_tactics(): return {answer}\n")
    manager = site.manager()
    assert manager.tactics() == {}
    (info,) = manager.plugins()
    assert info.state == "broken"
    assert info.error is not None
    assert info.error.startswith("`lllm_tactics`")


class Shy:
    """Adapted by several runtimes, at several depths."""


class Shyer(Shy):
    """Further from the root."""


def adapting(manager: PluginManager, name: str, *types: str) -> None:
    """Register a runtime that adapts some types."""
    spec = lllm.RuntimeSpec(name, "a:b", "One.", adapts=types)
    manager.register(SimpleNamespace(lllm_runtimes=lllm.hookimpl(lambda: [spec])), name=name)


def test_the_runtime_of_the_most_specific_type_comes_first() -> None:
    """The method resolution order decides, then the order of plugins."""
    manager = PluginManager(discover=False)
    adapting(manager, "all", "builtins.object")
    adapting(manager, "shy", f"{__name__}.Shy")
    adapting(manager, "shyer", f"{__name__}.Shyer", "builtins.function")
    adapting(manager, "again", f"{__name__}.Shyer")
    assert manager.adapters(Shyer()) == ("again", "shyer", "shy", "all")
    assert manager.adapters(Shy()) == ("shy", "all")
    assert manager.adapters(lambda: None) == ("shyer", "all")
    assert manager.adapters(functools.partial(print)) == ("all",)


def test_a_type_is_known_by_every_path_that_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries define types in private modules; a lazy module is not made to import anything."""
    public, lazy = ModuleType("acme_public"), ModuleType("acme_lazy")
    public.Shown = Shy  # type: ignore[attr-defined]

    def refuse(name: str) -> None:
        raise AssertionError(name)

    lazy.__getattr__ = refuse  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "acme_public", public)
    monkeypatch.setitem(sys.modules, "acme_lazy", lazy)
    manager = PluginManager(discover=False)
    adapting(manager, "public", "acme_public.Shown")
    adapting(manager, "lazy", "acme_lazy.Shown", "acme_absent.Shown")
    assert manager.adapters(Shyer()) == ("public",)


def test_a_class_is_claimed_by_an_attribute_that_is_set() -> None:
    """None, and the lack of the attribute, claim nothing."""
    manager = PluginManager(discover=False)
    spec = lllm.RuntimeSpec("agents", "a:b", "One.", claims=("agent_group",))
    manager.register(SimpleNamespace(lllm_runtimes=lllm.hookimpl(lambda: [spec])), name="agents")
    assert manager.claimant(type("A", (), {"agent_group": []})) == "agents"
    assert manager.claimant(type("B", (), {"agent_group": None})) is None
    assert manager.claimant(object) is None


def test_a_runtime_class_may_inherit_the_protocol() -> None:
    """Then it is used as it is."""

    class Whole(lllm.Runtime):
        def open(self, ref: str | None, binding: Mapping[str, Any]) -> Any:
            return binding["url"]

    module = ModuleType("acme_whole")
    module.Whole = Whole  # type: ignore[attr-defined]
    sys.modules["acme_whole"] = module
    manager = PluginManager(discover=False)
    spec = lllm.RuntimeSpec("whole", "acme_whole:Whole", "One.")
    manager.register(SimpleNamespace(lllm_runtimes=lllm.hookimpl(lambda: [spec])), name="whole")
    try:
        assert isinstance(manager.runtime("whole"), Whole)
    finally:
        del sys.modules["acme_whole"]
