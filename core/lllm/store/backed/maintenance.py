"""The maintenance of a `BackendStore`: check, backup, export, import, statistics.

What only one of them needs is imported there: every program that opens a store starts with this module.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, Literal

from typing_extensions import override

from lllm.errors import InvalidPayloadError, SSSNError
from lllm.store.backed.core import BackedCore
from lllm.store.documents import channel_of
from lllm.store.engine.subscribing import lag
from lllm.store.protocol.upkeep import MaintenanceOperations
from lllm.store.reports import CheckReport

__all__ = ["BackedMaintenance"]


class BackedMaintenance(MaintenanceOperations, BackedCore):
    """Maintenance, on a backend's primitives."""

    @override
    def check(self, *, deep: bool = False) -> CheckReport:
        from lllm.store.checking import check_store

        problems = self._checked_backend().check(deep=deep)
        found, counts = check_store(self._read, self._backend.blobs, deep=deep)
        problems = [*problems, *found]
        return CheckReport(ok=not problems, problems=tuple(problems), counts=counts)

    @override
    def backup(self, dest: str | Path) -> None:
        target = _path(dest, "backup destination").absolute()
        try:
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise InvalidPayloadError(f"backup destination must be a new or empty directory: {target}")
            self._checked_backend().backup(target)
        except OSError as error:
            raise SSSNError(f"Backup cannot be written: {error}") from error

    @override
    def export(self, target: str | Path | IO[str], *, artifacts: bool = True) -> int:
        from lllm.store.exporting import export_store

        blobs = self._checked_backend().blobs
        try:
            with _opened(target, "w", "export file") as file:
                return export_store(self._read, blobs, file, artifacts=artifacts)
        except OSError as error:
            raise SSSNError(f"Export cannot be written: {error}") from error

    @override
    def import_(
        self, source: str | Path | IO[str], *, on_conflict: Literal["error", "skip"] = "error"
    ) -> int:
        from lllm.store.importing import import_store

        if on_conflict not in ("error", "skip"):
            raise InvalidPayloadError("on_conflict must be 'error' or 'skip'.")
        blobs = self._checked_backend().blobs
        try:
            with _opened(source, "r", "import file") as file:
                return import_store(self._write, blobs, file, skip=on_conflict == "skip")
        except OSError as error:
            raise SSSNError(f"Import cannot be read: {error}") from error

    @override
    def stats(self) -> dict[str, Any]:
        stats = dict(self._checked_backend().stats())

        def work(tx: Any) -> dict[str, Any]:
            channels: dict[str, Any] = {}
            for doc in tx.channels():
                name = channel_of(doc).name
                head, first = tx.head(name) or 0, tx.first_cursor(name)
                channels[name] = {"head": head, "first_cursor": first, "events": head + 1 - first}
            lags = {row.id: lag(tx, row.id).model_dump() for row in tx.subscriptions()}
            counts = {**tx.counts(), "channels": len(channels)}
            counts["events"] = sum(facts["events"] for facts in channels.values())
            return {"counts": counts, "channels": channels, "subscriptions": lags}

        return {**stats, **self._read(work)}

    @override
    def capabilities(self) -> dict[str, Any]:
        return {
            "atomic_commit": True,
            "leases": True,
            "lineage": True,
            "push": True,
            "retention": True,
            **self._checked_backend().capabilities(),
        }

    def _checked_backend(self) -> Any:
        self._stamp()
        return self._backend


def _opened(
    target: str | Path | IO[str], mode: Literal["r", "w"], label: str
) -> AbstractContextManager[IO[str]]:
    if not isinstance(target, (str, Path)):
        return nullcontext(target)
    return _path(target, label).open(mode, encoding="utf-8", newline="\n")


def _path(value: str | Path, label: str) -> Path:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise InvalidPayloadError(f"{label} must be a non-empty path string.")
    return Path(value).expanduser()
