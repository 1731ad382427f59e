"""Templates of prompts: finding their variables, rendering them, and reading inline texts leniently."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import lru_cache
from string import Formatter
from typing import Any

__all__ = ["BaseRenderer", "StringFormatterRenderer", "inline_template"]

_ROOT = re.compile(r"[^.\[]*")
_LONE_GROUP = re.compile(r"(?<![{}])\{([A-Za-z_][A-Za-z0-9_]*)\}(?![{}])")


class BaseRenderer(ABC):
    """Turns a template and its variables into text."""

    @abstractmethod
    def variables(self, template: str) -> frozenset[str]:
        """Return the names of the variables that a template needs.

        Args:
            template: The template.

        Raises:
            ValueError: The template is malformed.
        """

    @abstractmethod
    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill a template.

        Args:
            template: The template.
            values: A value for every variable; others are ignored.
        """

    @abstractmethod
    def escape(self, text: str) -> str:
        """Return a text in a form that renders as itself inside a template.

        Args:
            text: Any text.
        """


class StringFormatterRenderer(BaseRenderer):
    """Python's format strings: `{name}` is a variable, `{{` and `}}` are braces."""

    def variables(self, template: str) -> frozenset[str]:
        """Return the root names of the replacement fields: `{a.b}` needs `a`."""
        return _variables(template)

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill the replacement fields and turn doubled braces into single ones."""
        return template.format_map(values) if "{" in template or "}" in template else template

    def escape(self, text: str) -> str:
        """Double every brace."""
        return text.replace("{", "{{").replace("}", "}}")

    def __repr__(self) -> str:
        return "StringFormatterRenderer()"


@lru_cache(maxsize=1024)
def _variables(template: str) -> frozenset[str]:
    return frozenset(_roots(template))


def _roots(template: str) -> Iterator[str]:
    for _, name, spec, _ in Formatter().parse(template):
        if name is None:
            continue
        found = _ROOT.match(name)
        yield found.group() if found else name
        if spec:
            yield from _roots(spec)


def inline_template(text: str) -> str:
    """Turn a text that a person wrote into a config into a template that means the same.

    When every brace of the text belongs to a `{identifier}` or is doubled, the text is a template already.
    Otherwise only the `{identifier}` groups that touch no other brace are variables; every other brace, as in
    `Answer as {"a": 1}`, stands for itself. A text without variables is used verbatim.

    Args:
        text: The text.
    """
    if "{" not in text and "}" not in text:
        return text
    if _is_plain_template(text):
        return text
    renderer = StringFormatterRenderer()
    pieces = _LONE_GROUP.split(text)
    for index, piece in enumerate(pieces):
        pieces[index] = f"{{{piece}}}" if index % 2 else renderer.escape(piece)
    return "".join(pieces)


def _is_plain_template(text: str) -> bool:
    """Tell whether a text is a template that names at least one variable, each a plain identifier."""
    try:
        fields = list(Formatter().parse(text))
    except ValueError:
        return False
    named = [(name, spec, conversion) for _, name, spec, conversion in fields if name is not None]
    return bool(named) and all(
        name.isidentifier() and not spec and conversion is None for name, spec, conversion in named
    )
