"""Serving a tactic on a port of its own for as long as a block runs."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from lllm import Tactic, create_tactic_app


@contextmanager
def served(tactic: Tactic) -> Iterator[str]:
    """Serve a tactic on loopback, as `lllm serve` does, and yield its URL."""
    server = uvicorn.Server(uvicorn.Config(create_tactic_app(tactic), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
