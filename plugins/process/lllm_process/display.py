"""What a running processor shows: one line that is kept up to date on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

from lllm.secrets import mask_secrets
from lllm_process.progress import Progress

__all__ = ["JsonFormatter", "LineFormatter", "ProgressLine", "show_logs"]


class ProgressLine:
    """Rewrites one line with counts, rate and lag, at most ten times a second.

    Args:
        stream: A terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        now = time.monotonic()
        if now - self._shown < 0.1:
            return
        self._shown = now
        self.show(progress)

    def show(self, progress: Progress, end: str = "") -> None:
        """Show the progress at once.

        Args:
            progress: What has been done.
            end: What to write behind it.
        """
        lag = "" if progress.lag is None else f"  lag {progress.lag}"
        text = (
            f"done {progress.done + progress.repeated}  {progress.rate:.0f}/s{lag}  failed {progress.failed}"
        )
        self._stream.write(f"\r\x1b[K{text}{end}")
        self._stream.flush()


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and, for failures, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask_secrets(record.getMessage()),
        }
        progress = getattr(record, "progress", None)
        if progress is not None:
            line["progress"] = progress
        if record.exc_info:
            line["traceback"] = mask_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class LineFormatter(logging.Formatter):
    """Lines for people, written over the line of the progress."""

    def __init__(self) -> None:
        super().__init__("\r\x1b[K%(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return a record with its traceback, without keys."""
        return mask_secrets(super().format(record))


def show_logs(level: int, *, terminal: bool) -> logging.Handler:
    """Send the logs of LLLM to stderr.

    Args:
        level: Lowest level that is shown.
        terminal: Write for people instead of programs.

    Returns:
        The handler; remove it from the logger `lllm` when done.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter() if terminal else JsonFormatter())
    logger = logging.getLogger("lllm")
    logger.addHandler(handler)
    logger.setLevel(level)
    return handler
