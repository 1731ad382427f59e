"""What a storage backend implements: narrow primitives, on which `BackendStore` builds the whole protocol.

Checks, idempotency, cursors, leases, commits, lineage and retention are written once, in this package. A
backend keeps rows and JSON documents, finds them by their keys, and makes transactions durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from lllm.store.blobs import Blobs
from lllm.store.rows import EventRow

__all__ = [
    "Backend",
    "DuplicateId",
    "Reader",
    "Reads",
    "RemovedRow",
    "SubscriptionRow",
    "WaitingRow",
    "Writer",
    "Writes",
]

T = TypeVar("T")

RemovedRow: TypeAlias = tuple[str, str, int, float, int, str, float]
"""What is remembered of a removed event: id, channel, cursor, timestamp, position, digest, removed_at.

`digest` is `content_digest` of the event; `removed_at` is in unix seconds.
"""

WaitingRow: TypeAlias = tuple[int, int, float, int, str | None]
"""An event that was handed out and is not finished: cursor, attempt, due, leased, error.

`due` is in unix seconds: the deadline of the lease when `leased` is 1, the end of the delay when it is 0.
"""


class DuplicateId(Exception):
    """`Writer.insert_events` met an id that is stored, or remembered as removed; nothing was inserted."""


class SubscriptionRow(NamedTuple):
    """A subscription with its state.

    A matching event at or below `handed` that is not waiting is finished.

    Args:
        number: Small number of the subscription, never used twice; 0 before it is added.
        id: Id of the subscription.
        channel: Channel that it reads.
        kind: The one kind that it reads, None for all.
        doc: Its JSON document; the engine keeps `cursor` out of it.
        cursor: The floor.
        handed: Highest cursor that was ever handed out.
        waiting: Number of its waiting rows.
        dead_lettered: How many of its events were given up.
        secret: Key of its delivery tokens; a new one makes every older token worthless.
    """

    number: int
    id: str
    channel: str
    kind: str | None
    doc: str
    cursor: int
    handed: int
    waiting: int
    dead_lettered: int
    secret: str


class Reader(Protocol):
    """One consistent state of a store. Valid only inside the work that it was handed to."""

    def last_position(self) -> int:
        """Return the highest position ever used, also of removed events; 0 in a new store."""

    def head(self, channel: str) -> int | None:
        """Return the newest cursor ever used in `channel`, also of removed events; None without the channel."""

    def first_cursor(self, channel: str) -> int:
        """Return the cursor of the oldest kept event, or `head + 1` when none is kept."""

    def channel(self, name: str) -> str | None:
        """Return the document of a channel."""

    def channels(self) -> list[str]:
        """Return the documents of all channels, by name."""

    def events(
        self,
        channel: str,
        *,
        after: int = 0,
        before: int | None = None,
        kind: str | None = None,
        correlation_id: str | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[EventRow]:
        """Return events of one channel with `after < cursor < before`, by cursor.

        The cost must depend on the rows returned: neither on other channels nor, with `kind`, on other kinds.
        """

    def find_events(self, ids: Sequence[str]) -> dict[str, EventRow]:
        """Return the events of those ids that exist, by id."""

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the positions of those ids that exist, by id; cheaper than their events."""

    def children(self, event_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        """Return events that name `event_id` as a parent, with a position above `after`, by position."""

    def correlated(self, correlation_id: str, *, after: int = 0, limit: int) -> list[EventRow]:
        """Return events of all channels with that correlation id and a position above `after`, by position."""

    def count_events(self, channel: str, *, kind: str | None = None, after: int = 0) -> int:
        """Count the kept events of a channel with a cursor above `after`."""

    def removed_events(self, ids: Sequence[str]) -> dict[str, RemovedRow]:
        """Return what is remembered of those removed events, by id."""

    def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """Return a subscription by id."""

    def subscription_numbered(self, number: int) -> SubscriptionRow | None:
        """Return a subscription by number."""

    def subscriptions(self, channel: str | None = None) -> list[SubscriptionRow]:
        """Return all subscriptions, or those of one channel, by id."""

    def waiting(self, number: int, cursors: Sequence[int]) -> dict[int, WaitingRow]:
        """Return the waiting rows of a subscription at those cursors, by cursor."""

    def due(self, number: int, *, now: float, limit: int) -> list[WaitingRow]:
        """Return waiting rows with `due <= now`, by cursor."""

    def first_waiting(self, number: int) -> int | None:
        """Return the lowest cursor that waits."""

    def next_due(self, number: int) -> float | None:
        """Return the earliest `due` of the waiting rows."""

    def waiting_counts(self, number: int) -> tuple[int, int]:
        """Return how many waiting rows are leased, and how many are delayed."""

    def outcomes(self, number: int, cursors: Sequence[int]) -> dict[int, int]:
        """Return the attempt that finished each of those cursors, where that was recorded, by cursor."""

    def artifact(self, artifact_id: str) -> str | None:
        """Return the document of an artifact."""

    def artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, after: int = 0, limit: int
    ) -> list[tuple[int, str]]:
        """Return running numbers above `after` and documents of artifacts, in the order of writing."""

    def artifact_paths(self) -> set[str]:
        """Return the paths that artifact records refer to."""

    def snapshot(self, name: str, revision: int | None = None) -> str | None:
        """Return the document of a snapshot: its newest revision, or the one asked for when it is kept."""

    def snapshot_revision(self, name: str) -> int:
        """Return the highest revision ever used for `name`, also of deleted ones; 0 for a new name."""

    def snapshot_history(self, name: str, limit: int) -> list[str]:
        """Return the documents of the kept revisions, newest first."""

    def snapshots(self, channel: str | None = None) -> list[str]:
        """Return the document of the newest revision of every name, by name."""

    def retention(self, channel: str) -> str | None:
        """Return the document of a channel's retention."""

    def counts(self) -> dict[str, int]:
        """Return how many `subscriptions`, `artifacts`, `snapshots` and `dropped_channels` there are."""


