"""Isolation: whatever one plugin does, the others work and the user is told."""

from __future__ import annotations

import traceback

import pytest

from lllm.errors import PluginError, PluginNotFoundError
from lllm.plugins import PluginManager

from .conftest import Site

GOOD = """
    import lllm

    @lllm.hookimpl
    def lllm_runtimes():
        return [lllm.RuntimeSpec("good", "acme_good.runtime:Runtime", "Good.")]
"""


def check_only(site: Site, state: str, line: str) -> PluginManager:
    """Check that `bad` is in a state, that one line was reported, and that `good` works."""
    manager = site.manager()
    assert list(manager.runtimes()) == ["good"]
    states = {info.name: info.state for info in manager.plugins()}
    assert states == {"bad": state, "good": "loaded"}
    assert site.lines == [line]
    return manager


@pytest.fixture(autouse=True)
def _good(site: Site) -> None:
    site.install("acme-good", GOOD)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise RuntimeError('no\\nluck')", "RuntimeError: no luck"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError('sk-' + 'abcdefghijklmnop1234567890')", "ValueError: ***"),
        ("import sys; sys.exit()", "SystemExit"),
        ("import acme_missing", "ModuleNotFoundError: No module named 'acme_missing'"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
        ("class Rude(Exception):\n    def __str__(self): raise ValueError\nraise Rude", "Rude"),
        ("def f(: pass", "SyntaxError: invalid syntax (plugin.py, line 1)"),
        ("raise ValueError('\\x1b[2J' + 'x')", "ValueError: \ufffd[2Jx"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_a_plugin_that_fails_to_import_is_broken_alone(site: Site, source: str, error: str) -> None:
    """SystemExit and stranger exceptions too; one line on stderr names it, its distribution and the remedy."""
    site.install("acme-bad", source, version="0.5")
    line = f"lllm: plugin `bad` (acme-bad 0.5) is broken: {error}; run `lllm plugins check bad`"
    manager = check_only(site, "broken", line)
    (info,) = (info for info in manager.plugins() if info.name == "bad")
    assert info.error == error


def test_an_interrupt_by_the_user_is_not_swallowed(site: Site) -> None:
    """Ctrl-C while a plugin is imported ends the program."""
    site.install("acme-bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.manager().load()


def test_an_interrupted_load_is_begun_again(site: Site) -> None:
    """What was done before the interrupt is not done twice."""
    site.install(
        "acme-good-too",
        "import lllm\nclass Specs:\n    @staticmethod\n    @lllm.hookspec\n    def acme_colours(): ...\n"
        "@lllm.hookimpl\ndef lllm_add_hookspecs(manager): manager.add_hookspecs(Specs)\n",
    )
    site.install(
        "acme-once",
        "import lllm\ntimes = []\n@lllm.hookimpl\ndef lllm_add_hookspecs():\n"
        "    times.append(1)\n    if len(times) == 1: raise KeyboardInterrupt\n",
    )
    manager = site.manager()
    with pytest.raises(KeyboardInterrupt):
        manager.load()
    manager.load()
    assert {info.state for info in manager.plugins()} == {"loaded"}
    assert manager.hook.acme_colours() == []


def test_the_exception_is_kept_with_its_traceback(site: Site) -> None:
    """What is shown later is what happened."""
    site.install("acme-bad", "def fail():\n    raise RuntimeError('here')\nfail()\n")
    manager = site.manager(settings=None)
    manager.load()
    (entry,) = (entry for entry in manager.entries() if entry.name == "bad")
    assert entry.exception is not None
    assert [frame.name for frame in traceback.extract_tb(entry.exception.__traceback__)][-2:] == [
        "<module>",
        "fail",
    ]


def test_a_broken_plugin_is_reported_again_when_it_is_needed(site: Site) -> None:
    """Its error is the cause of the error of whoever needs it."""
    site.install("acme-bad", "raise RuntimeError('no luck')")
    manager = site.manager()
    for _ in range(2):
        with pytest.raises(PluginNotFoundError) as caught:
            manager.runtime("bad")
        assert str(caught.value) == (
            "No plugin contributes the runtime `bad`. Plugin `bad` (acme-bad 1.0) is broken: "
            "RuntimeError: no luck; run `lllm plugins check bad`."
        )
        assert caught.value.plugin == "bad"
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(site.lines) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("__import__('sys').exit()", "SystemExit"),
        ("{}", "`lllm_runtimes` must return a list of RuntimeSpec, got dict."),
        ("['shout']", "`lllm_runtimes` must return a list of RuntimeSpec, got a list that holds str."),
        (
            "[lllm.StoreSpec('x', 'a:b', 'X.')]",
            "`lllm_runtimes` must return a list of RuntimeSpec, got a list that holds StoreSpec.",
        ),
        ("[lllm.RuntimeSpec('x', 'a:b', 'X.')] * 2", "`lllm_runtimes` returns `x` twice."),
        (
            "[lllm.RuntimeSpec('X', 'a:b', 'X.')]",
            "ValueError: `RuntimeSpec.name` must be lower-case letters, digits, `_` and `-`, "
            "and begin with a letter or digit; got 'X'.",
        ),
    ],
)
def test_a_plugin_that_answers_wrongly_is_broken_alone(site: Site, answer: str, error: str) -> None:
    """The others are asked all the same."""
    site.install("acme-bad", f"import lllm\n@lllm.hookimpl\ndef lllm_runtimes():\n    return {answer}\n")
    stripped = error.rstrip(".")
    check_only(
        site,
        "broken",
        f"lllm: plugin `bad` (acme-bad 1.0) is broken: {stripped}; run `lllm plugins check bad`",
    )


def test_a_plugin_that_breaks_later_takes_everything_back(site: Site) -> None:
    """What it contributed before is gone with it, and asking for it says why."""
    site.install(
        "acme-bad",
        """
        import lllm

        @lllm.hookimpl
        def lllm_runtimes():
            return [lllm.RuntimeSpec("early", "acme_bad.runtime:Runtime", "Early.", schemes=("early",))]

        @lllm.hookimpl
        def lllm_stores():
            raise RuntimeError("late")

        @lllm.hookimpl
        def lllm_call_started(call):
            raise AssertionError("never asked again")
        """,
    )
    manager = site.manager()
    assert list(manager.runtimes()) == ["early", "good"]
    assert manager.observed
    assert manager.stores() == {}
    assert list(manager.runtimes()) == ["good"]
    assert not manager.observed
    with pytest.raises(
        PluginNotFoundError, match=r"Plugin `bad` \(acme-bad 1\.0\) is broken: RuntimeError: late"
    ):
        manager.runtime("early")
    with pytest.raises(PluginNotFoundError, match="is broken: RuntimeError: late"):
        manager.runtime_for_scheme("early")
    (info,) = (info for info in manager.plugins() if info.name == "bad")
    assert info.contributes == ()


def test_a_plugin_that_needs_a_newer_host_is_never_imported(site: Site) -> None:
    """The user is told once, and again by whoever needs it."""
    site.install("acme-bad", "raise AssertionError('imported')", requires=("lllm>=99",))
    manager = check_only(
        site,
        "incompatible",
        "lllm: plugin `bad` (acme-bad 1.0) is incompatible: acme-bad requires lllm>=99 and this is lllm 0.1.0; "
        "install versions that fit: pip install --upgrade acme-bad lllm; run `lllm plugins check bad`",
    )
    with pytest.raises(PluginNotFoundError, match="is incompatible: acme-bad requires lllm>=99"):
        manager.runtime("bad")


def test_a_disabled_plugin_is_never_imported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turning a plugin off is no event worth a line."""
    monkeypatch.setenv("LLLM_PLUGINS_DISABLE", "bad")
    site.install("acme-bad", "raise AssertionError('imported')")
    assert site.states() == {"bad": "disabled", "good": "loaded"}
    assert site.lines == []


def test_an_unknown_name_in_a_list_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, with the variable that holds it."""
    monkeypatch.setenv("LLLM_PLUGINS_DISABLE", "goood")
    manager = site.manager()
    manager.plugins()
    manager.load()
    assert site.lines == [
        "lllm: LLLM_PLUGINS_DISABLE names `goood`, but no plugin or distribution of that name is installed; "
        "see `lllm plugins list --all`"
    ]


@pytest.mark.parametrize(
    ("source", "requires"),
    [
        ("raise RuntimeError('no luck')", "lllm"),
        ("", "lllm>=99"),
        ("import lllm\n@lllm.hookimpl\ndef lllm_runtime(): pass", "lllm"),
    ],
)
def test_strict_raises_instead_of_reporting(
    site: Site, monkeypatch: pytest.MonkeyPatch, source: str, requires: str
) -> None:
    """`LLLM_PLUGINS_STRICT=1` is for tests and deployments that want to know at once."""
    monkeypatch.setenv("LLLM_PLUGINS_STRICT", "1")
    site.install("acme-bad", source, requires=(requires,))
    manager = site.manager()
    for _ in range(2):
        with pytest.raises(
            PluginError, match=r"Plugin `bad` \(acme-bad 1.0\) is (broken|incompatible)"
        ) as caught:
            manager.load()
        assert caught.value.plugin == "bad"
    assert site.lines == []


def test_a_plugin_that_sleeps_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import cannot be stopped from outside, but the user learns whose it was."""
    monkeypatch.setattr("lllm.plugins.registry._SLOW_SECONDS", 0.05)
    site.install("acme-bad", "import time\ntime.sleep(0.06)")
    assert site.states() == {"bad": "loaded", "good": "loaded"}
    assert site.lines == [
        "lllm: plugin `bad` (acme-bad 1.0) took 0.1 s to import; run `lllm plugins check bad`"
    ]


def test_a_plugin_that_hangs_is_named_while_it_does(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits learns for whom, and how to go on without it."""
    monkeypatch.setattr("lllm.plugins.registry._HANGING_SECONDS", 0.05)
    site.install("acme-bad", "import time\ntime.sleep(0.3)")
    assert site.states() == {"bad": "loaded", "good": "loaded"}
    assert site.lines == [
        "lllm: plugin `bad` (acme-bad 1.0) is still being imported after 0.05 s; "
        "turn it off with LLLM_PLUGINS_DISABLE=bad"
    ]


def test_a_half_removed_plugin_is_broken(site: Site) -> None:
    """Its entry points are there and its code is not."""
    site.install("acme-bad", None, metadata="")
    manager = site.manager()
    assert list(manager.runtimes()) == ["good"]
    assert site.lines[0].startswith("lllm: plugin `bad` (acme_bad 1.0) is broken: the metadata in ")


def test_a_removed_module_is_broken(site: Site) -> None:
    """The metadata is whole and the code is gone."""
    site.install("acme-bad", None)
    check_only(
        site,
        "broken",
        "lllm: plugin `bad` (acme-bad 1.0) is broken: ModuleNotFoundError: No module named 'acme_bad'; "
        "run `lllm plugins check bad`",
    )


def test_a_plugin_that_asks_for_plugins_while_it_is_imported_does_not_recurse(site: Site) -> None:
    """It finds none yet, and everything is there afterwards."""
    site.install(
        "acme-bad",
        "import lllm.plugins\nassert lllm.plugins.manager().runtimes() == {}",
    )
    from lllm.plugins import use

    manager = site.manager()
    with use(manager):
        manager.load()
    assert [info.state for info in manager.plugins()] == ["loaded", "loaded"]


def test_a_raising_observer_never_reaches_the_call(site: Site) -> None:
    """It is dropped at its first failure; the other observers go on."""
    for name, action in (("acme-bad", "raise RuntimeError('watching')"), ("acme-watch", "seen.append(call)")):
        site.install(
            name,
            f"import lllm\nseen = []\n@lllm.hookimpl\ndef lllm_call_started(call):\n    {action}\n",
        )
    import acme_watch.plugin

    manager = site.manager()
    manager.call_started("first")  # type: ignore[arg-type]
    manager.call_started("second")  # type: ignore[arg-type]
    assert acme_watch.plugin.seen == ["first", "second"]
    assert site.lines == [
        "lllm: plugin `bad` (acme-bad 1.0) is broken: RuntimeError: watching; run `lllm plugins check bad`"
    ]


def test_the_line_goes_to_stderr(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Output that programs read stays clean."""
    site.install("acme-bad", "raise RuntimeError('no luck')")
    PluginManager(path=[str(site.path)]).load()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("lllm: plugin `bad` (acme-bad 1.0) is broken")
