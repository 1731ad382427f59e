"""Delivery tokens: unguessable, and checked without a table of tokens.

A token names its subscription, cursor and attempt, and carries a keyed hash of them. Seeking gives the
subscription a new key, which makes every older token worthless at once.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from lllm.errors import LeaseLostError
from lllm.store.backend import Reader, SubscriptionRow, WaitingRow
from lllm.store.encoding import MAX_INTEGER

__all__ = ["Held", "Lease", "finished_by", "held_leases", "new_secret", "resolve", "token_for"]

_REMEMBERED = 4096


class Lease(NamedTuple):
    """A token that was taken apart.

    Args:
        token: The token.
        number: Number of the subscription.
        cursor: Cursor of the event.
        attempt: How often the event had been handed out.
    """

    token: str
    number: int
    cursor: int
    attempt: int


@dataclass(slots=True)
class Held:
    """What tokens of one subscription amount to.

    Args:
        row: The subscription.
        current: Leases that are the current ones of their events, with their waiting rows.
        done: Leases that finished their events.
    """

    row: SubscriptionRow
    current: list[tuple[Lease, WaitingRow]] = field(default_factory=list)
    done: list[Lease] = field(default_factory=list)


def new_secret() -> str:
    """Return a new key for the tokens of a subscription."""
    return secrets.token_hex(16)


def token_for(row: SubscriptionRow, cursor: int, attempt: int) -> str:
    """Return the token of a delivery.

    Args:
        row: The subscription.
        cursor: Cursor of the event.
        attempt: How often it has been handed out.
    """
    return _token(row.secret, row.number, cursor, attempt)


# Most tokens come back soon, to the process that made them.
@lru_cache(maxsize=_REMEMBERED)
def _token(secret: str, number: int, cursor: int, attempt: int) -> str:
    head = f"{number}.{cursor}.{attempt}"
    keyed = _keyed(secret).copy()
    keyed.update(head.encode())
    return f"{head}.{keyed.hexdigest()}"


@lru_cache(maxsize=256)
def _keyed(secret: str) -> blake2b:
    """Return the hash before anything was hashed, which is half of the work; copy it before use."""
    return blake2b(digest_size=12, key=secret.encode())


def resolve(tx: Reader, tokens: Sequence[str]) -> tuple[list[Held], list[str]]:
    """Sort tokens by subscription and by what they are still worth.

    Args:
        tx: The transaction.
        tokens: The tokens.

    Returns:
        What is held, for each subscription, and the tokens that are lost.
    """
    lost: list[str] = []
    leases: dict[int, list[Lease]] = {}
    for token in tokens:
        lease = _parse(token)
        if lease is None:
            lost.append(token)
        else:
            leases.setdefault(lease.number, []).append(lease)
    held: list[Held] = []
    for number, group in leases.items():
        row = tx.subscription_numbered(number)
        if row is None:
            lost.extend(lease.token for lease in group)
            continue
        found, missing = _sort(tx, row, group)
        held.append(found)
        lost.extend(missing)
    if len(lost) > 1:
        lost.sort(key={token: place for place, token in enumerate(tokens)}.__getitem__)
    return held, lost


def held_leases(tx: Reader, tokens: Sequence[str]) -> list[Held]:
    """Return what tokens hold when every one of them is the current one of its event.

    Args:
        tx: The transaction.
        tokens: The tokens.

    Raises:
        LeaseLostError: A token is lost, or its event is finished.
    """
    held, lost = resolve(tx, tokens)
    gone = {*lost, *(lease.token for group in held for lease in group.done)}
    if gone:
        raise LeaseLostError(token for token in tokens if token in gone)
    return held


def finished_by(tx: Reader, tokens: Sequence[str]) -> tuple[list[Held], list[str]]:
    """Return what tokens hold, and which of them have finished their events already.

    Args:
        tx: The transaction.
        tokens: The tokens.

    Raises:
        LeaseLostError: A token is lost.
    """
    held, lost = resolve(tx, tokens)
    if lost:
        raise LeaseLostError(lost)
    return held, [lease.token for group in held for lease in group.done]


def _parse(token: str) -> Lease | None:
    """Take a token apart; what is not spelled as we spell it is found out when its hash is compared."""
    if not token.isascii():
        return None
    try:
        number, cursor, attempt, _ = token.split(".")
        lease = Lease(token, int(number), int(cursor), int(attempt))
    except ValueError:
        return None
    return lease if 0 < lease.number <= MAX_INTEGER else None


def _sort(tx: Reader, row: SubscriptionRow, leases: Sequence[Lease]) -> tuple[Held, list[str]]:
    held = Held(row)
    genuine = [lease for lease in leases if _genuine(row, lease)]
    waiting = tx.waiting(row.number, [lease.cursor for lease in genuine])
    over = [lease.cursor for lease in genuine if lease.cursor not in waiting]
    winners = tx.outcomes(row.number, over) if over else {}
    for lease in genuine:
        wait = waiting.get(lease.cursor)
        if wait is not None:
            if wait[3] and wait[1] == lease.attempt:
                held.current.append((lease, wait))
        elif lease.cursor <= row.handed and winners.get(lease.cursor, 1) == lease.attempt:
            # Only outcomes other than "finished by its first delivery" are recorded.
            held.done.append(lease)
    if len(held.current) + len(held.done) == len(leases):
        return held, []
    worth = {lease.token for lease, _ in held.current} | {lease.token for lease in held.done}
    return held, [lease.token for lease in leases if lease.token not in worth]


def _genuine(row: SubscriptionRow, lease: Lease) -> bool:
    return hmac.compare_digest(lease.token, token_for(row, lease.cursor, lease.attempt))
