"""Commands about leases: at-least-once consumption from a shell."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sssn.cli.inputs import given
from sssn.cli.parser import Commands

if TYPE_CHECKING:
    from lllm.store import Store

__all__ = ["register"]


def register(commands: Commands) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where they are collected.
    """
    lease = commands.add(
        "lease", _lease, "Lease the next events; they come back unless acked in time.", changes_only=True
    )
    lease.add_argument("id", metavar="SUBSCRIPTION")
    lease.add_argument("--limit", type=int, metavar="N", help="at most N events (default: its batch size)")
    lease.add_argument("--lease-seconds", type=float, metavar="FLOAT", help="length of the leases")
    lease.add_argument("--consumer", help="who holds them")
    lease.add_argument("--wait", type=float, metavar="SECONDS", help="wait so long for an event (default: 0)")
    ack = commands.add("ack", _ack, "Finish leased events.", changes_only=True)
    ack.add_argument("tokens", nargs="+", metavar="TOKEN")
    nack = commands.add("nack", _nack, "Give leased events back for redelivery.", changes_only=True)
    nack.add_argument("tokens", nargs="+", metavar="TOKEN")
    nack.add_argument("--delay", type=float, metavar="SECONDS", help="redeliver after so long (default: 0)")
    nack.add_argument("--error", help="why, for the dead letter")
    reject = commands.add("reject", _reject, "Dead-letter leased events at once.", changes_only=True)
    reject.add_argument("tokens", nargs="+", metavar="TOKEN")
    reject.add_argument("--error", help="why, for the dead letter")
    extend = commands.add("extend", _extend, "Extend leases.", changes_only=True)
    extend.add_argument("tokens", nargs="+", metavar="TOKEN")
    extend.add_argument(
        "--seconds", type=float, required=True, metavar="FLOAT", help="new deadline, counted from now"
    )


def _lease(store: Store, args: Namespace) -> Iterable[Any]:
    return store.lease(args.id, **given(args, "limit", "lease_seconds", "consumer", "wait"))


def _ack(store: Store, args: Namespace) -> Iterable[Any]:
    yield {"count": store.ack(args.tokens)}


def _nack(store: Store, args: Namespace) -> Iterable[Any]:
    yield {"count": store.nack(args.tokens, **given(args, "delay", "error"))}


def _reject(store: Store, args: Namespace) -> Iterable[Any]:
    yield {"count": store.reject(args.tokens, **given(args, "error"))}


def _extend(store: Store, args: Namespace) -> Iterable[Any]:
    return store.extend(args.tokens, seconds=args.seconds)
