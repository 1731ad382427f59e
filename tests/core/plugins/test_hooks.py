"""Hooks: who may implement what, in which order, and what is said about a mistake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import lllm
from lllm.errors import PluginConflictError, PluginError, PluginNotFoundError
from lllm.plugins import PluginManager

from .conftest import Site


def plugin(**functions: Any) -> SimpleNamespace:
    """Make a plugin of marked functions."""
    return SimpleNamespace(**{name: lllm.hookimpl(function) for name, function in functions.items()})


@pytest.fixture
def manager() -> PluginManager:
    """Give an isolated manager."""
    return PluginManager(discover=False)


def refused(manager: PluginManager, bad: object) -> str:
    """Register a plugin that is refused without a trace, and return why."""
    before = manager.plugins()
    with pytest.raises(PluginError) as caught:
        manager.register(bad, name="bad")
    assert caught.value.plugin == "bad"
    assert manager.plugins() == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("lllm_runtime", "lllm_runtimes"),
        ("lllm_comands", "lllm_commands"),
        ("lllm_on_call_start", "lllm_call_started"),
    ],
)
def test_a_misspelled_hook_is_refused_with_the_closest_one(
    manager: PluginManager, name: str, closest: str
) -> None:
    """A silent hook would be searched for hours."""
    assert refused(manager, plugin(**{name: lambda: None})) == (
        f"Plugin `bad`: there is no hook `{name}`; the closest one is `{closest}`. All: lllm plugins hooks."
    )


def test_a_wrong_argument_is_refused(manager: PluginManager) -> None:
    """The text names the argument and those that exist."""
    assert refused(manager, plugin(lllm_commands=lambda group: None)) == (
        "Plugin `bad`: `lllm_commands` takes `group`, which is not an argument of that hook; "
        "its positional arguments are: `cli`."
    )
    assert refused(manager, plugin(lllm_runtimes=lambda manager: [])).endswith(
        "its positional arguments are: none."
    )


def test_fewer_arguments_defaults_and_stars_are_fine(manager: PluginManager) -> None:
    """A plugin takes what it needs."""
    calls: list[Any] = []
    manager.register(plugin(lllm_call_started=lambda: calls.append("none")), name="a")
    manager.register(plugin(lllm_call_started=lambda call, extra=1: calls.append((call, extra))), name="b")
    manager.register(plugin(lllm_call_started=lambda *args, **kwargs: calls.append((args, kwargs))), name="c")
    manager.call_started("x")  # type: ignore[arg-type]
    assert calls == ["none", ("x", 1), ((), {})]


def test_an_asynchronous_hook_is_refused(manager: PluginManager) -> None:
    """Its answer would never be awaited."""

    async def lllm_runtimes() -> list[lllm.RuntimeSpec]:
        return []

    assert refused(manager, plugin(lllm_runtimes=lllm_runtimes)) == (
        "Plugin `bad`: `lllm_runtimes` is `async`; hooks are plain functions, what they return may be async."
    )


def test_a_wrapper_is_refused(manager: PluginManager) -> None:
    """No plugin changes what others contribute."""

    @lllm.hookimpl(wrapper=True)
    def lllm_runtimes() -> Any:
        return (yield)

    text = refused(manager, SimpleNamespace(lllm_runtimes=lllm_runtimes))
    assert (
        text
        == "Plugin `bad`: `lllm_runtimes` is a wrapper; a plugin must not change what the others contribute."
    )


def test_a_hook_without_its_mark_is_refused(manager: PluginManager) -> None:
    """Forgetting the decorator is the most frequent slip."""
    assert refused(manager, SimpleNamespace(lllm_stores=lambda: [])) == (
        "Plugin `bad`: `lllm_stores` is not marked; write `@lllm.hookimpl` above it."
    )


def test_specifications_in_reach_of_a_plugin_are_no_hooks(manager: PluginManager) -> None:
    """A module may import the specifications."""
    from lllm.hookspecs import lllm_stores

    assert manager.register(SimpleNamespace(lllm_stores=lllm_stores), name="good") == "good"


def test_a_hook_can_have_another_function_name(manager: PluginManager) -> None:
    """`specname` says which hook is meant."""

    @lllm.hookimpl(specname="lllm_tactics")
    def ours() -> dict[str, str]:
        return {"psi://acme/x/tactics/y": "a:b"}

    manager.register(SimpleNamespace(ours=ours), name="acme")
    assert list(manager.tactics()) == ["psi://acme/x/tactics/y"]


def test_a_plugin_may_be_an_object_with_methods(manager: PluginManager) -> None:
    """Entry points can name an object in a module."""

    class Plugin:
        def __init__(self, name: str) -> None:
            self.name = name

        @lllm.hookimpl
        def lllm_runtimes(self) -> list[lllm.RuntimeSpec]:
            return [lllm.RuntimeSpec(self.name, "a:b", "Theirs.")]

    manager.register(Plugin("theirs"), name="acme")
    assert list(manager.runtimes()) == ["theirs"]


def test_hooks_are_called_by_distribution_then_name(site: Site) -> None:
    """Whatever the order of installation; `tryfirst` and `trylast` move to the ends."""
    for name, options in (
        ("acme-c", ""),
        ("acme-a", "trylast=True"),
        ("acme-b", ""),
        ("acme-d", "tryfirst=True"),
    ):
        site.install(
            name,
            f"import lllm\n@lllm.hookimpl({options})\ndef lllm_runtimes():\n"
            f"    return [lllm.RuntimeSpec('{name[-1]}', 'a:b', 'One.')]\n",
        )
    assert list(site.manager().runtimes()) == ["d", "b", "c", "a"]


def test_registration_keeps_the_order(manager: PluginManager) -> None:
    """A plugin registered late stands where its name belongs."""
    for name in ("b", "c", "a"):
        manager.register(
            plugin(lllm_runtimes=lambda name=name: [lllm.RuntimeSpec(name, "a:b", "One.")]), name=name
        )
    assert list(manager.runtimes()) == ["a", "b", "c"]
    assert [info.name for info in manager.plugins()] == ["a", "b", "c"]


def test_a_name_is_registered_once(manager: PluginManager) -> None:
    """The second registration changes nothing."""
    manager.register(plugin(), name="a")
    with pytest.raises(PluginConflictError, match="A plugin `a` is there already"):
        manager.register(plugin(lllm_runtimes=lambda: [lllm.RuntimeSpec("x", "a:b", "One.")]), name="a")
    assert manager.runtimes() == {}


def test_the_name_of_a_module_names_its_plugin(manager: PluginManager) -> None:
    """`acme.plugin` is the plugin `acme`; what makes no name must be named."""
    assert manager.register(SimpleNamespace(__name__="Acme.Tools.plugin")) == "acme-tools"
    with pytest.raises(PluginError, match="give one with `name=`"):
        manager.register(SimpleNamespace(__name__="<odd>"))
    with pytest.raises(PluginError, match="'No Name' is not a plugin name"):
        manager.register(plugin(), name="No Name")


def test_unregistering_takes_everything_back(manager: PluginManager) -> None:
    """Runtimes, observers and hook specifications too."""
    hooks = [hook.name for hook in manager.hooks()]

    class Specs:
        @staticmethod
        @lllm.hookspec
        def acme_colours() -> None:
            """Return colours."""

    manager.register(
        plugin(
            lllm_runtimes=lambda: [lllm.RuntimeSpec("x", "a:b", "One.")],
            lllm_call_started=lambda: None,
            lllm_add_hookspecs=lambda manager: manager.add_hookspecs(Specs),
        ),
        name="acme",
    )
    assert manager.observed
    assert list(manager.runtimes()) == ["x"]
    manager.unregister("acme")
    assert not manager.observed
    assert manager.runtimes() == {}
    assert [hook.name for hook in manager.hooks()] == hooks
    assert manager.plugins() == ()
    with pytest.raises(PluginNotFoundError, match="There is no plugin `acme`"):
        manager.unregister("acme")


class Colours:
    """Hook specifications of a plugin."""

    @staticmethod
    @lllm.hookspec
    def acme_colours(palette: str) -> list[str]:
        """Return the colours of a palette."""
        raise NotImplementedError


def specifier(**options: Any) -> SimpleNamespace:
    """Make the plugin that specifies `acme_colours`."""
    return plugin(lllm_add_hookspecs=lambda manager: manager.add_hookspecs(Colours, **options))


def test_plugins_extend_plugins(manager: PluginManager) -> None:
    """A hook of a plugin is called through the relay and listed with its owner."""
    manager.register(specifier(), name="zoo")
    manager.register(plugin(acme_colours=lambda palette: [palette, "red"]), name="a")
    manager.register(plugin(acme_colours=lambda: ["blue"]), name="b")
    assert manager.hook.acme_colours(palette="warm") == [["warm", "red"], ["blue"]]
    (hook,) = (hook for hook in manager.hooks() if hook.name == "acme_colours")
    assert (hook.signature, hook.specified_by, hook.implemented_by) == (
        "acme_colours(palette)",
        "zoo",
        ("a", "b"),
    )


def test_specifications_come_before_validation(site: Site) -> None:
    """A plugin that sorts first may implement the hook of one that sorts last."""
    site.install("acme-first", "import lllm\n@lllm.hookimpl\ndef acme_colours(palette): return [palette]\n")
    site.install(
        "acme-last",
        "import lllm\nclass Specs:\n    @staticmethod\n    @lllm.hookspec\n    def acme_colours(palette): ...\n"
        "@lllm.hookimpl\ndef lllm_add_hookspecs(manager): manager.add_hookspecs(Specs)\n",
    )
    manager = site.manager()
    assert manager.hook.acme_colours(palette="x") == [["x"]]
    assert {info.name: info.contributes for info in manager.plugins()} == {
        "first": ("hook acme_colours",),
        "last": ("hookspec acme_colours",),
    }


def test_the_specifying_hook_is_called_once(site: Site) -> None:
    """Loading twice does not specify twice."""
    site.install(
        "acme-last", "import lllm\ncalls = []\n@lllm.hookimpl\ndef lllm_add_hookspecs(): calls.append(1)\n"
    )
    manager = site.manager()
    manager.load()
    manager.load()
    manager.runtimes()
    import acme_last.plugin

    assert acme_last.plugin.calls == [1]


def test_a_plugin_that_fails_while_specifying_leaves_no_specification(site: Site) -> None:
    """Half of its specifications are as bad as none; whoever needs them is told."""
    site.install(
        "acme-bad",
        "import lllm\nclass Specs:\n    @staticmethod\n    @lllm.hookspec\n    def acme_colours(palette): ...\n"
        "@lllm.hookimpl\ndef lllm_add_hookspecs(manager):\n"
        "    manager.add_hookspecs(Specs)\n    raise ValueError('x')\n",
    )
    site.install("acme-user", "import lllm\n@lllm.hookimpl\ndef acme_colours(): return []\n")
    manager = site.manager()
    assert "acme_colours" not in [hook.name for hook in manager.hooks()]
    assert [(info.name, info.state) for info in manager.plugins()] == [("bad", "broken"), ("user", "broken")]


def test_a_hook_that_nobody_specifies_can_be_optional(manager: PluginManager) -> None:
    """The plugin works with and without the one that would call it."""

    @lllm.hookimpl(optionalhook=True)
    def acme_colours() -> list[str]:
        return ["red"]

    manager.register(SimpleNamespace(acme_colours=acme_colours), name="a")
    assert not hasattr(manager.hook, "acme_colours")
    manager.register(specifier(), name="zoo")
    assert manager.hook.acme_colours(palette="x") == [["red"]]


def test_an_optional_hook_that_does_not_fit_is_found_when_it_is_specified(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its plugin is broken then, and the one that specifies it is not."""

    @lllm.hookimpl(optionalhook=True)
    def acme_colours(wheel: str) -> None:
        """Take what is not given."""

    manager = PluginManager(discover=False, report=site.lines.append)
    manager.register(SimpleNamespace(acme_colours=acme_colours), name="a")
    manager.register(specifier(), name="zoo")
    assert {info.name: info.state for info in manager.plugins()} == {"a": "broken", "zoo": "loaded"}
    assert "`acme_colours` takes `wheel`" in site.lines[0]


