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
    first, second = _arguments(cls, root)
    return _concrete(first, cls), _concrete(second, cls)


def _arguments(cls: type, root: type) -> tuple[Any, Any]:
    """Return what stands for the parameters of `root` in the bases of a class, also through generic classes."""
    for base in cls.__dict__.get("__orig_bases__", ()):
        origin, given = get_origin(base), get_args(base)
        if origin is root:
            return given
        if isinstance(origin, type) and issubclass(origin, root):
            values = dict(zip(getattr(origin, "__parameters__", ()), given, strict=False))
            first, second = _arguments(origin, root)
            return values.get(first, first), values.get(second, second)
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
