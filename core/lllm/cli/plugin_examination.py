"""The examination of one plugin, in a process of its own: `python -m lllm.cli.plugin_examination NAME DISTRIBUTION`.

Each step is announced before it is taken and reported when it is done, one JSON object on a line each, so that
whoever waits knows which step never ended. Whatever the plugin itself prints goes to stderr.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from lllm.hookspecs import Runtime, RuntimeSpec, StoreSpec
from lllm.import_strings import load_import_string, parse_import_string
from lllm.plugins import Choice, Entry, PluginManager, PluginSettings, discover
from lllm.plugins.entries import broken_text, label
from lllm.plugins.records import normalise

__all__ = ["STEP_MARK", "main"]

STEP_MARK = "lllm-examination-step"
"""Begins the line on stderr that separates the import times of one step from those of the next."""


class Unfit(Exception):
    """Something is wrong with a contribution.

    Args:
        problem: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


class Examination:
    """Takes one step after the other and reports each.

    Args:
        package: The package of the plugin itself.
        report: Takes each JSON object.

    Attributes:
        note: What the step that is being taken wants to say in the report.
    """

    def __init__(self, package: str, report: Callable[[dict[str, Any]], None]) -> None:
        self._package = package
        self._report = report
        self._steps = 0
        self.note = ""

    def step(self, title: str, action: Callable[[], Any], **details: Any) -> Any:
        """Take one step; return what it returned, or None when it failed.

        Args:
            title: What is examined.
            action: Raises when something is wrong.
            **details: More about the step, for the report.
        """
        sys.stderr.write(f"{STEP_MARK} {self._steps}\n")
        sys.stderr.flush()
        self._steps += 1
        self._report({"begun": title})
        self.note = ""
        begun = perf_counter()
        result, problem, remedy = None, None, None
        try:
            result = action()
        except KeyboardInterrupt:
            raise
        except Unfit as error:
            problem, remedy = error.problem, error.remedy
        except BaseException as error:
            problem, remedy = broken_text(error), self._remedy(error)
        seconds = perf_counter() - begun
        outcome = {"seconds": seconds, "problem": problem, "remedy": remedy, "note": self.note}
        self._report({"title": title, **outcome, **details})
        return result

    def _remedy(self, error: BaseException) -> str:
        missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if missing and missing != self._package:
            return f"Install what provides `{missing}`."
        return "Mend it, or reinstall its distribution."


def main(name: str, distribution: str) -> None:
    """Examine one installed plugin and report on stdout.

    Args:
        name: Name of the plugin.
        distribution: Its distribution.
    """
    channel = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    (record,) = (found for found in discover() if (found.name, found.distribution) == (name, distribution))
    target = parse_import_string(record.entry_point, "entry point", attribute=False)
    package = target.module.partition(".")[0]
    examination = Examination(
        package, lambda line: _void(os.write(channel, (json.dumps(line) + "\n").encode()))
    )
    if examination.step(f"module {target}", target.load, package=package) is None:
        return
    # What the core imports is not the plugin's doing.
    examination.step("", _import_core)
    entry = examination.step("hooks", partial(_ask, examination, name, distribution))
    if entry is not None:
        _examine_contributions(examination, entry)


def _void(_: object) -> None:
    """Drop a value where nothing may be returned."""


def _import_core() -> None:
    import lllm.entrypoint
    import lllm.store.protocol  # noqa: F401


def _ask(examination: Examination, name: str, distribution: str) -> Entry:
    """Load the plugin alone, or beside the others when it extends one of them."""
    from lllm.cli.program import make_program

    alone = PluginSettings(allow=(Choice(normalise(name), "the examination"),))
    for settings in (alone, PluginSettings()):
        host = PluginManager(settings=settings, report=_void)
        host.examine(make_program())
        (entry,) = (one for one in host.entries() if (one.name, one.distribution) == (name, distribution))
        if entry.state == "loaded":
            break
    if entry.exception is not None or entry.state != "loaded":
        raise Unfit(entry.error or entry.state, "Mend the plugin; `lllm plugins hooks` lists the hooks.")
    names = ", ".join(hook.name for hook in entry.hooks)
    examination.note = names or "none; what a plugin contributes is in functions marked `@lllm.hookimpl`"
    return entry


def _examine_contributions(examination: Examination, entry: Entry) -> None:
    checks: dict[str, Callable[[Any], Any]] = {
        "runtime": _check_runtime,
        "store": _check_store,
        "tactic": _check_tactic,
        "command": _check_command,
    }
    for kind, named in entry.offers.items():
        for name, value in named.items():
            examination.step(
                label(kind, name, value),
                partial(checks[kind], value),
                kind=kind,
                name=name,
                schemes=list(getattr(value, "schemes", ())),
                claims=list(getattr(value, "claims", ())),
                install=getattr(value, "install", None),
            )


def _check_runtime(spec: RuntimeSpec) -> None:
    factory = load_import_string(spec.target)
    if not callable(factory):
        raise Unfit(f"`{spec.target}` is not a class", "Name a class with the methods of `lllm.Runtime`.")
    runtime = factory()
    calls: dict[str, tuple[str, tuple[Any, ...]]] = {}
    if spec.adapts:
        calls["adapt"] = ("adapts", (None,))
    if spec.schemes or not (spec.adapts or spec.claims):
        calls["open"] = ("schemes", ("", {}))
    if spec.claims:
        calls |= {"attach": ("claims", (None, {})), "bind": ("claims", (None, None))}
    for name, (field, arguments) in calls.items():
        method = getattr(runtime, name, None)
        if method is None or getattr(type(runtime), name, None) is getattr(Runtime, name):
            raise Unfit(
                f"`{spec.target}` has no method `{name}`",
                f"Implement `{name}` as in `lllm.Runtime`, or leave `{field}` of its RuntimeSpec empty.",
            )
        _check_call(method, f"{spec.target}.{name}", arguments)


def _check_store(spec: StoreSpec) -> None:
    factory = load_import_string(spec.target)
    if not callable(factory):
        raise Unfit(f"`{spec.target}` is not callable", "Name a class or function that takes a URL.")
    _check_call(factory, spec.target, (f"{(*spec.schemes, spec.name)[0]}:x",))
    if inspect.isclass(factory):
        from lllm.store.protocol import Store

        missing = [name for name in dir(Store) if not name.startswith("_") and not hasattr(factory, name)]
        if missing:
            raise Unfit(
                f"`{spec.target}` lacks {', '.join(f'`{name}`' for name in missing)}",
                "Implement the Store protocol and run `lllm.testing.StoreConformance`.",
            )


def _check_tactic(target: Any) -> None:
    from lllm.entrypoint import tactic_from_target

    loaded = load_import_string(target) if isinstance(target, str) else target
    tactic_from_target(loaded, str(target)).info()


def _check_command(command: Any) -> None:
    import click

    command.get_help(click.Context(command, info_name=command.name))


def _check_call(function: Any, title: str, arguments: tuple[Any, ...]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Not every callable written in C can be asked.
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        problem = f"`{title}{signature}` cannot be called: {error}"
        raise Unfit(problem, "Give it the arguments of the protocol.") from None


if __name__ == "__main__":
    main(*sys.argv[1:])
