"""The suite of every backend over a real server: SQLite behind HTTP on this machine."""

from __future__ import annotations

import threading
import time

import pytest
import uvicorn

from lllm.store import AsyncStore, open_store
from lllm.testing import StoreConformance
from lllm.testing.store_machine import store_machine
from lllm_serve.stores import create_store_app
from lllm_store_http import HTTPStore


class Current:
    """The store that an application serves at the moment; building an application for every test takes too long."""

    def __init__(self):
        self.store = None
        self.aio = AsyncStore(self)

    def __getattr__(self, name):
        return getattr(self.store, name)


class Applications:
    """A few applications behind one address: the first segment of the path says which."""

    def __init__(self, count):
        self.stores = [Current() for _ in range(count)]
        self.apps = [create_store_app(store) for store in self.stores]

    async def __call__(self, scope, receive, send):
        number, _, rest = scope["path"][1:].partition("/")
        raw = scope["raw_path"][len(number) + 1 :]
        await self.apps[int(number)]({**scope, "path": f"/{rest}", "raw_path": raw}, receive, send)


@pytest.fixture(scope="module")
def applications():
    """Applications of a running server, with its address."""
    applications = Applications(4)
    server = uvicorn.Server(
        uvicorn.Config(applications, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    applications.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield applications
    server.should_exit = True
    thread.join(10)


class TestServedSQLite(StoreConformance):
    """Every test of the suite, with a client, a connection, a server and a file."""

    @pytest.fixture(autouse=True)
    def _server(self, applications):
        self.applications = applications
        self.opened = []
        yield
        for store in self.opened:
            store.close()

    def make_store(self, directory):
        number = len(self.opened)
        store = open_store(directory)
        self.opened.append(store)
        self.applications.stores[number].store = store
        return HTTPStore(f"{self.applications.address}/{number}")


def served_machine():
    """The stateful comparison with the plain model, with a connection between the two."""
    opened = {}
    place = {}

    def make(directory):
        if directory not in opened:
            opened[directory] = open_store(directory, durability="memory")
        place["applications"].stores[0].store = opened[directory]
        return HTTPStore(f"{place['applications'].address}/0")

    return place, opened, store_machine(make, reopen=make, examples=10).TestCase


PLACE, OPENED, TestServedMachine = served_machine()


@pytest.fixture(autouse=True)
def _placed(applications):
    """Tell the machine, which takes no fixtures, where the server is."""
    PLACE["applications"] = applications
    yield
    while OPENED:
        OPENED.popitem()[1].close()
