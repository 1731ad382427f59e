"""What the engine promises beyond the conformance suite: tokens, memory, damage, threads."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from copy import deepcopy

import pytest

from lllm.errors import EventNotFoundError, InvalidPayloadError, LeaseLostError, StoreFormatError
from lllm.store import Event, MemoryStore, page_token
from lllm.store.documents import channel_of, document, snapshot_of
from lllm.store.engine import finishing, leasing
from lllm.store.pages import position_after
from lllm.store.signal import Signal, wait_for
from lllm.testing.crash import shifted_clock


@pytest.fixture
def store():
    """Return a memory store with the channels `raw` and `out`."""
    made = MemoryStore()
    for name in ("raw", "out"):
        made.create_channel({"name": name})
    return made


def tables(store):
    """Return the tables of a memory store."""
    return store._backend._tables


def contents(store):
    """Return a copy of everything in the tables of a memory store."""
    skipped = {"undo", "_logs", "_artifacts_of"}
    return {name: deepcopy(value) for name, value in vars(tables(store)).items() if name not in skipped}


def test_a_failed_write_leaves_nothing(store):
    """Whatever it had changed before it failed."""
    store.append_events([{"id": "a", "channel": "raw"}, {"id": "b", "channel": "raw", "parent_ids": ["a"]}])
    store.create_subscription("raw", subscription_id="w")
    store.lease("w", limit=1)
    store.put_snapshot({"name": "n"})
    artifacts = tuple(store.write_artifact(text, event_ids=["a"]) for text in (b"1", b"2"))
    before = contents(store)

    def work(tx):
        tx.put_channel("new", "{}")
        tx.drop_channel("raw")
        tx.put_channel("raw", "{}")
        tx.put_snapshot("n", 2, None, "{}", 1)
        tx.put_artifact("x", None, "p", ("a",), "{}")
        tx.put_retention("out", "{}")
        tx.delete_artifact(artifacts[0].id)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        store._write(work)
    assert contents(store) == before
    assert store.list_artifacts() == store.artifacts_for("a") == artifacts
    assert [event.id for event in store.query_events("raw")] == ["a", "b"]
    assert store.check().ok


def test_tokens_of_equal_deliveries_differ_between_stores(store):
    """They are keyed with a secret of the subscription."""
    other = MemoryStore()
    other.create_channel({"name": "raw"})
    tokens = []
    for each in (store, other):
        each.append_event({"channel": "raw"})
        each.create_subscription("raw", subscription_id="w")
        tokens.append(each.lease("w")[0].token)
    assert tokens[0].split(".")[:3] == tokens[1].split(".")[:3]
    assert tokens[0] != tokens[1]
    with pytest.raises(LeaseLostError):
        store.ack(tokens[1])


def test_first_deliveries_leave_no_memory(store):
    """What is remembered of finished events grows only with redeliveries."""
    store.append_events({"channel": "raw"} for _ in range(100))
    store.create_subscription("raw", subscription_id="w")
    store.ack(store.lease("w"))
    assert tables(store)._outcomes == {}


def test_the_memory_of_redeliveries_is_bounded(store):
    """A day later it is forgotten, and stale tokens still append nothing."""
    store.append_events({"channel": "raw"} for _ in range(2))
    store.create_subscription("raw", subscription_id="w")
    store.nack(store.lease("w", limit=1))
    old = store.lease("w", limit=1)
    store.ack(old)
    assert len(tables(store)._outcomes) == 1
    with shifted_clock(25 * 3600):
        store.nack(store.lease("w"))
        store.ack(store.lease("w"))
    assert len(tables(store)._outcomes) == 1
    with pytest.raises(LeaseLostError):
        store.commit(acks=old, events=[{"channel": "out"}])
    assert store.head("out") == 0


def test_released_deliveries_do_not_count(store):
    """Also when only one delivery is allowed."""
    store.append_event({"channel": "raw"})
    store.create_subscription("raw", subscription_id="w", max_deliveries=1, dead_letter="out")
    store.release(store.lease("w"))
    (again,) = store.lease("w")
    assert again.attempt == 1
    assert store.ack(again) == 1
    assert store.head("out") == 0


def test_a_damaged_event_holds_nobody_up(store):
    """It is passed over by queries, leases and pulls, and the check counts it."""
    store.append_events({"id": f"e{number}", "channel": "raw"} for number in range(4))
    store.create_subscription("raw", subscription_id="w")
    log = tables(store)._logs["raw"]
    for cursor in (1, 3):
        log.rows[cursor] = (*log.rows[cursor][:6], "damaged", log.rows[cursor][7])
        tables(store)._events[f"e{cursor - 1}"] = log.rows[cursor]
    assert [event.id for event in store.query_events("raw")] == ["e1", "e3"]
    assert [event.id for event in store.iter_events("raw", page_size=1)] == ["e1", "e3"]
    deliveries = store.lease("w", limit=2)
    assert [delivery.event.id for delivery in deliveries] == ["e1", "e3"]
    store.ack(deliveries)
    assert store.get_subscription("w").cursor == 4
    with pytest.raises(StoreFormatError, match="e0"):
        store.get_event("e0")
    report = store.check()
    assert not report.ok
    assert report.counts["undecodable"] == 2


def test_a_damaged_record_is_named(store):
    """Reading it is an error of the store."""
    tables(store)._channels["raw"] = "damaged"
    with pytest.raises(StoreFormatError, match="a channel record cannot be read"):
        store.get_channel("raw")
    assert not store.check().ok


@pytest.mark.parametrize("doc", ["", "5", "[]", "{}", "null", '{"schema":"s"}'])
def test_a_document_that_is_none(doc):
    """A record lacks what it needs."""
    for read in (channel_of, snapshot_of):
        with pytest.raises(StoreFormatError):
            read(doc)


def test_documents_are_read_without_validation(store):
    """Names of older stores stay readable."""
    channel = store.get_channel("raw").model_copy(update={"name": "old name; of 2019"})
    assert channel_of(document(channel)) == channel


def test_page_tokens_are_opaque_and_checked(store):
    """Zero is the beginning, and everything else comes from an event."""
    event = store.append_event({"id": "e", "channel": "raw"})
    tx = tables(store)
    assert position_after(tx, 0) == position_after(tx, "0") == 0
    assert position_after(tx, page_token(event)) == tx.last_position()
    with pytest.raises(EventNotFoundError):
        position_after(tx, page_token(Event(id="nope", channel="raw")))
    for after in (-1, True, None, "e", "id:", "id:a/b", 1.5):
        with pytest.raises(InvalidPayloadError):
            position_after(tx, after)


def test_a_page_goes_on_behind_a_removed_event(store):
    """Retention between two pages loses nothing."""
    store.append_events({"id": f"e{number}", "channel": "raw", "correlation_id": "c"} for number in range(6))
    first = store.trace("c", limit=2)
    store.set_retention("raw", max_events=3)
    store.apply_retention()
    assert [event.id for event in store.trace("c", after=page_token(first[-1]))] == ["e3", "e4", "e5"]


def test_append_times_never_decrease(store):
    """Whatever the clock does."""
    for shift in (0, -1000, 5, -3000):
        with shifted_clock(shift):
            store.append_event({"channel": "raw"})
    positions = [row[7] for row in tables(store).events("raw", limit=10)]
    assert positions == sorted(set(positions))


def test_a_commit_can_be_run_again(store):
    """A group commit that failed may run its work a second time."""
    from lllm.store.drafts import draft_events

    store.append_event({"channel": "raw"})
    store.create_subscription("raw", subscription_id="w")
    deliveries = store.lease("w")
    drafts = draft_events([{"channel": "out", "payload": 1}])
    tokens = [delivery.token for delivery in deliveries]

    def failing(tx):
        finishing.commit(tx, tokens, drafts, [], now=time.time())
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        store._write(failing)
    result = store._write(lambda tx: finishing.commit(tx, tokens, drafts, [], now=time.time()))
    assert result.events[0].cursor == 1
    assert store.get_subscription("w").cursor == 1


def test_a_lease_can_be_run_again(store):
    """The same events are handed out."""
    store.append_event({"channel": "raw"})
    store.create_subscription("raw", subscription_id="w")
    work = lambda tx: leasing.lease(tx, "w", limit=None, lease_seconds=None, now=time.time())

    def failing(tx):
        work(tx)
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        store._write(failing)
    assert store._write(work)[0].attempt == 1


def test_a_wait_looks_again_after_every_change():
    """Between two looks it sleeps."""
    signal = Signal()
    looks = []

    def look():
        looks.append(time.monotonic())
        return len(looks) >= 3, None

    threading.Timer(0.05, signal.notify).start()
    threading.Timer(0.1, signal.notify).start()
    assert wait_for(signal, lambda: 0, look, 5.0)
    assert len(looks) == 3


def test_a_wait_sees_the_changes_of_others():
    """By their stamp, without being told."""
    signal = Signal()
    stamps = iter(range(1000))
    looks = []

    def look():
        looks.append(1)
        return len(looks) > 2, None

    started = time.monotonic()
    assert wait_for(signal, lambda: next(stamps), look, 5.0)
    assert time.monotonic() - started < 1.0


def test_a_wait_looks_again_when_it_is_told_to():
    """For what comes with time alone."""
    looks = []

    def look():
        looks.append(1)
        return len(looks) > 1, 0.01

    started = time.monotonic()
    assert wait_for(Signal(), lambda: 0, look, 5.0)
    assert time.monotonic() - started < 1.0


def test_a_cancelled_lease_gives_back_what_it_took(store):
    """Even when the event comes at the moment of the cancellation."""
    store.create_subscription("raw", subscription_id="w", max_deliveries=1, dead_letter="out")

    async def run():
        for number in range(30):
            task = asyncio.create_task(store.aio.lease("w", limit=1, wait=5))
            await asyncio.sleep(0.001 * (number % 3))
            event = {"channel": "raw", "payload": number}
            threading.Timer(0.001 * (number % 4), store.append_event, (event,)).start()
            await asyncio.sleep(0.002)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                store.ack(await task)
        await asyncio.sleep(0.5)

    asyncio.run(run())
    lag = store.lag("w")
    assert (lag.in_flight, lag.dead_lettered, store.head("out")) == (0, 0, 0)
    store.ack(store.lease("w"))
    assert store.get_subscription("w").cursor == 30


def test_importing_the_package_is_cheap():
    """Neither pydantic nor a plugin is imported before a name is used."""
    code = (
        "import sys, lllm.store; assert 'pydantic' not in sys.modules; "
        "assert set(lllm.store.__all__) <= set(dir(lllm.store)); "
        "[getattr(lllm.store, name) for name in lllm.store.__all__]; assert 'fastapi' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
