"""What the loaded plugins contribute, asked for when it is first needed and indexed by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lllm.plugins.contests import Claim, claim_index, conflict_text, missing_error, scheme_index, sole_claim
from lllm.plugins.contributions import check_contribution
from lllm.plugins.entries import Entry, Kind
from lllm.plugins.registry import Registry

__all__ = ["KINDS", "Catalogue"]

KINDS: dict[Kind, str] = {
    "runtime": "lllm_runtimes",
    "store": "lllm_stores",
    "tactic": "lllm_tactics",
    "command": "lllm_commands",
}
_DERIVED: dict[str, tuple[Kind, str]] = {
    "claim": ("runtime", "claims"),
    "runtime scheme": ("runtime", "schemes"),
    "store scheme": ("store", "schemes"),
}
_PLAIN: dict[str, Kind] = {kind: kind for kind in KINDS}


class Catalogue:
    """Who contributes which name among the plugins of one registry.

    Args:
        registry: The plugins.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._indexes: dict[str, dict[str, tuple[Claim, ...]]] = {}
        self._indexed_at = -1

    def index(self, kind: str) -> dict[str, tuple[Claim, ...]]:
        """Return who contributes each name; several claims are an open conflict.

        Args:
            kind: `runtime`, `store`, `tactic`, `command`, `claim`, `runtime scheme` or `store scheme`.
        """
        self._registry.load()
        found = self._indexes.get(kind) if self._indexed_at == self._registry.changes else None
        if found is None:
            with self._registry.lock:
                source = _PLAIN[kind] if kind in _PLAIN else _DERIVED[kind][0]
                if source != "command":
                    self.ask(source, partial(_answer, source))
                found = self._indexes[kind] = self._build(kind)
        return found

    def ask(self, kind: Kind, question: Callable[[Callable[..., Any]], dict[str, Any]]) -> None:
        """Ask every plugin that was not asked yet for what it contributes of one kind.

        Args:
            kind: What to ask for.
            question: Takes a plugin's implementation of the hook and returns its checked answer by name.
        """
        self._registry.load()
        with self._registry.lock:
            for entry in self._in_order(kind):
                hook = entry.hook(KINDS[kind])
                if hook is not None and kind not in entry.offers:
                    answer = self._registry.attempt(entry, partial(question, hook.function))
                    if answer is not None:
                        entry.offers[kind] = answer
                        self._indexes.clear()
            if self._indexed_at != self._registry.changes:
                self._indexes.clear()
                self._indexed_at = self._registry.changes

    def claim(self, kind: str, name: str) -> Claim:
        """Return the one usable contribution under a name.

        Args:
            kind: As for `index`.
            name: The name.

        Raises:
            PluginNotFoundError: No usable plugin contributes it.
            PluginConflictError: Several plugins contribute it.
        """
        index = self.index(kind)
        if name not in index:
            raise missing_error(kind, name, index, self._registry.entries)
        return sole_claim(_contested(kind), name, index[name])

    def usable(self, kind: Kind) -> dict[str, Any]:
        """Return what is contributed by name; contested names are left out.

        Args:
            kind: Which contributions.
        """
        return {name: claims[0].value for name, claims in self.index(kind).items() if len(claims) == 1}

    def contests(self) -> dict[Entry, str]:
        """Return the first open conflict of each plugin among what plugins were asked for so far."""
        asked = {kind for entry in self._registry.entries for kind in entry.offers}
        kinds = [
            kind for kind in (*_PLAIN, *_DERIVED) if _PLAIN.get(kind, _DERIVED.get(kind, ("",))[0]) in asked
        ]
        texts: dict[Entry, str] = {}
        for kind in kinds:
            for name, claims in self.index(kind).items():
                if len(claims) > 1:
                    for claim in claims:
                        texts.setdefault(claim.entry, conflict_text(_contested(kind), name, claims))
        return texts

    def _build(self, kind: str) -> dict[str, tuple[Claim, ...]]:
        prefer = self._registry.settings.prefer
        if kind in _PLAIN:
            return claim_index(_PLAIN[kind], self._in_order(_PLAIN[kind]), prefer)
        source, field = _DERIVED[kind]
        return scheme_index(_contested(kind), field, self.index(source), prefer)

    def _in_order(self, kind: Kind) -> list[Entry]:
        """Return the loaded plugins in the order in which pluggy asks them."""
        entries = {entry.name: entry for entry in self._registry.entries if entry.state == "loaded"}
        return [entries[name] for name, _ in self._registry.hooks.implementations(KINDS[kind])]


def _contested(kind: str) -> str:
    """Return the kind as `[plugins.prefer]` spells it."""
    return "scheme" if kind.endswith("scheme") else kind


def _answer(kind: Kind, implementation: Callable[..., Any]) -> dict[str, Any]:
    return check_contribution(kind, implementation())
