"""Plugins come, break and go in any order, and the manager always answers what those that are left contribute."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import lllm
from lllm.errors import PluginConflictError, PluginNotFoundError
from lllm.plugins import PluginManager

plugin_names = st.sampled_from(["a", "b", "c", "d"])
runtime_names = st.sets(st.sampled_from(["x", "y", "z"]), min_size=1)


class Managing(RuleBasedStateMachine):
    """Compares a manager with a dictionary of what each working plugin contributes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.manager = PluginManager(discover=False, report=self.lines.append)
        self.working: dict[str, set[str]] = {}
        self.broken: set[str] = set()
        self.generation = lllm.plugins.generation

    @rule(name=plugin_names, runtimes=runtime_names, fails=st.booleans())
    def register(self, name: str, runtimes: set[str], fails: bool) -> None:
        """Add a plugin; some of them raise as soon as a call is observed."""
        specs = [lllm.RuntimeSpec(runtime, "a:b", "One.", schemes=(runtime,)) for runtime in sorted(runtimes)]

        def observe(call: Any) -> None:
            if fails:
                raise RuntimeError(name)

        hooks = {"lllm_runtimes": lambda: specs, "lllm_call_started": observe}
        plugin = SimpleNamespace(**{hook: lllm.hookimpl(function) for hook, function in hooks.items()})
        plugin.fails = fails
        if name in self.working or name in self.broken:
            with pytest.raises(PluginConflictError):
                self.manager.register(plugin, name=name)
        else:
            self.manager.register(plugin, name=name)
            self.working[name] = runtimes

    @precondition(lambda self: self.working or self.broken)
    @rule(data=st.data())
    def unregister(self, data: st.DataObject) -> None:
        """Take a plugin away, broken or not."""
        name = data.draw(st.sampled_from(sorted({*self.working, *self.broken})))
        self.manager.unregister(name)
        self.working.pop(name, None)
        self.broken.discard(name)

    @rule()
    def call(self) -> None:
        """Observe a call: whoever fails at that is broken from then on, and the others are not."""
        failing = {entry.name for entry in self.manager.entries() if getattr(entry.plugin, "fails", False)}
        self.manager.call_started("call")  # type: ignore[arg-type]
        for name in failing & set(self.working):
            del self.working[name]
            self.broken.add(name)

    @invariant()
    def answers_are_those_of_the_working(self) -> None:
        """Uncontested names are listed, contested ones are conflicts, others are not found."""
        claims = {
            runtime: sorted(name for name, runtimes in self.working.items() if runtime in runtimes)
            for runtime in ("x", "y", "z")
        }
        assert set(self.manager.runtimes()) == {
            runtime for runtime, names in claims.items() if len(names) == 1
        }
        for runtime, names in claims.items():
            if len(names) == 1:
                assert self.manager.runtime_for_scheme(runtime) == runtime
            else:
                with pytest.raises(PluginConflictError if names else PluginNotFoundError):
                    self.manager.runtime_for_scheme(runtime)

    @invariant()
    def states_are_true(self) -> None:
        """Each plugin is listed once, in order, with its state; one line was reported for each that broke."""
        contested = {
            name
            for name, runtimes in self.working.items()
            if any(runtimes & others for other, others in self.working.items() if other != name)
        }
        wanted = {
            name: "broken" if name in self.broken else "conflict" if name in contested else "loaded"
            for name in {*self.working, *self.broken}
        }
        infos = self.manager.plugins()
        assert {info.name: info.state for info in infos} == wanted
        assert [info.name for info in infos] == sorted(wanted)
        assert len(self.lines) >= len(self.broken)
        assert self.manager.observed == bool(self.working)


Managing.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestManaging = Managing.TestCase
