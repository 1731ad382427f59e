"""The small closed vocabularies of dialogs: roles, modalities, API types and invokers."""

from __future__ import annotations

from enum import Enum

__all__ = ["LLM_SIDE_ROLES", "APITypes", "Invokers", "Modalities", "Roles"]


class Roles(str, Enum):  # noqa: UP042 - str() of a role is `Roles.USER` by contract
    """Who a message comes from."""

    SYSTEM = "system"
    ASSISTANT = "assistant"
    USER = "user"
    TOOL = "tool"
    TOOL_CALL = "tool_call"

    @property
    def msg_value(self) -> str:
        """The role as current chat APIs name it: `developer` for the system."""
        return "developer" if self is Roles.SYSTEM else self.value


class Modalities(str, Enum):  # noqa: UP042
    """What kind of content a message holds."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    FUNCTION_CALL = "function_call"


class APITypes(str, Enum):  # noqa: UP042
    """Which of a provider's APIs is called."""

    COMPLETION = "completion"
    RESPONSE = "response"


class Invokers(str, Enum):  # noqa: UP042
    """Formats in which a tool can be declared to a model."""

    LITELLM = "litellm"


LLM_SIDE_ROLES = [Roles.ASSISTANT, Roles.TOOL_CALL]
