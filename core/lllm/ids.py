"""Identifiers for requests and events: UUIDs that cost a tenth of `uuid.uuid4`.

They are unique, not unguessable: a process draws one random prefix and one random start and counts from there.
Whatever must not be guessed (lease tokens, idempotency keys) is made with `uuid` or `secrets` instead.
"""

from __future__ import annotations

import os
from itertools import count

__all__ = ["new_id"]


def new_id() -> str:
    """Return a new UUID in the usual 8-4-4-4-12 form, with the version and variant of a random one (RFC 9562)."""
    return f"{_prefix}{_next() & 0xFFFFFFFFFFFF:012x}"


def _draw() -> None:
    """Draw the prefix and the start of the count; a forked child must not repeat its parent's ids."""
    global _prefix, _next  # noqa: PLW0603
    raw = os.urandom(10).hex()
    _prefix = f"{raw[:8]}-{raw[8:12]}-4{raw[12:15]}-{'89ab'[int(raw[15], 16) & 3]}{raw[16:19]}-"
    _next = count(int.from_bytes(os.urandom(6))).__next__


_prefix = ""
_next = count().__next__
_draw()
os.register_at_fork(after_in_child=_draw)
