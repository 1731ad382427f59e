"""One entry of the registry: a key, a type, and a value that may not be loaded yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, Self

from lllm.names import check_text

__all__ = ["ResourceNode"]


class ResourceNode:
    """A named resource, whose value a lazy node loads when it is first asked for.

    Args:
        key: The name inside its namespace, such as `system/system`.
        namespace: `<package>.<section>`, or empty for what the program registers itself.
        resource_type: `prompt`, `tactic`, `config`, `proxy`, `tool`, `asset`, `context_manager` or `generic`.
        metadata: What is known without loading, such as `file_path`.
    """

    __slots__ = (
        "_loader",
        "_lock",
        "_value",
        "key",
        "metadata",
        "namespace",
        "qualified_key",
        "resource_type",
    )

    def __init__(
        self,
        key: str,
        namespace: str = "",
        resource_type: str = "generic",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.key = check_text(key, "key")
        if not key:
            raise ValueError("key must be a non-empty string.")
        self.namespace = namespace
        self.resource_type = resource_type
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.qualified_key = f"{namespace}:{key}" if namespace else key
        self._loader: Callable[[], Any] | None = None
        self._value: Any = None
        self._lock = RLock()

    @classmethod
    def eager(
        cls,
        key: str,
        value: Any,
        namespace: str = "",
        resource_type: str = "generic",
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return a node whose value is given.

        Args:
            key: The name inside its namespace.
            value: The resource.
            namespace: `<package>.<section>`, or empty.
            resource_type: The type that look-ups ask for.
            metadata: What is known about it.
        """
        node = cls(key, namespace, resource_type, metadata)
        node._value = value
        return node

    @classmethod
    def lazy(
        cls,
        key: str,
        loader: Callable[[], Any],
        namespace: str = "",
        resource_type: str = "generic",
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return a node that loads its value when it is first asked for.

        Args:
            key: The name inside its namespace.
            loader: Called without arguments, once; a loader that raises is called again the next time.
            namespace: `<package>.<section>`, or empty.
            resource_type: The type that look-ups ask for.
            metadata: What is known without loading.
        """
        node = cls(key, namespace, resource_type, metadata)
        node._loader = loader
        return node

    @property
    def is_loaded(self) -> bool:
        """Whether the value is there."""
        return self._loader is None

    @property
    def value(self) -> Any:
        """The resource; loaded on first access, whatever the number of threads that ask."""
        if self._loader is not None:
            with self._lock:
                if self._loader is not None:
                    self._value = self._loader()
                    self._loader = None
        return self._value

    def under(self, namespace: str) -> ResourceNode:
        """Return a node of another namespace that shares this node's value.

        Args:
            namespace: The other namespace.
        """
        metadata = {**self.metadata, "alias_of": self.qualified_key}
        return ResourceNode.lazy(self.key, lambda: self.value, namespace, self.resource_type, metadata)

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "lazy"
        return f"<ResourceNode {self.qualified_key!r} {self.resource_type} {state}>"
