"""What a tactic class implements, read once when the class is defined."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any

__all__ = ["NO_TRAITS", "Traits", "traits_of"]


@dataclass(frozen=True, slots=True)
class Traits:
    """Which methods a class brings, and of which kind they are.

    `stream`, `astream` and `aevents` mean that the public method itself is overridden; the names with an
    underscore in front stand for the hooks that the public methods call.
    """

    run: bool = False
    arun: bool = False
    call: bool = False
    hidden_stream: bool = False
    hidden_astream: bool = False
    hidden_aevents: bool = False
    public_run: bool = False
    public_arun: bool = False
    stream: bool = False
    astream: bool = False
    aevents: bool = False
    run_is_async: bool = False
    call_is_async: bool = False
    call_takes_context: bool = False

    @property
    def streams(self) -> bool:
        """Whether output can be read piece by piece."""
        public = self.stream or self.astream or self.aevents
        return public or self.hidden_stream or self.hidden_astream or self.hidden_aevents

    @property
    def runs(self) -> bool:
        """Whether one value in gives one value out."""
        return self.run or self.arun or self.call or self.public_run or self.public_arun

    @property
    def blocks(self) -> bool:
        """Whether the work is done in the thread that calls."""
        awaits = self.arun or self.public_arun or self.run_is_async or (self.call_is_async and not self.run)
        return not awaits and (self.run or self.call or self.public_run)

    @property
    def implements(self) -> bool:
        """Whether the class does the work itself, so that no runtime claims it."""
        return self.streams or self.run or self.arun or self.public_run or self.public_arun


NO_TRAITS = Traits()
"""The traits of the `Tactic` class itself."""


def traits_of(cls: type, root: Any) -> Traits:
    """Read the traits of a class.

    Args:
        cls: A subclass of `root`.
        root: The class whose defaults count as not implemented.
    """

    def overrides(name: str) -> bool:
        return getattr(cls, name) is not getattr(root, name)

    call = overrides("call")
    return Traits(
        run=overrides("_run"),
        arun=overrides("_arun"),
        call=call,
        hidden_stream=hasattr(cls, "_stream"),
        hidden_astream=hasattr(cls, "_astream"),
        hidden_aevents=hasattr(cls, "_aevents"),
        public_run=overrides("run"),
        public_arun=overrides("arun"),
        stream=overrides("stream"),
        astream=overrides("astream"),
        aevents=overrides("aevents"),
        run_is_async=iscoroutinefunction(cls._run),  # type: ignore[attr-defined]
        call_is_async=call and iscoroutinefunction(cls.call),  # type: ignore[attr-defined]
        call_takes_context=call and _names_context(cls.call),  # type: ignore[attr-defined]
    )


def _names_context(function: Any) -> bool:
    try:
        parameter = signature(function).parameters.get("context")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in {
        Parameter.POSITIONAL_OR_KEYWORD,
        Parameter.KEYWORD_ONLY,
    }
