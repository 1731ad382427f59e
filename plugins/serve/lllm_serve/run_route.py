"""`POST .../run`: one input, one output."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from lllm_serve.exchange import OFF_LOOP_BYTES, Exchange
from lllm_serve.replies import Reply
from lllm_serve.service import leave_all

__all__ = ["answer_run"]


async def answer_run(exchange: Exchange) -> Reply | None:
    """Answer a request to run a tactic.

    Args:
        exchange: The request.
    """
    await exchange.read()
    if b"idempotency-key" not in exchange.state.headers:
        return await _run(exchange)
    return await exchange.service.idempotency.once(exchange, _run)


async def _run(exchange: Exchange) -> Reply:
    served, service = exchange.served, exchange.service
    places = await service.admit(served)
    try:
        if served.blocking:
            data = await service.in_thread(served, _run_and_encode, exchange)
        else:
            output = await served.tactic.arun(exchange.parsed.value, context=exchange.context)
            if served.output_bytes < OFF_LOOP_BYTES:
                data = served.encoder(output)
                served.output_bytes = len(data)
            else:
                data = await encoded(exchange, output)
    finally:
        leave_all(places)
    request_id = to_json(exchange.context.request_id)
    if len(data) < OFF_LOOP_BYTES:
        return Reply(200, (b'{"output":' + data + b',"request_id":' + request_id + served.tail,))
    return Reply(200, (b'{"output":', data, b',"request_id":' + request_id + served.tail))


def _run_and_encode(exchange: Exchange) -> bytes:
    output = exchange.served.tactic.run(exchange.parsed.value, context=exchange.context)
    return exchange.served.encoder(output)


async def encoded(exchange: Exchange, output: Any, *, bare: bool = False) -> bytes:
    """Return an output as JSON; in a thread when it is likely to be large.

    Args:
        exchange: The request.
        output: What the tactic or one of its endpoints returned.
        bare: Whether it is not of the tactic's output type.
    """
    served = exchange.served
    encoder = served.bare_encoder if bare else served.encoder
    if served.output_bytes < OFF_LOOP_BYTES:
        data = encoder(output)
    else:
        data = await exchange.service.large(encoder, output)
    served.output_bytes = len(data)
    return data
