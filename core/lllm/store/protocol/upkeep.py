"""Retention, maintenance and life cycle of a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from lllm.store.reports import CheckReport, Retention, RetentionReport

if TYPE_CHECKING:
    from lllm.store.aio import AsyncStore

__all__ = ["LifeCycle", "MaintenanceOperations", "RetentionOperations"]


class RetentionOperations(ABC):
    """The part of the `Store` protocol that removes old events. Nothing is removed unless it is asked for."""

    @abstractmethod
    def set_retention(
        self,
        channel: str,
        *,
        max_events: int | None = None,
        max_age_seconds: float | None = None,
        max_bytes: int | None = None,
        keep_unfinished: bool = True,
    ) -> Retention:
        """Say what a channel keeps; nothing is removed before `apply_retention`.

        Args:
            channel: Name of the channel.
            max_events: How many events are kept.
            max_age_seconds: How long an event is kept after it was appended.
            max_bytes: How many bytes of event content are kept.
            keep_unfinished: Keep events above the lowest subscription floor in any case.

        Returns:
            The retention as stored.

        Raises:
            InvalidPayloadError: An argument is malformed.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
    def get_retention(self, channel: str) -> Retention:
        """Return what a channel keeps; every limit is None when nothing was set.

        Args:
            channel: Name of the channel.

        Raises:
            InvalidPayloadError: The name is no path segment.
            ChannelNotFoundError: There is no such channel.
        """

    @abstractmethod
    def apply_retention(self, channel: str | None = None, *, dry_run: bool = False) -> RetentionReport:
        """Remove the oldest events beyond the limits of their channels.

        Subscriptions and queries below the first kept event go on with it. Ids and content of removed
        events are remembered for at least 24 hours, so that late retries stay the same event.

        Args:
            channel: Only this channel; all when None.
            dry_run: Only tell what would be removed.

        Raises:
            InvalidPayloadError: The name is no path segment.
            ChannelNotFoundError: There is no such channel.
        """


class MaintenanceOperations(ABC):
    """The part of the `Store` protocol that looks at the store as a whole."""

    @abstractmethod
    def check(self, *, deep: bool = False) -> CheckReport:
        """Look for damage: gaps in cursors, references that lead nowhere, missing files, storage errors.

        Args:
            deep: Also compare the bytes of every artifact with their hash.
        """

    @abstractmethod
    def backup(self, dest: str | Path) -> None:
        """Write a consistent copy of the store while others go on writing.

        Args:
            dest: A directory that is new or empty.

        Raises:
            SSSNError: The copy cannot be written.
        """

    @abstractmethod
    def export(self, target: str | Path | IO[str], *, artifacts: bool = True) -> int:
        """Write the whole store as JSON Lines that any backend can import.

        Args:
            target: A path, or a text file.
            artifacts: Also write the bytes of artifacts.

        Returns:
            How many records were written.

        Raises:
            SSSNError: The file cannot be written.
        """

    @abstractmethod
    def import_(
        self, source: str | Path | IO[str], *, on_conflict: Literal["error", "skip"] = "error"
    ) -> int:
        """Read what `export` wrote. An empty store ends with identical ids, cursors and revisions.

        Args:
            source: A path, or a text file.
            on_conflict: What to do with a record that differs from a stored one of the same name.

        Returns:
            How many records were written.

        Raises:
            InvalidPayloadError: The file is not an export, or a line of it is malformed.
            SSSNError: A record conflicts with a stored one.
        """

    @abstractmethod
    def stats(self) -> dict[str, Any]:
        """Return counts, bytes, heads, lags and the durability as plain values."""

    @abstractmethod
    def capabilities(self) -> dict[str, Any]:
        """Return what the store promises.

        Returns:
            `atomic_commit`, `durability` (`disk`, `os` or `memory`), `leases`, `lineage`, `multi_process`,
            `push` and whatever else the backend declares.
        """


class LifeCycle(ABC):
    """The part of the `Store` protocol that ends it, and its asynchronous face."""

    @abstractmethod
    def close(self) -> None:
        """Release every resource; every later call but this one raises StoreClosedError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    @abstractmethod
    def aio(self) -> AsyncStore:
        """The same store with coroutines."""
