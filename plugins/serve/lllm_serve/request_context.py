"""The `CallContext` of a request: what the body gives, what the service decides, and what may not be spoofed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from lllm import CallContext, SchemaError
from lllm.names import check_token

__all__ = ["MAX_EXTRA_BYTES", "context_of", "given_request_id"]

MAX_EXTRA_BYTES = 16_384
"""Most bytes that the fields of a context may have as JSON which the protocol does not know."""

_TAKEN = ("caller", "trace_id", "span_id", "package_ref", "service_ref")
_DECIDED = frozenset({"endpoint", "request_id", "call_id", "tactic_ref", "tags", "metadata", "principal"})
_KNOWN = frozenset(_TAKEN) | _DECIDED


def context_of(
    given: Any, *, endpoint: str, tactic_ref: str | None, principal: str | None = None
) -> CallContext:
    """Return the context of a call.

    Args:
        given: What the envelope gave, or None.
        endpoint: `run`, `stream` or the name of a custom endpoint; what the body says about it is ignored.
        tactic_ref: Ref of the tactic, unless the body names another one.
        principal: Who calls, from authentication; what the body says about it is ignored.

    Raises:
        SchemaError: What is given is malformed.
    """
    if not given and (given is None or isinstance(given, dict)):
        context = CallContext.fresh()
        fields: dict[str, Any] = context.__dict__  # the quick way: nothing here needs validation
        fields["endpoint"] = endpoint
        fields["tactic_ref"] = tactic_ref
    else:
        context = _context(_fields_of(given, endpoint, tactic_ref))
    if principal is not None and context.__pydantic_extra__ is not None:
        context.__pydantic_extra__["principal"] = principal  # setting the attribute takes ten times as long
    return context


def _context(fields: dict[str, Any]) -> CallContext:
    try:
        return CallContext(**fields)
    except ValidationError as error:
        raise SchemaError(f"Invalid request context: {error}") from error


def _fields_of(given: Any, endpoint: str, tactic_ref: str | None) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise SchemaError("Request context must be an object.")
    fields = {name: given[name] for name in _TAKEN if given.get(name) is not None}
    for name in ("metadata", "tags"):
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, dict):
            raise SchemaError(f"Request context {name} must be an object.")
        fields[name] = value
    request_id = given["request_id"] if "request_id" in given else given.get("call_id")
    if request_id is not None and request_id != "":
        fields["request_id"] = request_id
    named = given.get("tactic_ref")
    fields["tactic_ref"] = tactic_ref if named is None or named == "" else named
    fields["endpoint"] = endpoint
    fields.update(_extras_of(given))
    return fields


def _extras_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the protocol does not know; names that mean something to the context are dropped."""
    extras = {
        name: value
        for name, value in given.items()
        if name not in _KNOWN and not name.startswith(("_", "model_")) and not hasattr(CallContext, name)
    }
    if extras:
        try:
            size = len(to_json(extras))
        except PydanticSerializationError as error:
            raise SchemaError(f"Invalid request context: {error}") from error
        if size > MAX_EXTRA_BYTES:
            raise SchemaError(
                f"Invalid request context: its further fields have {size} bytes; the limit is {MAX_EXTRA_BYTES}. "
                "Send large values in the input."
            )
    return extras


def given_request_id(given: Any) -> str | None:
    """Return the request id that a body gives when it is a valid one, for the error about the rest of it.

    Args:
        given: What the envelope gave as context, or None.
    """
    if not isinstance(given, dict):
        return None
    found = given["request_id"] if "request_id" in given else given.get("call_id")
    try:
        return check_token(found, "request_id")
    except (TypeError, ValueError):
        return None
