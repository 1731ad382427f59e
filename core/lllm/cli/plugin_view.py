"""One plugin as a page of text, for `lllm plugins show`."""

from __future__ import annotations

import traceback
from typing import Any

from lllm.plugins import Entry, PluginInfo
from lllm.plugins.entries import label
from lllm.plugins.records import one_line
from lllm.secrets import mask_secrets

__all__ = ["describe_plugin"]


def describe_plugin(info: PluginInfo, entry: Entry) -> str:
    """Return everything about a plugin, with the full traceback when it broke.

    Args:
        info: Its public record.
        entry: What the host knows beyond that.
    """
    origin = " ".join(part for part in (info.distribution, info.version) if part)
    fields = {
        "distribution": (origin or "none, registered by hand") + (" (editable)" if info.editable else ""),
        "location": info.location or "-",
        "module": info.entry_point,
        "summary": entry.summary or "-",
        "state": info.state,
        "imported in": "-" if entry.import_seconds is None else f"{entry.import_seconds * 1000:.1f} ms",
        "hooks": ", ".join(hook.name for hook in entry.hooks) or "-",
    }
    lines = [info.name, *(f"  {name:<13}{one_line(value)}" for name, value in fields.items())]
    contributions = _contributions(entry)
    if contributions:
        lines += ["  contributes", *(f"    {_printable(line)}" for line in contributions)]
    if info.error:
        lines.append(f"  error        {one_line(info.error)}")
    if entry.exception is not None:
        trace = mask_secrets("".join(traceback.format_exception(entry.exception)))
        lines += ["", *(f"    {_printable(line)}" for line in trace.splitlines())]
    return "\n".join(lines)


def _contributions(entry: Entry) -> list[str]:
    rows = [
        (label(kind, name, value), _target(value), getattr(value, "summary", ""))
        for kind, named in entry.offers.items()
        for name, value in named.items()
    ]
    rows += [(f"hookspec {name}", "", "") for name in entry.specifies]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    return [
        f"{name.ljust(widths[0])}  {target.ljust(widths[1])}  {summary}".rstrip()
        for name, target, summary in rows
    ]


def _target(value: Any) -> str:
    target = getattr(value, "target", value)
    if isinstance(target, str):
        return target
    # What a plugin contributes as an object: a command, or a tactic.
    named = getattr(value, "callback", None) or value
    qualified = getattr(named, "__qualname__", type(named).__qualname__)
    module = getattr(named, "__module__", type(named).__module__)
    return module if "<" in qualified else f"{module}:{qualified}"


def _printable(line: str) -> str:
    return (
        line
        if line.isprintable()
        else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    )
