"""The processor as a library: outputs, failures, leases, stopping."""

import asyncio
import logging
import threading
import time

import pytest
from pydantic import BaseModel

from lllm import CallContext, Tactic
from lllm.errors import EventConflictError, InvalidPayloadError, SSSNError, SubscriptionNotFoundError
from lllm.store import open_store
from lllm_process import Backoff, Processor, output_id


class Message(BaseModel):
    text: str


class Upper(Tactic[Message, Message]):
    name = "upper"

    def _run(self, input_value, *, context=None):
        return Message(text=input_value.text.upper())


def processor(store, tactic=None, **options):
    """Return a processor of the channel `raw` into `analysis`."""
    subscription = options.pop("subscription", {})
    store.create_subscription("raw", subscription_id="work", **subscription)
    options.setdefault("output", "analysis")
    options.setdefault("backoff", Backoff(first=0.0))
    return Processor(store, "work", tactic or Upper(), **options)


@pytest.mark.parametrize("workers", [1, 8])
def test_every_event_gets_one_output(store, fill, workers):
    """Outputs carry the input as parent, its correlation, and ids that are derived from it."""
    events = fill(30, correlation_id="episode-1")
    progress = processor(store, workers=workers, kind="analysis", source="tests").run(once=True)
    outputs = {event.parent_ids[0]: event for event in store.iter_events("analysis")}
    assert (progress.done, progress.failed, progress.lag) == (30, 0, 0)
    assert set(outputs) == {event.id for event in events}
    for event in events:
        output = outputs[event.id]
        assert output.payload == {"text": event.payload["text"].upper()}
        assert (output.kind, output.source, output.correlation_id) == ("analysis", "tests", "episode-1")
        assert output.id == output_id("work", event.id)
    assert store.lag("work").undelivered == 0
    assert store.trace("episode-1")[0].id == events[0].id


def test_the_root_id_correlates_when_there_is_no_correlation(store, fill):
    """An uncorrelated input becomes the root of its own correlation."""
    (event,) = fill(1)
    processor(store).run(once=True)
    (output,) = store.query_events("analysis")
    assert output.correlation_id == event.id
    assert [item.id for item in store.trace(event.id)] == [event.id, output.id]


def test_the_context_names_the_event_and_is_stable_across_attempts(store, fill):
    """The request id is the output's id in every attempt; the metadata says which event and attempt it is."""
    (event,) = fill(1)
    seen = []

    class Failing(Tactic):
        def _run(self, input_value, *, context=None):
            seen.append(context)
            if len(seen) < 3:
                raise ConnectionError("not yet")
            return input_value

    progress = processor(store, Failing()).run(once=True)
    assert (progress.done, progress.retried) == (1, 2)
    assert all(isinstance(context, CallContext) for context in seen)
    assert {context.request_id for context in seen} == {output_id("work", event.id)}
    assert [context.metadata["attempt"] for context in seen] == [1, 2, 3]
    assert seen[0].metadata["event_id"] == event.id
    assert seen[0].trace_id == event.id


def test_plain_functions_and_async_tactics_are_processed(store, fill):
    """Whatever as_tactic takes, and coroutines at once on the loop."""
    fill(20)
    running = most = 0

    async def work(payload):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return payload["text"]

    processor(store, work, workers=10).run(once=True)
    assert sorted(event.payload for event in store.iter_events("analysis")) == sorted(
        f"t{n}" for n in range(20)
    )
    assert most >= 5


def test_events_that_fail_for_good_go_to_the_dead_letters(store, fill, caplog):
    """After max_deliveries of the subscription, or max_attempts of the processor, with the error."""
    fill(1)

    def fail(payload):
        raise ConnectionError("down")

    with caplog.at_level(logging.ERROR, "lllm.process"):
        progress = processor(store, fail, subscription={"max_deliveries": 3, "dead_letter": "dead"}).run(
            once=True
        )
    assert (progress.failed, progress.retried, progress.done) == (1, 2, 0)
    (letter,) = store.query_events("dead")
    assert letter.metadata["dead_letter"]["attempts"] == 3
    assert letter.metadata["dead_letter"]["error"] == "ConnectionError: down"
    assert "given up after attempt 3" in caplog.text
    assert store.query_events("analysis") == ()


def test_max_attempts_of_the_processor(store, fill):
    """A subscription without a limit of its own can be limited here."""
    fill(1)
    calls = []

    def fail(payload):
        calls.append(payload)
        raise ConnectionError("down")

    assert processor(store, fail, max_attempts=2).run(once=True).failed == 1
    assert len(calls) == 2


