"""The store `memory`: a name stands for one store as long as it is open in this process.

`lllm.store.MemoryStore` brings the tables. A store of your own implements the primitives of
`lllm.store.Backend`, and `lllm.store.BackendStore` makes a whole store of them.
"""

from __future__ import annotations

from threading import Lock

from lllm.store import MemoryStore, Store

_stores: dict[str, NamedStore] = {}
_lock = Lock()


class NamedStore(MemoryStore):
    """A store that others find by its name until it is closed.

    Args:
        name: What stands behind `memory:`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def close(self) -> None:
        """Close the store; the next one that is opened under its name is empty."""
        with _lock:
            if _stores.get(self.name) is self:
                del _stores[self.name]
        super().close()


def open_memory(url: str) -> Store:
    """Open the store behind a URL such as `memory:scratch`.

    Args:
        url: The URL.

    Raises:
        ValueError: The URL has no name.
    """
    name = url.partition(":")[2].strip("/")
    if not name:
        raise ValueError("a memory store needs a name, as in memory:scratch")
    with _lock:
        if name not in _stores:
            _stores[name] = NamedStore(name)
        return _stores[name]
