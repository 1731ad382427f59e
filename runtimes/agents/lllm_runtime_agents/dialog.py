"""`Dialog`: a conversation, and the tree of dialogs forked from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import uuid4

from lllm.session import InvokeCost
from lllm_runtime_agents.dialog_tree import DialogTreeNode
from lllm_runtime_agents.images import read_image
from lllm_runtime_agents.message import Message
from lllm_runtime_agents.prompt import Prompt, bare_prompt
from lllm_runtime_agents.prompt_record import dump_prompt, load_prompt_record
from lllm_runtime_agents.registry import ResourceRegistry, find_prompt
from lllm_runtime_agents.roles import Modalities, Roles

__all__ = ["Dialog"]


@dataclass(eq=False)
class Dialog:
    """A conversation: its messages, its active prompt, and where it stands among its forks.

    Attributes:
        session_name: Name for people; by default the time and six random characters.
        top_prompt: The active prompt, whose tools, parser and format apply to the next reply.
        runtime: The registry in which prompts are looked up; the default one when None.
        owner: Name of the agent that owns the dialog.
        tree_node: Ids of this dialog, its parent and its forks.
    """

    session_name: str = ""
    top_prompt: Prompt | None = None
    runtime: ResourceRegistry | None = field(default=None, repr=False)
    owner: str | None = None
    node: InitVar[DialogTreeNode | None] = None

    def __post_init__(self, node: DialogTreeNode | None) -> None:
        if not self.session_name:
            self.session_name = f"{datetime.now():%Y%m%d_%H%M%S}_{uuid4().hex[:6]}"
        self.tree_node = node or DialogTreeNode(owner=self.owner)
        self._messages: list[Message] = []
        self._borrowed = False
        self._parent: Dialog | None = None
        self._children: list[Dialog] = []

    @property
    def messages(self) -> list[Message]:
        """The live list of messages."""
        if self._borrowed:
            # A fork takes its own copies when somebody looks; until then it points at its parent's messages.
            self._borrowed = False
            self._messages = [message.stamped(self.dialog_id) for message in self._messages]
        return self._messages

    @property
    def head(self) -> Message | None:
        """The first message, or None."""
        return self.messages[0] if self._messages else None

    @property
    def tail(self) -> Message | None:
        """The last message, or None."""
        return self.messages[-1] if self._messages else None

    @property
    def dialog_id(self) -> str:
        """Unique id of the dialog."""
        return self.tree_node.dialog_id

    @property
    def parent(self) -> Dialog | None:
        """The dialog it was forked from, or None."""
        return self._parent

    @property
    def children(self) -> list[Dialog]:
        """The dialogs forked from it."""
        return list(self._children)

    @property
    def is_root(self) -> bool:
        """Whether it was not forked from another."""
        return self.tree_node.is_root

    @property
    def depth(self) -> int:
        """How many forks lead to it; 0 for a root."""
        return self.tree_node.depth

    @property
    def cost(self) -> InvokeCost:
        """Tokens and dollars of all its messages."""
        return sum((message.cost for message in self._messages), InvokeCost())

    def append(self, message: Message) -> None:
        """Add a message and stamp it with the dialog's id.

        Args:
            message: The message.
        """
        message.metadata["dialog_id"] = self.tree_node.dialog_id
        self.messages.append(message)

    def put_text(
        self,
        text: str,
        name: str = "user",
        metadata: Mapping[str, Any] | None = None,
        role: Roles = Roles.USER,
        *,
        bare: bool = False,
    ) -> Message:
        """Add a plain text; it is never a template, and the active prompt stays.

        Args:
            text: The text.
            name: Name of the sender.
            metadata: Anything else about the message.
            role: Who it comes from.
            bare: Whether the active prompt's tools, parser, format and handler are dropped.
        """
        message = Message.said(role, text, name, metadata)
        self.append(message)
        if bare or self.top_prompt is None:
            self.top_prompt = bare_prompt()
        return message

    def put_prompt(
        self,
        prompt: Prompt | str,
        prompt_args: Mapping[str, Any] | None = None,
        name: str = "user",
        metadata: Mapping[str, Any] | None = None,
        role: Roles = Roles.USER,
    ) -> Message:
        """Render a prompt, add the text, and make the prompt the active one.

        Args:
            prompt: The prompt, or its path in the registry.
            prompt_args: Values of its variables.
            name: Name of the sender.
            metadata: Anything else about the message.
            role: Who it comes from.

        Raises:
            KeyError: There is no prompt of that path.
            ValueError: A variable is missing.
        """
        found = find_prompt(prompt, self.runtime) if isinstance(prompt, str) else prompt
        text = found(**(prompt_args or {}))
        message = Message.said(role, text, name, metadata)
        self.append(message)
        self.top_prompt = found
        return message

    def put_image(
        self,
        image: Any,
        caption: str | None = None,
        name: str = "user",
        metadata: Mapping[str, Any] | None = None,
        role: Roles = Roles.USER,
    ) -> Message:
        """Add an image; the active prompt stays.

        Args:
            image: Path of a file, a PIL image, or base64 text of a PNG, JPEG, WebP or GIF.
            caption: A text that goes with it.
            name: Name of the sender.
            metadata: Anything else about the message.
            role: Who it comes from.

        Raises:
            ValueError: It is not a supported image.
        """
        encoded, media_type = read_image(image)
        about = {**(metadata or {}), "media_type": media_type}
        if caption is not None:
            about["caption"] = caption
        message = Message(role=role, content=encoded, name=name, modality=Modalities.IMAGE, metadata=about)
        self.append(message)
        return message

    def fork(self, last_n: int = 0, first_k: int = 1) -> Self:
        """Return a child dialog that begins with this one's messages.

        Args:
            last_n: How many messages from the tail are taken over; 0 for all.
            first_k: How many from the head are taken over with them.

        Raises:
            ValueError: A number is negative.
        """
        taken = self._selection(last_n, first_k)
        node = DialogTreeNode(owner=self.owner, split_point=len(taken), last_n=last_n, first_k=first_k)
        child = type(self)(self.session_name, self.top_prompt, self.runtime, self.owner, node=node)
        child._messages = taken
        child._borrowed = True
        self._adopt(child)
        return child

    def working_view(self) -> Self:
        """Return a dialog with the same identity and messages, whose additions do not reach this one."""
        view = type(self)(self.session_name, self.top_prompt, self.runtime, self.owner, node=self.tree_node)
        view._messages = self.messages.copy()
        view._parent = self._parent
        return view

    def overview(self, remove_tail: bool = False, max_length: int = 100, divider: bool = False) -> str:
        """Return one line for each message.

        Args:
            remove_tail: Whether the last message is left out.
            max_length: How many characters of a message are shown.
            divider: Whether a line stands between messages.
        """
        shown = self.messages[:-1] if remove_tail else self.messages
        lines = [
            f"[{index}. {message.name} ({message.role.value})]: {_cut(message.text, max_length)}"
            for index, message in enumerate(shown)
        ]
        return ("\n" + "-" * 40 + "\n" if divider else "\n").join(lines)

    def tree_overview(self, indent: int = 0) -> str:
        """Return one line for this dialog and each one forked from it.

        Args:
            indent: How many levels to indent.
        """
        return "\n".join(self._tree_lines(indent))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-safe map of the dialog and all its forks."""
        prompt = self.top_prompt
        return {
            "messages": [message.to_dict() for message in self.messages],
            "session_name": self.session_name,
            "owner": self.owner,
            "tree_node": self.tree_node.to_dict(),
            "top_prompt_path": None if prompt is None else prompt.path,
            "top_prompt": None if prompt is None else dump_prompt(prompt),
            "children": [child.to_dict() for child in self._children],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], runtime: ResourceRegistry | None = None) -> Self:
        """Read what `to_dict` wrote.

        A prompt that the registry knows under its path is taken from there; any other is rebuilt from the map,
        without the Python objects it had.

        Args:
            data: The map.
            runtime: The registry in which prompts are looked up; the default one when None.
        """
        node = DialogTreeNode.from_dict(data.get("tree_node") or {})
        prompt = load_prompt_record(data.get("top_prompt_path"), data.get("top_prompt"), runtime)
        dialog = cls(data.get("session_name") or "", prompt, runtime, data.get("owner"), node=node)
        dialog._messages = [Message.from_dict(message) for message in data.get("messages", ())]
        node.children_ids = []
        for child in data.get("children", ()):
            dialog._adopt(cls.from_dict(child, runtime))
        return dialog

    def _adopt(self, child: Self) -> None:
        child._parent = self
        self._children.append(child)
        self.tree_node.add_child(child.tree_node)

    def _selection(self, last_n: int, first_k: int) -> list[Message]:
        if last_n < 0 or first_k < 0:
            raise ValueError(f"last_n and first_k must not be negative, got {last_n} and {first_k}.")
        messages = self.messages
        if last_n == 0 or last_n >= len(messages):
            return messages.copy()
        start = len(messages) - last_n
        return messages[: min(first_k, start)] + messages[start:]

    def _tree_lines(self, indent: int) -> Iterator[str]:
        node = self.tree_node
        split = "" if node.split_point is None else f" split@{node.split_point}"
        fork = "" if node.is_root else f" (last_n={node.last_n}, first_k={node.first_k})"
        yield f"{'  ' * indent}[{node.dialog_id[:8]}] owner={self.owner} msgs={len(self._messages)}{split}{fork}"
        for child in self._children:
            yield from child._tree_lines(indent + 1)


def _cut(text: str, length: int) -> str:
    flat = text.replace("\n", " ")
    return flat if len(flat) <= length else f"{flat[:length]}..."
