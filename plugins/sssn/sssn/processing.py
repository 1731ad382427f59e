"""`process`: the durable loop around a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lllm.store import Store, Subscription

if TYPE_CHECKING:
    from lllm_process import Progress

__all__ = ["process"]


def process(
    store: Store,
    subscription: str | Subscription,
    handler: Any,
    *,
    output: str | None = None,
    workers: int = 1,
    once: bool = False,
    **options: Any,
) -> Progress:
    """Run the events of a subscription through a handler, and its results into a channel, until interrupted.

    Events are leased, leases are kept alive while the handler runs, output and acknowledgement are one commit, and
    failures are tried again after growing pauses; see `lllm_process.Processor`.

    Args:
        store: Store of the input and the output.
        subscription: The subscription or its id.
        handler: A tactic, or anything that `lllm.as_tactic` takes, such as a function of the payload.
        output: Channel for the results; None keeps none.
        workers: How many events are worked on at once.
        once: Return when nothing is waiting any more.
        **options: Further options of `Processor`.

    Returns:
        What was done, as counts.

    Raises:
        RuntimeError: The distribution `lllm-process` is not installed.
        SSSNError: The store does not lease events, or there is no such subscription or channel.
    """
    try:
        from lllm_process import Processor
    except ImportError as error:
        raise RuntimeError("Install sssn[process] (lllm-process) to use sssn.process().") from error
    name = subscription.id if isinstance(subscription, Subscription) else subscription
    return Processor(store, name, handler, output=output, workers=workers, **options).run(once=once)