def test_poison_is_given_up_at_once(store):
    """A payload that does not match can never be processed; neither can a result without a JSON form."""
    store.append_event({"channel": "raw", "payload": {"wrong": 1}})
    assert processor(store, subscription={"dead_letter": "dead"}).run(once=True).failed == 1
    (letter,) = store.query_events("dead")
    assert "SchemaError" in letter.metadata["dead_letter"]["error"]
    store.append_event({"channel": "raw", "payload": 1})
    store.append_event({"channel": "raw", "payload": 2})
    odd = {1: object(), 2: float("nan")}
    assert processor(store, lambda payload: odd[payload]).run(once=True).failed == 2
    assert len(store.query_events("dead")) == 3
    assert store.query_events("analysis") == ()


def test_one_bad_result_does_not_hold_others_up(store, fill):
    """Results that are committed together are stored one by one when one of them is refused."""
    fill(10)
    gate = threading.Barrier(10)

    def work(payload):
        gate.wait(5)
        return float("nan") if payload["text"] == "t3" else payload["text"]

    progress = processor(store, work, workers=10, max_attempts=1).run(once=True)
    assert (progress.done, progress.failed) == (9, 1)
    assert len(store.query_events("analysis")) == 9


def test_a_second_run_finds_nothing_to_do(store, fill):
    """What is done is done; replaying makes the same outputs again, which changes nothing."""
    fill(5)
    assert processor(store).run(once=True).done == 5
    assert processor(store).run(once=True).done == 0
    store.seek("work", to="beginning")
    assert processor(store).run(once=True).done == 5
    assert len(store.query_events("analysis")) == 5


def test_a_replay_with_another_result_keeps_the_first(store, fill):
    """The first result stands, unless another generation is asked for."""
    fill(3)
    processor(store).run(once=True)
    store.seek("work", to="beginning")
    progress = processor(store, lambda payload: "other").run(once=True)
    assert (progress.done, progress.repeated) == (0, 3)
    assert all(event.payload != "other" for event in store.iter_events("analysis"))
    store.seek("work", to="beginning")
    assert processor(store, lambda payload: "other", generation="2").run(once=True).done == 3
    assert len(store.query_events("analysis")) == 6


def test_two_stores_are_at_least_once_with_one_output(store, fill, tmp_path, caplog):
    """The output is written first; a crash in between repeats the work and the first output stands."""
    events = fill(4)
    with open_store(tmp_path / "other") as target:
        target.create_channel({"name": "analysis"})
        with caplog.at_level(logging.WARNING, "lllm.process"):
            machine = processor(store, target=target)
        assert "a crash may repeat the work" in caplog.text
        assert not machine.atomic
        crash = {"left": 1}
        ack = store.ack

        def dies(tokens):
            if crash["left"]:
                crash["left"] -= 1
                raise SSSNError("the machine died here")
            return ack(tokens)

        store.ack = dies
        machine.run(once=True)
        outputs = list(target.iter_events("analysis"))
        assert sorted(event.id for event in outputs) == sorted(
            output_id("work", event.id) for event in events
        )


def test_an_output_elsewhere_names_its_input(store, fill, tmp_path):
    """A parent must be in the same store; elsewhere metadata and correlation lead back to the input."""
    (event,) = fill(1)
    with open_store(tmp_path / "other") as target:
        target.create_channel({"name": "analysis"})
        processor(store, target=target).run(once=True)
        (output,) = target.query_events("analysis")
        assert output.parent_ids == ()
        assert output.metadata == {"input": {"id": event.id, "channel": "raw"}}
        assert output.correlation_id == event.id


def test_leases_are_extended_while_work_goes_on(store, fill):
    """Work may take longer than a lease; nobody else gets the event meanwhile."""
    fill(1)
    started = []

    def slow(payload):
        started.append(time.monotonic())
        time.sleep(1.0)
        return payload

    progress = processor(store, slow, lease_seconds=0.3, workers=2).run(once=True)
    assert (progress.done, progress.lost, len(started)) == (1, 0, 1)


def test_a_failed_beat_is_not_the_last(store, fill, monkeypatch, caplog):
    """Leases are extended at the next one, whatever the store raised."""
    fill(1)
    extend, failures = store.extend, iter([OSError("odd"), SSSNError("away")])

    def shaky(tokens, *, seconds):
        for error in failures:
            raise error
        return extend(tokens, seconds=seconds)

    monkeypatch.setattr(store, "extend", shaky)

    def slow(value):
        time.sleep(1.5)
        return value

    assert processor(store, slow, lease_seconds=1.2).run(once=True).done == 1
    assert "could not extend leases: odd" in caplog.text
    assert "could not extend leases: away" in caplog.text


def test_a_lost_lease_stops_the_work_and_stores_nothing(store, fill):
    """When somebody else has the event its result is theirs."""
    fill(1)

    def steal(payload):
        store.seek("work", to="end")
        return payload

    progress = processor(store, steal).run(once=True)
    assert (progress.done, progress.lost) == (0, 1)
    assert store.query_events("analysis") == ()


