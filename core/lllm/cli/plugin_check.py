"""`lllm plugins check`: runs the examination of each plugin in a process of its own and reports what it found."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import click

from lllm.cli.plugin_examination import STEP_MARK
from lllm.plugins import Entry, PluginInfo
from lllm.plugins.catalogue import KINDS
from lllm.plugins.contests import Claim, claim_index, conflict_text, scheme_index
from lllm.plugins.entries import Kind
from lllm.plugins.implementations import quoted_requirement
from lllm.plugins.records import one_line
from lllm.plugins.settings import load_settings

__all__ = ["check"]

_SELF_TIME = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)")
_HEAVY_SECONDS = 0.02
_CHEAP_SECONDS = 0.1


@dataclass(slots=True)
class Finding:
    """One line of the report.

    Args:
        verdict: `ok`, `slow`, `FAIL` or `off`.
        title: What was examined.
        seconds: How long its import took, or None.
        detail: What is wrong and what to do about it, or which modules are heavy.
    """

    verdict: str
    title: str
    seconds: float | None = None
    detail: str = ""


@dataclass(slots=True)
class Result:
    """What is known about one plugin.

    Args:
        entry: The plugin; a copy, because what the examination finds is no business of the manager.
        findings: The lines of the report.
        steps: The steps that ended, as the examination reported them.
    """

    entry: Entry
    findings: list[Finding] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)


def check(entries: Sequence[Entry], infos: Sequence[PluginInfo], *, timeout: float, named: bool) -> bool:
    """Examine plugins, print what was found, and tell whether all of it is well.

    Args:
        entries: The plugins to examine.
        infos: The public records of all plugins.
        timeout: Seconds that each examination may take.
        named: Whether the user asked for these plugins by name; otherwise disabled ones are passed over.
    """
    chosen = [entry for entry in entries if named or entry.state != "disabled"]
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        results = list(pool.map(partial(_examine, timeout=timeout), chosen))
    _add_conflicts(results)
    for result in results:
        click.echo(one_line(result.entry.title.replace("`", "")))
        for finding in result.findings:
            click.echo(_line(finding))
    failed = [result for result in results if any(finding.verdict == "FAIL" for finding in result.findings)]
    click.echo(f"{len(results)} of {len(infos)} plugins checked, {len(failed)} failed")
    return not failed


def _examine(entry: Entry, timeout: float) -> Result:
    result = Result(copy(entry))
    if entry.state == "disabled" or entry.distribution is None:
        reason = entry.error or "registered by hand; there is no distribution to examine"
        result.findings.append(Finding("off", "plugin", detail=reason))
    elif entry.state in {"broken", "incompatible", "conflict"} and entry.exception is None:
        result.findings.append(Finding("FAIL", "plugin", detail=entry.error or entry.state))
    else:
        output, errors, ending = _run(entry.name, entry.distribution, timeout)
        _read(result, output, list(_import_times(errors)), ending)
    return result


def _run(name: str, distribution: str, timeout: float) -> tuple[str, str, str | None]:
    """Run one examination; return what it wrote and, when it did not end by itself, how it ended."""
    command = [
        sys.executable,
        "-P",
        "-X",
        "importtime",
        "-m",
        "lllm.cli.plugin_examination",
        name,
        distribution,
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout)
        ending = None if process.returncode == 0 else f"its process ended with exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        _kill(process)
        output, errors = process.communicate()
        ending = f"not done after {timeout:g} s"
    return output, errors, ending


def _kill(process: subprocess.Popen[str]) -> None:
    """End an examination and whatever it started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _import_times(errors: str) -> Iterator[dict[str, float]]:
    """Yield, for each step, the seconds that each top-level package spent importing."""
    for part in errors.split(STEP_MARK)[1:]:
        seconds: dict[str, float] = {}
        for microseconds, module in _SELF_TIME.findall(part):
            package = module.partition(".")[0]
            seconds[package] = seconds.get(package, 0.0) + int(microseconds) / 1e6
        yield seconds


