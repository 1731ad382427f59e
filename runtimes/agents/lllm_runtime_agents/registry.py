"""Where prompts and context managers are looked up by name.

`lllm_packages` brings a registry that knows every installed package. Without it a plain registry in this process
holds what the program registers itself.
"""

from __future__ import annotations

from difflib import get_close_matches
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from lllm.forwarded import forward

if TYPE_CHECKING:
    from lllm_runtime_agents.context_manager import ContextManager
    from lllm_runtime_agents.prompt import Prompt

__all__ = ["Registry", "ResourceRegistry", "default_registry", "find_prompt"]


class ResourceRegistry(Protocol):
    """What this runtime asks of a registry."""

    def get(self, key: str, resource_type: str | None = None) -> Any:
        """Return a resource, or raise KeyError."""

    def register_prompt(self, prompt: Prompt, overwrite: bool = True) -> Any:
        """Register a prompt under its path."""

    def register_context_manager(self, cls: type[ContextManager]) -> Any:
        """Register a context manager under its name."""


class Registry:
    """A registry of what this process registers itself."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], Any] = {}
        self._lock = Lock()

    def get(self, key: str, resource_type: str | None = None) -> Any:
        """Return a registered resource.

        Args:
            key: Its name.
            resource_type: `prompt` or `context_manager`, or None for any.

        Raises:
            KeyError: Nothing of that name is registered.
        """
        for (kind, name), value in list(self._items.items()):
            if name == key and resource_type in {None, kind}:
                return value
        near = get_close_matches(key, [name for kind, name in self._items if resource_type in {None, kind}])
        raise KeyError(f"Resource '{key}' not found. Did you mean: {near}?")

    def register_prompt(self, prompt: Prompt, overwrite: bool = True) -> None:
        """Register a prompt under its path.

        Args:
            prompt: The prompt.
            overwrite: Whether a prompt of that name is replaced.

        Raises:
            ValueError: The name is taken and `overwrite` is false.
        """
        self._register("prompt", prompt.path, prompt, overwrite)

    def register_context_manager(self, cls: type[ContextManager], overwrite: bool = True) -> None:
        """Register a context manager under its name.

        Args:
            cls: The class.
            overwrite: Whether one of that name is replaced.

        Raises:
            ValueError: The class has no name, or the name is taken and `overwrite` is false.
        """
        name = getattr(cls, "name", None)
        if not name:
            raise ValueError(f"Context manager {cls.__name__} must define 'name'.")
        self._register("context_manager", name, cls, overwrite)

    def _register(self, kind: str, name: str, value: Any, overwrite: bool) -> None:
        with self._lock:
            if not overwrite and (kind, name) in self._items:
                raise ValueError(f"Resource '{name}' already registered")
            self._items[kind, name] = value


_own = Registry()


def default_registry() -> ResourceRegistry:
    """Return the default registry of `lllm_packages` when that is installed, else this process's own."""
    try:
        get_default_runtime: Any = forward("get_default_runtime")
    except ImportError:
        return _own
    registry: ResourceRegistry = get_default_runtime()
    return registry


def find_prompt(path: str, registry: ResourceRegistry | None = None) -> Prompt:
    """Look up a prompt.

    Args:
        path: `path`, `package:path` or `package.prompts:path`.
        registry: Where to look; the default registry when None.

    Raises:
        KeyError: There is no such prompt.
    """
    prompt: Prompt = (registry or default_registry()).get(path, resource_type="prompt")
    return prompt
