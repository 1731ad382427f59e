"""The manager in force, the fixture for tests, and the counter that says when to ask again."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

import lllm
from lllm import plugins
from lllm.plugins import PluginManager, manager, use
from lllm.testing import plugin_manager

from .conftest import Site

__all__ = ["plugin_manager"]


def test_there_is_one_manager_for_the_process() -> None:
    """It is made at the first call, whichever thread makes it."""
    found: list[PluginManager] = []
    threads = [threading.Thread(target=lambda: found.append(manager())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(one) for one in [*found, manager()]} == {id(manager())}


def test_another_manager_can_be_used_for_a_block() -> None:
    """Blocks nest, and threads of the process see the same manager."""
    before, outer, inner = manager(), PluginManager(discover=False), PluginManager(discover=False)
    with use(outer) as given:
        assert given is outer is manager()
        with pytest.raises(LookupError), use(inner):
            seen: list[PluginManager] = []
            thread = threading.Thread(target=lambda: seen.append(manager()))
            thread.start()
            thread.join()
            assert seen == [inner]
            raise LookupError
        assert manager() is outer
    assert manager() is before


def test_blocks_may_end_in_any_order() -> None:
    """Each end takes only its own manager away."""
    before, first, second = manager(), PluginManager(discover=False), PluginManager(discover=False)
    one, two = use(first), use(second)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert manager() is second
    two.__exit__(None, None, None)
    assert manager() is before


def test_the_generation_counts_every_change() -> None:
    """Whoever keeps an answer compares it to know when to ask again."""
    isolated = PluginManager(discover=False)
    seen = [plugins.generation]

    def changed() -> bool:
        seen.append(plugins.generation)
        return seen[-1] > seen[-2]

    with use(isolated):
        assert changed()
        isolated.register(SimpleNamespace(), name="a")
        assert changed()
        isolated.runtimes()
        assert not changed()
        isolated.unregister("a")
        assert changed()
    assert changed()


def test_a_plugin_that_breaks_counts_as_a_change(site: Site) -> None:
    """Its runtimes and observers are gone."""
    site.install("acme-bad", "import lllm\n@lllm.hookimpl\ndef lllm_stores(): raise RuntimeError\n")
    found = site.manager()
    found.load()
    before = plugins.generation
    found.stores()
    assert plugins.generation > before


def test_the_fixture_gives_an_isolated_manager(plugin_manager: PluginManager) -> None:
    """It is in force, has no plugins, and takes what the test registers."""
    assert manager() is plugin_manager
    assert plugin_manager.plugins() == ()
    spec = lllm.RuntimeSpec("mine", "a:b", "Mine.")
    plugin_manager.register(SimpleNamespace(lllm_runtimes=lllm.hookimpl(lambda: [spec])), name="mine")
    assert manager().runtimes() == {"mine": spec}


def test_a_manager_is_loaded_once_by_many_threads(site: Site) -> None:
    """They wait for the first and find the same plugins."""
    site.install(
        "acme-slow",
        "import time\ntime.sleep(0.05)\nimport lllm\n@lllm.hookimpl\ndef lllm_call_started(): pass\n",
    )
    slow = site.manager()
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(slow.observed)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_the_host_is_light() -> None:
    """Importing it imports nothing that is slow."""
    program = (
        "import sys, lllm.plugins, lllm.hookspecs; print(sorted({'pydantic', 'asyncio', 'tomlkit', 'tomllib', "
        "'importlib_metadata', 'pathlib', 'email', 'click', 'json', 'logging', 'platform', 'difflib', 'traceback'} "
        "& set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "[]\n"


def test_the_public_names_are_pinned() -> None:
    """What `lllm.plugins` offers changes on purpose only; no private path shows in a repr."""
    assert plugins.__all__ == sorted(plugins.__all__)
    assert {name for name in vars(plugins) if not name.startswith("_")} >= set(plugins.__all__)
    assert repr(PluginManager(discover=False)) == "<lllm.plugins.PluginManager of 0 plugins>"
