"""`DialogTreeNode`: where a dialog stands among the dialogs forked from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import urandom
from typing import Any, Self

__all__ = ["DialogTreeNode"]


def _new_id() -> str:
    return urandom(16).hex()


@dataclass(slots=True, eq=False)
class DialogTreeNode:
    """One node: the ids, and how much of the parent's messages were taken over.

    Attributes:
        dialog_id: Unique id of the dialog.
        owner: Name of the agent that owns it.
        parent_id: Id of the dialog it was forked from.
        split_point: How many messages were copied at the fork.
        children_ids: Ids of the dialogs forked from it.
        last_n: How many messages from the tail the fork asked for; 0 for all.
        first_k: How many messages from the head it asked for.
        parent: The node above, None for a root.
        children: The nodes below.
    """

    dialog_id: str = field(default_factory=_new_id)
    owner: str | None = None
    parent_id: str | None = None
    split_point: int | None = None
    children_ids: list[str] = field(default_factory=list)
    last_n: int = 0
    first_k: int = 1
    parent: DialogTreeNode | None = field(default=None, repr=False)
    children: list[DialogTreeNode] = field(default_factory=list, repr=False)

    @property
    def is_root(self) -> bool:
        """Whether the dialog was not forked from another."""
        return self.parent_id is None

    @property
    def depth(self) -> int:
        """How many forks lead to it; 0 for a root."""
        steps, node = 0, self
        while node.parent is not None:
            steps, node = steps + 1, node.parent
        return steps

    def add_child(self, child: DialogTreeNode) -> None:
        """Put a node below this one.

        Args:
            child: The node of the fork.
        """
        child.parent = self
        child.parent_id = self.dialog_id
        self.children.append(child)
        self.children_ids.append(child.dialog_id)

    def subtree_ids(self) -> list[str]:
        """Return the ids of this node and all below, breadth first."""
        ids: list[str] = []
        waiting = deque([self])
        while waiting:
            node = waiting.popleft()
            ids.append(node.dialog_id)
            waiting.extend(node.children)
        return ids

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-safe map of the node itself, without the nodes around it."""
        return {
            "dialog_id": self.dialog_id,
            "owner": self.owner,
            "parent_id": self.parent_id,
            "split_point": self.split_point,
            "children_ids": list(self.children_ids),
            "last_n": self.last_n,
            "first_k": self.first_k,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Args:
            data: The map.
        """
        known = {key: data[key] for key in cls().to_dict() if key in data}
        known["children_ids"] = list(known.get("children_ids", ()))
        return cls(**known)
