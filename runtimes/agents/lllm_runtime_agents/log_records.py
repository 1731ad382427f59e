"""What a log store keeps of a session, as JSON without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json, to_json

from lllm.session import TacticCallSession
from lllm_runtime_agents.plain_values import as_text, plain
from lllm_runtime_agents.redaction import redact

__all__ = ["FORMAT_VERSION", "SessionRecord", "SessionSummary", "as_utc", "safe_map"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What a list of sessions shows of one.

    Attributes:
        session_id: Id in the log store.
        tactic_name: Name of the tactic.
        tactic_path: `package::name`, or the bare name.
        state: `success` or `failure`.
        total_cost: Dollars, children included.
        agent_call_count: Agent calls of the tactic itself.
        timestamp: When it was saved, in UTC.
        tags: Its labels.
    """

    session_id: str
    tactic_name: str
    tactic_path: str | None
    state: str
    total_cost: float
    agent_call_count: int
    timestamp: datetime
    tags: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-safe map."""
        return {
            "session_id": self.session_id,
            "tactic_name": self.tactic_name,
            "tactic_path": self.tactic_path,
            "state": self.state,
            "total_cost": self.total_cost,
            "agent_call_count": self.agent_call_count,
            "timestamp": self.timestamp.isoformat(),
            "tags": self.tags,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SessionSummary:
        """Read what `to_dict` wrote; fields of older records may be absent.

        Args:
            data: The map.
        """
        return cls(
            session_id=data["session_id"],
            tactic_name=data.get("tactic_name") or "",
            tactic_path=data.get("tactic_path"),
            state=data.get("state") or "initial",
            total_cost=float(data.get("total_cost") or 0.0),
            agent_call_count=int(data.get("agent_call_count") or 0),
            timestamp=as_utc(data["timestamp"]),
            tags=dict(data.get("tags") or {}),
        )


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One stored session with everything that was saved beside it.

    Attributes:
        session_id: Id in the log store.
        session: The session.
        tags: Its labels.
        metadata: What the caller added.
        timestamp: When it was saved, in UTC.
        traceback: The formatted traceback of a failure, or None.
    """

    session_id: str
    session: TacticCallSession
    tags: dict[str, Any]
    metadata: dict[str, Any]
    timestamp: datetime
    traceback: str | None = None


def as_utc(moment: datetime | str) -> datetime:
    """Return a moment in UTC; without a zone it is read as local time.

    Args:
        moment: A datetime, or its ISO text.

    Raises:
        ValueError: The text is no ISO date.
    """
    value = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return value.astimezone(UTC)


def safe_map(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a JSON-safe copy of a map, with secrets hidden and what JSON does not know as text.

    Args:
        value: The map, or None for an empty one.
    """
    if not value:
        return {}
    try:
        known = from_json(to_json(dict(value), fallback=as_text))
    except (ValueError, RecursionError):
        known = plain(value)
    safe: dict[str, Any] = redact(known)
    return safe
