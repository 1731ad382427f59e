"""One plugin inside a manager: what is known about it and what it has contributed so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

from lllm.errors import PluginError
from lllm.plugins.records import PluginInfo, PluginState, describe, normalise, one_line

__all__ = ["Entry", "Hook", "Kind", "broken_text", "label"]

Kind: TypeAlias = Literal["runtime", "store", "tactic", "command"]


class Hook(NamedTuple):
    """One hook implementation of a plugin.

    Args:
        name: Name of the hook.
        attribute: Name under which the plugin carries the implementation.
        function: The implementation.
        optional: Whether the plugin accepts that nobody specifies the hook.
    """

    name: str
    attribute: str
    function: Callable[..., Any]
    optional: bool


class Entry:
    """One plugin inside a manager; changes as it is loaded, asked or found broken.

    Args:
        name: Name of the plugin.
        distribution: Distribution that declares it, or None when it was registered by hand.
        version: Version of that distribution.
        entry_point: Target of the entry point.
        location: Directory that holds the distribution.
        editable: Whether the distribution is an editable install.
        summary: One line about it; empty when there is none.
        state: The state that policy gave it.
        error: What is wrong with it, or None.

    Attributes:
        exception: What was raised when it broke, with its traceback, or None.
        hooks: Its hook implementations; empty unless it is loaded.
        plugin: Its module or object once it is imported, or None.
        offers: What it contributes, by kind and name; a kind is missing until the plugin was asked for it.
        lost: What it contributed before it broke, as `runtime:shout` or `runtime scheme:shout`.
        specifies: The hooks that it specifies for other plugins.
        import_seconds: How long its module took to import, or None.
    """

    __slots__ = (
        "distribution",
        "editable",
        "entry_point",
        "error",
        "exception",
        "hooks",
        "import_seconds",
        "location",
        "lost",
        "name",
        "offers",
        "plugin",
        "specifies",
        "state",
        "summary",
        "version",
    )

    def __init__(
        self,
        name: str,
        *,
        distribution: str | None = None,
        version: str | None = None,
        entry_point: str,
        location: str | None = None,
        editable: bool = False,
        summary: str = "",
        state: PluginState = "ready",
        error: str | None = None,
    ) -> None:
        self.name = name
        self.distribution = distribution
        self.version = version
        self.entry_point = entry_point
        self.location = location
        self.editable = editable
        self.summary = summary
        self.state: PluginState = state
        self.error = error
        self.exception: BaseException | None = None
        self.plugin: object = None
        self.hooks: tuple[Hook, ...] = ()
        self.offers: dict[Kind, dict[str, Any]] = {}
        self.lost: frozenset[str] = frozenset()
        self.specifies: list[str] = []
        self.import_seconds: float | None = None

    @property
    def title(self) -> str:
        """Its name with distribution and version, for messages."""
        return describe(self.name, self.distribution, self.version)

    @property
    def check_command(self) -> str:
        """The command that explains what is wrong with it."""
        return f"lllm plugins check {one_line(self.name)}"

    @property
    def order(self) -> tuple[str, str]:
        """By what plugins are sorted: distribution, then name."""
        return (normalise(self.distribution or ""), self.name)

    @property
    def names(self) -> frozenset[str]:
        """The normalised names that the user may call it by."""
        return frozenset({normalise(self.name), normalise(self.distribution or self.name)})

    def hook(self, name: str) -> Hook | None:
        """Return its implementation of a hook, or None.

        Args:
            name: Name of the hook.
        """
        return next((hook for hook in self.hooks if hook.name == name), None)

    def mark_broken(self, error: BaseException) -> None:
        """Roll back everything it contributed and keep why.

        Args:
            error: What it raised.
        """
        self.lost = frozenset(_keys(self.offers))
        self.state = "broken"
        self.error = broken_text(error)
        self.exception = error
        self.hooks = ()
        self.offers = {}

    def info(self, conflict: str | None = None) -> PluginInfo:
        """Return the public record of this moment.

        Args:
            conflict: How something that it contributes is contested, or None.
        """
        return PluginInfo(
            name=self.name,
            distribution=self.distribution,
            version=self.version,
            entry_point=self.entry_point,
            location=self.location,
            editable=self.editable,
            state="conflict" if conflict else self.state,
            error=conflict or self.error,
            contributes=tuple(self._contributions()),
        )

    def _contributions(self) -> list[str]:
        listed = [
            label(kind, name, value) for kind, named in self.offers.items() for name, value in named.items()
        ]
        asked = {"lllm_runtimes", "lllm_stores", "lllm_tactics", "lllm_commands", "lllm_add_hookspecs"}
        listed += [f"hook {hook.name}" for hook in self.hooks if hook.name not in asked]
        return listed + [f"hookspec {name}" for name in self.specifies]


def _keys(offers: dict[Kind, dict[str, Any]]) -> Iterator[str]:
    for kind, named in offers.items():
        for name, value in named.items():
            yield f"{kind}:{name}"
            if kind in {"runtime", "store"}:
                yield from (f"{kind} scheme:{scheme}" for scheme in value.schemes)


def label(kind: Kind, name: str, value: Any) -> str:
    """Describe one contribution, such as `store sqlite (sqlite:)`.

    Args:
        kind: What it is.
        name: What it is called.
        value: The spec that the plugin returned, or whatever else it contributed.
    """
    schemes = getattr(value, "schemes", ()) if kind in {"runtime", "store"} else ()
    suffix = f" ({', '.join(f'{scheme}:' for scheme in schemes)})" if schemes else ""
    return f"{kind} {name}{suffix}"


def broken_text(error: BaseException) -> str:
    """Put an exception on one line, without what looks like a secret.

    Args:
        error: What a plugin raised.
    """
    from lllm.secrets import mask_secrets  # needed only when something broke

    try:
        text = mask_secrets(one_line(str(error)))
    except Exception:
        # A hostile exception may not even have a text.
        text = ""
    if isinstance(error, PluginError):
        return text
    name = type(error).__name__
    return f"{name}: {text}" if text else name