def test_the_hook_of_a_known_plugin_names_its_distribution(manager: PluginManager) -> None:
    """It is not misspelled; what specifies it is not there."""
    assert refused(manager, plugin(lllm_serve_app=lambda app: None)) == (
        "Plugin `bad`: the hook `lllm_serve_app` is specified by lllm-serve, which is not loaded; install it "
        "(pip install 'lllm[server]') or mark the implementation `@lllm.hookimpl(optionalhook=True)`."
    )


def test_the_relay_isolates(site: Site) -> None:
    """One raising implementation is left out and rolled back; the answers of the others arrive."""
    manager = PluginManager(discover=False, report=site.lines.append)
    manager.register(specifier(), name="zoo")
    manager.register(plugin(acme_colours=lambda: 1 / 0), name="a")
    manager.register(plugin(acme_colours=lambda: ["blue"]), name="b")
    assert manager.hook.acme_colours(palette="x") == [["blue"]]
    assert {info.name: info.state for info in manager.plugins()} == {
        "a": "broken",
        "b": "loaded",
        "zoo": "loaded",
    }
    assert site.lines == [
        "lllm: plugin `a` is broken: ZeroDivisionError: division by zero; run `lllm plugins check a`"
    ]


def test_a_hook_can_be_specified_to_let_exceptions_through(manager: PluginManager) -> None:
    """Where a failure must refuse, as with authentication, leaving an implementation out would be wrong."""
    manager.register(specifier(propagate=("acme_colours",)), name="zoo")
    manager.register(plugin(acme_colours=lambda: 1 / 0), name="a")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            manager.hook.acme_colours(palette="x")
    assert {info.state for info in manager.plugins()} == {"loaded"}


