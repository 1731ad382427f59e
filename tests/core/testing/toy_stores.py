"""Durable toy stores: one that is careful, and others that each forget one thing."""

import fcntl
import os
import pickle
from hashlib import sha256
from pathlib import Path

from lllm.errors import SSSNError, StoreFormatError
from lllm.store import ArtifactFiles, BackendStore
from lllm.store.memory import MemoryBackend, MemoryTables


class PickledBackend(MemoryBackend):
    """The memory backend, written to one file with every commit."""

    def __init__(self, directory, *, flush=True, atomic=True, late=False, sealed=True, wrapped=True):
        super().__init__()
        self.blobs = ArtifactFiles(Path(directory) / "artifacts", durable=flush)
        self.path = Path(directory) / "state"
        self.flush, self.atomic, self.late, self.sealed, self.wrapped = flush, atomic, late, sealed, wrapped
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = os.open(self.path.with_name("lock"), os.O_RDWR | os.O_CREAT)
        self.load()

    def load(self):
        self._tables = MemoryTables()
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        if self.sealed:
            seal, data = data[:32], data[32:]
            if sha256(data).digest() != seal:
                raise StoreFormatError("Unsupported store format: the state is damaged")
        try:
            tables = pickle.loads(data)
        except Exception as error:
            raise StoreFormatError("Unsupported store format: the state is damaged") from error
        vars(self._tables).update(tables)

    def read(self, work):
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            if not self.late:
                self.load()
            return super().read(work)
        finally:
            fcntl.flock(self.lock, fcntl.LOCK_UN)

    def write(self, work, *, durable=True):
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            if not self.late:
                self.load()
            result = super().write(work)
            if not self.late or self._commits % 7 == 0:
                self.save()
            return result
        except OSError as error:
            self.load()
            if self.wrapped:
                raise SSSNError(f"cannot write: {error}") from error
            raise
        finally:
            fcntl.flock(self.lock, fcntl.LOCK_UN)

    def save(self):
        tables = {name: value for name, value in vars(self._tables).items() if name != "undo"}
        data = pickle.dumps(tables)
        if self.sealed:
            data = sha256(data).digest() + data
        target = self.path.with_name("new") if self.atomic else self.path
        with target.open("wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view[:4096]) :]
            if self.flush:
                os.fsync(file.fileno())
        if self.atomic:
            target.replace(self.path)
        if self.flush:
            descriptor = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    def close(self):
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def careful(directory):
    return BackendStore(PickledBackend(directory))


def unflushed(directory):
    return BackendStore(PickledBackend(directory, flush=False))


def torn(directory):
    return BackendStore(PickledBackend(directory, atomic=False))


def late(directory):
    return BackendStore(PickledBackend(directory, late=True))


def unsealed(directory):
    return BackendStore(PickledBackend(directory, sealed=False))


def leaking(directory):
    return BackendStore(PickledBackend(directory, wrapped=False))
