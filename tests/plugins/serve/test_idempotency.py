"""Requests under one key are done once."""

import asyncio
import time

import httpx
import pytest
from starlette.exceptions import HTTPException

from lllm import Tactic, create_tactic_app, endpoint
from lllm.store import MemoryStore
from lllm_serve import StoredReply, idempotency_memory, idempotency_snapshots
from lllm_serve.idempotency_memory import MemoryReplies
from lllm_serve.idempotency_snapshots import SnapshotReplies

KEY = {"Idempotency-Key": "k1"}


@pytest.fixture
def counting(make):
    """A tactic that says how often it was called."""
    calls = []

    async def work(value, context):
        calls.append(value)
        await asyncio.sleep(0.05)
        if value == "fail":
            raise ValueError("failed")
        if value == "busy":
            raise HTTPException(503, "busy")
        return len(calls)

    tactic = make(work)
    tactic.calls = calls
    return tactic


@pytest.fixture(params=["memory", "store"])
def option(request, tmp_path):
    """Where answers are kept."""
    return True if request.param == "memory" else str(tmp_path / "store")


def test_the_stored_answer_is_replayed(client, counting, option):
    """With a header that says so; without a key the work is done again."""
    http = client(counting, idempotency=option)
    first = http.post("/run", json={"input": 1}, headers=KEY)
    second = http.post("/run", json={"input": 1, "context": {"request_id": "another"}}, headers=KEY)
    assert second.text == first.text
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert http.post("/run", json={"input": 1}).json()["output"] == 2
    assert http.post("/run", json={"input": 1}, headers={"Idempotency-Key": "k2"}).json()["output"] == 3


def test_another_input_is_a_conflict(client, counting, option, error_of):
    """The order of keys in an object makes no other input."""
    http = client(counting, idempotency=option)
    assert http.post("/run", content='{"a": 1, "b": 2}', headers=KEY).status_code == 200
    assert http.post("/run", content='{"b": 2, "a": 1}', headers=KEY).status_code == 200
    conflict = http.post("/run", content='{"a": 1, "b": 3}', headers=KEY)
    assert (conflict.status_code, error_of(conflict)["type"]) == (409, "IdempotencyConflict")
    assert len(counting.calls) == 1


def gather(app, *requests):
    """Return the responses of requests that are made at once."""

    async def main():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await asyncio.gather(*(client.post("/run", **request) for request in requests))

    return asyncio.run(main())


def test_a_request_waits_for_the_one_under_way(counting, option):
    """Both get the same answer; the work is done once."""
    app = create_tactic_app(counting, idempotency=option)
    responses = gather(app, *[{"json": {"input": 1}, "headers": KEY}] * 4)
    assert {response.text for response in responses} == {responses[0].text}
    assert counting.calls == [1]


def test_failures_of_the_tactic_are_kept(client, counting, option):
    """They may have had effects; what says "later" is not kept."""
    http = client(counting, idempotency=option)
    for _ in range(2):
        assert http.post("/run", json="fail", headers=KEY).status_code == 500
    assert counting.calls == ["fail"]
    for _ in range(2):
        assert http.post("/run", json="busy", headers={"Idempotency-Key": "k2"}).status_code == 503
    assert counting.calls == ["fail", "busy", "busy"]


def test_a_cancelled_call_releases_its_key(counting, option):
    """Whoever waits for it, or comes later, does the work."""
    app = create_tactic_app(counting, idempotency=option)
    timed = {"json": {"input": 1}, "headers": {**KEY, "X-LLLM-Timeout-Ms": "30"}}
    first, second = gather(app, timed, {"json": {"input": 1}, "headers": KEY})
    assert (first.status_code, second.status_code) == (504, 200)
    assert second.json()["output"] == len(counting.calls)
    assert "idempotency-replayed" not in second.headers


def test_keys_belong_to_who_uses_them(client, make):
    """Another caller with the same key gets an answer of its own."""
    tactic = make(lambda value, context: context.principal)
    http = client(tactic, auth=lambda request: request.headers["x-user"])
    answers = [
        http.post("/run", json=1, headers={**KEY, "x-user": user}).json()["output"] for user in ("ann", "bob")
    ]
    assert answers == ["ann", "bob"]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_malformed_keys_are_refused(client, counting, key):
    """1 to 255 characters."""
    assert client(counting).post("/run", json=1, headers={"Idempotency-Key": key}).status_code == 400
    longest = {"Idempotency-Key": "k" * 255}
    assert client(counting).post("/run", json=1, headers=longest).status_code == 200


