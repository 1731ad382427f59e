"""`setup_logging`: the logger `lllm` on stderr."""

from __future__ import annotations

import logging
import sys

__all__ = ["setup_logging"]

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_COLORS = {"DEBUG": "36", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "35"}


class _ColorFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        color = _COLORS.get(record.levelname)
        text = super().format(record)
        return text if color is None else f"\x1b[{color}m{text}\x1b[0m"


class _OwnHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Marks the handler that `setup_logging` adds, so that a second call replaces it."""


def setup_logging(level: int | str = "INFO", fmt: str | None = None, color: bool = True) -> logging.Logger:
    """Configure the logger `lllm` on stderr, once: a further call changes it instead of adding to it.

    Args:
        level: Level of the logger.
        fmt: Format of the lines.
        color: Whether lines are coloured when stderr is a terminal.
    """
    logger = logging.getLogger("lllm")
    handler = _OwnHandler(sys.stderr)
    kind = _ColorFormatter if color and sys.stderr.isatty() else logging.Formatter
    handler.setFormatter(kind(fmt or _FORMAT))
    for existing in [each for each in logger.handlers if isinstance(each, _OwnHandler)]:
        logger.removeHandler(existing)
    logger.addHandler(handler)
    logger.setLevel(level.upper() if isinstance(level, str) else level)
    logger.propagate = False
    return logger
