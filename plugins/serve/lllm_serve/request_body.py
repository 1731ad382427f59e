"""From the bytes of a request to the input of a tactic and the fields of its context.

A body is an envelope, `{"input": ..., "context": {...}}`, or the input itself. Which of the two it is depends on
its keys, on what the tactic's own input looks like, and on what the header `X-LLLM-Envelope` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import ValidationError, from_json, to_json

from lllm import SchemaError, Tactic
from lllm.schema import adapter_of
from lllm_serve.finite import is_suspicious, may_hold_floats, refuse_infinite
from lllm_serve.plain_models import envelope_validator, is_plain_model
from lllm_serve.request_state import RequestState

__all__ = ["BodyReader", "ParsedBody", "claims_json", "forced_form"]

_ENVELOPE = frozenset({"input", "task", "context"})


@dataclass(slots=True)
class ParsedBody:
    """What a body said.

    Attributes:
        value: The input; an instance of the input type when `checked`.
        context: What the envelope gave as context, None when it gave none.
        place: JSON pointer of the input inside the body.
        checked: Whether the input has been validated.
    """

    value: Any
    context: Any = None
    place: str = ""
    checked: bool = False


def claims_json(state: RequestState) -> bool:
    """Tell whether the content type of a request says JSON.

    Args:
        state: The notes on the request.
    """
    declared = state.headers.get(b"content-type")
    if declared is None:
        return False
    if declared == b"application/json":
        return True
    media_type = declared.partition(b";")[0].strip().lower()
    return media_type == b"application/json" or media_type.endswith(b"+json")


def forced_form(state: RequestState) -> bool | None:
    """Return whether the header `X-LLLM-Envelope` says that the body is an envelope; None when there is none.

    Args:
        state: The notes on the request.

    Raises:
        SchemaError: It says neither 1 nor 0.
    """
    given = state.headers.get(b"x-lllm-envelope")
    if given is None:
        return None
    forced = {b"1": True, b"0": False}.get(given.strip())
    if forced is None:
        raise SchemaError("The header X-LLLM-Envelope must be 1 or 0.")
    return forced


class BodyReader:
    """Reads the bodies of requests to one tactic.

    Args:
        tactic: The tactic.
        input_schema: JSON schema of its input, or None.
        allow_nan: Let NaN and infinities in.
    """

    def __init__(
        self, tactic: Tactic[Any, Any], input_schema: Mapping[str, Any] | None, allow_nan: bool
    ) -> None:
        self._tactic = tactic
        self._allow_nan = allow_nan
        self._declared = declared_fields(input_schema)
        self._ambiguous = not self._declared.isdisjoint({"input", "task"})
        self._adapter: Any = None
        self._envelope: Any = None
        self._floats = True
        input_type = tactic.input_type
        if input_type is not None and input_type is not Any:
            try:
                adapter = adapter_of(input_type)
            except SchemaError:
                return  # nothing can be checked against such a type; each call says so
            self._floats = may_hold_floats(adapter.core_schema)
            if is_plain_model(adapter) and type(tactic).validate_input is Tactic.validate_input:
                self._adapter = adapter
                self._envelope = None if self._ambiguous else envelope_validator(adapter)

    def read(self, body: bytes, is_json: bool, forced: bool | None) -> ParsedBody:
        """Return what a body says.

        Args:
            body: The bytes.
            is_json: Whether the content type says JSON.
            forced: Whether it must be an envelope, must not be one, or either.

        Raises:
            SchemaError: It is not JSON although it says so, holds what JSON does not know, or is no good envelope.
        """
        if not body:
            return ParsedBody(self._forced_input(None) if forced else None)
        finite = self._allow_nan or not (self._floats and is_suspicious(body))
        if self._envelope is not None and finite and forced is not False:
            # The usual case in one pass: what does not fit is read again below, to say what is wrong with it.
            try:
                found = self._envelope.validate_json(body)
            except ValidationError:
                pass
            else:
                return ParsedBody(found["input"], found.get("context"), "/input", checked=True)
        parsed, value = parse_json(body, is_json, self._allow_nan)
        if not parsed:
            return ParsedBody(self._forced_input(value) if forced else value)
        if not finite:
            check_finite(body)
        return self._typed(self._split(value, forced))

    def _split(self, value: Any, forced: bool | None) -> ParsedBody:
        if forced is False or (forced is None and not (isinstance(value, dict) and self._is_envelope(value))):
            return ParsedBody(value)
        if forced:
            self._forced_input(value)
        found = value.get("input")
        return (
            ParsedBody(value.get("task"), value.get("context"), "/task")
            if found is None
            else ParsedBody(found, value.get("context"), "/input")
        )

    def _is_envelope(self, value: dict[str, Any]) -> bool:
        if "input" not in value and "task" not in value:
            return False
        unknown = value.keys() - _ENVELOPE
        if unknown:
            if "context" not in value or unknown <= self._declared:
                return False
            raise _unknown_keys(unknown)
        if self._ambiguous and "context" not in value:
            return not self._is_input(value)
        return True

    def _is_input(self, value: Any) -> bool:
        try:
            self._tactic.validate_input(value)
        except SchemaError:
            return False
        return True

    def _forced_input(self, value: Any) -> Any:
        """Check that what is said to be an envelope is one."""
        if not isinstance(value, dict):
            raise SchemaError(
                "The request body must be an object with `input`, since X-LLLM-Envelope is 1; "
                f"it is {_kind_of(value)}."
            )
        if unknown := value.keys() - _ENVELOPE:
            raise _unknown_keys(unknown)
        return value

    def _typed(self, parsed: ParsedBody) -> ParsedBody:
        """Validate the input as JSON, which strict models read differently than Python objects."""
        if self._adapter is not None:
            try:
                parsed.value = self._adapter.validate_json(to_json(parsed.value, inf_nan_mode="constants"))
            except ValidationError:
                return parsed  # the tactic says what is wrong, as it does for every other caller
            parsed.checked = True
        return parsed


def parse_json(body: bytes, is_json: bool, allow_nan: bool) -> tuple[bool, Any]:
    """Return whether a body is JSON, and its value; what is not JSON and does not say so is text, or bytes.

    Args:
        body: The bytes.
        is_json: Whether the content type says JSON.
        allow_nan: Let NaN and infinities in.

    Raises:
        SchemaError: It says JSON and is not, or is JSON but for constants that JSON does not know.
    """
    try:
        return True, from_json(body, allow_inf_nan=allow_nan)
    except ValueError as error:
        problem: ValueError = error
    if not allow_nan:
        try:
            from_json(body)
        except ValueError:
            pass
        else:
            check_finite(body)
    if is_json:
        raise SchemaError(f"Request body is not valid JSON: {problem}", direction="input") from problem
    try:
        return False, body.decode("utf-8")
    except UnicodeDecodeError:
        return False, body


def check_finite(body: bytes) -> None:
    """Refuse JSON text that holds a number which is not finite.

    Args:
        body: The text.

    Raises:
        SchemaError: It holds one; the text names it.
    """
    try:
        refuse_infinite(body)
    except ValueError as error:
        raise SchemaError(f"Request body is not valid JSON: {error}.", direction="input") from error


def declared_fields(schema: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the fields that a JSON schema declares for an object, in any of its alternatives.

    Args:
        schema: A JSON schema, or None.
    """
    found: set[str] = set()
    waiting: list[Any] = [schema]
    seen: set[str] = set()
    definitions = schema.get("$defs", {}) if isinstance(schema, Mapping) else {}
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Mapping):
            continue
        properties = part.get("properties")
        if isinstance(properties, Mapping):
            found.update(properties)
        for name in ("anyOf", "oneOf", "allOf"):
            waiting.extend(part.get(name) or ())
        ref = part.get("$ref")
        if isinstance(ref, str) and ref not in seen:
            seen.add(ref)
            waiting.append(definitions.get(ref.removeprefix("#/$defs/")))
    return frozenset(found)


def _unknown_keys(keys: set[str]) -> SchemaError:
    names = ", ".join(f"`{name}`" for name in sorted(keys))
    return SchemaError(
        f"Request envelope has unknown keys: {names}; it may have `input`, `task` and `context`. "
        "Send the header X-LLLM-Envelope: 0 when the whole body is the input.",
        direction="input",
    )


def _kind_of(value: Any) -> str:
    if value is None:
        return "empty"
    return f"of type {type(value).__name__}"
