"""The hook that this runtime adds: plugins contribute invokers through it."""

from __future__ import annotations

from collections.abc import Mapping

import lllm

__all__ = ["lllm_invokers"]


@lllm.hookspec
def lllm_invokers() -> Mapping[str, str]:
    """Contribute invokers; asked when a config names one that is not registered.

    Returns:
        A mapping of names to import strings of a callable that makes a `BaseInvoker` of its config.

    Example:
        >>> import lllm
        >>> @lllm.hookimpl
        ... def lllm_invokers():
        ...     return {"acme": "acme_models.invoker:AcmeInvoker"}
        >>> list(lllm_invokers())
        ['acme']
    """
    raise NotImplementedError
