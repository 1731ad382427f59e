"""Errors as one line: what happened, and where in the user's own code."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import click

from lllm.errors import LLLMError, SchemaError, SSSNError
from lllm.plugins.records import one_line
from lllm.secrets import mask_secrets

__all__ = ["CallFailed", "failure_line"]

# The text of these says enough; the name of any other class is part of what happened.
_SPEAKING = (LLLMError, SSSNError, AttributeError, ImportError, OSError, TypeError, ValueError)
_OWN = str(Path(__file__).resolve().parent.parent)
_STDLIB = sysconfig.get_path("stdlib")
_INSTALLED = ("site-packages", "dist-packages")


class CallFailed(click.ClickException):
    """A tactic was called and failed; its exception is the cause, and the exit code is 1."""

    exit_code = 1


def failure_line(error: BaseException) -> str:
    """Return one line about an error, without secrets and without control characters.

    Args:
        error: The error; for a `CallFailed` it is the cause that counts.
    """
    told = error.__cause__ if isinstance(error, CallFailed) and error.__cause__ is not None else error
    if isinstance(told, click.ClickException):
        text = told.format_message()
    elif isinstance(told, SyntaxError):
        text = f"{type(told).__name__}: {told.msg}"  # its place is told below
    elif isinstance(told, SchemaError):
        text = _mismatch(told)
    elif isinstance(told, _SPEAKING) and told is error:
        text = str(told) or type(told).__name__
    else:
        text = f"{type(told).__name__}: {told}" if str(told) else type(told).__name__
    # What a command says on purpose is complete; any other error was not foreseen.
    place = None if isinstance(told, click.ClickException) else _place(told, is_call=told is not error)
    return one_line(mask_secrets(text)) + ("" if place is None else f" ({one_line(place)})")


def _mismatch(error: SchemaError) -> str:
    """Return what does not match by field, without the value and the links that pydantic adds."""
    from pydantic import ValidationError

    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error)
    found = cause.errors(include_url=False, include_context=False, include_input=False)
    fields = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}".removeprefix(": ") for item in found]
    return f"{str(error).partition(': ')[0]}: {'; '.join(fields)}"


def _place(error: BaseException, *, is_call: bool) -> str | None:
    """Return `file:line` of the user's code nearest to the error, or None when it would tell the user nothing."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return _shown(error.filename, error.lineno)
    frames = [
        (frame.f_code.co_filename, line, str(frame.f_globals.get("__name__", "")))
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_foreign(frame.f_code.co_filename)
    ]
    found = [frame for frame in frames if _is_here(frame[0])] or frames
    if found and found is frames and isinstance(error, (LLLMError, SSSNError) if is_call else _SPEAKING):
        # The text was meant for the user: where a plugin raised it tells nothing.
        plugins = _plugin_packages()
        found = [frame for frame in frames if frame[2].partition(".")[0] not in plugins]
    return _shown(found[-1][0], found[-1][1]) if found else None


def _plugin_packages() -> set[str]:
    """Return the names of the packages that hold plugins."""
    from lllm.plugins import manager

    try:
        return {info.entry_point.partition(":")[0].partition(".")[0] for info in manager().plugins()}
    except Exception:  # the config cannot be read; that is not what is told here
        return set()


def _is_foreign(file: str) -> bool:
    if file.startswith(("<", _OWN)) or f"{Path(click.__file__).parent}" in file:
        return False
    return not file.startswith(_STDLIB) or any(part in file for part in _INSTALLED)


def _is_here(file: str) -> bool:
    path = Path(file)
    return path.is_relative_to(Path.cwd()) and not any(part in path.parts for part in _INSTALLED)


def _shown(file: str, line: int | None) -> str:
    path = Path(file)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"
