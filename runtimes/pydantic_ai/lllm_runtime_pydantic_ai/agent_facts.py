"""What can be known of an agent object without running it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, cleandoc, getattr_static
from typing import Any
from weakref import WeakKeyDictionary

from pydantic_ai.agent import AbstractAgent

__all__ = [
    "Accepted",
    "accepted_by",
    "has_method",
    "is_library_agent",
    "own_description",
    "own_name",
    "own_schema",
]

_LIBRARY = "pydantic_ai"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The keyword arguments that a method takes.

    Attributes:
        names: Those that it names.
        everything: Whether it takes any others as well.
        refused: Those that it does not take in spite of that.
    """

    names: frozenset[str]
    everything: bool
    refused: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        return name in self.names or (self.everything and name not in self.refused)

    def without(self, refused: frozenset[str]) -> Accepted:
        """Return the same without some arguments.

        Args:
            refused: Names of the arguments.
        """
        return Accepted(self.names - refused, self.everything, refused) if refused else self


_accepted: WeakKeyDictionary[type, dict[str, Accepted]] = WeakKeyDictionary()


def accepted_by(agent: Any, method: str) -> Accepted:
    """Return which arguments a method of an agent takes; its signature is read once for each class.

    Args:
        agent: The agent.
        method: Name of the method.
    """
    if method in getattr(agent, "__dict__", ()):
        return _read(getattr(agent, method))
    known = _accepted.get(type(agent))
    if known is None:
        known = _accepted[type(agent)] = {}
    if method not in known:
        known[method] = _read(getattr(agent, method))
    return known[method]


def _read(method: Callable[..., Any]) -> Accepted:
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return Accepted(frozenset(), everything=False)
    by_name = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return Accepted(
        frozenset(item.name for item in parameters if item.kind in by_name),
        any(item.kind is Parameter.VAR_KEYWORD for item in parameters),
    )


def is_library_agent(agent: Any) -> bool:
    """Tell whether an agent is one of the library's own classes or of a class made from them.

    Args:
        agent: Any object.
    """
    return isinstance(agent, AbstractAgent)


def has_method(agent: Any, name: str) -> bool:
    """Tell whether an agent has a method, without evaluating any property.

    Args:
        agent: Any object.
        name: Name of the method.
    """
    found = getattr_static(agent, name, None)
    return callable(found) or isinstance(found, (staticmethod, classmethod))


def own_name(agent: Any) -> str | None:
    """Return the name that an agent carries, or None.

    Args:
        agent: Any object.
    """
    name = getattr(agent, "name", None)
    return name if isinstance(name, str) and name else None


def own_description(agent: Any) -> str:
    """Return what an agent says about itself: its description, else its own docstring, else nothing.

    The docstring of a class of the library describes the library.

    Args:
        agent: Any object.
    """
    said = getattr(agent, "description", None)
    if isinstance(said, str) and said:
        return said
    cls = type(agent)
    text = getattr(agent, "__dict__", {}).get("__doc__")
    if text is None and cls.__module__.partition(".")[0] != _LIBRARY:
        text = cls.__dict__.get("__doc__")
    return cleandoc(text) if isinstance(text, str) else ""


def own_schema(agent: Any) -> dict[str, Any] | None:
    """Return the JSON schema of an agent's output when the agent can tell it.

    Args:
        agent: Any object.
    """
    if not has_method(agent, "output_json_schema"):
        return None
    try:
        schema = agent.output_json_schema()
    except Exception:  # an output that only exists in Python has no schema; the tactic works without
        return None
    return schema if isinstance(schema, dict) else None
