"""Where an exception came out of the library: a tool, a model, or neither.

The library lets exceptions that are not its own pass as they are; their tracebacks tell who raised them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType

from pydantic_ai.models import Model, StreamedResponse
from pydantic_ai.models.function import FunctionModel, FunctionStreamedResponse
from pydantic_ai.toolsets import AbstractToolset

__all__ = ["failing_model", "failing_tool"]


def failing_tool(error: BaseException) -> str | None:
    """Return the name of the tool whose call an exception came out of, or None.

    Args:
        error: The exception.
    """
    for frame in _frames(error):
        if frame.f_code.co_name == "call_tool" and isinstance(frame.f_locals.get("self"), AbstractToolset):
            return str(frame.f_locals.get("name"))
    return None


def failing_model(error: BaseException) -> str | None:
    """Return the name of the model that stumbled over a reply, or None.

    A model made of a function is somebody's own code, and so is what it raises.

    Args:
        error: The exception.
    """
    asked = [
        owner for frame in _frames(error) if isinstance(owner := _owner(frame), (Model, StreamedResponse))
    ]
    if not asked or isinstance(asked[-1], (FunctionModel, FunctionStreamedResponse)):
        return None
    return asked[-1].model_name


def _owner(frame: FrameType) -> object:
    return frame.f_locals.get("self")


def _frames(error: BaseException) -> Iterator[FrameType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
