"""What a user names on the command line: an entry point, a ref, or a URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lllm.adapt import as_tactic
from lllm.config import find_config
from lllm.context import CallContext
from lllm.entrypoint import load_tactic_entrypoint
from lllm.errors import TacticLoadError
from lllm.resolver import TacticResolver
from lllm.tactic import Tactic

__all__ = ["NamedTactic", "load_named_tactic"]


@dataclass(frozen=True, slots=True)
class NamedTactic:
    """A tactic and the ref through which the user named it.

    Args:
        tactic: The tactic.
        ref: The ref, or None when it was named otherwise.
    """

    tactic: Tactic[Any, Any]
    ref: str | None = None

    def context(self) -> CallContext:
        """Return a context for one call."""
        return CallContext(caller="lllm", tactic_ref=self.ref)


def load_named_tactic(text: str, *, declared_only: bool = False) -> NamedTactic:
    """Load the tactic that a user names.

    Args:
        text: `module:attribute`; a `psi://` ref bound in the working directory's config or contributed by a plugin;
            or the URL of a tactic.
        declared_only: Call only factories that say they are one.

    Raises:
        ValueError: The text is none of these.
        TacticRefError: The ref is malformed or nothing is bound to it.
        PluginError: The runtime or the plugin that is needed is missing or broken.
        ImportError: The module of an entry point cannot be imported.
        TacticLoadError: Loading it tried to end the program.
    """
    try:
        return _load(text, declared_only)
    except SystemExit as error:
        raise TacticLoadError(
            f"Loading `{text}` tried to end the program with exit code {error.code}."
        ) from error


def _load(text: str, declared_only: bool) -> NamedTactic:
    if text.startswith("psi:"):
        config = find_config()
        resolver = TacticResolver() if config is None else TacticResolver.from_config(config)
        return NamedTactic(resolver.resolve(text), text)
    if "://" in text:
        return NamedTactic(as_tactic(text))
    return NamedTactic(load_tactic_entrypoint(text, declared_only=declared_only))
