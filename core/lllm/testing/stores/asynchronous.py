"""The asynchronous face of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from lllm.errors import ChannelNotFoundError, InvalidPayloadError
from lllm.store import AsyncStore, Store
from lllm.testing.stores.suite import Suite, fill, payloads


class AsyncTests(Suite):
    """`store.aio`."""

    def test_the_same_methods_are_coroutines(self, store: Store) -> None:
        """With the same results and the same errors."""

        async def run(aio: AsyncStore) -> None:
            event = await aio.append_event({"channel": "raw", "payload": 1})
            assert await aio.get_event(event.id) == event == store.get_event(event.id)
            assert await aio.query_events("raw", limit=1) == (event,)
            await aio.create_subscription("raw", subscription_id="w")
            deliveries = await aio.lease("w")
            result = await aio.commit(acks=deliveries, events=[{"channel": "out"}])
            assert result.acked == 1
            artifact = await aio.write_artifact(b"abc")
            assert await aio.read_artifact(artifact.id) == b"abc"
            assert (await aio.put_snapshot({"name": "n"})).revision == 1
            with pytest.raises(ChannelNotFoundError):
                await aio.head("nope")
            with pytest.raises(InvalidPayloadError):
                await aio.append_event({"channel": "raw", "kind": ""})

        asyncio.run(_closing(store, run))

    def test_iterators_are_asynchronous(self, store: Store) -> None:
        """Events, tails and the chunks of artifacts."""
        fill(store, 5)
        made = store.write_artifact(b"x" * 2500)

        async def run(aio: AsyncStore) -> None:
            assert payloads([event async for event in aio.iter_events("raw", page_size=2)]) == [1, 2, 3, 4, 5]
            assert payloads([event async for event in aio.tail("raw", after_cursor=3, timeout=0.05)]) == [
                4,
                5,
            ]
            chunks = [chunk async for chunk in aio.iter_artifact(made.id, chunk_size=1000)]
            assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]
            async with aio.open_artifact(made.id) as file:
                assert file.read(2) == b"xx"

        asyncio.run(_closing(store, run))

    def test_waiting_does_not_block_the_loop(self, store: Store) -> None:
        """Others go on while somebody waits."""
        store.create_subscription("raw", subscription_id="w")

        async def run(aio: AsyncStore) -> None:
            waiting = asyncio.gather(
                aio.wait_events("raw", after_cursor=0, timeout=self.patience),
                aio.lease("w", wait=self.patience),
            )
            ticks = 0
            while ticks < 20:
                await asyncio.sleep(0.005)
                ticks += 1
            await aio.append_event({"channel": "raw", "payload": "now"})
            events, deliveries = await waiting
            assert payloads(events) == payloads(deliveries) == ["now"]

        started = monotonic()
        asyncio.run(_closing(store, run))
        assert monotonic() - started < self.patience

    def test_a_cancelled_lease_takes_nothing(self, store: Store) -> None:
        """The event is there for the next one."""
        store.create_subscription("raw", subscription_id="w")

        async def run(aio: AsyncStore) -> None:
            for _ in range(5):
                task = asyncio.create_task(aio.lease("w", wait=self.patience))
                await asyncio.sleep(0.02)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await aio.append_event({"channel": "raw", "payload": "kept"})
            assert payloads(await aio.lease("w", wait=self.patience)) == ["kept"]

        asyncio.run(_closing(store, run))


async def _closing(store: Store, run: Callable[[AsyncStore], Awaitable[None]]) -> None:
    """Close what the asynchronous face has opened in this loop; nobody could do it afterwards."""
    async with store.aio as aio:
        await run(aio)
