"""The conformance suite finds what is wrong with a store that breaks a rule."""

import inspect
from collections import Counter

import pytest
from hypothesis import Phase, settings
from hypothesis.errors import Flaky

from lllm.errors import ChannelExistsError, LeaseLostError
from lllm.store import CommitResult, MemoryStore
from lllm.testing import StoreConformance
from lllm.testing.store_machine import store_machine


class ForgetsOrder(MemoryStore):
    def list_channels(self):
        return tuple(reversed(super().list_channels()))


class SharesState(MemoryStore):
    def get_event(self, event_id):
        self.cache = getattr(self, "cache", {})
        return self.cache.setdefault(event_id, super().get_event(event_id))


class CreatesTwice(MemoryStore):
    def create_channel(self, channel):
        try:
            return super().create_channel(channel)
        except ChannelExistsError:
            return self.get_channel(channel["name"])


class SplitsBatches(MemoryStore):
    def append_events(self, events):
        return tuple(self.append_event(event) for event in events)


class IgnoresLeases(MemoryStore):
    def pull_subscription(self, subscription_id, *, limit=None):
        cursor = self.get_subscription(subscription_id).cursor
        events = self.query_events("raw", after_cursor=cursor, limit=limit or 100)
        self.seek(subscription_id, cursor=events[-1].cursor if events else cursor)
        return events


class SwallowsLostLeases(MemoryStore):
    def ack(self, deliveries):
        try:
            return super().ack(deliveries)
        except LeaseLostError:
            return 0


class CommitsInSteps(MemoryStore):
    def commit(self, *, acks=(), events=(), snapshots=()):
        written = self.append_events(list(events))
        acked = self.ack(acks)
        return CommitResult(acked=acked, events=written, snapshots=tuple(map(self.put_snapshot, snapshots)))


class NeverExpires(MemoryStore):
    def lease(self, subscription_id, **options):
        return super().lease(subscription_id, **{**options, "lease_seconds": 600})


class RemovesTooMuch(MemoryStore):
    def set_retention(self, channel, **limits):
        return super().set_retention(channel, **{**limits, "keep_unfinished": False})


class ForgetsRevisions(MemoryStore):
    def put_snapshot(self, snapshot, *, expected_revision=None):
        return super().put_snapshot(snapshot)


class ClosesHalfway(MemoryStore):
    def close(self):
        pass


FAULTS = {
    ForgetsOrder: "test_channels_are_listed_by_name",
    SharesState: "test_payloads_are_owned_by_the_store",
    CreatesTwice: "test_creating_is_not_idempotent",
    SplitsBatches: "test_a_conflict_inside_a_batch_is_found",
    IgnoresLeases: "test_a_leased_event_is_held",
    SwallowsLostLeases: "test_a_lost_token_is_named",
    CommitsInSteps: "test_a_stale_token_appends_nothing",
    NeverExpires: "test_an_expired_lease_is_handed_out_again",
    RemovesTooMuch: "test_unfinished_events_are_kept",
    ForgetsRevisions: "test_compare_and_set",
    ClosesHalfway: "test_closing_ends_the_wait",
}


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_a_fault_is_found(kind, tmp_path):
    """The test of the broken rule fails, and passes for the store that keeps it."""
    name = FAULTS[kind]
    run(name, MemoryStore, tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception, LeaseLostError, IndexError)):
        run(name, kind, tmp_path)


def run(name, kind, directory):
    """Run one test of the suite on a store with the usual channels."""

    class Suite(StoreConformance):
        patience = 1.0

        def make_store(self, directory):
            return kind()

    suite = Suite()
    store = suite.make_store(directory)
    store.create_channel({"name": "raw"})
    store.create_channel({"name": "out"})
    fixture = None
    test = getattr(suite, name)
    for parameter in inspect.signature(test).parameters:
        if parameter == "leased":
            store.append_events({"channel": "raw", "payload": number} for number in range(1, 6))
            store.create_subscription("raw", subscription_id="w")
        if parameter == "ten":
            store.append_events({"channel": "raw", "payload": number} for number in range(1, 11))
        fixture = parameter
    test(**{fixture: store})


def test_no_test_hides_another():
    """Every name belongs to one part of the suite, or inheritance would drop tests."""
    names = Counter(
        name for part in StoreConformance.__mro__ for name in vars(part) if name.startswith("test_")
    )
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) > 200


def test_every_test_says_what_it_checks():
    """Its docstring is the rule."""
    for name in dir(StoreConformance):
        if name.startswith("test_"):
            assert getattr(StoreConformance, name).__doc__, name


class Doubles(MemoryStore):
    """Acknowledges everything that it is given."""

    def ack(self, deliveries):
        try:
            return super().ack(deliveries)
        except LeaseLostError as error:
            return len(error.tokens)


class Jumps(MemoryStore):
    """Raises the floor of a subscription over what is still held."""

    def pull_subscription(self, subscription_id, *, limit=None):
        events = super().pull_subscription(subscription_id, limit=limit)
        if events:
            self.seek(subscription_id, cursor=events[-1].cursor)
        return events


@pytest.mark.parametrize("kind", [Doubles, Jumps, SplitsBatches], ids=lambda kind: kind.__name__)
def test_the_machine_finds_faults(kind):
    """A random history leads to the difference."""
    machine = store_machine(lambda directory: kind(), examples=2000)
    machine.TestCase.settings = settings(machine.TestCase.settings, phases=[Phase.generate])
    with pytest.raises((AssertionError, LeaseLostError, BaseExceptionGroup, Flaky)):
        machine.TestCase("runTest").runTest()