class Writer(Reader, Protocol):
    """A transaction. Every method acts at once for later reads of the same transaction."""

    def put_channel(self, name: str, doc: str) -> None:
        """Insert or replace a channel. One that was dropped before goes on counting where it stopped."""

    def drop_channel(self, name: str) -> None:
        """Delete a channel with its events, subscriptions, waiting rows and retention; its head is kept."""

    def insert_events(self, rows: Sequence[EventRow], links: Sequence[tuple[str, int]]) -> None:
        """Insert events whose cursors and positions are assigned. The hot path of a backend.

        Args:
            rows: The events, ascending by position.
            links: Pairs of a parent's id and the index of its child in `rows`.

        Raises:
            DuplicateId: An id is stored or remembered as removed; nothing of this call is left behind.
        """

    def remove_events(self, channel: str, through: int, removed: Sequence[RemovedRow]) -> None:
        """Delete the events of a channel up to the cursor `through`, and remember them as `removed`."""

    def forget_removed(self, before: float) -> None:
        """Forget the events that were removed before the unix time `before`."""

    def set_head(self, channel: str, head: int) -> None:
        """Raise the head of a channel, so that its next event gets `head + 1`."""

    def add_subscription(self, row: SubscriptionRow) -> int:
        """Insert a subscription and return the number that it was given."""

    def save_subscription(self, row: SubscriptionRow) -> None:
        """Replace the subscription with the number `row.number`."""

    def delete_subscription(self, number: int) -> None:
        """Delete a subscription with its waiting rows and outcomes."""

    def put_waiting(self, number: int, rows: Sequence[WaitingRow]) -> None:
        """Insert or replace waiting rows by cursor."""

    def drop_waiting(self, number: int, cursors: Sequence[int]) -> None:
        """Delete waiting rows."""

    def clear_waiting(self, number: int) -> None:
        """Delete every waiting row and every outcome of a subscription."""

    def put_outcomes(self, number: int, rows: Sequence[tuple[int, int, float]]) -> None:
        """Record cursor, finishing attempt and unix time of finished events."""

    def forget_outcomes(self, before: float) -> None:
        """Forget outcomes that were recorded before the unix time `before`."""

    def put_artifact(
        self, artifact_id: str, channel: str | None, path: str, event_ids: Sequence[str], doc: str
    ) -> None:
        """Insert an artifact record."""

    def delete_artifact(self, artifact_id: str) -> None:
        """Delete an artifact record."""

    def put_snapshot(self, name: str, revision: int, channel: str | None, doc: str, keep: int) -> None:
        """Insert a revision, and delete those at or below `revision - keep`."""

    def delete_snapshot(self, name: str) -> None:
        """Delete every revision of a name; `snapshot_revision` still knows the last one."""

    def put_retention(self, channel: str, doc: str | None) -> None:
        """Replace the retention of a channel; None deletes it."""


class Reads(Protocol):
    """Something that runs work on one consistent state, as `Backend.read` does."""

    def __call__(self, work: Callable[[Reader], T]) -> T:
        """Run `work` and return its result."""


class Writes(Protocol):
    """Something that runs work in a durable transaction, as `Backend.write` does."""

    def __call__(self, work: Callable[[Writer], T]) -> T:
        """Run `work` and return its result."""


class Backend(Protocol):
    """Storage with durable transactions.

    Errors that leave a backend are classes of `lllm.errors`, with the cause chained; what `work` raises
    passes unchanged.
    """

    @property
    def blobs(self) -> Blobs:
        """Where the bytes of artifacts are."""

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent state and return its result."""

    def write(self, work: Callable[[Writer], T], *, durable: bool = True) -> T:
        """Run `work` in a transaction and return its result once it is durable.

        Works of several threads may share one commit and run on another thread. When `work` raises, its
        changes are undone, its caller gets the exception, and works that share the commit are unaffected. A
        work may run a second time after a failed commit. One that changed nothing costs no flush.

        Args:
            work: What to do.
            durable: False for leases: the commit must survive a killed process and stay in order with the
                others, but need not be flushed; the next durable commit flushes it too.
        """

    def stamp(self) -> object:
        """Return a value that differs from earlier ones once anybody, in any process, has committed. Cheap."""

    def check(self, *, deep: bool) -> list[str]:
        """Return what is wrong with the storage itself (format, integrity), a line for each problem."""

    def backup(self, dest: Path) -> None:
        """Write a consistent copy of the store, artifacts included, to the new directory `dest`."""

    def stats(self) -> dict[str, Any]:
        """Return `backend`, `durability`, `bytes` and whatever else a user should see."""

    def capabilities(self) -> dict[str, Any]:
        """Return what the backend offers: `durability`, `multi_process`, and further names of its own."""

    def close(self) -> None:
        """Release every resource. Later calls raise StoreClosedError; closing again does nothing."""
