"""`MCP`: a tool server that the model's provider calls by itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["MCP"]

_APPROVALS = ("never", "manual", "auto")


class MCP(BaseModel):
    """A remote MCP server, declared to the provider; LLLM does not connect to it.

    Attributes:
        server_label: Name of the server in the conversation.
        server_url: Where it is.
        require_approval: `never`, `manual` or `auto`.
        allowed_tools: Names of the tools that may be used, or None for all.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid")

    server_label: str
    server_url: str
    require_approval: str = "never"
    allowed_tools: list[str] | None = None

    @field_validator("require_approval")
    @classmethod
    def _known_approval(cls, value: str) -> str:
        if value not in _APPROVALS:
            raise ValueError(f"require_approval must be one of {list(_APPROVALS)}, got {value!r}")
        return value

    def to_tool(self) -> dict[str, Any]:
        """Return the declaration that is sent to the provider."""
        declared: dict[str, Any] = {
            "type": "mcp",
            "server_label": self.server_label,
            "server_url": self.server_url,
            "require_approval": self.require_approval,
        }
        if self.allowed_tools is not None:
            declared["allowed_tools"] = list(self.allowed_tools)
        return declared
