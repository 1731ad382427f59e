"""Import strings, `package.module:attribute`: the one place where they are parsed and followed.

Plugins name what they contribute with these texts, so that listing a plugin never imports its implementation.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["ImportString", "load_import_string", "parse_import_string"]


class ImportString(NamedTuple):
    """A parsed import string.

    Args:
        module: Dotted name of the module.
        attribute: Dotted path of the object inside the module; empty when the module itself is meant.
    """

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}" if self.attribute else self.module

    def load(self) -> Any:
        """Import the module and return the object.

        Raises:
            ImportError: The module cannot be imported.
            AttributeError: The module has no such attribute; the text names the part that is missing.
        """
        target: Any = import_module(self.module)
        for part in self.attribute.split(".") if self.attribute else ():
            try:
                target = getattr(target, part)
            except AttributeError as error:
                raise AttributeError(f"`{self}` has no attribute `{part}`.", name=part, obj=target) from error
        return target


def parse_import_string(value: object, label: str = "target", *, attribute: bool = True) -> ImportString:
    """Parse `package.module:attribute`.

    Args:
        value: The text.
        label: Name of the field, for the error.
        attribute: Whether the attribute is required; an entry point may name a module alone.

    Raises:
        TypeError: `value` is not a `str`.
        ValueError: It is not an import string.
    """
    form = "package.module:attribute" if attribute else "package.module or package.module:object"
    if not isinstance(value, str):
        raise TypeError(f"`{label}` must be an import string `{form}`, got {type(value).__name__}.")
    module, colon, path = value.partition(":")
    if not _is_dotted(module) or (colon and not _is_dotted(path)) or (attribute and not colon):
        raise ValueError(f"`{label}` must be an import string `{form}`, got {value!r}.")
    return ImportString(module, path)


def load_import_string(value: str) -> Any:
    """Import what an import string names.

    Args:
        value: `package.module:attribute`, or `package.module` for the module itself.

    Raises:
        ValueError: It is not an import string.
        ImportError: The module cannot be imported.
        AttributeError: The module has no such attribute.
    """
    return parse_import_string(value, attribute=False).load()


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
