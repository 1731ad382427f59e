"""Lineage: where events came from, and what came of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lllm.store.models import Artifact, Event

__all__ = ["LineageOperations"]


class LineageOperations(ABC):
    """The part of the `Store` protocol that follows parents and correlation ids.

    Pages continue after the opaque position of the last row: `page_token(event)`.
    """

    @abstractmethod
    def parents(self, event_id: str) -> tuple[Event, ...]:
        """Return the parents of an event in the order of its `parent_ids`; removed ones are left out.

        Args:
            event_id: Id of the event.

        Raises:
            InvalidPayloadError: The id is no path segment.
            EventNotFoundError: There is no such event.
        """

    @abstractmethod
    def children(self, event_id: str, *, limit: int = 100, after: int | str = 0) -> tuple[Event, ...]:
        """Return events that name an event as their parent, in the order of appending.

        Args:
            event_id: Id of the event.
            limit: How many events at most.
            after: 0, or the `page_token` of the last event of the page before.

        Raises:
            InvalidPayloadError: An argument is malformed.
            EventNotFoundError: There is no such event.
        """

    @abstractmethod
    def ancestors(self, event_id: str, *, depth: int | None = None, limit: int = 1000) -> tuple[Event, ...]:
        """Return everything that an event came from, each event once, breadth first.

        Args:
            event_id: Id of the event.
            depth: How many steps to go; all when None.
            limit: How many events at most.

        Raises:
            InvalidPayloadError: An argument is malformed.
            EventNotFoundError: There is no such event.
        """

    @abstractmethod
    def descendants(self, event_id: str, *, depth: int | None = None, limit: int = 1000) -> tuple[Event, ...]:
        """Return everything that came of an event, each event once, breadth first.

        Args:
            event_id: Id of the event.
            depth: How many steps to go; all when None.
            limit: How many events at most.

        Raises:
            InvalidPayloadError: An argument is malformed.
            EventNotFoundError: There is no such event.
        """

    @abstractmethod
    def trace(self, correlation_id: str, *, limit: int = 1000, after: int | str = 0) -> tuple[Event, ...]:
        """Return one episode: every event with that correlation id, and the event whose id it is.

        Args:
            correlation_id: The correlation id.
            limit: How many events at most.
            after: 0, or the `page_token` of the last event of the page before.

        Returns:
            Events of all channels, in the order of appending.

        Raises:
            InvalidPayloadError: An argument is malformed.
        """

    @abstractmethod
    def artifacts_for(self, event_id: str) -> tuple[Artifact, ...]:
        """Return the artifacts that name an event, in the order of writing.

        Args:
            event_id: Id of the event.

        Raises:
            InvalidPayloadError: The id is no path segment.
            EventNotFoundError: There is no such event.
        """
