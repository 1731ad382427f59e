"""What a proxy records of each call."""

from __future__ import annotations

from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from lllm.fields import Metadata, Number, SegmentText, TokenText
from lllm_wrappers.renewal import Renewed

__all__ = ["InMemoryProxyLog", "ProxyRecord"]


class ProxyRecord(BaseModel):
    """One call through a proxy.

    Attributes:
        request_id: Id of the request.
        proxy: Name of the proxy.
        tactic: Name of the tactic inside.
        state: `success` or `failure`.
        started_at: Unix time in seconds.
        ended_at: Unix time in seconds.
        latency_ms: Milliseconds on a monotonic clock.
        input_value: The input in JSON form, when inputs are captured.
        output_value: The output in JSON form, when outputs are captured; a list of chunks for a stream.
        error_type: Class name of the exception of a failure.
        error: Its text.
        metadata: `context` and `proxy`: the metadata of both.
    """

    model_config = ConfigDict(defer_build=True)

    request_id: TokenText
    proxy: SegmentText
    tactic: SegmentText
    state: TokenText
    started_at: Number
    ended_at: Number
    latency_ms: Number
    input_value: Any = None
    output_value: Any = None
    error_type: TokenText | None = None
    error: StrictStr | None = None
    metadata: Metadata = Field(default_factory=dict)


class InMemoryProxyLog(Renewed):
    """A sink that keeps records in this process; safe under threads."""

    _own_state = ("_lock",)

    def __init__(self) -> None:
        self._records: list[ProxyRecord] = []
        self._begin_state()

    def _renew(self) -> None:
        self._lock = Lock()

    @property
    def records(self) -> list[ProxyRecord]:
        """The records so far, oldest first; the list is the caller's."""
        with self._lock:
            return list(self._records)

    def append(self, record: ProxyRecord) -> None:
        """Keep a copy of a record.

        Args:
            record: The record of one call.
        """
        copied = record.model_copy(deep=True)
        with self._lock:
            self._records.append(copied)

    def clear(self) -> None:
        """Forget all records."""
        with self._lock:
            self._records.clear()

    __call__ = append
