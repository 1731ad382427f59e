"""Which tactic classes the modules of packages have defined for registration.

The core hands every tactic class that is defined below `lllm_pkg` to this module instead of entering it in the
table of the running program: a packaged tactic belongs to the registries that have loaded its package.
"""

from __future__ import annotations

from weakref import WeakSet

from lllm.tactic.registry import claim_definitions
from lllm_packages.modules import ROOT

__all__ = ["is_registered_definition"]

_defined: WeakSet[type] = WeakSet()


def is_registered_definition(cls: type) -> bool:
    """Tell whether a class is a packaged tactic that was not defined with `register=False`.

    Args:
        cls: The class.
    """
    return cls in _defined


claim_definitions(ROOT, _defined.add)
