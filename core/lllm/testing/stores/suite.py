"""What every part of the suite stands on: a fresh store, and the errors it must raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from lllm.errors import InvalidPayloadError
from lllm.store import Event, Store

__all__ = ["BAD_NAMES", "GOOD_NAMES", "Suite", "refused"]

BAD_NAMES = (
    "",
    " ",
    ".",
    "..",
    "a b",
    "a/b",
    "a:b",
    "a\\b",
    "a%b",
    "a\tb",
    "a\u00a0b",
    "a\u2003b",
    "a;b",
    "a\x00b",
    "a\x1fb",
    "a\x7fb",
    "a\ud800b",
    "x" * 513,
)
"""Texts that may name nothing that is written."""

GOOD_NAMES = ("a", "...", "-", "a?x=1", "a#b", "a@b&c", "ünï", "日本語", "🙂", "x" * 512)
"""Texts that may name anything."""


def refused(kind: type[Exception], *fragments: str) -> Any:
    """Expect an error of exactly this class whose text holds the fragments in their order.

    Args:
        kind: The class.
        *fragments: Parts of the text.
    """
    return pytest.raises(kind, match="(?s)" + ".*".join(map(re.escape, fragments)))


class Suite:
    """A fresh store for every test.

    Attributes:
        patience: Seconds after which something that should have happened has not.
    """

    patience: float = 10.0

    def make_store(self, directory: Path) -> Store:
        """Return a fresh, empty store.

        Args:
            directory: A new directory for what the store keeps; a store that keeps nothing there ignores it.
        """
        raise NotImplementedError

    def reopen(self, directory: Path) -> Store | None:
        """Open the store of a directory again, after the first one was closed; None when nothing is kept.

        Args:
            directory: The directory that `make_store` was given.
        """
        return None

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Return the directory of the store."""
        return tmp_path / "store"

    @pytest.fixture
    def store(self, directory: Path) -> Iterator[Store]:
        """Return a fresh store with the channels `raw` and `out`."""
        store = self.make_store(directory)
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "out"})
        yield store
        store.close()

    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[Store]:
        """Return a second fresh store, without channels."""
        store = self.make_store(tmp_path / "other")
        yield store
        store.close()


def fill(store: Store, count: int, *, channel: str = "raw", kind: str = "event") -> tuple[Event, ...]:
    """Append events with the payloads 1, 2, 3, ... in one batch.

    Args:
        store: The store.
        count: How many.
        channel: Name of the channel.
        kind: Kind of the events.
    """
    return store.append_events(
        {"channel": channel, "kind": kind, "payload": number} for number in range(1, count + 1)
    )


def payloads(events: Any) -> list[Any]:
    """Return the payloads of events or deliveries.

    Args:
        events: Events or deliveries.
    """
    return [getattr(item, "event", item).payload for item in events]


@contextmanager
def after(delay: float, action: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread while the block runs; the block's end waits for it.

    Args:
        delay: Seconds before it is done.
        action: What is done.
    """
    timer = Timer(delay, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def needs(store: Store, capability: str) -> None:
    """Skip the test when the store does not declare a capability.

    Args:
        store: The store.
        capability: Name of the capability.
    """
    if not store.capabilities().get(capability, False):
        pytest.skip(f"the store does not declare {capability!r}")


@contextmanager
def trying(value: object) -> Iterator[None]:
    """Say in a failure which of several values was tried.

    Args:
        value: The value.
    """
    try:
        yield
    except BaseException as error:
        error.add_note(f"with {value!r}")
        raise


def invalid(*fragments: str) -> Any:
    """Expect an InvalidPayloadError whose text holds the fragments.

    Args:
        *fragments: Parts of the text.
    """
    return refused(InvalidPayloadError, *fragments)
