"""The lineage of a `BackendStore`."""

from __future__ import annotations

from typing_extensions import override

from lllm.store.backed.core import BackedCore
from lllm.store.backend import Reader
from lllm.store.engine import lineage
from lllm.store.engine.artifacts import list_artifacts
from lllm.store.engine.lookup import require_event
from lllm.store.inputs import whole_number
from lllm.store.models import Artifact, Event
from lllm.store.names import require_segment, require_token
from lllm.store.protocol.lineage import LineageOperations

__all__ = ["BackedLineage"]


class BackedLineage(LineageOperations, BackedCore):
    """Lineage, on a backend's primitives."""

    @override
    def parents(self, event_id: str) -> tuple[Event, ...]:
        require_segment(event_id, "event.id")
        return tuple(self._read(lambda tx: lineage.parents(tx, event_id)))

    @override
    def children(self, event_id: str, *, limit: int = 100, after: int | str = 0) -> tuple[Event, ...]:
        whole_number(limit, "limit", least=1)
        require_segment(event_id, "event.id")
        return tuple(self._read(lambda tx: lineage.children(tx, event_id, limit=limit, after=after)))

    @override
    def ancestors(self, event_id: str, *, depth: int | None = None, limit: int = 1000) -> tuple[Event, ...]:
        _check_walk(event_id, depth, limit)
        return tuple(self._read(lambda tx: lineage.ancestors(tx, event_id, depth=depth, limit=limit)))

    @override
    def descendants(self, event_id: str, *, depth: int | None = None, limit: int = 1000) -> tuple[Event, ...]:
        _check_walk(event_id, depth, limit)
        return tuple(self._read(lambda tx: lineage.descendants(tx, event_id, depth=depth, limit=limit)))

    @override
    def trace(self, correlation_id: str, *, limit: int = 1000, after: int | str = 0) -> tuple[Event, ...]:
        whole_number(limit, "limit", least=1)
        require_token(correlation_id, "event.correlation_id")
        return tuple(self._read(lambda tx: lineage.trace(tx, correlation_id, limit=limit, after=after)))

    @override
    def artifacts_for(self, event_id: str) -> tuple[Artifact, ...]:
        require_segment(event_id, "event.id")

        def work(tx: Reader) -> list[Artifact]:
            require_event(tx, event_id)
            return list_artifacts(tx, channel=None, event_id=event_id, limit=None)

        return tuple(self._read(work))


def _check_walk(event_id: str, depth: int | None, limit: int) -> None:
    if depth is not None:
        whole_number(depth, "depth")
    whole_number(limit, "limit", least=1)
    require_segment(event_id, "event.id")