def _read(result: Result, output: str, times: Sequence[dict[str, float]], ending: str | None) -> None:
    """Turn what an examination wrote into findings."""
    begun: list[str] = []
    own = ""
    for line in output.splitlines():
        report: dict[str, Any] = json.loads(line)
        if "begun" in report:
            begun.append(report["begun"])
            continue
        own = report.get("package", own)
        result.steps.append(report)
        if report["title"]:
            imported = times[len(result.steps) - 1] if len(result.steps) <= len(times) else {}
            result.findings.append(_finding(report, imported, own))
    if ending is not None:
        title = begun[-1] if len(begun) > len(result.steps) else "examination"
        remedy = "look at what it does when it is imported"
        result.findings.append(Finding("FAIL", title or "examination", detail=f"{ending}; {remedy}"))


def _finding(report: dict[str, Any], imported: dict[str, float], own: str) -> Finding:
    title, seconds = report["title"], report["seconds"]
    if report["problem"]:
        install = report.get("install")
        remedy = f"Install it: pip install {quoted_requirement(install)}." if install else report["remedy"]
        return Finding("FAIL", title, seconds, f"{report['problem'].rstrip('.')}. {remedy}")
    if not _is_import(report):
        return Finding("ok", title, None, report["note"])
    foreign = {
        name: spent for name, spent in imported.items() if name not in {own, "lllm"} | sys.stdlib_module_names
    }
    heavy = sorted(
        (name for name in foreign if foreign[name] >= _HEAVY_SECONDS), key=lambda name: -foreign[name]
    )
    detail = f"heavy: {', '.join(f'{name} {foreign[name]:.2f} s' for name in heavy)}" if heavy else ""
    if "package" in report and (heavy or seconds >= _CHEAP_SECONDS):
        remedy = "import nothing but lllm and the standard library here; name the rest with import strings"
        return Finding("slow", title, seconds, f"{detail}; {remedy}" if detail else remedy)
    return Finding("ok", title, seconds, detail)


def _is_import(report: dict[str, Any]) -> bool:
    """Tell whether the time that a step took is that of an import."""
    return "package" in report or "kind" in report


def _add_conflicts(results: Sequence[Result]) -> None:
    """Add what two of the examined plugins both contribute, unless the user has decided."""
    prefer = load_settings().prefer
    findings = {result.entry: result.findings for result in results}
    for result in results:
        result.entry.offers = _offers(result.steps)
    indexes: dict[str, dict[str, tuple[Claim, ...]]] = {}
    for kind in KINDS:
        indexes[kind] = claim_index(kind, findings, prefer)
    sources: tuple[Kind, ...] = ("runtime", "store")
    for source in sources:
        indexes[f"{source} scheme"] = scheme_index("scheme", "schemes", indexes[source], prefer)
    indexes["claim"] = scheme_index("claim", "claims", indexes["runtime"], prefer)
    for title, index in indexes.items():
        spelt = "scheme" if title.endswith("scheme") else title
        for name, claims in index.items():
            for claim in claims if len(claims) > 1 else ():
                findings[claim.entry].append(
                    Finding("FAIL", f"{title} {name}", detail=conflict_text(spelt, name, claims))
                )


def _offers(steps: Sequence[dict[str, Any]]) -> dict[Kind, dict[str, Any]]:
    offers: dict[Kind, dict[str, Any]] = {}
    for step in steps:
        if "kind" in step:
            value = SimpleNamespace(schemes=step["schemes"], claims=step["claims"])
            offers.setdefault(step["kind"], {})[step["name"]] = value
    return offers


def _line(finding: Finding) -> str:
    seconds = "" if finding.seconds is None else f"{finding.seconds * 1000:.1f} ms"
    return f"  {finding.verdict:<5} {one_line(finding.title):<40} {seconds:>10}  {one_line(finding.detail)}".rstrip()
