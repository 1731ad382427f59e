"""A served store: in process for exact bodies, on a real port for what needs one."""

import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.testclient import TestClient

from lllm.store import open_store
from lllm_serve.stores import create_store_app


@pytest.fixture
def store(tmp_path):
    """A store on disk."""
    store = open_store(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def client(store):
    """A client of the application, without a network."""
    with TestClient(create_store_app(store), base_url="http://127.0.0.1") as client:
        yield client


@contextmanager
def serving(app):
    """Run an application on a free port of this machine."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def url(store):
    """The address of a real server of the store."""
    with serving(create_store_app(store, max_wait=5)) as address:
        yield address
