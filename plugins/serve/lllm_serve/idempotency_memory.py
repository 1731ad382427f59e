"""Answers under idempotency keys, kept in the memory of the process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from lllm_serve.idempotency import KEPT_SECONDS, IdempotencyConflict, StoredReply

__all__ = ["MemoryReplies"]

MAX_BYTES = 64 * 1024 * 1024
MAX_REPLIES = 100_000


@dataclass(slots=True)
class _Entry:
    fingerprint: str
    done: asyncio.Future[None]
    reply: StoredReply | None = None
    until: float = 0.0


class MemoryReplies:
    """Keeps answers until they are a day old or take too much room; the oldest go first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._max_bytes = max_bytes
        self._bytes = 0

    async def claim(self, key: str, fingerprint: str) -> StoredReply | None:
        """See `IdempotencyStore.claim`."""
        while True:
            entry = self._entries.get(key)
            if entry is not None and entry.reply is not None and entry.until <= monotonic():
                self._drop(key)
                entry = None
            if entry is None:
                self._entries[key] = _Entry(fingerprint, asyncio.get_running_loop().create_future())
                return None
            if entry.fingerprint != fingerprint:
                raise IdempotencyConflict
            if entry.reply is not None:
                return entry.reply
            await asyncio.shield(entry.done)

    async def finish(self, key: str, reply: StoredReply) -> None:
        """See `IdempotencyStore.finish`."""
        entry = self._entries.pop(key)
        entry.reply, entry.until = reply, monotonic() + KEPT_SECONDS
        self._entries[key] = entry  # last, so that the first ones are the oldest
        self._bytes += len(reply.body)
        _wake(entry)
        self._make_room()

    async def release(self, key: str) -> None:
        """See `IdempotencyStore.release`."""
        _wake(self._entries.pop(key))

    async def close(self) -> None:
        """Forget all answers."""
        self._entries.clear()
        self._bytes = 0

    def _make_room(self) -> None:
        kept = (
            [key for key, entry in self._entries.items() if entry.reply is not None]
            if self._is_full()
            else []
        )
        for key in kept[:-1]:
            if not self._is_full():
                return
            self._drop(key)

    def _is_full(self) -> bool:
        return self._bytes > self._max_bytes or len(self._entries) > MAX_REPLIES

    def _drop(self, key: str) -> None:
        reply = self._entries.pop(key).reply
        self._bytes -= 0 if reply is None else len(reply.body)


def _wake(entry: _Entry) -> None:
    if not entry.done.done():
        entry.done.set_result(None)
