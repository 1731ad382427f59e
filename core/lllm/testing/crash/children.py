"""Starting and ending the workers of a proof."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lllm.import_strings import parse_import_string
from lllm.store import Store

__all__ = ["OPENER", "Target", "end", "start"]

OPENER = "lllm.store:open_store"


@dataclass(frozen=True, slots=True)
class Target:
    """A store that a proof mistreats.

    Args:
        url: What the opener is given; `{directory}` in it becomes the directory of the store.
        opener: Import string of a callable that opens a store, in this process and in workers.
        path: A folder to import the opener from, when it is not installed.
    """

    url: str
    opener: str = OPENER
    path: str | None = None

    def open(self, directory: Path) -> Store:
        """Open the store of a directory in this process.

        Args:
            directory: The directory.
        """
        module, attribute = parse_import_string(self.opener, "opener")
        former = list(sys.path)
        if self.path is not None:
            sys.path.insert(0, self.path)
        try:
            opener = getattr(importlib.import_module(module), attribute)
        finally:
            sys.path[:] = former
        store: Store = opener(self.located(directory))
        return store

    def located(self, directory: Path) -> str:
        """Return the URL of the store in a directory.

        Args:
            directory: The directory.
        """
        return self.url.replace("{directory}", str(directory))

    def prepare(self, directory: Path) -> None:
        """Make a store with the channels and the subscription that workers use.

        Args:
            directory: The directory.
        """
        with self.open(directory) as store:
            store.create_channel({"name": "raw"})
            store.create_channel({"name": "out"})
            store.create_subscription("raw", subscription_id="work")


def start(
    target: Target, directory: Path, journal: Path, *, prefix: Sequence[str] = (), **options: Any
) -> subprocess.Popen[bytes]:
    """Start a worker.

    Args:
        target: The store.
        directory: Directory of the store.
        journal: Where the worker writes what was acknowledged.
        prefix: A command to run it under.
        **options: `job`, `seed`, `steps` and what the job needs.
    """
    order = {
        "steps": None,
        **options,
        "url": target.located(directory),
        "opener": target.opener,
        "path": target.path,
        "journal": str(journal),
    }
    program = Path(__file__).with_name("worker.py")
    command = [*prefix, sys.executable, "-P", str(program), json.dumps(order)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def end(child: subprocess.Popen[bytes], *, kill: bool = False, patience: float = 60.0) -> str | None:
    """Kill a worker or wait for its end; return what it said when it failed.

    Args:
        child: The worker.
        kill: Whether to kill it now.
        patience: Seconds that it may take.
    """
    if kill:
        child.kill()
    try:
        _, said = child.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f"a worker did not end within {patience} seconds"
    if child.returncode == 0 or (kill and child.returncode == -9):
        return None
    return f"a worker failed with {child.returncode}: {said.decode(errors='replace')[-2000:]}"
