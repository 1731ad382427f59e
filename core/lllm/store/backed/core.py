"""What every part of a `BackendStore` stands on: its backend, its signal and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lllm.errors import StoreClosedError
from lllm.store.backend import Backend, Reader, Writer
from lllm.store.protocol.upkeep import LifeCycle
from lllm.store.signal import Signal

__all__ = ["BackedCore"]

T = TypeVar("T")


class BackedCore(LifeCycle):
    """A backend, and the signal that wakes those who wait for it.

    Args:
        backend: Where rows, documents and bytes are kept.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._signal = Signal()
        self._closed = False

    def close(self) -> None:
        """Release every resource; every later call but this one raises StoreClosedError."""
        if not self._closed:
            self._closed = True
            self._backend.close()
            self._signal.notify()

    def _read(self, work: Callable[[Reader], T]) -> T:
        if self._closed:
            raise StoreClosedError
        return self._backend.read(work)

    def _write(self, work: Callable[[Writer], T], *, durable: bool = True) -> T:
        if self._closed:
            raise StoreClosedError
        result = self._backend.write(work, durable=durable)
        self._signal.notify()
        return result

    def _stamp(self) -> object:
        if self._closed:
            raise StoreClosedError
        return self._backend.stamp()
