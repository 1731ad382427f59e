"""`POST .../stream`: one input, many events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from lllm import TacticEvent, TacticUnsupportedError
from lllm_serve.body import CallerGone
from lllm_serve.exchange import Exchange
from lllm_serve.frames import frame_data
from lllm_serve.service import leave_all
from lllm_serve.sse import EventStream

__all__ = ["answer_stream", "send_stream"]


async def answer_stream(exchange: Exchange) -> None:
    """Answer a request to stream what a tactic does.

    Args:
        exchange: The request.
    """
    await exchange.read()
    served = exchange.served
    if not served.streams:
        raise TacticUnsupportedError(f"Tactic '{served.name}' does not support streaming.")
    places = await exchange.service.admit(served, needs_thread=served.streams_in_thread)
    try:
        await send_stream(exchange, _events(exchange))
    finally:
        leave_all(places)


def _events(exchange: Exchange) -> AsyncIterator[Any]:
    served, value = exchange.served, exchange.parsed.value
    if not served.checks_streams:
        return served.tactic.aevents(value, context=exchange.context)
    value = served.tactic.validate_input(value)
    return _checked(served.tactic, served.tactic.aevents(value, context=exchange.context))


async def _checked(tactic: Any, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Validate the final result of a tactic whose class streams in its own way."""
    try:
        async for event in events:
            if isinstance(event, TacticEvent) and event.kind == "result":
                event.data = tactic.validate_output(event.data)
            yield event
    finally:
        await close(events)


async def send_stream(exchange: Exchange, items: AsyncIterator[Any]) -> None:
    """Send what an iterator yields, as events; the iterator is closed whatever happens.

    Args:
        exchange: The request.
        items: Events, or plain items.

    Raises:
        BaseException: What ended the iterator before the answer had begun; afterwards it becomes the last event.
    """
    options = exchange.service.options
    stream = EventStream(exchange.send, options.heartbeat)
    try:
        async for item in items:
            if exchange.aborted is not None:
                raise exchange.aborted  # the work was told to end, and goes on
            await stream.data(*frame_data(item, allow_nan=options.allow_nan))
    except BaseException as error:
        await _broken(exchange, stream, error)
    else:
        await stream.end(_usage(exchange))
    finally:
        stream.close()
        await close(items)


async def _broken(exchange: Exchange, stream: EventStream, error: BaseException) -> None:
    """End a stream that failed: with its real status when nothing was sent yet, else with an error event."""
    reason = exchange.aborted or error
    if not stream.started or isinstance(reason, (CallerGone, KeyboardInterrupt, GeneratorExit)):
        raise error
    if exchange.is_stopped(error):
        raise error
    failure = exchange.failure(reason)
    event = TacticEvent.error(
        failure.message,
        error_type=failure.type,
        tactic=exchange.served.name,
        endpoint=exchange.endpoint,
        request_id=exchange.context.request_id,
    )
    await stream.data(*frame_data(event))
    await stream.end(_usage(exchange))


def _usage(exchange: Exchange) -> bytes | None:
    usage = None if exchange.observation is None else exchange.observation.usage()
    return None if usage is None else b"x-lllm-usage " + usage


async def close(items: Any) -> None:
    """Close an iterator that can be closed.

    Args:
        items: Any iterator.
    """
    aclose = getattr(items, "aclose", None)
    if aclose is not None:
        await aclose()
