"""Ids of events are UUIDs of version 4 that ascend with time."""

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lllm.store.ids import new_id


def test_an_id_is_a_uuid_of_version_4():
    """In the usual text form, with the usual variant."""
    for _ in range(1000):
        text = new_id()
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)


def test_ids_begin_with_the_clock():
    """The first 48 bits are milliseconds, so that an index grows at its end."""
    before = time.time_ns() // 1_000_000
    clock = int(new_id().replace("-", "")[:12], 16)
    assert before <= clock <= time.time_ns() // 1_000_000


def test_threads_make_different_ids():
    """No id is handed out twice."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [new_id() for _ in range(2000)], range(8)))
    assert len({name for part in made for name in part}) == 16_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_other_ids():
    """A child does not hand out what its parent holds in store."""
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    text = os.read(reader, 100 * 36).decode()
    os.close(reader)
    os.close(writer)
    theirs = {text[at + 8 :][:28] for at in range(0, len(text), 36)}
    ours = {new_id()[8:] for _ in range(300)}
    assert len(theirs) == 100
    assert theirs.isdisjoint(ours)
