"""Policy: from what is installed and what the user decided to what may be loaded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lllm.hookspecs import is_plugin_name
from lllm.import_strings import parse_import_string
from lllm.plugins.records import PluginRecord, PluginState, describe, normalise
from lllm.plugins.requirements import excludes
from lllm.plugins.settings import Choice, PluginSettings
from lllm.plugins.versions import InvalidVersionError

__all__ = ["Decision", "decide", "unknown_names"]


class Decision(NamedTuple):
    """What becomes of one installed plugin.

    Args:
        record: The plugin.
        state: `ready` when it may be loaded; otherwise why it may not.
        error: What is wrong and what to do about it, or None.
    """

    record: PluginRecord
    state: PluginState
    error: str | None = None


def decide(records: Iterable[PluginRecord], settings: PluginSettings, host: str) -> tuple[Decision, ...]:
    """Decide for every installed plugin whether it may be loaded, in the order given.

    What the user turned off is looked at no further; then come unusable metadata, the requirement on the host
    and names that two distributions declare.

    Args:
        records: What discovery found.
        settings: What the user decided.
        host: Version of LLLM.
    """
    decisions = [_decide_alone(record, settings, host) for record in records]
    rivals: dict[str, list[PluginRecord]] = {}
    for decision in decisions:
        if decision.state == "ready":
            rivals.setdefault(decision.record.name, []).append(decision.record)
    return tuple(
        _settle(decision, rivals[decision.record.name], settings) if decision.state == "ready" else decision
        for decision in decisions
    )


def unknown_names(records: Sequence[PluginRecord], settings: PluginSettings) -> tuple[Choice, ...]:
    """Return what the user disabled or allowed and nothing installed is called.

    Args:
        records: What discovery found.
        settings: What the user decided.
    """
    known = {name for record in records for name in _names(record)}
    return tuple(
        choice for choice in (*settings.disable, *(settings.allow or ())) if choice.name not in known
    )


def _names(record: PluginRecord) -> set[str]:
    return {normalise(record.name), normalise(record.distribution)}


def _decide_alone(record: PluginRecord, settings: PluginSettings, host: str) -> Decision:
    if (reason := _disabled(record, settings)) is not None:
        return Decision(record, "disabled", reason)
    if (problem := _problem(record)) is not None:
        return Decision(record, "broken", problem)
    try:
        barriers = [requirement for requirement in record.requires if excludes(requirement, host)]
    except InvalidVersionError as error:
        return Decision(record, "broken", f"its requirement on lllm cannot be read: {error}")
    if barriers:
        error_text = (
            f"{record.distribution} requires {barriers[0]} and this is lllm {host}; install versions that fit: "
            f"pip install --upgrade {record.distribution} lllm"
        )
        return Decision(record, "incompatible", error_text)
    return Decision(record, "ready")


def _disabled(record: PluginRecord, settings: PluginSettings) -> str | None:
    if not settings.enabled:
        return "all plugins are turned off"
    names = _names(record)
    for choice in settings.disable:
        if choice.name in names:
            return f"turned off by {choice.origin}"
    if settings.allow is not None and not any(choice.name in names for choice in settings.allow):
        origin = settings.allow[0].origin if settings.allow else "an empty list plugins.allow"
        return f"not allowed by {origin}"
    return None


def _problem(record: PluginRecord) -> str | None:
    if record.problem is not None:
        return record.problem
    if not is_plugin_name(record.name):
        return (
            f"the entry point's name {record.name!r} is not a plugin name: lower-case letters, digits, `_` and "
            f"`-`, beginning with a letter or digit"
        )
    try:
        parse_import_string(record.entry_point, "entry point", attribute=False)
    except ValueError as error:
        return str(error)
    return None


def _settle(decision: Decision, rivals: Sequence[PluginRecord], settings: PluginSettings) -> Decision:
    """Decide what two distributions that declare one plugin name come to."""
    if len(rivals) == 1:
        return decision
    record = decision.record
    preferred = settings.prefer.get(f"plugin:{record.name}")
    if preferred not in {normalise(rival.distribution) for rival in rivals}:
        claimants = " and ".join(describe(record.name, rival.distribution, rival.version) for rival in rivals)
        remedy = f'choose one in .psi/config.toml: [plugins.prefer] "plugin:{record.name}" = "{record.distribution}"'
        return Decision(
            record, "conflict", f"several distributions declare this plugin: {claimants}; {remedy}"
        )
    if preferred == normalise(record.distribution):
        return decision
    return Decision(record, "disabled", f'[plugins.prefer] "plugin:{record.name}" names {preferred}')