def test_it_can_be_turned_off(client, counting):
    """Then keys mean nothing."""
    http = client(counting, idempotency=False)
    assert [http.post("/run", json=1, headers=KEY).json()["output"] for _ in range(2)] == [1, 2]


def test_custom_endpoints_have_it(client):
    """Each endpoint and each path for itself; GET needs none."""

    class Counter(Tactic, register=False):
        name = "counter"
        calls = 0

        async def _arun(self, input_value, *, context=None):
            return None

        @endpoint.post("/add/{name}")
        async def add(self, value, name: str):
            self.calls += 1
            return [name, self.calls]

        @endpoint.get("/look")
        async def look(self, value):
            self.calls += 1
            return self.calls

    http = client(Counter())
    assert [http.post("/add/a", json=1, headers=KEY).json() for _ in range(2)] == [["a", 1]] * 2
    assert http.post("/add/b", json=1, headers=KEY).status_code == 409
    assert [http.get("/look", headers=KEY).json() for _ in range(2)] == [2, 3]


def reply(text="x"):
    """Return an answer to keep."""
    return StoredReply(200, text.encode(), b"application/json", ((b"x-a", b"1"),))


def test_memory_forgets_the_oldest(monkeypatch):
    """When there is too much, and after a day."""

    async def main():
        store = MemoryReplies(max_bytes=25)
        for name in "abc":
            assert await store.claim(name, "f") is None
            await store.finish(name, reply("x" * 10))
        found = [await store.claim(name, "f") for name in "cb"]
        gone = await store.claim("a", "f")
        monkeypatch.setattr(idempotency_memory, "monotonic", lambda: time.monotonic() + 25 * 3600)
        expired = await store.claim("c", "f")
        await store.close()
        return found, gone, expired

    found, gone, expired = asyncio.run(main())
    assert [each is not None for each in found] == [True, True]
    assert (gone, expired) == (None, None)


def test_processes_share_answers_in_a_store():
    """The second waits for the first and reads its answer; headers and bytes survive."""

    async def main():
        store = MemoryStore()
        one, two = SnapshotReplies(store), SnapshotReplies(store)
        assert await one.claim("k", "f") is None
        waiting = asyncio.create_task(two.claim("k", "f"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await one.finish("k", reply("\xff"))
        return await asyncio.wait_for(waiting, 2)

    assert asyncio.run(main()) == reply("\xff")


def test_a_claim_of_a_dead_process_is_taken_over(monkeypatch):
    """Once it is no longer renewed; what the dead one still writes is ignored."""
    monkeypatch.setattr(idempotency_snapshots, "CLAIM_SECONDS", 0.2)

    async def main():
        store = MemoryStore()
        dead, alive = SnapshotReplies(store), SnapshotReplies(store)
        assert await dead.claim("k", "f") is None
        dead._claims["k"].renewal.cancel()
        assert await asyncio.wait_for(alive.claim("k", "f"), 3) is None
        await alive.finish("k", reply("alive"))
        await dead.finish("k", reply("dead"))
        return await alive.claim("k", "f")

    assert asyncio.run(main()) == reply("alive")


def test_a_long_claim_is_renewed(monkeypatch):
    """Nobody takes over what is still being done."""
    monkeypatch.setattr(idempotency_snapshots, "CLAIM_SECONDS", 0.15)

    async def main():
        store = MemoryStore()
        one, two = SnapshotReplies(store), SnapshotReplies(store)
        assert await one.claim("k", "f") is None
        waiting = asyncio.create_task(two.claim("k", "f"))
        await asyncio.sleep(0.6)
        assert not waiting.done()
        await one.release("k")
        assert await asyncio.wait_for(waiting, 2) is None
        await two.release("k")
        assert store.list_snapshots() == ()
        await one.close()

    asyncio.run(main())


def test_old_answers_are_swept(monkeypatch):
    """A store does not grow for ever."""
    monkeypatch.setattr(idempotency_snapshots, "_SWEEP_EVERY", 1)
    monkeypatch.setattr(idempotency_snapshots, "KEPT_SECONDS", -1.0)

    async def main():
        store = MemoryStore()
        replies = SnapshotReplies(store)
        await replies.claim("k", "f")
        await replies.finish("k", reply())
        return store.list_snapshots()

    assert asyncio.run(main()) == ()
