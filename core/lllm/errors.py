"""Every exception that the core raises.

```
LLLMError(RuntimeError)
├ PluginError
│ ├ PluginImportError (also ImportError)
│ ├ PluginConflictError
│ └ PluginNotFoundError (also LookupError)
├ ConfigError (also ValueError)
├ CredentialNotFoundError (also LookupError)
├ ProtocolError
│ ├ SchemaError
│ └ TacticError
│   ├ TacticUnsupportedError
│   ├ TacticLoadError
│   ├ TacticRefError
│   ├ TacticServiceError
│   ├ DeadlineExceeded
│   └ BudgetExceeded
SSSNError(RuntimeError)
├ ChannelExistsError
├ ChannelNotFoundError
├ EventNotFoundError
├ EventConflictError
├ InvalidPayloadError
├ ArtifactNotFoundError
├ ArtifactCorruptError
├ SnapshotNotFoundError
├ SnapshotConflictError
├ SubscriptionNotFoundError
├ SubscriptionExistsError
├ LeaseLostError
├ StoreClosedError
├ StoreBusyError
├ StoreFullError
├ StoreReadOnlyError
├ StoreDamagedError
├ StoreFormatError
└ StoreURLError (also ValueError)
```
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ArtifactCorruptError",
    "ArtifactNotFoundError",
    "BudgetExceeded",
    "ChannelExistsError",
    "ChannelNotFoundError",
    "ConfigError",
    "CredentialNotFoundError",
    "DeadlineExceeded",
    "EventConflictError",
    "EventNotFoundError",
    "InvalidPayloadError",
    "LLLMError",
    "LeaseLostError",
    "PluginConflictError",
    "PluginError",
    "PluginImportError",
    "PluginNotFoundError",
    "ProtocolError",
    "SSSNError",
    "SchemaError",
    "SnapshotConflictError",
    "SnapshotNotFoundError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreDamagedError",
    "StoreFormatError",
    "StoreFullError",
    "StoreReadOnlyError",
    "StoreURLError",
    "SubscriptionExistsError",
    "SubscriptionNotFoundError",
    "TacticError",
    "TacticLoadError",
    "TacticRefError",
    "TacticServiceError",
    "TacticUnsupportedError",
]


class LLLMError(RuntimeError):
    """Base of the errors that the tactic layer and the plugin host raise."""


class PluginError(LLLMError):
    """Something about a plugin is wrong.

    Args:
        message: What happened and what to do about it.
        plugin: Name of the plugin at fault, when one is known.
    """

    def __init__(self, message: str, *, plugin: str | None = None) -> None:
        super().__init__(message)
        self.plugin = plugin


class PluginImportError(PluginError, ImportError):
    """A plugin's implementation could not be imported; the text says what to install."""


class PluginConflictError(PluginError):
    """Two plugins claim one name and the user has not said which is preferred."""


class PluginNotFoundError(PluginError, LookupError):
    """No usable plugin has or contributes the name that was asked for."""


class ConfigError(LLLMError, ValueError):
    """Something in a config file is not what it must be, or the file cannot be edited.

    Args:
        message: What is wrong and what to do about it.
        path: The file, or None when the config did not come from one.
        line: Line of the file, counted from 1, when it is known.
        key: The TOML keys that lead to the value at fault, outermost first.
    """

    def __init__(
        self, message: str, *, path: Path | None = None, line: int | None = None, key: tuple[str, ...] = ()
    ) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{place}{message}")
        self.path = path
        self.line = line
        self.key = key


class CredentialNotFoundError(LLLMError, LookupError):
    """No credential is kept under the name that was asked for; the text says where it is looked for."""


class ProtocolError(LLLMError):
    """Base of the errors of the tactic protocol."""


class SchemaError(ProtocolError):
    """A value does not match a schema, or a schema cannot be exported.

    Args:
        message: What does not match.
        direction: `"input"` or `"output"` when a tactic's value was checked, else None.
    """

    def __init__(self, message: str, *, direction: str | None = None) -> None:
        super().__init__(message)
        self.direction = direction


class TacticError(ProtocolError):
    """Base of the errors that calling a tactic can raise."""


class TacticUnsupportedError(TacticError):
    """The tactic does not offer what was asked of it."""


class TacticLoadError(TacticError):
    """A tactic could not be loaded from its entry point or import target."""


class TacticRefError(TacticError):
    """A `psi://` ref or its binding is malformed, or nothing is bound to it."""


class TacticServiceError(TacticError):
    """A service behind a tactic could not be reached or did not answer."""


class DeadlineExceeded(TacticError):
    """The caller's deadline passed before the tactic was done."""


class BudgetExceeded(TacticError):
    """A usage or cost limit set for the call was reached."""


class SSSNError(RuntimeError):
    """Base of the errors that a store raises."""


class ChannelExistsError(SSSNError):
    """A channel of that name exists already."""


class ChannelNotFoundError(SSSNError):
    """No channel has that name."""


class EventNotFoundError(SSSNError):
    """No event has that id."""


class EventConflictError(SSSNError):
    """An event of that id exists with different content."""


class InvalidPayloadError(SSSNError):
    """A value handed to a store is malformed; the text names the field."""


class ArtifactNotFoundError(SSSNError):
    """No artifact has that id, or its bytes are gone."""


class ArtifactCorruptError(SSSNError):
    """The bytes of an artifact do not match its recorded size and hash."""


class SnapshotNotFoundError(SSSNError):
    """No snapshot has that name or revision."""


class SnapshotConflictError(SSSNError):
    """A snapshot write expected another revision.

    Args:
        name: Name of the snapshot.
        expected: Revision that the caller expected.
        current: Revision that the store holds, 0 when there is none.
    """

    def __init__(self, name: str, expected: int, current: int) -> None:
        super().__init__(f"Snapshot revision conflict: {name} (expected {expected}, current {current})")
        self.name = name
        self.expected = expected
        self.current = current


class SubscriptionNotFoundError(SSSNError):
    """No subscription has that id."""


class SubscriptionExistsError(SSSNError):
    """A subscription of that id exists for another channel or with other filters."""


class LeaseLostError(SSSNError):
    """A lease token is no longer the current one of its event.

    Args:
        tokens: Every token that was lost.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = tuple(tokens)
        super().__init__(f"Lease is not held: {', '.join(self.tokens)}")


class StoreClosedError(SSSNError):
    """The store was closed."""

    def __init__(self, message: str = "Store is closed.") -> None:
        super().__init__(message)


class StoreBusyError(SSSNError):
    """The store stayed locked by others for longer than the timeout."""


class StoreFullError(SSSNError):
    """The disk, or a limit on file sizes, has no room for the write; nothing of it was stored."""


class StoreReadOnlyError(SSSNError):
    """The store takes no writes: it was opened so, its files do not allow it, or the disk failed to flush."""


class StoreDamagedError(SSSNError):
    """The files of the store were damaged by something other than the store."""


class StoreFormatError(SSSNError):
    """The store on disk has a format that this version does not know."""


class StoreURLError(SSSNError, ValueError):
    """A store URL or one of its options is malformed, or no backend serves it."""
