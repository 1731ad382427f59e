"""The primitives of a store over an append-only log."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from lllm.errors import StoreClosedError, StoreReadOnlyError
from lllm.store.blobs import Blobs
from lllm.store.commit_queue import Request
from lllm.store.forks import follow_forks
from lllm_store_file.access import Access
from lllm_store_file.faults import store_error
from lllm_store_file.journal import Journal
from lllm_store_file.maintenance import copy_file, open_files, problems, storage_stats
from lllm_store_file.segments import StaleIndex, flush_directory

__all__ = ["FileBackend"]

T = TypeVar("T")


class FileBackend:
    """Storage with durable transactions in a log of lines.

    Args:
        access: The way to the store.
        blobs: Where the bytes of artifacts are.
        durability: What a durable commit survives, for the figures: `disk`, `os` or `memory`.
        create: Whether a missing store is created now; otherwise it reads as empty, and the first write
            creates it.

    Raises:
        SSSNError: The store cannot be opened, or is of another version.
    """

    def __init__(self, access: Access, blobs: Blobs, *, durability: str, create: bool) -> None:
        self.blobs = blobs
        self._access = access
        self._durability = durability
        self._closing = weakref.finalize(self, access.close)
        try:
            if not access.layout.exists() and create and not access.archive.read_only:
                access.layout.create()
            with access.guard:
                access.catch_up()
        except OSError as error:
            self._closing()
            raise store_error(error) from error
        except BaseException:
            self._closing()
            raise
        follow_forks(access)

    def read(self, work: Callable[[Journal], T]) -> T:
        """Run a work on one consistent state.

        Args:
            work: Reads; what it returns is returned.

        Raises:
            StoreClosedError: The store was closed.
            SSSNError: The files could not be read.
        """
        try:
            return self._access.read(work)
        except OSError as error:
            raise store_error(error) from error

    def write(self, work: Callable[[Journal], T], *, durable: bool = True) -> T:
        """Run a work in a transaction, possibly together with those of other threads.

        Args:
            work: Changes the store; it may run on another thread, and again after a failed commit.
            durable: Whether the commit must survive power loss; otherwise it survives a killed process.

        Raises:
            StoreClosedError: The store was closed.
            StoreReadOnlyError: The store takes no writes.
            SSSNError: The commit failed.
        """
        if self._access.closed:
            raise StoreClosedError
        if self._access.archive.read_only:
            raise StoreReadOnlyError("Store is read-only: it was opened with `read_only=True`.")
        request = Request(work, durable)
        self._access.queue.submit(request)
        if request.error is not None:
            raise request.error
        result: T = request.result
        return result

    def stamp(self) -> object:
        """Return a value that differs from earlier ones once anybody, in any process, has committed."""
        access = self._access
        with access.guard:
            if access.closed:
                raise StoreClosedError
            first = access.archive.first
            try:
                if not first:
                    return access.archive.segments.names()
                return access.archive.segments.hint(), access.archive.segments.size(first)
            except (OSError, StaleIndex):
                return None

    def check(self, *, deep: bool) -> list[str]:
        """Return what is wrong with the files themselves: every line is compared with its checksum.

        Args:
            deep: Without meaning here.
        """
        return self._locked(lambda: problems(self._access.archive))

    def backup(self, dest: Path) -> None:
        """Write a consistent copy of the store to a new directory, while others write.

        Args:
            dest: A new or empty directory; it fills only once the copy is complete.

        Raises:
            SSSNError: It is not empty, or cannot be written.
        """
        root = self._access.layout.root
        unfinished = dest.with_name(f"{dest.name}.{token_hex(4)}.unfinished")
        try:
            dest.parent.mkdir(parents=True, exist_ok=True)
            unfinished.mkdir()
            with ExitStack() as stack:
                files = self._locked(lambda: open_files(self._access.archive, stack))
                paths = self.read(lambda tables: tables.artifact_paths())
                for path, descriptor, size in files:
                    copy_file(descriptor, size, unfinished / path)
            for name in sorted(paths):
                with suppress(FileNotFoundError), (root / name).open("rb") as file:
                    copy_file(file.fileno(), os.fstat(file.fileno()).st_size, unfinished / name)
            unfinished.rename(dest)
            flush_directory(dest.parent)
        except OSError as error:
            raise store_error(error) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _locked(self, run: Callable[[], T]) -> T:
        """Run something while no other process writes and what all have written is known."""

        def work(_: Journal) -> T:
            with self._access.shared():
                if self._access.archive.first or self._access.layout.exists():
                    self._access.archive.catch_up()
                return run()

        return self.read(work)

    def stats(self) -> dict[str, Any]:
        """Return the figures of the storage as a plain dictionary."""
        access = self._access
        figures = self.read(lambda _: storage_stats(access.archive))
        return {
            "backend": "file",
            "durability": self._durability,
            "read_only": access.archive.read_only or access.committer.refusal is not None,
            "problem": access.committer.refusal,
            **figures,
        }

    def capabilities(self) -> dict[str, Any]:
        """Return what this backend offers."""
        return {"durability": self._durability, "multi_process": True}

    def close(self) -> None:
        """Close every file. Later calls raise StoreClosedError; closing again does nothing."""
        self._closing()