def test_an_application_may_specify_hooks(manager: PluginManager) -> None:
    """Without a plugin; implementations that were waiting for the hook are called."""

    @lllm.hookimpl(optionalhook=True)
    def acme_colours() -> list[str]:
        return ["red"]

    manager.register(SimpleNamespace(acme_colours=acme_colours), name="a")
    manager.add_hookspecs(Colours)
    assert manager.hook.acme_colours(palette="x") == [["red"]]
    (hook,) = (hook for hook in manager.hooks() if hook.name == "acme_colours")
    assert (hook.specified_by, hook.implemented_by) == ("lllm", ("a",))


@pytest.mark.parametrize(
    ("namespace", "options", "text"),
    [
        (SimpleNamespace, {}, "holds no function marked with `@lllm.hookspec`"),
        (lllm.hookspecs, {}, "the hook `lllm_add_hookspecs` is specified by `lllm` already"),
        (Colours, {"propagate": ["other"]}, "`propagate` names `other`, which is not specified there"),
    ],
)
def test_unusable_specifications_are_refused(
    manager: PluginManager, namespace: Any, options: dict[str, Any], text: str
) -> None:
    """Nothing of them is kept."""
    before = manager.hooks()
    assert text in refused(
        manager, plugin(lllm_add_hookspecs=lambda manager: manager.add_hookspecs(namespace, **options))
    )
    assert manager.hooks() == before


def test_loading_never_uses_the_loader_of_pluggy() -> None:
    """The host reads metadata itself; pluggy's own loader would import everything without isolation."""
    from pathlib import Path

    sources = Path(lllm.plugins.__file__).parent.glob("*.py")
    assert not [source.name for source in sources if "load_setuptools_entrypoints" in source.read_text()]
