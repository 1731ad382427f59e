"""`TacticInfo`, the portable description of a tactic, and the resource that package cards are made from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lllm.fields import (
    Examples,
    Metadata,
    SchemaMap,
    SegmentText,
    ServiceRefText,
    TacticRefText,
    Text,
    TokenText,
)
from lllm.refs import check_service_ref, check_tactic_ref
from lllm.secrets import public_copy, public_schema
from lllm.tactic.endpoints import custom_endpoints

__all__ = ["TacticInfo", "tactic_resource"]


class TacticInfo(BaseModel):
    """What services, package cards and catalogues show of a tactic.

    Attributes:
        name: Name of the tactic.
        description: What it does.
        input_schema: JSON schema of the input, None when any value is taken.
        output_schema: JSON schema of the output.
        capabilities: Sorted names of what it can do: `run`, `arun`, `stream`, `events`.
        runtime_kind: Who does the work.
        package_ref: Ref under which the tactic is published.
        service_ref: Ref or URL of the service that runs it.
        examples: Maps that show inputs and outputs.
        metadata: Anything else, with string keys.
    """

    model_config = ConfigDict(defer_build=True)

    name: SegmentText
    description: Text = ""
    input_schema: SchemaMap = None
    output_schema: SchemaMap = None
    capabilities: tuple[TokenText, ...] = ("run", "arun")
    runtime_kind: TokenText = "python"
    package_ref: TacticRefText | None = None
    service_ref: ServiceRefText | None = None
    examples: Examples = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)


def tactic_resource(tactic: Any) -> dict[str, Any]:
    """Describe a tactic as a package card shows it: refs checked again, secrets filtered out.

    Args:
        tactic: A tactic, or any object with an `info()` that returns a `TacticInfo` or something like it.

    Returns:
        Exactly the keys name, description, runtime, capabilities, endpoints, input_schema, output_schema,
        package_ref, service_ref, examples and metadata.

    Raises:
        ValueError: A ref is malformed.
    """
    info = tactic.info()
    package_ref, service_ref = info.package_ref, info.service_ref
    return {
        "name": info.name,
        "description": info.description,
        "runtime": info.runtime_kind,
        "capabilities": list(info.capabilities),
        "endpoints": [
            {
                "name": spec.name,
                "method": spec.method,
                "path": spec.path,
                "mode": spec.mode,
                "description": spec.description,
                "tags": list(spec.tags),
            }
            for spec, _ in custom_endpoints(tactic)
        ],
        "input_schema": public_schema(info.input_schema),
        "output_schema": public_schema(info.output_schema),
        "package_ref": None if package_ref is None else check_tactic_ref(package_ref, "package_ref"),
        "service_ref": None if service_ref is None else check_service_ref(service_ref, "service_ref"),
        "examples": public_copy(list(info.examples)),
        "metadata": public_copy(dict(info.metadata)),
    }
