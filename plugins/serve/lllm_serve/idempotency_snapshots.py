"""Answers under idempotency keys, kept as snapshots of a store, so that several processes share them.

One snapshot stands for one key. Who writes its first revision does the work and renews the claim while doing it; a
claim that is no longer renewed belonged to a process that is gone, and the next one takes it over.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import uuid4

from lllm.errors import ChannelExistsError, SnapshotConflictError, SnapshotNotFoundError
from lllm.store import Store, open_store
from lllm_serve.access_log import logger
from lllm_serve.idempotency import KEPT_SECONDS, IdempotencyConflict, StoredReply

__all__ = ["SnapshotReplies"]

CHANNEL = "lllm-idempotency"
CLAIM_SECONDS = 30.0
_SWEEP_EVERY = 500


@dataclass(slots=True)
class _Claim:
    """A key whose work this process does: what is written of it, and the task that renews it."""

    value: dict[str, Any]
    revision: int
    renewal: asyncio.Task[None]


class SnapshotReplies:
    """Keeps answers in a store.

    Args:
        store: The store; closed with this object.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._aio = store.aio
        self._claims: dict[str, _Claim] = {}
        self._finished = 0
        with suppress(ChannelExistsError):
            store.create_channel({"name": CHANNEL, "description": "Answers under idempotency keys."})

    @classmethod
    def open(cls, url: str) -> SnapshotReplies:
        """Open a store by its URL.

        Args:
            url: Such as `sqlite:.lllm`.
        """
        return cls(open_store(url))

    async def claim(self, key: str, fingerprint: str) -> StoredReply | None:
        """See `IdempotencyStore.claim`."""
        pause, expected = 0.02, 0
        while True:
            if await self._claimed(key, fingerprint, expected):
                return None
            revision, kept = await self._find(key)
            expected = 0
            if kept["until"] <= time():
                expected = revision
            elif kept["fingerprint"] != fingerprint:
                raise IdempotencyConflict
            elif kept["reply"] is not None:
                return _loaded(kept["reply"])
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.5)

    async def finish(self, key: str, reply: StoredReply) -> None:
        """See `IdempotencyStore.finish`."""
        claim = await self._settled(key)
        value = {**claim.value, "until": time() + KEPT_SECONDS, "reply": _dumped(reply)}
        try:
            await self._put(key, value, claim.revision)
        except SnapshotConflictError:
            logger.warning("another process took over an idempotency key while its work was done")
        self._finished += 1
        if self._finished % _SWEEP_EVERY == 0:
            await self._sweep()

    async def release(self, key: str) -> None:
        """See `IdempotencyStore.release`."""
        claim = await self._settled(key)
        with suppress(SnapshotConflictError, SnapshotNotFoundError):
            await self._aio.delete_snapshot(_name(key), expected_revision=claim.revision)

    async def close(self) -> None:
        """Close the store."""
        for claim in self._claims.values():
            claim.renewal.cancel()
        self._store.close()

    async def _claimed(self, key: str, fingerprint: str, expected: int) -> bool:
        value = {
            "fingerprint": fingerprint,
            "owner": uuid4().hex,
            "until": time() + CLAIM_SECONDS,
            "reply": None,
        }
        try:
            revision = await self._put(key, value, expected)
        except SnapshotConflictError:
            return False
        renewal = asyncio.get_running_loop().create_task(self._renew(key))
        self._claims[key] = _Claim(value, revision, renewal)
        return True

    async def _put(self, key: str, value: dict[str, Any], expected: int) -> int:
        fields = {"name": _name(key), "channel": CHANNEL, "value": value}
        snapshot = await self._aio.put_snapshot(fields, expected_revision=expected)
        return snapshot.revision or 0

    async def _find(self, key: str) -> tuple[int, dict[str, Any]]:
        """Return what is written of a key and its revision; what is gone counts as expired."""
        try:
            snapshot = await self._aio.get_snapshot(_name(key))
        except SnapshotNotFoundError:
            return 0, {"until": 0.0}
        return snapshot.revision or 0, snapshot.value

    async def _renew(self, key: str) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 3)
            claim = self._claims[key]
            try:
                claim.revision = await self._put(
                    key, {**claim.value, "until": time() + CLAIM_SECONDS}, claim.revision
                )
            except SnapshotConflictError:
                return

    async def _settled(self, key: str) -> _Claim:
        """Stop renewing a claim and return it with the revision that it has now."""
        claim = self._claims.pop(key)
        claim.renewal.cancel()
        await asyncio.wait([claim.renewal])
        # A renewal that was cancelled may have been written all the same.
        revision, kept = await self._find(key)
        if kept.get("owner") == claim.value["owner"]:
            claim.revision = revision
        return claim

    async def _sweep(self) -> None:
        """Delete what nobody can ask for any more."""
        for snapshot in await self._aio.list_snapshots(CHANNEL):
            if snapshot.value["until"] < time():
                with suppress(SnapshotConflictError, SnapshotNotFoundError):
                    await self._aio.delete_snapshot(snapshot.name, expected_revision=snapshot.revision)


def _name(key: str) -> str:
    return f"idempotency-{key}"


def _dumped(reply: StoredReply) -> dict[str, Any]:
    return {
        "status": reply.status,
        "body": b64encode(reply.body).decode(),
        "media_type": reply.media_type.decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in reply.headers],
    }


def _loaded(kept: dict[str, Any]) -> StoredReply:
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in kept["headers"])
    return StoredReply(kept["status"], b64decode(kept["body"]), kept["media_type"].encode("latin-1"), headers)
