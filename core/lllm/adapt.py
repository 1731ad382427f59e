"""`as_tactic`: turn whatever somebody has into a tactic, through the runtimes that are installed."""

from __future__ import annotations

from typing import Any

from lllm.errors import PluginNotFoundError
from lllm.plugins import manager
from lllm.tactic import Tactic

__all__ = ["as_tactic"]


def as_tactic(target: Any, **options: Any) -> Tactic[Any, Any]:
    """Return a tactic that does what the target does.

    A tactic is returned as it is and a tactic class is constructed. A URL is opened by the runtime of its scheme.
    Anything else goes to the installed runtime whose declared types match the target's class best: a function to
    `callable`, a Pydantic AI agent to `pydantic-ai`.

    Args:
        target: A tactic, a tactic class, a URL, a function, an agent.
        **options: Arguments of the tactic that is made, such as `name` or `input_type`.

    Raises:
        TypeError: Options are given with a tactic that exists already, or the target cannot be adapted.
        PluginNotFoundError: No installed runtime adapts the target; the text says what to install.
    """
    if isinstance(target, type) and issubclass(target, Tactic):
        return target(**options)
    if isinstance(target, Tactic):
        if options:
            raise TypeError(
                f"`{target.tactic_name}` is a tactic already; as_tactic() takes no {', '.join(sorted(options))} "
                f"for it."
            )
        return target
    host = manager()
    if isinstance(target, str):
        scheme, found, _ = target.partition("://")
        if not found:
            raise TypeError(
                f"as_tactic() takes a URL, not the text {target!r}; resolve a ref with TacticResolver."
            )
        return host.runtime(host.runtime_for_scheme(scheme)).open(None, {"url": target, **options})
    names = host.adapters(target)
    if not names:
        kind = f"{type(target).__module__}.{type(target).__qualname__}"
        raise PluginNotFoundError(
            f"No installed runtime makes a tactic of a `{kind}`; `lllm plugins list` shows the runtimes, and "
            f"functions need `pip install lllm-runtime-callable`."
        )
    return host.runtime(names[0]).adapt(target, **options)
