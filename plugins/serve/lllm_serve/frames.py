"""From what a stream yields to the data of its frames."""

from __future__ import annotations

from typing import Any

from lllm import TacticEvent
from lllm.secrets import public_copy
from lllm_serve.encoding import encode

__all__ = ["frame_data"]


def frame_data(item: Any, *, allow_nan: bool = False) -> tuple[bytes, bytes | None]:
    """Return an item of a stream as JSON, and the name of its event.

    Args:
        item: An event, whose metadata are filtered for the public, a model, or any other value.
        allow_nan: Let NaN and infinities out.

    Returns:
        The JSON text, and the kind of an event; None for everything else.

    Raises:
        OutputEncodingError: It has no JSON form.
    """
    if not isinstance(item, TacticEvent):
        return encode(item, allow_nan=allow_nan), None
    if item.metadata:
        item = item.model_copy(update={"metadata": public_copy(item.metadata)})
    return encode(item, allow_nan=allow_nan), item.kind.encode("utf-8", "replace")
