"""A store compared with a plain model of its semantics, over random histories (hypothesis).

```python
from lllm.testing.store_machine import store_machine

TestMyStore = store_machine(lambda directory: MyStore(directory)).TestCase
```
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lllm.errors import EventConflictError, EventNotFoundError, LeaseLostError, SnapshotConflictError
from lllm.store import Delivery, Store
from lllm.testing.store_model import ModelDelivery, ModelEvent, ModelStore, ModelSubscription

__all__ = ["StoreMachine", "store_machine"]

_CHANNELS = ("raw", "out")
_KINDS = ("a", "b")
_NAMES = ("s1", "s2", "s3")
_MOMENT = 0.002

_events = st.builds(
    ModelEvent,
    id=st.sampled_from([f"e{number}" for number in range(12)]),
    channel=st.sampled_from(_CHANNELS),
    kind=st.sampled_from(_KINDS),
    payload=st.sampled_from([None, 1, "text", [1, {"a": None}]]),
    parents=st.lists(st.sampled_from([f"e{number}" for number in range(4)]), max_size=2).map(tuple),
)
_fresh = st.lists(st.tuples(st.sampled_from(_CHANNELS), st.sampled_from(_KINDS)), min_size=1, max_size=4)
_limits = st.integers(1, 4)
_choices = st.lists(st.integers(0, 30), min_size=1, max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """Random histories of appends, deliveries, seeks, snapshots and retention.

    Subclasses set `make_store`, and `reopen` where what was stored can be opened again.
    """

    make_store: Callable[[Path], Store]
    reopen: Callable[[Path], Store] | None = None

    @initialize()
    def begin(self) -> None:
        """Make an empty store and its model."""
        self.directory = Path(tempfile.mkdtemp(prefix="lllm-machine-"))
        self.store = type(self).make_store(self.directory / "store")
        self.model = ModelStore()
        self.count = 0
        self.deliveries: list[tuple[Delivery, ModelDelivery]] = []
        for name in _CHANNELS:
            self.store.create_channel({"name": name})
            self.model.create_channel(name)

    def teardown(self) -> None:
        """Check the whole store once more."""
        if hasattr(self, "store"):
            report = self.store.check(deep=True)
            self.store.close()
            shutil.rmtree(self.directory, ignore_errors=True)
            assert report.ok, report.problems

    # What is written

    @rule(events=st.lists(_events, max_size=4))
    def append(self, events: list[ModelEvent]) -> None:
        """Append events with ids of their own; the same ids come back again and again."""
        wanted = self.model.append(events)
        if isinstance(wanted, str):
            _raises((EventNotFoundError, EventConflictError), self.store.append_events, _fields(events))
        else:
            _same(self.store.append_events(_fields(events)), wanted)

    @rule(event=_events)
    def append_one(self, event: ModelEvent) -> None:
        """Append a single event."""
        wanted = self.model.append([event])
        if isinstance(wanted, str):
            error = EventNotFoundError if wanted == "missing" else EventConflictError
            _raises((error,), self.store.append_event, _fields([event])[0])
        else:
            _same([self.store.append_event(_fields([event])[0])], wanted)

    @rule(places=_fresh)
    def append_fresh(self, places: list[tuple[str, str]]) -> None:
        """Append events that nobody has seen before."""
        events = [self._fresh(channel, kind) for channel, kind in places]
        wanted = self.model.append(events)
        assert not isinstance(wanted, str)
        _same(self.store.append_events(_fields(events)), wanted)

    @rule(name=st.sampled_from(["n", "m"]), value=st.integers(0, 99), off=st.sampled_from([None, 0, -1, 1]))
    def put_snapshot(self, name: str, value: int, off: int | None) -> None:
        """Write a snapshot, unconditionally or expecting a revision that may be the wrong one."""
        history = self.model.snapshots.setdefault(name, [])
        fields = {"name": name, "value": value}
        expected = None if off is None else max(0, len(history) + off)
        if expected is not None and expected != len(history):
            _raises((SnapshotConflictError,), self.store.put_snapshot, fields, expected_revision=expected)
            return
        history.append(value)
        assert self.store.put_snapshot(fields, expected_revision=expected).revision == len(history)

    @rule(channel=st.sampled_from(_CHANNELS), keep=st.integers(0, 6))
    def remove(self, channel: str, keep: int) -> None:
        """Remove the oldest events, whoever still waits for them."""
        self.store.set_retention(channel, max_events=keep, keep_unfinished=False)
        self.store.apply_retention(channel)
        self.model.remove(channel, keep)

    # What is read

    @rule(
        name=st.sampled_from(_NAMES),
        channel=st.sampled_from(_CHANNELS),
        kind=st.sampled_from([None, *_KINDS]),
        most=st.sampled_from([None, 1, 2]),
    )
    def subscribe(self, name: str, channel: str, kind: str | None, most: int | None) -> None:
        """Make a subscription, once for every name."""
        if name in self.model.subscriptions:
            return
        filters = None if kind is None else {"kind": kind}
        self.store.create_subscription(channel, subscription_id=name, filters=filters, max_deliveries=most)
        self.model.subscriptions[name] = ModelSubscription(name, channel, kind, most)

    @precondition(lambda self: self.model.subscriptions)
    @rule(data=st.data(), limit=_limits)
    def pull(self, data: st.DataObject, limit: int) -> None:
        """Take events and finish them at once."""
        subscription = self._subscription(data)
        taken = self.model.take(subscription, limit)
        for event, attempt in taken:
            subscription.acked[event.cursor] = -attempt
        _same(self.store.pull_subscription(subscription.id, limit=limit), [event for event, _ in taken])

    @precondition(lambda self: self.model.subscriptions)
    @rule(data=st.data(), limit=_limits, short=st.booleans())
    def lease(self, data: st.DataObject, limit: int, short: bool) -> None:
        """Lease events, for long or for a moment."""
        subscription = self._subscription(data)
        taken = self.model.take(subscription, limit)
        leases = self.store.lease(subscription.id, limit=limit, lease_seconds=_MOMENT if short else 600)
        _same([delivery.event for delivery in leases], [event for event, _ in taken])
        table = subscription.expired if short else subscription.held
        for delivery, (event, attempt) in zip(leases, taken, strict=True):
            assert delivery.attempt == attempt
            table[event.cursor] = attempt
            known = ModelDelivery(subscription.id, subscription.generation, event.cursor, attempt)
            self.deliveries.append((delivery, known))
        if short:
            time.sleep(_MOMENT * 2)

    @precondition(lambda self: self.deliveries)
    @rule(choices=_choices)
    def ack(self, choices: list[int]) -> None:
        """Finish deliveries, some of which may be finished or lost."""
        chosen = self._chosen(choices)
        if all(self._current(known) or self._done(known) for _, known in chosen):
            assert self.store.ack([delivery for delivery, _ in chosen]) == len(chosen)
            self._finish(chosen)
        else:
            self._lost(self.store.ack, chosen)

    @precondition(lambda self: self.deliveries)
    @rule(choices=_choices, how=st.sampled_from(["nack", "reject", "delay", "extend"]))
    def give_back(self, choices: list[int], how: str) -> None:
        """Return, delay, extend or give up deliveries."""
        chosen = self._chosen(choices)
        calls: dict[str, Callable[..., Any]] = {
            "nack": self.store.nack,
            "delay": lambda items: self.store.nack(items, delay=600),
            "reject": self.store.reject,
            "extend": lambda items: self.store.extend(items, seconds=600),
        }
        if not all(self._current(known) for _, known in chosen):
            self._lost(calls[how], chosen)
            return
        calls[how]([delivery for delivery, _ in chosen])
        for _, known in chosen:
            self._return(known, how)

    @precondition(lambda self: self.deliveries)
    @rule(choices=_choices, event=_events)
    def commit(self, choices: list[int], event: ModelEvent) -> None:
        """Finish deliveries and append an output in one commit."""
        chosen = self._chosen(choices)
        tokens = [delivery.token for delivery, _ in chosen]
        fields = _fields([event])
        if not all(self._current(known) or self._done(known) for _, known in chosen):
            _raises((LeaseLostError,), self.store.commit, acks=tokens, events=fields)
            return
        if any(self._done(known) for _, known in chosen) and not self.model.repeats([event]):
            _raises((LeaseLostError,), self.store.commit, acks=tokens, events=fields)
            return
        wanted = self.model.append([event])
        if isinstance(wanted, str):
            errors = (EventNotFoundError, EventConflictError)
            _raises(errors, self.store.commit, acks=tokens, events=fields)
            return
        result = self.store.commit(acks=tokens, events=fields)
        assert result.acked == len(chosen)
        _same(result.events, wanted)
        self._finish(chosen)

    @precondition(lambda self: self.model.subscriptions)
    @rule(data=st.data(), cursor=st.integers(0, 8))
    def seek(self, data: st.DataObject, cursor: int) -> None:
        """Move a subscription anywhere."""
        subscription = self._subscription(data)
        self.store.seek(subscription.id, cursor=cursor)
        self.model.seek(subscription, cursor)

    @precondition(lambda self: type(self).reopen is not None)
    @rule()
    def close_and_open(self) -> None:
        """Close the store and open it again; nothing is lost."""
        self.store.close()
        reopen = type(self).reopen
        assert reopen is not None
        self.store = reopen(self.directory / "store")

    # What always holds

    @invariant()
    def channels_agree(self) -> None:
        """Heads, first cursors and events are those of the model."""
        for name, log in getattr(getattr(self, "model", None), "log", {}).items():
            assert self.store.head(name) == len(log)
            assert self.store.first_cursor(name) == self.model.first[name]
            _same(self.store.query_events(name, limit=1000), self.model.kept(name))
            for kind in _KINDS:
                wanted = [event for event in self.model.kept(name) if event.kind == kind]
                _same(self.store.query_events(name, kind=kind, limit=1000), wanted)

    @invariant()
    def lineage_agrees(self) -> None:
        """Children are the events that name their parent."""
        for number in range(4):
            parent = f"e{number}"
            if parent in getattr(getattr(self, "model", None), "events", {}):
                wanted = {event.id for event in self.model.events.values() if parent in event.parents}
                assert {event.id for event in self.store.children(parent)} == wanted

    @invariant()
    def floors_are_sound(self) -> None:
        """Nothing unfinished is below the floor, and the floor is at the end when nothing waits."""
        for subscription in getattr(getattr(self, "model", None), "subscriptions", {}).values():
            floor = self.store.get_subscription(subscription.id).cursor
            waiting = subscription.waiting
            assert floor <= subscription.handed
            assert all(cursor > floor for cursor in waiting)
            if not waiting:
                assert floor == subscription.handed
            lag = self.store.lag(subscription.id)
            assert lag.in_flight + lag.delayed == len(waiting)
            ahead = [
                event for event in self.model.matching(subscription) if event.cursor > subscription.handed
            ]
            assert lag.undelivered == len(ahead)

    @invariant()
    def snapshots_agree(self) -> None:
        """Values and revisions are those of the model."""
        for name, history in getattr(getattr(self, "model", None), "snapshots", {}).items():
            if history:
                newest = self.store.get_snapshot(name)
                assert (newest.value, newest.revision) == (history[-1], len(history))

    def _fresh(self, channel: str, kind: str) -> ModelEvent:
        self.count += 1
        return ModelEvent(f"f{self.count}", channel, kind, self.count, ())

    def _subscription(self, data: st.DataObject) -> ModelSubscription:
        name: str = data.draw(st.sampled_from(sorted(self.model.subscriptions)), label="subscription")
        return self.model.subscriptions[name]

    def _chosen(self, choices: Sequence[int]) -> list[tuple[Delivery, ModelDelivery]]:
        places = dict.fromkeys(choice % len(self.deliveries) for choice in choices)
        return [self.deliveries[-1 - place] for place in places]

    def _current(self, known: ModelDelivery) -> bool:
        return self.model.subscriptions[known.subscription].current(known)

    def _done(self, known: ModelDelivery) -> bool:
        return self.model.subscriptions[known.subscription].done(known)

    def _finish(self, chosen: Sequence[tuple[Delivery, ModelDelivery]]) -> None:
        for _, known in chosen:
            subscription = self.model.subscriptions[known.subscription]
            if subscription.current(known):
                subscription.drop(known.cursor)
                subscription.acked[known.cursor] = known.attempt

    def _return(self, known: ModelDelivery, how: str) -> None:
        subscription = self.model.subscriptions[known.subscription]
        subscription.drop(known.cursor)
        most = subscription.max_deliveries
        if how == "extend":
            subscription.held[known.cursor] = known.attempt
        elif how != "reject" and (most is None or known.attempt < most):
            table = subscription.delayed if how == "delay" else subscription.due
            table[known.cursor] = known.attempt

    def _lost(self, call: Callable[..., Any], chosen: Sequence[tuple[Delivery, ModelDelivery]]) -> None:
        _raises((LeaseLostError,), call, [delivery for delivery, _ in chosen])


def store_machine(
    make_store: Callable[[Path], Store],
    *,
    reopen: Callable[[Path], Store] | None = None,
    examples: int = 30,
    steps: int = 30,
) -> type[StoreMachine]:
    """Return the machine of a backend; its `TestCase` is what pytest runs.

    Args:
        make_store: Makes a fresh store in a new directory.
        reopen: Opens the store of a directory again; None when nothing is kept.
        examples: How many histories to run.
        steps: How long a history may be.
    """

    class Machine(StoreMachine):
        pass

    Machine.make_store = staticmethod(make_store)
    Machine.reopen = None if reopen is None else staticmethod(reopen)
    Machine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    return Machine


def _fields(events: Sequence[ModelEvent]) -> list[dict[str, Any]]:
    return [
        {
            "id": event.id,
            "channel": event.channel,
            "kind": event.kind,
            "payload": event.payload,
            "parent_ids": event.parents,
        }
        for event in events
    ]


def _same(events: Sequence[Any], wanted: Sequence[ModelEvent]) -> None:
    found = [(event.id, event.cursor, event.channel, event.kind, event.payload) for event in events]
    assert found == [(event.id, event.cursor, event.channel, event.kind, event.payload) for event in wanted]


def _raises(errors: tuple[type[Exception], ...], call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except errors:
        return
    raise AssertionError(f"expected one of {[error.__name__ for error in errors]}")
