"""The store: a Store by the suite that decides, and one store for each name."""

import pytest
from acme_shout.store import open_memory

from lllm import open_store
from lllm.errors import StoreClosedError, StoreURLError
from lllm.testing import StoreConformance

pytestmark = pytest.mark.usefixtures("registered")


class TestStore(StoreConformance):
    """It passes the suite that decides whether something is a Store."""

    def make_store(self, directory):
        return open_memory(f"memory:{directory}")


def test_a_url_opens_one_store_for_its_name():
    """Whoever opens the name finds what others put there."""
    with open_store("memory:one") as store, open_store("memory:two") as other:
        store.create_channel({"name": "raw"})
        assert [channel.name for channel in open_store("memory:one").list_channels()] == ["raw"]
        assert list(other.list_channels()) == []


def test_a_closed_store_is_gone():
    """The next one of its name is empty."""
    store = open_store("memory:one")
    store.create_channel({"name": "raw"})
    store.close()
    with pytest.raises(StoreClosedError):
        store.list_channels()
    with open_store("memory:one") as again:
        assert list(again.list_channels()) == []


def test_a_store_needs_a_name():
    """The error shows what a URL looks like."""
    with pytest.raises(StoreURLError, match="a memory store needs a name, as in memory:scratch"):
        open_store("memory:")


def test_an_unknown_option_is_refused():
    """The store takes none."""
    with pytest.raises(StoreURLError, match="durability"):
        open_store("memory:one", durability="disk")
