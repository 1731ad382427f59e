"""What `class Echo(Tactic[EchoIn, EchoOut])` says about input and output types."""

from __future__ import annotations

import sys
from typing import Any, ForwardRef, TypeVar, get_args, get_origin

__all__ = ["generic_types"]


def generic_types(cls: type, root: type) -> tuple[Any, Any]:
    """Return the input and output type that a class gives to its generic base.

    Args:
        cls: A subclass of `root`.
        root: The generic class with two parameters.

    Returns:
        Two annotations, None for what is not given.
    """
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if origin is root:
            given = get_args(base)
            return _concrete(given[0], cls), _concrete(given[1], cls)
        if isinstance(origin, type) and issubclass(origin, root):
            return _through(origin, get_args(base), cls, root)
    return None, None


def _through(origin: type, given: tuple[Any, ...], cls: type, root: type) -> tuple[Any, Any]:
    """Substitute the parameters of a generic class between `cls` and `root`."""
    names = getattr(origin, "__parameters__", ())
    values = dict(zip(names, given, strict=False))
    for base in getattr(origin, "__orig_bases__", ()):
        if get_origin(base) is root:
            first, second = get_args(base)
            return _concrete(values.get(first, first), cls), _concrete(values.get(second, second), cls)
    return None, None


def _concrete(annotation: Any, cls: type) -> Any:
    if isinstance(annotation, TypeVar):
        return None
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        module = sys.modules.get(cls.__module__)
        return getattr(module, annotation, None)
    return annotation
