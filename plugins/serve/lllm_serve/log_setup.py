"""How `lllm serve` logs: lines for people on a terminal, JSON lines everywhere else."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["log_config"]


def log_config(level: str) -> dict[str, Any]:
    """Return the logging configuration of a served process, for `logging.config.dictConfig`.

    Args:
        level: Least important messages that are shown: a level of uvicorn in lower case.
    """
    logger = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "terminal": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "lines": {"()": "lllm_serve.access_log.JSONLines"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "terminal" if sys.stderr.isatty() else "lines",
            }
        },
        "loggers": {"uvicorn": logger, "lllm": logger},
    }
