"""The durable processor: events of one channel go through a tactic, its results into another channel.

Importing `lllm_process.plugin` imports this package first, so the names are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lllm_process.backoff import Backoff
    from lllm_process.outputs import output_id
    from lllm_process.processor import Processor
    from lllm_process.progress import Progress

__all__ = ["Backoff", "Processor", "Progress", "output_id"]

_MODULES = {"Backoff": "backoff", "Processor": "processor", "Progress": "progress", "output_id": "outputs"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
