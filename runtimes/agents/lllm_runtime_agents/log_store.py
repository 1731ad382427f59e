"""`LogStore`: saves the sessions of root calls and finds them again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from os import urandom
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from lllm.error_text import error_text, traceback_text
from lllm.session import TacticCallSession
from lllm_runtime_agents.log_backends import LocalFileBackend, LogBackend, NoOpBackend
from lllm_runtime_agents.log_records import (
    FORMAT_VERSION,
    SessionRecord,
    SessionSummary,
    as_utc,
    safe_map,
)
from lllm_runtime_agents.log_sqlite import SQLiteBackend
from lllm_runtime_agents.plain_values import as_text, plain, plain_json
from lllm_runtime_agents.redaction import redact, redact_json

__all__ = ["LogStore", "local_store", "noop_store", "sqlite_store"]

_SECTION = re.compile(r"\.tactics:|::|:")
_ID = re.compile(r"\d{8}_\d{6}_[0-9a-f]{8}")


class LogStore:
    """Saves sessions as JSON, without secrets, and finds them again.

    Args:
        backend: Where the bytes go.
        partition: Name under which this store's sessions are kept apart from others in the same backend.
        runtime: The resource registry that the sessions' paths belong to; kept for callers.

    Raises:
        ValueError: `partition` is blank or holds `/`.
    """

    def __init__(self, backend: LogBackend, partition: str = "default", runtime: Any = None) -> None:
        if not partition.strip() or "/" in partition:
            raise ValueError(f"`partition` must be a name without `/`, got {partition!r}.")
        self.backend = backend
        self.partition = partition
        self.runtime = runtime

    def __repr__(self) -> str:
        return f"LogStore({self.backend!r}, partition={self.partition!r})"

    def save_session(
        self,
        session: TacticCallSession,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Save the session of a root call; children are inside it.

        Args:
            session: The session.
            tags: Labels to find it by.
            metadata: Anything else about it.

        Returns:
            The id under which it can be loaded.
        """
        now = datetime.now(UTC)
        session_id = _new_id(now)
        if isinstance(self.backend, NoOpBackend):
            return session_id
        labels = safe_map(tags)
        timestamp = now.isoformat()
        head = {
            "format_version": FORMAT_VERSION,
            "record_id": session_id,
            "timestamp": timestamp,
            "tags": labels,
            "metadata": safe_map(metadata),
        }
        body = redact_json(_json_of(session))
        record = to_json(head)[:-1] + b',"session":' + body.encode() + b"}"
        summary = SessionSummary(
            session_id=session_id,
            tactic_name=session.tactic_name,
            tactic_path=session.tactic_path,
            state=session.state,
            total_cost=session.total_cost.cost,
            agent_call_count=session.agent_call_count,
            timestamp=now,
            tags=labels,
        )
        # The index comes last: what is listed can be loaded.
        self._put(
            [
                (self._key("sessions", session_id), record),
                (self._key("index", session_id), to_json(summary.to_dict())),
            ]
        )
        return session_id

    def save_error(self, error: BaseException | str, context: Mapping[str, Any] | None = None) -> str:
        """Save an error that belongs to no session.

        Args:
            error: The exception, or a text.
            context: What was going on.

        Returns:
            The id of the record.
        """
        now = datetime.now(UTC)
        error_id = _new_id(now)
        raised = isinstance(error, BaseException)
        record = {
            "format_version": FORMAT_VERSION,
            "error_id": error_id,
            "timestamp": now.isoformat(),
            "type": type(error).__name__ if raised else None,
            "message": error_text(error) if isinstance(error, BaseException) else error,
            "traceback": traceback_text(error) if isinstance(error, BaseException) else None,
            "context": safe_map(context),
        }
        self.backend.put(self._key("errors", error_id), to_json(plain(redact(record))))
        return error_id

    def load_session(self, session_id: str) -> TacticCallSession:
        """Return a stored session.

        Args:
            session_id: Its id.

        Raises:
            KeyError: There is no such session.
        """
        return self.load_session_record(session_id).session

    def load_session_record(self, session_id: str) -> SessionRecord:
        """Return a stored session with its labels and metadata.

        Args:
            session_id: Its id.

        Raises:
            KeyError: There is no such session.
        """
        data = self._load(session_id)
        session = TacticCallSession.model_validate(data["session"])
        return SessionRecord(
            session_id=session_id,
            session=session,
            tags=dict(data.get("tags") or {}),
            metadata=dict(data.get("metadata") or {}),
            timestamp=as_utc(data["timestamp"]),
            traceback=data.get("traceback") or session.error_traceback,
        )

    def list_sessions(
        self,
        tags: Mapping[str, Any] | None = None,
        after: datetime | str | None = None,
        before: datetime | str | None = None,
        tactic_path: str | None = None,
        state: str | None = None,
        limit: int | None = 100,
    ) -> list[SessionSummary]:
        """Return stored sessions, newest first.

        Args:
            tags: Labels that must all match.
            after: Only sessions saved at this moment or later; without a zone it is local time.
            before: Only sessions saved before this moment.
            tactic_path: `package::name`, `package.tactics:name`, `package:name` or a bare name.
            state: `success` or `failure`.
            limit: How many are returned at most, after filtering; None for all.
        """
        wanted = _Filter(tags, after, before, tactic_path, state)
        return list(islice(filter(wanted.takes, self._summaries()), limit))

    def export_session(self, session_id: str, format: str = "json") -> str:  # noqa: A002 - the contract's name
        """Return a stored session as text.

        Args:
            session_id: Its id.
            format: `json`.

        Raises:
            KeyError: There is no such session.
            ValueError: The format is unknown.
        """
        if format != "json":
            raise ValueError(f"Unsupported export format: {format!r}; use 'json'.")
        return json.dumps(self._load(session_id), ensure_ascii=False, indent=2)

    def export_cost_summary(
        self,
        tags: Mapping[str, Any] | None = None,
        after: datetime | str | None = None,
        before: datetime | str | None = None,
        tactic_path: str | None = None,
    ) -> dict[str, Any]:
        """Return how many sessions there are and what they cost together.

        Args:
            tags: See `list_sessions`.
            after: See `list_sessions`.
            before: See `list_sessions`.
            tactic_path: See `list_sessions`.

        Returns:
            `session_count`, `total_cost_usd` and `sessions`.
        """
        found = self.list_sessions(tags, after, before, tactic_path, limit=None)
        return {
            "session_count": len(found),
            "total_cost_usd": sum(summary.total_cost for summary in found),
            "sessions": [summary.to_dict() for summary in found],
        }

    def delete_session(self, session_id: str) -> None:
        """Delete a stored session; one that does not exist is no error.

        Args:
            session_id: Its id.
        """
        for section in ("index", "sessions"):
            self.backend.delete(self._key(section, session_id))

    def _put(self, items: list[tuple[str, bytes]]) -> None:
        put_all = getattr(self.backend, "put_all", None)
        if put_all is not None:
            put_all(items)
            return
        for key, data in items:
            self.backend.put(key, data)

    def _key(self, section: str, item: str) -> str:
        return f"{self.partition}/{section}/{item}"

    def _load(self, session_id: str) -> dict[str, Any]:
        stored = self.backend.get(self._key("sessions", session_id)) if _ID.fullmatch(session_id) else None
        if stored is None:
            raise KeyError(f"Session '{session_id}' not found")
        data: dict[str, Any] = json.loads(stored)
        return data

    def _summaries(self) -> Iterator[SessionSummary]:
        """Yield every index entry, newest first: ids sort by time."""
        prefix = self._key("index", "")
        if isinstance(self.backend, SQLiteBackend):
            stored_values = self.backend.newest(prefix)
            yield from (SessionSummary.from_dict(json.loads(value)) for value in stored_values)
            return
        for key in reversed(self.backend.list_keys(prefix)):
            stored = self.backend.get(key)
            if stored is not None:
                yield SessionSummary.from_dict(json.loads(stored))


