"""The program that a proof runs in a child process, and that is killed, starved or traced.

It is started by its path, so that nothing of the test framework is imported: `worker.py '{"job": ...}'`.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any

from lllm.errors import SSSNError
from lllm.store import Store

__all__ = ["main"]


class _Journal:
    """A file of acknowledgements, one line each, written in one call."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, **promise: Any) -> None:
        os.write(self._descriptor, json.dumps(promise).encode() + b"\n")


def main(arguments: list[str]) -> None:
    """Do one job.

    Args:
        arguments: One JSON object: `job`, `url`, `opener`, `path`, `journal`, `seed`, `steps` and what the
            job needs.
    """
    options = json.loads(arguments[0])
    if options["path"] is not None:
        sys.path.insert(0, options["path"])
    module, _, name = options["opener"].partition(":")
    store: Store = getattr(importlib.import_module(module), name)(options["url"])
    journal = _Journal(options["journal"])
    if options.get("create"):
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "out"})
    _JOBS[options["job"]](store, journal, options)
    store.close()


def _write(store: Store, journal: _Journal, options: dict[str, Any]) -> None:
    """Write a bit of everything, a number of steps or for ever."""
    noise = random.Random(options["seed"])
    for step in _steps(options["steps"]):
        _write_once(store, journal, noise, f"{options['seed']}-{step}")


def _steps(count: int | None) -> Iterator[int]:
    step = 0
    while count is None or step < count:
        yield step
        step += 1


def _write_once(store: Store, journal: _Journal, noise: random.Random, name: str) -> None:
    choice = noise.random()
    if choice < 0.45:
        event = store.append_event(
            {"id": f"e-{name}", "channel": "raw", "payload": {"name": name, "x": "é" * 50}}
        )
        journal.write(events=[[event.id, event.cursor, event.payload]])
    elif choice < 0.75:
        size = noise.randint(2, 20)
        batch = [_part(name, number, size) for number in range(size)]
        events = store.append_events(batch)
        journal.write(events=[[event.id, event.cursor, event.payload] for event in events])
    elif choice < 0.85:
        snapshot = store.put_snapshot({"name": f"n-{name.partition('-')[0]}", "value": name})
        journal.write(snapshot=[snapshot.name, snapshot.revision, name])
    elif choice < 0.93:
        text = f"{name} " * 500
        artifact = store.write_artifact(text.encode())
        journal.write(artifact=[artifact.id, text])
    else:
        result = store.commit(
            events=[{"id": f"c-{name}", "channel": "out", "payload": name}],
            snapshots=[{"name": f"m-{name.partition('-')[0]}", "value": name}],
        )
        event, snapshot = result.events[0], result.snapshots[0]
        journal.write(
            events=[[event.id, event.cursor, event.payload]],
            snapshot=[snapshot.name, snapshot.revision, name],
        )


def _part(name: str, number: int, size: int) -> dict[str, Any]:
    channel = "out" if number % 3 == 0 else "raw"
    metadata = {"batch": name, "size": size}
    return {"id": f"b-{name}-{number}", "channel": channel, "payload": number, "metadata": metadata}


def _process(store: Store, journal: _Journal, options: dict[str, Any]) -> None:
    """Turn every event of `raw` into one of `out`, in one commit each, until nothing is left."""
    noise = random.Random(options["seed"])
    while store.lag("work").cursor < store.head("raw"):
        for delivery in store.lease("work", limit=noise.randint(1, 8), lease_seconds=0.5, wait=0.2):
            try:
                store.commit(
                    acks=delivery,
                    events=[
                        {"channel": "out", "payload": options["seed"], "parent_ids": [delivery.event.id]}
                    ],
                )
            except SSSNError:
                continue
            journal.write(done=delivery.event.id)


def _fill(store: Store, journal: _Journal, options: dict[str, Any]) -> None:
    """Write under a limit on the size of files until that fails, then without it again."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    noise = random.Random(options["seed"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (options["limit"], hard))
    failures = 0
    for step in range(options["steps"]):
        try:
            _write_once(store, journal, noise, f"{options['seed']}-{step}")
        except SSSNError:
            failures += 1
        except Exception as error:
            journal.write(wrong=f"{type(error).__name__}: {error}")
            failures += 1
        if failures > 5:
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    journal.write(failures=failures)
    try:
        _write_once(store, journal, noise, f"{options['seed']}-after")
    except SSSNError:
        journal.write(refused=True)


_JOBS = {"write": _write, "process": _process, "fill": _fill}


if __name__ == "__main__":
    main(sys.argv[1:])
