"""Stores with events to process."""

import pytest

from lllm.store import open_store


@pytest.fixture
def root(tmp_path):
    """Directory of the store."""
    return tmp_path / "store"


@pytest.fixture
def store(root):
    """A store on disk with an input, an output and a dead-letter channel."""
    store = open_store(root)
    for name in ("raw", "analysis", "dead"):
        store.create_channel({"name": name})
    yield store
    store.close()


@pytest.fixture
def fill(store):
    """Append numbered events and return them."""

    def fill(count, **fields):
        return store.append_events(
            [
                {"channel": "raw", "kind": "message", "payload": {"text": f"t{number}"}, **fields}
                for number in range(count)
            ]
        )

    return fill