def _json_of(session: TacticCallSession) -> str:
    try:
        return session.model_dump_json(fallback=as_text)
    except (ValueError, RecursionError):
        # Cycles, lone surrogates and the like; rare enough to take the long way.
        return plain_json(session)


class _Filter:
    """What a list of sessions is narrowed down to."""

    def __init__(
        self,
        tags: Mapping[str, Any] | None,
        after: datetime | str | None,
        before: datetime | str | None,
        tactic_path: str | None,
        state: str | None,
    ) -> None:
        self._tags = dict(tags or {})
        self._after = None if after is None else as_utc(after)
        self._before = None if before is None else as_utc(before)
        self._path = None if tactic_path is None else _normal_path(tactic_path)
        self._state = state

    def takes(self, summary: SessionSummary) -> bool:
        """Tell whether a session passes."""
        if self._state is not None and summary.state != self._state:
            return False
        if self._after is not None and summary.timestamp < self._after:
            return False
        if self._before is not None and summary.timestamp >= self._before:
            return False
        if any(key not in summary.tags or summary.tags[key] != value for key, value in self._tags.items()):
            return False
        return self._path is None or self._matches_path(summary)

    def _matches_path(self, summary: SessionSummary) -> bool:
        package, name = _normal_path(summary.tactic_path or summary.tactic_name)
        assert self._path is not None
        return name == self._path[1] and self._path[0] in {None, package}


def _normal_path(path: str) -> tuple[str | None, str]:
    """Return package and name of any form of a tactic's path."""
    found = _SECTION.search(path)
    return (None, path) if found is None else (path[: found.start()], path[found.end() :])


def _new_id(now: datetime) -> str:
    """Return an id that sorts by time: five digits of the fraction of the second, three of chance."""
    return f"{now:%Y%m%d_%H%M%S}_{now.microsecond:05x}{urandom(2).hex()[:3]}"


def local_store(path: str | Path, partition: str = "default", runtime: Any = None) -> LogStore:
    """Return a log store in files below a folder.

    Args:
        path: The folder; `~` stands for the home folder.
        partition: See `LogStore`.
        runtime: See `LogStore`.
    """
    return LogStore(LocalFileBackend(path), partition, runtime)


def sqlite_store(path: str | Path, partition: str = "default", runtime: Any = None) -> LogStore:
    """Return a log store in one SQLite file.

    Args:
        path: The file; `~` stands for the home folder.
        partition: See `LogStore`.
        runtime: See `LogStore`.
    """
    return LogStore(SQLiteBackend(path), partition, runtime)


def noop_store(partition: str = "default", runtime: Any = None) -> LogStore:
    """Return a log store that keeps nothing.

    Args:
        partition: See `LogStore`.
        runtime: See `LogStore`.
    """
    return LogStore(NoOpBackend(), partition, runtime)
