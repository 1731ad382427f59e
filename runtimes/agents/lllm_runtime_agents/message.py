"""`Message`: one turn of a dialog."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lllm.assembly import assembled
from lllm.session import InvokeCost, is_priced
from lllm_runtime_agents.function_call import FunctionCall
from lllm_runtime_agents.roles import APITypes, Modalities, Roles

__all__ = ["Message", "TokenLogprob"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class TokenLogprob(BaseModel):
    """The log probability of one token.

    Attributes:
        token: The token's text, when known.
        logprob: Natural logarithm of its probability, when known.
        bytes: The token's UTF-8 bytes, when known.
        top_logprobs: The most likely alternatives at this place.
    """

    model_config = ConfigDict(defer_build=True)

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TokenLogprob] = Field(default_factory=list)


def _as_logprob(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"logprob": value}
    return {"token": value} if isinstance(value, str) else value


class Message(BaseModel):
    """One turn: who said it, what, and what it cost.

    Attributes:
        role: Who it comes from.
        content: The text, the base64 text of an image, or a list of content parts.
        name: Name of the sender.
        function_calls: Tools that the model asks for.
        modality: What kind of content it is.
        logprobs: Log probabilities of the tokens.
        parsed: What the prompt's parser made of the content.
        model: Name of the model that wrote it.
        usage: Token counts and prices as the provider reports them.
        metadata: Anything else; `dialog_id` names the dialog it stands in, `tool_call_id` the call it answers.
        api_type: The API that it came through.
        vectors: Embeddings of the content.
    """

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    role: Roles
    content: str | list[dict[str, Any]]
    name: str
    function_calls: list[FunctionCall] = Field(default_factory=list)
    modality: Modalities = Modalities.TEXT
    logprobs: list[Annotated[TokenLogprob, BeforeValidator(_as_logprob)]] = Field(default_factory=list)
    parsed: dict[str, Any] = Field(default_factory=dict)
    model: str | None = None
    usage: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    api_type: APITypes = APITypes.COMPLETION
    vectors: list[Any] = Field(default_factory=list)

    @classmethod
    def said(cls, role: Roles, text: str, name: str, metadata: Mapping[str, Any] | None = None) -> Self:
        """Return a plain text turn; half of all messages are made this way, so a text is taken as it is.

        Args:
            role: Who it comes from.
            text: The text.
            name: Name of the sender.
            metadata: Anything else about it.

        Raises:
            ValidationError: `text` or `name` is no string.
        """
        about = dict(metadata or {})
        if cls is not Message or type(role) is not Roles or type(text) is not str or type(name) is not str:
            return cls(role=role, content=text, name=name, metadata=about)
        fields: dict[str, Any] = {
            "role": role,
            "content": text,
            "name": name,
            "function_calls": [],
            "modality": Modalities.TEXT,
            "logprobs": [],
            "parsed": {},
            "model": None,
            "usage": {},
            "metadata": about,
            "api_type": APITypes.COMPLETION,
            "vectors": [],
        }
        return assembled(cls, fields)

    @property
    def sanitized_name(self) -> str:
        """The name in the alphabet that providers accept: `[A-Za-z0-9_-]`, at most 64 characters."""
        return _UNSAFE.sub("_", self.name)[:64]

    @property
    def is_function_call(self) -> bool:
        """Whether the model asks for tools."""
        return bool(self.function_calls)

    @property
    def cost(self) -> InvokeCost:
        """Tokens and dollars, read from `usage`; what is unknown counts as zero."""
        return InvokeCost.from_usage(self.usage)

    @property
    def priced(self) -> bool:
        """Whether `usage` carries a known price."""
        return is_priced(self.usage)

    @property
    def text(self) -> str:
        """The content as plain text; parts that are not text are left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part["text"] for part in self.content if isinstance(part.get("text"), str))

    def stamped(self, dialog_id: str) -> Self:
        """Return a copy for another dialog: the content is shared, the metadata is not.

        Args:
            dialog_id: Id of the dialog that the copy stands in.
        """
        return self.model_copy(update={"metadata": {**self.metadata, "dialog_id": dialog_id}})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-safe map; values that JSON does not know are written as text."""
        dumped: dict[str, Any] = self.model_dump(mode="json", fallback=str)
        return dumped

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Args:
            data: The map.

        Raises:
            ValidationError: A field is missing or malformed.
        """
        return cls.model_validate(dict(data))
