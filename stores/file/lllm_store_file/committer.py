"""Commits: groups of works become lines of the log, written and flushed at once."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from threading import RLock

from lllm.errors import SSSNError, StoreClosedError, StoreReadOnlyError
from lllm.store.commit_queue import Request
from lllm_store_file.archive import Archive, FlushError
from lllm_store_file.compaction import compact
from lllm_store_file.faults import store_error
from lllm_store_file.journal import Mark
from lllm_store_file.segments import StaleIndex
from lllm_store_file.tail import Place

__all__ = ["Committer"]

_ATTEMPTS = 5


class Committer:
    """Runs works in transactions. One thread at a time may call it; the queue sees to that.

    Args:
        archive: The store.
        guard: Held while the archive is used; readers hold it too.
        flushes: Whether durable commits are flushed to the disk.
    """

    def __init__(self, archive: Archive, guard: RLock, *, flushes: bool) -> None:
        self._archive = archive
        self._guard = guard
        self._flushes = flushes
        self.refusal: str | None = None
        self.closed = False

    def commit(self, group: list[Request]) -> None:
        """Settle every request of a group.

        Args:
            group: Requests in order of arrival.
        """
        try:
            with self._guard:
                self._require_open()
                if not self._archive.first and not self._archive.layout.exists():
                    self._archive.layout.create()
                with self._archive.lock:
                    self._commit_locked(group)
        except OSError as error:
            _fail(group, store_error(error))
        except SSSNError as error:
            _fail(group, error)

    def _require_open(self) -> None:
        if self.closed:
            raise StoreClosedError
        if self.refusal is not None:
            raise StoreReadOnlyError(self.refusal)

    def _commit_locked(self, group: list[Request]) -> None:
        self._archive.prepare()
        for attempt in range(_ATTEMPTS):
            try:
                outcomes, marks = self._run(group)
                break
            except StaleIndex:
                self._archive.load(rebuild=attempt > 0)
        else:
            raise SSSNError(f"Store failed: the indexes in `{self._archive.layout.state}` cannot be read.")
        self._write(group, marks)
        for request, (result, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                request.succeed(result)
            else:
                request.fail(failure)
        # The commit stands, whatever becomes of the housekeeping: that is tried again after a later one.
        with suppress(OSError, StaleIndex):
            self._archive.tidy()
            if self._archive.tables.shrunk:
                compact(self._archive)
                self._archive.tables.shrunk = False

    def _run(self, group: list[Request]) -> tuple[list[tuple[object, Exception | None]], list[Mark]]:
        """Run the works one after the other, and undo the changes of those that fail."""
        tables = self._archive.tables
        beginning = tables.mark()
        marks = [beginning]
        outcomes: list[tuple[object, Exception | None]] = []
        for request in group:
            try:
                outcomes.append((request.work(tables), None))
            except (StaleIndex, OSError):
                tables.go_back(beginning)
                raise
            except Exception as error:
                tables.go_back(marks[-1])
                outcomes.append((None, error))
            except BaseException:
                tables.go_back(beginning)
                raise
            marks.append(tables.mark())
        return outcomes, marks

    def _write(self, group: list[Request], marks: list[Mark]) -> None:
        archive, tables = self._archive, self._archive.tables
        lines: list[bytes] = []
        places: list[tuple[int, Place]] = []
        end = archive.end
        flush = False
        for request, (since, until) in zip(group, pairwise(marks), strict=True):
            line, placed = tables.line(since, until, end)
            end += len(line)
            lines.append(line)
            places += placed
            flush = flush or bool(line and request.durable)
        try:
            if end > archive.end:
                archive.append(b"".join(lines), flush=flush and self._flushes)
        except FlushError as error:
            tables.go_back(marks[0])
            # Nothing is certain about the disk now, and trying again may seem to succeed.
            self.refusal = (
                f"Store is read-only: flushing `{archive.layout.log}` to the disk failed ({error}). What was "
                "acknowledged before is safe; check the disk, then open the store again."
            )
            raise StoreReadOnlyError(self.refusal) from error
        except BaseException:
            tables.go_back(marks[0])
            raise
        tables.settle(places)


def _fail(group: list[Request], error: SSSNError) -> None:
    for request in group:
        if not request.settled:
            request.fail(error)
