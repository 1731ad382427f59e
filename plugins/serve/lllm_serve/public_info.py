"""What a service publishes about a tactic: its `TacticInfo`, without secrets and always as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from pydantic_core import from_json, to_json

from lllm import Tactic, TacticInfo
from lllm.secrets import mask_secrets, public_copy, public_schema
from lllm_serve.access_log import logger

__all__ = ["PublicInfo", "public_schema"]


class PublicInfo:
    """The published description of one tactic.

    Args:
        tactic: The tactic; it is asked each time, since a remote one may learn more about itself.
    """

    def __init__(self, tactic: Tactic[Any, Any]) -> None:
        self._tactic = tactic
        self._last = self._describe(report=True)

    @property
    def input_schema(self) -> Mapping[str, Any] | None:
        """JSON schema of the input."""
        schema: Mapping[str, Any] | None = self._last["input_schema"]
        return schema

    def document(self) -> dict[str, Any]:
        """Return the description as JSON data."""
        self._last = self._describe(report=False)
        return self._last

    def _describe(self, *, report: bool) -> dict[str, Any]:
        document = self._asked(report)
        for name in ("input_schema", "output_schema"):
            document[name] = public_schema(document[name])
        for name in ("examples", "metadata"):
            document[name], strange = json_form(public_copy(document[name]))
            if strange and report:
                logger.warning(
                    "the %s of tactic %r hold a %s, which is not JSON; it is published as text",
                    name,
                    self._tactic.tactic_name,
                    strange,
                )
        return document

    def _asked(self, report: bool) -> dict[str, Any]:
        """Return what the tactic says about itself; one that cannot is listed without its schemas."""
        tactic = self._tactic
        try:
            info = tactic.info()
        except Exception as error:
            if report:
                logger.warning("tactic %r cannot describe itself: %s", tactic.tactic_name, error)
            info = TacticInfo(
                name=tactic.tactic_name,
                capabilities=tuple(sorted(tactic.capabilities())),
                runtime_kind=tactic.runtime_kind,
                package_ref=tactic.package_ref,
                service_ref=tactic.service_ref,
                examples=tactic.examples,
                metadata=tactic.metadata,
            )
        document = {name: getattr(info, name) for name in TacticInfo.model_fields}
        document["capabilities"] = list(info.capabilities)
        return document


def json_form(value: Any) -> tuple[Any, str | None]:
    """Return a value as JSON data, whatever it is, and the type of what had to be written as text.

    Args:
        value: Metadata or examples.
    """
    if value is None or isinstance(value, (bool, int)):
        return value, None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode(), None
    if isinstance(value, float):
        return (value, None) if isfinite(value) else (str(value), str(value))
    if isinstance(value, Mapping):
        pairs = {key: json_form(item) for key, item in value.items()}
        return {key: item for key, (item, _) in pairs.items()}, _first(
            strange for _, strange in pairs.values()
        )
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [json_form(item) for item in value]
        return [item for item, _ in items], _first(strange for _, strange in items)
    return _leaf(value)


def _leaf(value: Any) -> tuple[Any, str | None]:
    """Return what pydantic makes of a model, a date or the like; anything else as its text."""
    try:
        return from_json(to_json(value, by_alias=True)), None
    except Exception:
        try:
            text = mask_secrets(str(value))
        except Exception:
            text = f"<{type(value).__name__}>"
        return text, type(value).__name__


def _first(names: Any) -> str | None:
    return next((name for name in names if name is not None), None)
