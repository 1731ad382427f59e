"""Who contributes a name, what happens when two do, and what to say when nobody does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lllm.errors import PluginConflictError, PluginNotFoundError
from lllm.plugins.entries import Entry, Kind
from lllm.plugins.known import install_text

__all__ = ["Claim", "claim_index", "conflict_text", "missing_error", "scheme_index", "sole_claim"]


class Claim(NamedTuple):
    """One plugin's contribution under one name.

    Args:
        entry: The plugin.
        value: What it contributes: a spec, a target or a command.
    """

    entry: Entry
    value: Any


def claim_index(
    kind: Kind, entries: Iterable[Entry], prefer: Mapping[str, str]
) -> dict[str, tuple[Claim, ...]]:
    """Return who contributes each name of a kind; several claims are an open conflict.

    Args:
        kind: Which contributions.
        entries: The plugins, in their order.
        prefer: The user's decisions, `kind:name` to a distribution or plugin name.
    """
    pairs = (
        (name, Claim(entry, value)) for entry in entries for name, value in entry.offers.get(kind, {}).items()
    )
    return _settle(kind, pairs, prefer)


def scheme_index(
    kind: str, field: str, claims: Mapping[str, tuple[Claim, ...]], prefer: Mapping[str, str]
) -> dict[str, tuple[Claim, ...]]:
    """Return who holds each URL scheme, or each class attribute, among runtimes or stores.

    Args:
        kind: `scheme` or `claim`, as the user's decisions spell it.
        field: The field of the specs that lists them: `schemes` or `claims`.
        claims: The index of runtimes or stores.
        prefer: The user's decisions.
    """
    every = [claim for named in claims.values() for claim in named]
    return _settle(kind, ((name, claim) for claim in every for name in getattr(claim.value, field)), prefer)


def _settle(
    kind: str, pairs: Iterable[tuple[str, Claim]], prefer: Mapping[str, str]
) -> dict[str, tuple[Claim, ...]]:
    index: dict[str, tuple[Claim, ...]] = {}
    for name, claim in pairs:
        index[name] = (*index.get(name, ()), claim)
    for name, claims in index.items():
        chosen = tuple(claim for claim in claims if prefer.get(f"{kind}:{name}") in claim.entry.names)
        if len(claims) > 1 and len(chosen) == 1:
            index[name] = chosen
    return index


def sole_claim(kind: str, name: str, claims: Sequence[Claim]) -> Claim:
    """Return the one claim to a name.

    Args:
        kind: What the name is: `runtime`, `store`, `scheme`, `tactic`, `command` or `claim`.
        name: The name.
        claims: All claims to it; at least one.

    Raises:
        PluginConflictError: There are several; the text names them and the remedy.
    """
    if len(claims) > 1:
        raise PluginConflictError(conflict_text(kind, name, claims), plugin=claims[0].entry.name)
    return claims[0]


def conflict_text(kind: str, name: str, claims: Sequence[Claim]) -> str:
    """Say who contends for a name and how the user decides.

    Args:
        kind: What the name is.
        name: The name.
        claims: The claims to it.
    """
    first = claims[0].entry
    chosen = first.distribution if first.distribution and _is_unique(claims) else first.name
    contenders = " and ".join(claim.entry.title for claim in claims)
    what = "class attribute" if kind == "claim" else kind
    return (
        f"{what} `{name}` is claimed by {contenders}; choose one in .psi/config.toml: "
        f'[plugins.prefer] "{kind}:{name}" = "{chosen}"'
    )


def _is_unique(claims: Sequence[Claim]) -> bool:
    return len({claim.entry.distribution for claim in claims}) == len(claims)


def missing_error(
    kind: str, name: str, known: Iterable[str], entries: Sequence[Entry]
) -> PluginNotFoundError:
    """Build the error for a name that no usable plugin contributes.

    Args:
        kind: What was asked for: `runtime`, `runtime scheme`, `store`, `store scheme` or `tactic`.
        name: The name that was asked for.
        known: The names that are contributed.
        entries: All plugins, to find the one that would contribute it if it could be used.
    """
    install = install_text(kind, name)
    suspects = list(_suspects(kind, name, install, entries))
    parts = [f"No plugin contributes the {kind} `{name}`."]
    parts += [_explain(entry) for entry in suspects]
    if install is not None and not suspects:
        parts.append(f"Install it: {install}.")
    if not suspects and (listed := ", ".join(f"`{other}`" for other in sorted(known))):
        parts.append(f"There are: {listed}.")
    failed = [
        entry for entry in entries if entry.state in {"broken", "incompatible"} and entry not in suspects
    ]
    if failed and not suspects:
        parts.append(f"Not usable: {', '.join(entry.title for entry in failed)}; see `lllm plugins check`.")
    error = PluginNotFoundError(" ".join(parts), plugin=suspects[0].name if suspects else None)
    error.__cause__ = suspects[0].exception if suspects else None
    return error


def _suspects(kind: str, name: str, install: str | None, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the unusable plugins that would contribute the name."""
    distribution = install.removeprefix("pip install ") if install else None
    for entry in entries:
        if entry.state in {"ready", "loaded"}:
            continue
        named = f"{kind}:{name}" in entry.lost or entry.name == name
        if named or (distribution is not None and entry.distribution == distribution):
            yield entry


def _explain(entry: Entry) -> str:
    reason = f": {entry.error}" if entry.error else ""
    return f"Plugin {entry.title} is {entry.state}{reason}; run `{entry.check_command}`."
