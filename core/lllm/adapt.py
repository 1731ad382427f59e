"""`as_tactic`: turn whatever somebody has into a tactic, through the runtimes that are installed."""

from __future__ import annotations

from typing import Any

from lllm.errors import PluginNotFoundError
from lllm.plugins import manager
from lllm.plugins.implementations import adapts
from lllm.tactic import Tactic

__all__ = ["adapters_of", "as_tactic"]


def adapters_of(target: Any) -> tuple[str, ...]:
    """Return the names of the runtimes that adapt an object, those for its most specific type first.

    A runtime that adapts `builtins.object` adapts whatever can be called; other objects need one that names a class
    of theirs.

    Args:
        target: What is to become a tactic.
    """
    host = manager()
    names = host.adapters(target)
    if callable(target) or not names:
        return names
    specs, own = host.runtimes(), type(target).__mro__[:-1]
    return tuple(name for name in names if any(adapts(specs[name], cls) for cls in own))


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
        PluginNotFoundError: No installed runtime adapts the callable; the text says what to install.
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
    names = adapters_of(target)
    if not names and not callable(target):
        raise TypeError(
            f"as_tactic() did not resolve to a tactic or callable, got {type(target).__name__}; it takes a tactic, "
            f"a URL, a callable, or an object that an installed runtime adapts."
        )
    if not names:
        kind = f"{type(target).__module__}.{type(target).__qualname__}"
        raise PluginNotFoundError(
            f"No installed runtime makes a tactic of a `{kind}`; `lllm plugins list` shows the runtimes, and "
            f"functions need `pip install lllm-runtime-callable`."
        )
    return host.runtime(names[0]).adapt(target, **options)
