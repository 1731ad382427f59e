"""What one tests a plugin with: suites that decide whether something is a tactic or a store, and fixtures.

It needs nothing beyond pytest and is imported by tests only; `lllm.testing.store_machine`, which compares a
store with a model over random histories, also needs hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lllm.testing.crash import CrashConformance
    from lllm.testing.plugins import plugin_manager
    from lllm.testing.stores import StoreConformance
    from lllm.testing.tactics import Answer, Question, TacticConformance

_MODULES = {
    "Answer": "tactics",
    "CrashConformance": "crash",
    "Question": "tactics",
    "StoreConformance": "stores",
    "TacticConformance": "tactics",
    "plugin_manager": "plugins",
}

__all__ = [
    "Answer",
    "CrashConformance",
    "Question",
    "StoreConformance",
    "TacticConformance",
    "plugin_manager",
]

# Before the suites are imported, so that their assertions show the values that they compare.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in {*_MODULES.values(), "store_machine"}))


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
