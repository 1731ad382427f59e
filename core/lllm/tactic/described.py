"""The half of a tactic that describes it: its name, its types and what it can do."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any, ClassVar

from lllm.names import check_examples, check_metadata, check_token
from lllm.refs import check_service_ref, check_tactic_ref
from lllm.schema import export_json_schema, mismatch, validator_of
from lllm.tactic import models
from lllm.tactic.traits import NO_TRAITS, Traits

if TYPE_CHECKING:
    from lllm.tactic.info import TacticInfo

__all__ = ["Described"]


class Described:
    """What every tactic says about itself, and the checks of what goes in and out."""

    name: str | None = None
    description: str = ""
    input_type: Any = None
    output_type: Any = None
    runtime_kind: str = "python"
    agent_group: list[str] | None = None

    package_ref: str | None = None
    service_ref: str | None = None
    examples: list[dict[str, Any]] = []  # noqa: RUF012  # every instance gets its own in __init__
    metadata: dict[str, Any] = {}  # noqa: RUF012
    declared_capabilities: frozenset[str] = frozenset()
    """What the runtime that claims the class adds to `capabilities()`."""

    _traits: ClassVar[Traits] = NO_TRAITS
    _given_name: str | None = None
    _given_description: str | None = None
    _input_check: tuple[Any, Any] = (None, None)
    _output_check: tuple[Any, Any] = (None, None)

    @property
    def tactic_name(self) -> str:
        """The name given to the constructor, else the class's `name`, else the class's own name."""
        if self._given_name is not None:
            return self._given_name
        return self.name or type(self).__name__

    def info(self) -> TacticInfo:
        """Return the portable description of this tactic."""
        # Everything is checked or made here, so the model need not walk through the schemas again.
        return models.TacticInfo.model_construct(
            name=self.tactic_name,
            description=self._described(),
            input_schema=self._export_input_schema(),
            output_schema=self._export_output_schema(),
            capabilities=tuple(sorted(self.capabilities())),
            runtime_kind=check_token(self.runtime_kind, "runtime_kind"),
            package_ref=None
            if self.package_ref is None
            else check_tactic_ref(self.package_ref, "package_ref"),
            service_ref=None
            if self.service_ref is None
            else check_service_ref(self.service_ref, "service_ref"),
            examples=check_examples(self.examples),
            metadata=check_metadata(self.metadata),
        )

    def _described(self) -> str:
        if self._given_description is not None:
            return self._given_description
        own_text = None if type(self)._traits is NO_TRAITS else type(self).__dict__.get("__doc__")
        return self.description or cleandoc(own_text or "")

    def _export_input_schema(self) -> dict[str, Any] | None:
        return export_json_schema(self.input_type)

    def _export_output_schema(self) -> dict[str, Any] | None:
        return export_json_schema(self.output_type)

    def capabilities(self) -> set[str]:
        """Return what this tactic can do: `run`, `arun`, `stream`, `events`."""
        traits = self._traits
        found = set(self.declared_capabilities)
        if traits.streams:
            found.add("stream")
        if traits.aevents or traits.hidden_aevents:
            found.add("events")
        if traits.runs or not traits.streams:
            found |= {"run", "arun"}
        return found

    def supports(self, capability: str) -> bool:
        """Tell whether this tactic can do something.

        Args:
            capability: `run`, `arun`, `stream` or `events`.
        """
        return capability in self.capabilities()

    @property
    def blocking(self) -> bool:
        """Whether a call does its work in the thread that makes it; an event loop then needs another one for it."""
        return self._traits.blocks

    def validate_input(self, value: Any) -> Any:
        """Validate an input against `input_type`, in pydantic's lax mode.

        Raises:
            SchemaError: It does not match.
        """
        schema = self.input_type
        if schema is None or schema is Any:
            return value
        check = self._input_check
        if check[0] is not schema:
            check = self._input_check = (schema, validator_of(schema))
        try:
            return check[1](value)
        except Exception as error:
            raise mismatch(schema, error, "input") from error

    def validate_output(self, value: Any) -> Any:
        """Validate an output against `output_type`, in pydantic's lax mode.

        Raises:
            SchemaError: It does not match.
        """
        schema = self.output_type
        if schema is None or schema is Any:
            return value
        check = self._output_check
        if check[0] is not schema:
            check = self._output_check = (schema, validator_of(schema))
        try:
            return check[1](value)
        except Exception as error:
            raise mismatch(schema, error, "output") from error
