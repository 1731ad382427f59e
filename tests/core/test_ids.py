"""Request and event ids."""

import os
import uuid

from lllm.ids import new_id


def test_ids_are_uuids_of_version_four():
    """The text form is what `uuid` reads and writes."""
    text = new_id()
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert parsed.version == 4
    assert parsed.variant == uuid.RFC_4122


def test_ids_do_not_repeat():
    """A hundred thousand ids are a hundred thousand different ones."""
    assert len({new_id() for _ in range(100_000)}) == 100_000


def test_a_forked_child_counts_on_its_own():
    """After a fork parent and child do not hand out the same ids."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        child = pipe.read()
    os.wait()
    assert child[:24] != new_id()[:24]
