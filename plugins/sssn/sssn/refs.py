"""Refs of the data plane: `psi://org/package/channels/name` and `psi://org/package/snapshots/name`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lllm.refs import parse_psi_ref
from sssn.errors import SSSNRefError

__all__ = ["BOUND_SECTIONS", "ResolvedSSSNRef", "SSSNRef"]

BOUND_SECTIONS = ("channels", "snapshots")
"""The sections of psi refs that this package binds."""


@dataclass(frozen=True)
class SSSNRef:
    """The identity of a channel or a snapshot, whatever store holds it.

    Args:
        value: The text of the ref.

    Attributes:
        org: Organisation that owns the package.
        package: Package that owns the resource.
        resource_kind: `"channels"` or `"snapshots"`.
        name: Name of the channel or snapshot.

    Raises:
        SSSNRefError: The text is not such a ref.
    """

    value: str
    org: str = field(init=False)
    package: str = field(init=False)
    resource_kind: str = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        try:
            parts = parse_psi_ref(self.value, "SSSN ref", sections=BOUND_SECTIONS)
        except ValueError as error:
            raise SSSNRefError(str(error)) from None
        for attribute in ("org", "package", "resource_kind", "name"):
            object.__setattr__(self, attribute, getattr(parts, attribute))

    @classmethod
    def parse(cls, value: str | SSSNRef) -> SSSNRef:
        """Return a ref as it is, or build one from its text.

        Args:
            value: A ref or its text.

        Raises:
            SSSNRefError: The value is not a ref of a channel or snapshot.
        """
        return value if isinstance(value, SSSNRef) else cls(value)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ResolvedSSSNRef:
    """What a ref is bound to: exactly one of `url`, `store` and `path` is set.

    Args:
        ref: The text of the ref.
        resource_kind: `"channels"` or `"snapshots"`.
        name: Name of the channel or snapshot.
        url: Absolute HTTP(S) URL of a served store.
        store: Name of a table `[stores.<name>]`, a directory or a store URL.
        path: Directory of a local store.
        metadata: The other keys of the binding.
    """

    ref: str
    resource_kind: str
    name: str
    url: str | None = None
    store: str | None = None
    path: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
