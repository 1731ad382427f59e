"""Idempotency keys: a request that is repeated under one key is done once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import from_json, to_json

from lllm_serve.failures import RETRYABLE, Refusal
from lllm_serve.replies import Reply

if TYPE_CHECKING:
    from lllm_serve.exchange import Exchange

__all__ = ["KEPT_SECONDS", "Idempotency", "IdempotencyConflict", "IdempotencyStore", "StoredReply"]

KEPT_SECONDS = 24 * 3600.0
"""How long an answer can be asked for again."""

MAX_KEY = 255


class IdempotencyConflict(Exception):
    """The key was used for another input."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """An answer as it is kept.

    Args:
        status: HTTP status.
        body: The body.
        media_type: Value of `Content-Type`.
        headers: Further headers.
    """

    status: int
    body: bytes
    media_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, reply: Reply) -> StoredReply:
        """Return an answer as it is kept.

        Args:
            reply: The answer.
        """
        return cls(reply.status, reply.body, reply.media_type, tuple(reply.headers))

    def reply(self) -> Reply:
        """Return the answer for a repeated request."""
        headers = [*self.headers, (b"idempotency-replayed", b"true")]
        return Reply(self.status, (self.body,), self.media_type, headers)


class IdempotencyStore(Protocol):
    """Where answers are kept."""

    async def claim(self, key: str, fingerprint: str) -> StoredReply | None:
        """Take on the work of a key, or return the answer that is there; an answer under way is waited for.

        Args:
            key: The key with the scope it belongs to, as a hash.
            fingerprint: A hash of the input.

        Returns:
            The answer, or None when the caller is to do the work and then call `finish` or `release`.

        Raises:
            IdempotencyConflict: The key was used for another input.
        """

    async def finish(self, key: str, reply: StoredReply) -> None:
        """Keep the answer of a key that was claimed.

        Args:
            key: The key.
            reply: The answer.
        """

    async def release(self, key: str) -> None:
        """Give up a key that was claimed; the next request does the work.

        Args:
            key: The key.
        """

    async def close(self) -> None:
        """Release what the store holds."""


class Idempotency:
    """Does the work of a request once for each key.

    Args:
        option: True for memory, False for nowhere, the URL of a store, or an `IdempotencyStore`.
    """

    def __init__(self, option: Any) -> None:
        self._option = option
        self._store: IdempotencyStore | None = None

    async def once(
        self, exchange: Exchange, perform: Callable[[Exchange], Awaitable[Reply | None]]
    ) -> Reply | None:
        """Answer a request whose body is read.

        Args:
            exchange: The request.
            perform: Does the work; an answer that it sends itself, and returns None for, is not kept.

        Raises:
            Refusal: The key is malformed (400), or was used for another input (409).
        """
        key = exchange.state.text(b"idempotency-key")
        if key is None or self._option is False:
            return await perform(exchange)
        if not 1 <= len(key) <= MAX_KEY:
            raise Refusal(400, "BadRequest", f"Idempotency-Key must have 1 to {MAX_KEY} characters.")
        store = self._open()
        scoped = _hash(exchange.state.principal, exchange.served.name, exchange.endpoint, key)
        try:
            stored = await store.claim(scoped, _fingerprint(exchange))
        except IdempotencyConflict:
            text = "This Idempotency-Key was used for another input; use a new key for each input."
            raise Refusal(409, "IdempotencyConflict", text) from None
        if stored is not None:
            return stored.reply()
        return await self._do(exchange, perform, store, scoped)

    async def _do(
        self,
        exchange: Exchange,
        perform: Callable[[Exchange], Awaitable[Reply | None]],
        store: IdempotencyStore,
        key: str,
    ) -> Reply | None:
        try:
            reply = await perform(exchange)
        except Exception as error:
            reply = exchange.failed(error)
        except BaseException:
            await store.release(key)
            raise
        if reply is None or reply.status in RETRYABLE:
            await store.release(key)
        else:
            await store.finish(key, StoredReply.of(reply))
        return reply

    def _open(self) -> IdempotencyStore:
        if self._store is None:
            if self._option is True:
                from lllm_serve.idempotency_memory import MemoryReplies

                self._store = MemoryReplies()
            elif isinstance(self._option, str):
                from lllm_serve.idempotency_snapshots import SnapshotReplies

                self._store = SnapshotReplies.open(self._option)
            else:
                self._store = self._option
        return self._store

    async def close(self) -> None:
        """Close the store, if one was opened."""
        if self._store is not None:
            await self._store.close()
            if isinstance(self._option, (bool, str)):
                self._store = None


def _fingerprint(exchange: Exchange) -> str:
    value = exchange.parsed.value
    try:
        canonical = json.dumps(from_json(to_json(value)), sort_keys=True)
    except ValueError:
        canonical = repr(value)  # bytes, which JSON has no form for
    return _hash(exchange.scope["path"], exchange.scope.get("query_string", b"").decode("latin-1"), canonical)


def _hash(*parts: str | None) -> str:
    return sha256(to_json(parts)).hexdigest()
