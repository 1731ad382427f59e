"""Tactics inside tactics: which attributes hold them, and how a bound copy reaches them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from lllm.calls import Call, active_call

if TYPE_CHECKING:
    from lllm.tactic.boundary import Tactic

__all__ = ["PartOfCall", "bind_parts", "find_parts"]

# Most attributes of a tactic are one of these, and every call of an agent group looks at all of them.
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


def find_parts(attributes: dict[str, Any], root: type[Any]) -> dict[str, Any]:
    """Return the tactics among an object's attributes, also those inside lists, tuples and dicts.

    Args:
        attributes: The object's `__dict__`.
        root: The tactic class.

    Returns:
        Attribute name (`researcher`, `steps[0]`, `steps['x']`) to tactic.
    """
    parts: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, root):
            parts[name] = value
        elif isinstance(value, (list, tuple)):
            parts.update((f"{name}[{at}]", item) for at, item in enumerate(value) if isinstance(item, root))
        elif isinstance(value, dict):
            parts.update((f"{name}[{key!r}]", item) for key, item in value.items() if isinstance(item, root))
    return parts


def bind_parts(bound: Any, call: Call, root: type[Any]) -> None:
    """Let the tactics inside a bound copy report to its call, from whatever thread they are called.

    Args:
        bound: The copy that a runtime bound to `call`.
        call: The running call.
        root: The tactic class.
    """

    def part(value: Any) -> Any:
        return PartOfCall(value, call) if isinstance(value, root) else value

    attributes = bound.__dict__
    for name, value in list(attributes.items()):
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is dict:
            if _any_part(value.values(), root):
                attributes[name] = {key: part(item) for key, item in value.items()}
        elif kind is list or kind is tuple:
            if _any_part(value, root):
                attributes[name] = kind(part(item) for item in value)
        elif isinstance(value, root):
            attributes[name] = part(value)


def _any_part(items: Iterable[Any], root: type[Any]) -> bool:
    for item in items:  # noqa: SIM110  # `any` makes a generator, at twice the cost, for each attribute of each call
        if isinstance(item, root):
            return True
    return False


_OWN = frozenset({"_tactic", "_call", "__setstate__"})


class PartOfCall:
    """A tactic as one call of its owner sees it: the same tactic, whose calls are children of that call.

    Context variables do this already where they reach; a thread that the user starts does not inherit them.
    """

    _tactic: Tactic[Any, Any]
    _call: Call

    def __init__(self, tactic: Tactic[Any, Any], call: Call) -> None:
        self.__dict__.update(_tactic=tactic, _call=call)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The tactic's own class, so that `isinstance` answers as for the tactic."""
        return type(self._tactic)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not there yet: the copy modules look at objects before they fill them
            raise AttributeError(name)
        value = getattr(self._tactic, name)
        kind = _KINDS.get(name)
        return value if kind is None else kind(value, self._parent())

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._tactic, name, value)

    def __repr__(self) -> str:
        return repr(self._tactic)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the tactic as a part of the owner's call."""
        return _sync(self._tactic.__call__, self._parent())(*args, **kwargs)

    def _parent(self) -> Call:
        """The innermost call of this thread when it is below the owner's call, else the owner's call."""
        inner = active_call.get()
        while inner is not None:
            if inner is self._call:
                return active_call.get() or self._call
            inner = inner.parent
        return self._call


def _sync(method: Callable[..., Any], parent: Call) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        context = copy_context()
        context.run(active_call.set, parent)
        return context.run(method, *args, **kwargs)

    return call


def _coroutine(
    method: Callable[..., Coroutine[Any, Any, Any]], parent: Call
) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        token = active_call.set(parent)
        try:
            return await method(*args, **kwargs)
        finally:
            active_call.reset(token)

    return call


# The public stream methods read the running call when they are called, not when they are iterated.
_KINDS: dict[str, Callable[[Any, Call], Any]] = {
    "run": _sync,
    "bcall": _sync,
    "arun": _coroutine,
    "acall": _coroutine,
    "stream": _sync,
    "astream": _sync,
    "aevents": _sync,
    "ccall": _sync,
}
