"""The store as a whole, on a server: check, copy, export, import, figures."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from lllm.errors import InvalidPayloadError, SSSNError
from lllm.store import CheckReport, open_store
from lllm_store_http import upkeep_calls
from lllm_store_http.sending import AsyncSender, Sender

__all__ = ["AsyncUpkeep", "Upkeep"]

CHUNK_CHARACTERS = 1 << 20


@contextmanager
def _opened(file: str | Path | IO[str], mode: Literal["r", "w"]) -> Iterator[IO[str]]:
    if not isinstance(file, str | Path):
        yield file
        return
    try:
        with Path(file).open(mode, encoding="utf-8", newline="") as opened:
            yield opened
    except (OSError, UnicodeDecodeError) as error:
        raise SSSNError(f"the file of the export cannot be used: {error}") from error


def _chunks(file: IO[str]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_CHARACTERS):
        yield chunk.encode()


async def _async_chunks(file: IO[str]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_CHARACTERS):
        yield chunk.encode()


def _export_params(artifacts: bool) -> dict[str, str]:
    return {"artifacts": "true" if artifacts else "false"}


def _records(lines: int) -> int:
    """Return how many records an export of so many lines has; the first line describes the format."""
    return max(0, lines - 1)


def _check_new(dest: str | Path) -> None:
    path = Path(dest)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InvalidPayloadError(f"backup needs a new or empty directory: {path}")


def _fill(dest: str | Path, file: IO[str]) -> None:
    file.seek(0)
    with open_store(dest) as copy:
        copy.import_(file)


def _scratch() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="")


class Upkeep(Sender):
    """The store as a whole; `lllm.Store` has the rules of each method."""

    def check(self, *, deep: bool = False) -> CheckReport:
        """Look for damage; `deep` also compares the bytes of every artifact with their hash."""
        return self._send(upkeep_calls.check(deep=deep))

    def stats(self) -> dict[str, Any]:
        """Return counts, bytes, heads, lags and the durability as plain values."""
        return self._send(upkeep_calls.get_stats())

    def capabilities(self) -> dict[str, Any]:
        """Return what the store behind the server promises; a backup goes to this machine."""
        remote = self._send(upkeep_calls.get_capabilities())
        return {**remote, "backup": True}

    def export(self, target: str | Path | IO[str], *, artifacts: bool = True) -> int:
        """Write the whole store as JSON Lines and return how many records they hold."""
        lines = 0
        params = _export_params(artifacts)
        with _opened(target, "w") as file, self._stream("GET", "/v1/export", params=params) as response:
            for text in response.iter_text():
                file.write(text)
                lines += text.count("\n")
        return _records(lines)

    def import_(
        self, source: str | Path | IO[str], *, on_conflict: Literal["error", "skip"] = "error"
    ) -> int:
        """Read what `export` wrote and return how many records were written."""
        with _opened(source, "r") as file:
            return self._send(upkeep_calls.import_lines(_chunks(file), on_conflict=on_conflict))

    def backup(self, dest: str | Path) -> None:
        """Copy the store into a new directory on this machine."""
        _check_new(dest)
        with _scratch() as file:
            self.export(file)
            _fill(dest, file)


class AsyncUpkeep(AsyncSender):
    """The store as a whole, as coroutines."""

    async def check(self, *, deep: bool = False) -> CheckReport:
        """Look for damage; `deep` also compares the bytes of every artifact with their hash."""
        return await self._send(upkeep_calls.check(deep=deep))

    async def stats(self) -> dict[str, Any]:
        """Return counts, bytes, heads, lags and the durability as plain values."""
        return await self._send(upkeep_calls.get_stats())

    async def capabilities(self) -> dict[str, Any]:
        """Return what the store behind the server promises; a backup goes to this machine."""
        remote = await self._send(upkeep_calls.get_capabilities())
        return {**remote, "backup": True}

    async def export(self, target: str | Path | IO[str], *, artifacts: bool = True) -> int:
        """Write the whole store as JSON Lines and return how many records they hold."""
        lines = 0
        params = _export_params(artifacts)
        with _opened(target, "w") as file:
            async with self._stream("GET", "/v1/export", params=params) as response:
                async for text in response.aiter_text():
                    await asyncio.to_thread(file.write, text)
                    lines += text.count("\n")
        return _records(lines)

    async def import_(
        self, source: str | Path | IO[str], *, on_conflict: Literal["error", "skip"] = "error"
    ) -> int:
        """Read what `export` wrote and return how many records were written."""
        with _opened(source, "r") as file:
            return await self._send(upkeep_calls.import_lines(_async_chunks(file), on_conflict=on_conflict))

    async def backup(self, dest: str | Path) -> None:
        """Copy the store into a new directory on this machine."""
        _check_new(dest)
        with _scratch() as file:
            await self.export(file)
            await asyncio.to_thread(_fill, dest, file)
