"""`DialogOwner`: the dialogs of an agent, by alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lllm_runtime_agents.dialog import Dialog
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.prompt import Prompt, inline_prompt
from lllm_runtime_agents.registry import ResourceRegistry
from lllm_runtime_agents.roles import Roles

__all__ = ["DialogOwner"]


@dataclass(eq=False, kw_only=True, repr=False)
class DialogOwner:
    """Somebody with a system prompt who owns dialogs by alias; one of them is active.

    Attributes:
        name: Name of the owner.
        system_prompt: The prompt each dialog begins with; a text is read as an inline prompt.
        runtime: The registry in which prompts are looked up; the default one when None.
        active_alias: Alias of the active dialog, or None.
    """

    name: str
    system_prompt: Prompt
    runtime: ResourceRegistry | None = None
    active_alias: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if isinstance(self.system_prompt, str):
            self.system_prompt = inline_prompt(self.system_prompt, f"{self.name}/system_prompt")
        self._dialogs: dict[str, Dialog] = {}

    @property
    def dialogs(self) -> dict[str, Dialog]:
        """A snapshot of the dialogs by alias."""
        return dict(self._dialogs)

    @property
    def current_dialog(self) -> Dialog:
        """The active dialog.

        Raises:
            RuntimeError: No dialog is active.
        """
        return self._dialog(None)

    def open(
        self,
        alias: str,
        prompt_args: Mapping[str, Any] | None = None,
        session_name: str | None = None,
        switch: bool = True,
    ) -> Self:
        """Begin a dialog with the system prompt.

        Args:
            alias: Name of the dialog within the agent.
            prompt_args: Values of the system prompt's variables.
            session_name: Name for people; by default `<agent>_<alias>`.
            switch: Whether it becomes the active dialog.

        Raises:
            ValueError: The alias is in use, or a variable is missing.
        """
        if alias in self._dialogs:
            raise ValueError(
                f"Dialog '{alias}' already exists on agent '{self.name}'. "
                f"Use .fork('{alias}', ...) to branch from it or .close('{alias}') first."
            )
        dialog = Dialog(session_name or f"{self.name}_{alias}", None, self.runtime, self.name)
        dialog.put_prompt(self.system_prompt, prompt_args, name="system", role=Roles.SYSTEM)
        self._dialogs[alias] = dialog
        if switch:
            self.active_alias = alias
        return self

    def fork(
        self, alias: str, child_alias: str, last_n: int = 0, first_k: int = 1, switch: bool = True
    ) -> Self:
        """Branch a dialog off another.

        Args:
            alias: The dialog to branch from.
            child_alias: Name of the new one.
            last_n: How many messages from the tail are taken over; 0 for all.
            first_k: How many from the head are taken over with them.
            switch: Whether the new one becomes the active dialog.

        Raises:
            KeyError: There is no dialog `alias`.
            ValueError: `child_alias` is in use, or a number is negative.
        """
        source = self._dialog(alias)
        if child_alias in self._dialogs:
            raise ValueError(f"Dialog '{child_alias}' already exists on agent '{self.name}'.")
        self._dialogs[child_alias] = source.fork(last_n=last_n, first_k=first_k)
        if switch:
            self.active_alias = child_alias
        return self

    def close(self, alias: str) -> Dialog:
        """Take a dialog out of the agent and return it.

        Args:
            alias: Name of the dialog.

        Raises:
            KeyError: There is no such dialog.
        """
        dialog = self._dialog(alias)
        del self._dialogs[alias]
        if self.active_alias == alias:
            self.active_alias = None
        return dialog

    def switch(self, alias: str) -> Self:
        """Make another dialog the active one.

        Args:
            alias: Name of the dialog.

        Raises:
            KeyError: There is no such dialog.
        """
        self._dialog(alias)
        self.active_alias = alias
        return self

    def receive(
        self,
        text: str,
        alias: str | None = None,
        role: Roles = Roles.USER,
        name: str = "user",
        *,
        bare: bool = False,
    ) -> Message:
        """Add a plain text to a dialog; the active prompt keeps its tools, parser and format.

        Args:
            text: The text; braces stand for themselves.
            alias: Name of the dialog; the active one when None.
            role: Who it comes from.
            name: Name of the sender.
            bare: Whether the active prompt is dropped.
        """
        return self._dialog(alias).put_text(text, name=name, role=role, bare=bare)

    def receive_prompt(
        self,
        prompt: Prompt | str,
        prompt_args: Mapping[str, Any] | None = None,
        alias: str | None = None,
        role: Roles = Roles.USER,
        name: str = "user",
    ) -> Message:
        """Render a prompt into a dialog and make it the active prompt.

        Args:
            prompt: The prompt, or its path in the registry.
            prompt_args: Values of its variables.
            alias: Name of the dialog; the active one when None.
            role: Who it comes from.
            name: Name of the sender.
        """
        return self._dialog(alias).put_prompt(prompt, prompt_args, name=name, role=role)

    def receive_image(
        self,
        image: Any,
        caption: str | None = None,
        alias: str | None = None,
        role: Roles = Roles.USER,
        name: str = "user",
    ) -> Message:
        """Add an image to a dialog.

        Args:
            image: Path of a file, a PIL image, or base64 text.
            caption: A text that goes with it.
            alias: Name of the dialog; the active one when None.
            role: Who it comes from.
            name: Name of the sender.
        """
        return self._dialog(alias).put_image(image, caption, name=name, role=role)

    def _dialog(self, alias: str | None) -> Dialog:
        if alias is None:
            if self.active_alias is None:
                raise RuntimeError(
                    f"Agent '{self.name}' has no active dialog. Call .open(alias) or .switch(alias) first."
                )
            alias = self.active_alias
        try:
            return self._dialogs[alias]
        except KeyError:
            raise KeyError(
                f"No dialog '{alias}' on agent '{self.name}'. Available: {sorted(self._dialogs)}"
            ) from None
