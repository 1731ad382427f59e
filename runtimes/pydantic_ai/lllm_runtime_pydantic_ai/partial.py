"""What can be said of an output while the model is still writing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic import ValidationError
from pydantic_ai.exceptions import AgentRunError, ModelRetry, UserError

__all__ = ["partial_outputs", "responses"]

_GROWTH = 1.01
"""How much longer a reply must be before it is looked at again: every piece of a short one, ever fewer of a long one.
The work for the whole of a long reply so stays in proportion to its length."""


async def partial_outputs(stream: Any) -> AsyncIterator[Any]:
    """Yield the outputs that the beginning of a reply validates as, each when it differs from the one before.

    Args:
        stream: The library's stream of one reply, inside its context manager.
    """
    shown: Any = stream
    async for response in responses(stream):
        try:
            output = await stream.validate_response_output(response, allow_partial=True)
        except (ValidationError, ModelRetry, AgentRunError, UserError):
            continue  # not yet, or a tool call on the way to an output
        if output != shown:
            shown = output
            yield output


async def responses(stream: Any) -> AsyncIterator[Any]:
    """Yield the reply as far as it is written, as it grows.

    Args:
        stream: The library's stream of one reply, inside its context manager.
    """
    length, next_look = 0, 0.0
    async for event in stream:
        piece = _length(event)
        length += piece
        # Whether a reply can be an output is known, and said, only after the part that began it.
        is_output = getattr(event, "event_kind", None) == "final_result"
        if length and (is_output or (piece and length >= next_look)):
            next_look = length * _GROWTH
            yield stream.response


def _length(event: Any) -> int:
    """Return by how many characters an event makes the reply longer."""
    part = getattr(event, "part", None) if getattr(event, "event_kind", None) == "part_start" else None
    delta = getattr(event, "delta", None)
    written = (
        getattr(part, "content", None),
        getattr(part, "args", None),
        getattr(delta, "content_delta", None),
        getattr(delta, "args_delta", None),
    )
    return sum(len(piece) if isinstance(piece, str) else 1 for piece in written if piece)
