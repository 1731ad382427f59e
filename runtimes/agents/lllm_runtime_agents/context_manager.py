"""Context managers: they shorten a dialog so that it fits into the model's window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from lllm_runtime_agents.dialog import Dialog
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.registry import ResourceRegistry, default_registry
from lllm_runtime_agents.roles import Modalities, Roles
from lllm_runtime_agents.tokens import context_window, estimate_text, estimate_tokens

__all__ = ["ContextManager", "DefaultContextManager", "find_context_manager"]

_CUT_MARK = "[...earlier content truncated...]\n"
_WORTH_CUTTING = 50
"""Tokens that must be left before a part of a message is kept."""


class ContextManager(ABC):
    """Shortens the working view of a dialog before the model sees it.

    Args:
        model_name: Name of the model.
        max_tokens: Size of its window in tokens; looked up when None.
    """

    name: ClassVar[str] = ""

    def __init__(self, model_name: str, max_tokens: int | None = None) -> None:
        self.model_name = model_name
        self.max_tokens = context_window(model_name) if max_tokens is None else max_tokens

    @abstractmethod
    def __call__(self, dialog: Dialog) -> Dialog:
        """Return the dialog, or a shorter one.

        Args:
            dialog: A working view; the canonical dialog is never touched.
        """


class DefaultContextManager(ContextManager):
    """Keeps the first message and as many of the last ones as fit.

    The message at the border is cut. A tool's result is only kept together with the call that asked for it.
    """

    name = "default"
    SAFETY_BUFFER = 5000

    def __call__(self, dialog: Dialog) -> Dialog:
        """Return the same dialog when it fits, else a shorter one."""
        messages = dialog.messages
        budget = self.max_tokens - self.SAFETY_BUFFER
        if sum(map(estimate_tokens, messages)) <= budget or len(messages) < 2:
            return dialog
        if budget <= 0:
            # A window smaller than the buffer still has to hold something.
            budget = self.max_tokens // 2
        shorter = dialog.working_view()
        shorter.messages[:] = _fitting(messages, budget)
        return shorter


def _fitting(messages: list[Message], budget: int) -> list[Message]:
    left = budget - estimate_tokens(messages[0])
    kept: list[Message] = []
    for message in reversed(messages[1:]):
        size = estimate_tokens(message)
        if size > left:
            if (border := _cut(message, left)) is not None:
                kept.append(border)
            break
        kept.append(message)
        left -= size
    kept.reverse()
    while kept and kept[0].role is Roles.TOOL:
        kept.pop(0)
    return [messages[0], *kept]


def _cut(message: Message, tokens: int) -> Message | None:
    """Return the end of a message, or None when nothing useful would be left of it."""
    text = message.content
    if tokens <= _WORTH_CUTTING or not isinstance(text, str) or message.modality is not Modalities.TEXT:
        return None
    if message.role is Roles.TOOL or message.function_calls:
        return None
    overhead = estimate_tokens(message) - estimate_text(text)
    room = tokens - overhead - estimate_text(_CUT_MARK)
    share = len(text) * room // max(1, estimate_text(text))
    return message.model_copy(update={"content": _CUT_MARK + text[len(text) - max(0, share) :]})


def find_context_manager(kind: str, registry: ResourceRegistry | None = None) -> type[ContextManager]:
    """Return the class of a context manager.

    Args:
        kind: `default`, or the name under which one was registered.
        registry: Where to look; the default registry when None.

    Raises:
        KeyError: There is no such context manager.
    """
    if kind == DefaultContextManager.name:
        return DefaultContextManager
    found: type[ContextManager] = (registry or default_registry()).get(kind, resource_type="context_manager")
    return found
