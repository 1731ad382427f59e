"""The runtime `callable`."""

from __future__ import annotations

from typing import Any

from lllm import Runtime
from lllm_runtime_callable.tactic import CallableTactic


class CallableRuntime(Runtime):
    """Adapts Python callables; it opens no bindings and claims no classes."""

    def adapt(self, target: Any, **options: Any) -> CallableTactic:
        """Return a tactic around `target`.

        Args:
            target: Any callable.
            **options: The keyword arguments of `CallableTactic`.

        Raises:
            TypeError: `target` is not callable, or an option is unknown.
        """
        return CallableTactic(target, **options)
