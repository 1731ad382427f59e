"""A store behind HTTP is a Store: the suite of every backend, over the routes without a network."""

from __future__ import annotations

import pytest

from lllm.store import MemoryStore, open_store
from lllm.testing import StoreConformance
from lllm_store_http import HTTPStore


class TestHTTPStore(StoreConformance):
    """Every test of the suite, with a store in memory behind the server."""

    @pytest.fixture(autouse=True)
    def _wire(self, make_wire):
        self.wire = make_wire

    def make_store(self, directory):
        return HTTPStore("http://server", transport=self.wire(MemoryStore()))

    def reopen(self, directory):
        """A backup is a store on this machine; the served store itself is gone with its server."""
        return open_store(directory) if directory.exists() else None