def test_stopping_finishes_what_runs_and_gives_back_the_rest(store, fill):
    """Within the grace running work ends well; beyond it, it is cancelled and its events are free at once."""
    fill(3)
    machine = processor(store, workers=2, tactic=None)
    running = threading.Event()

    def work(payload):
        running.set()
        time.sleep(0.2)
        return payload["text"]

    machine = processor(store, work, workers=1)
    thread = threading.Thread(target=machine.run)
    thread.start()
    assert running.wait(5)
    machine.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert machine.progress.done == 1
    assert store.lag("work").undelivered == 2

    async def for_ever(payload):
        await asyncio.sleep(60)

    machine = processor(store, for_ever, workers=2, grace=0.05)
    thread = threading.Thread(target=machine.run)
    thread.start()
    deadline = time.monotonic() + 5
    while store.lag("work").in_flight < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    machine.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert machine.progress.released == 2
    assert len(store.lease("work", limit=10)) == 2


def test_cancelling_gives_leases_back(store, fill):
    """An application that cancels `arun` leaves no event behind."""
    fill(1)

    async def for_ever(payload):
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(processor(store, for_ever, grace=60).arun())
        while store.lag("work").in_flight < 1:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(store.lease("work")) == 1


def test_processors_share_a_subscription(store, root, fill):
    """Two of them do each event once."""
    fill(60)
    with open_store(root) as second:
        machines = [
            processor(store, workers=3),
            Processor(second, "work", Upper(), output="analysis", workers=3),
        ]
        threads = [threading.Thread(target=machine.run, kwargs={"once": True}) for machine in machines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sum(machine.progress.done for machine in machines) == 60
    assert len(store.query_events("analysis", limit=1000)) == 60


def test_new_events_are_processed_as_they_come(store):
    """Without `once` the processor waits for more."""
    machine = processor(store)
    thread = threading.Thread(target=machine.run)
    thread.start()
    try:
        store.append_event({"channel": "raw", "payload": {"text": "later"}})
        (output,) = store.wait_events("analysis", after_cursor=0, timeout=10)
        assert output.payload == {"text": "LATER"}
    finally:
        machine.stop()
        thread.join(5)
    assert not thread.is_alive()


def test_a_store_that_fails_for_a_while_ends_nothing(store, fill, monkeypatch):
    """Busy or absent stores are asked again; wrong arguments are not."""
    fill(2)
    monkeypatch.setattr("lllm_process.run._RECONNECT", Backoff(first=0.01))
    commit, failures = store.commit, iter([True, True])

    def shaky(**arguments):
        if next(failures, False):
            raise SSSNError("away")
        return commit(**arguments)

    monkeypatch.setattr(store, "commit", shaky)
    assert processor(store).run(once=True).done == 2
    with pytest.raises(SubscriptionNotFoundError):
        Processor(store, "nobody", Upper()).run(once=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("workers", 0),
        ("workers", True),
        ("max_attempts", 0),
        ("kind", "a b"),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("lease_seconds", float("inf")),
        ("grace", -1.0),
        ("grace", float("nan")),
    ],
)
def test_arguments_are_checked(store, field, value):
    """The error names the argument."""
    with pytest.raises(ValueError, match=field):
        processor(store, **{field: value})


def test_backoff_grows_and_respects_what_is_asked():
    """Pauses double up to the longest, spread by up to half; `retry_after` is a minimum."""
    backoff = Backoff(first=1, factor=2, longest=10)
    for attempt, most in ((1, 1), (2, 2), (3, 4), (9, 10), (5000, 10)):
        assert most / 2 <= backoff.delay(attempt, ValueError()) <= most

    class Busy(Exception):
        retry_after = 60

    assert backoff.delay(1, Busy()) == 60
    Busy.retry_after = 1e12
    assert backoff.delay(1, Busy()) == 86_400
    for nonsense in (float("inf"), float("nan"), -5, True, "soon"):
        Busy.retry_after = nonsense
        assert backoff.delay(1, Busy()) <= 1
    with pytest.raises(ValueError, match="first"):
        Backoff(first=-1)


def test_conflicts_are_what_the_store_says(store, fill):
    """The ids of outputs are in the same space as all others: a foreign event of that id is kept."""
    (event,) = fill(1)
    store.append_event({"id": output_id("work", event.id), "channel": "analysis", "payload": "foreign"})
    progress = processor(store).run(once=True)
    assert progress.repeated == 1
    with pytest.raises(EventConflictError):
        store.append_event({"id": output_id("work", event.id), "channel": "analysis", "payload": "again"})
    with pytest.raises(InvalidPayloadError):
        store.append_event({"channel": "analysis", "payload": float("nan")})
