"""From `psi://` refs to stores: bindings in code and in `.psi/config.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lllm.config import CONFIG_FILE, config_path, read_config, read_toml, write_config
from lllm.errors import ConfigError
from sssn.bindings import make_binding, read_resolved
from sssn.errors import SSSNConfigMissingError, SSSNRefError
from sssn.locations import StoreLocation, locate
from sssn.refs import ResolvedSSSNRef, SSSNRef
from sssn.store_tables import TARGET_KEYS, read_store_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from lllm.store import Store
    from sssn.client import AsyncSSSNClient, SSSNClient

__all__ = ["ResolvedSSSNRef", "SSSNRef", "SSSNResolver"]


class SSSNResolver:
    """Knows which store each channel ref and snapshot ref is bound to.

    Args:
        root: Directory that relative store paths start at.
        allow_outside: Allow a config to name paths that leave its folder.

    Raises:
        ValueError: `root` is not a path, blank or padded.
    """

    def __init__(self, *, root: str | os.PathLike[str] = ".", allow_outside: bool = False) -> None:
        self.root = _root(root)
        self._allow_outside = allow_outside
        self._bound: dict[str, ResolvedSSSNRef] = {}
        self._stores: dict[str, dict[str, Any]] = {}

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], *, allow_outside: bool = False) -> Self:
        """Read a config file.

        Args:
            path: The file, or a folder that holds `.psi/config.toml`. The root is that folder, or the
                folder around `.psi/`, or the folder of any other file.
            allow_outside: Allow store paths that leave the root.

        Raises:
            ValueError: `path` is not a path, blank or padded.
            SSSNRefError: The file is missing (then also a FileNotFoundError), unreadable or malformed; the
                text names file, line and key.
        """
        file = config_path(path)
        folder = file.parent
        resolver = cls(
            root=folder.parent if folder.name == CONFIG_FILE.parent.name else folder,
            allow_outside=allow_outside,
        )
        with _ref_errors():
            resolver._load(read_config(file), file)
        return resolver

    @classmethod
    def from_text(
        cls, text: str, *, root: str | os.PathLike[str] | None = None, allow_outside: bool = False
    ) -> Self:
        """Write the text to `<root>/.psi/config.toml` and read it. `parse_text` does not write.

        Args:
            text: TOML text; a malformed one is refused before the file is touched.
            root: Folder of the config; None means the working directory.
            allow_outside: Allow store paths that leave the root.

        Raises:
            ValueError: `root` is not a path, blank or padded.
            SSSNRefError: The text is malformed, or the file cannot be written.
        """
        folder = "." if root is None else root
        parsed = cls.parse_text(text, root=folder, allow_outside=allow_outside)
        with _ref_errors():
            write_config(parsed.root / CONFIG_FILE, text)
        return cls.from_config(parsed.root / CONFIG_FILE, allow_outside=allow_outside)

    @classmethod
    def parse_text(
        cls, text: str, *, root: str | os.PathLike[str] = ".", allow_outside: bool = False
    ) -> Self:
        """Read the text of a config without writing anything.

        Args:
            text: TOML text.
            root: Directory that relative store paths start at.
            allow_outside: Allow store paths that leave the root.

        Raises:
            ValueError: `root` is not a path, blank or padded.
            SSSNRefError: The text is malformed.
        """
        if not isinstance(text, str):
            raise SSSNRefError("config text must be a string.")
        resolver = cls(root=root, allow_outside=allow_outside)
        with _ref_errors():
            resolver._load(read_toml(text), None)
        return resolver

    def _load(self, config: Mapping[str, Any], source: Path | None) -> None:
        self._stores = read_store_tables(config, source=source, allow_outside=self._allow_outside)
        self._bound = read_resolved(config, source=source, allow_outside=self._allow_outside)

    def bind(
        self,
        ref: str | SSSNRef,
        *,
        url: str | None = None,
        store: str | None = None,
        path: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ResolvedSSSNRef:
        """Bind a ref in code; an earlier binding is replaced. Exactly one target is given.

        Args:
            ref: The ref.
            url: Absolute HTTP(S) URL of a served store.
            store: Name of a store table, a directory or a store URL.
            path: Directory of a local store.
            metadata: The other keys of the binding, copied.

        Returns:
            The binding.

        Raises:
            SSSNRefError: The ref or a target is malformed, or there is not exactly one target.
        """
        parsed = SSSNRef.parse(ref)
        targets = {"url": url, "store": store, "path": path}
        given = {key: value for key, value in targets.items() if value is not None}
        with _ref_errors():
            bound = make_binding(parsed, given, metadata)
        self._bound[parsed.value] = bound
        return _copied(bound)

    def resolve(self, ref: str | SSSNRef) -> ResolvedSSSNRef:
        """Return what a ref is bound to; the metadata is a copy.

        Args:
            ref: The ref.

        Raises:
            SSSNRefError: The ref is malformed or not bound.
        """
        return _copied(self._find(ref))

    def refs(self) -> tuple[str, ...]:
        """Return the bound refs in sorted order."""
        return tuple(sorted(self._bound))

    def stores(self) -> dict[str, dict[str, Any]]:
        """Return a copy of the tables `[stores.<name>]`, by name."""
        return deepcopy(self._stores)

    def store(self, name: str) -> dict[str, Any]:
        """Return a copy of one table `[stores.<name>]`.

        Args:
            name: Name of the table.

        Raises:
            SSSNRefError: The name is malformed.
            KeyError: There is no such table.
        """
        from lllm.store.names import is_name

        if not is_name(name):
            raise SSSNRefError("store name must be a non-empty path segment.")
        return deepcopy(self._stores[name])

    def client(
        self,
        ref: str | SSSNRef,
        *,
        timeout: float | None = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> SSSNClient:
        """Return a client of the served store that a ref is bound to.

        Args:
            ref: The ref.
            timeout: Longest wait for the server, in seconds.
            transport: An httpx transport to use instead of the network.

        Raises:
            SSSNRefError: The ref is malformed, not bound, or not bound to an HTTP URL.
        """
        from sssn.client import SSSNClient

        return SSSNClient(self._url(ref), timeout=timeout, transport=transport)

    def async_client(
        self,
        ref: str | SSSNRef,
        *,
        timeout: float | None = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> AsyncSSSNClient:
        """Return an async client of the served store that a ref is bound to.

        Args:
            ref: The ref.
            timeout: Longest wait for the server, in seconds.
            transport: An httpx transport to use instead of the network.

        Raises:
            SSSNRefError: The ref is malformed, not bound, or not bound to an HTTP URL.
        """
        from sssn.client import AsyncSSSNClient

        return AsyncSSSNClient(self._url(ref), timeout=timeout, transport=transport)

    def store_path(self, ref: str | SSSNRef) -> Path:
        """Return the directory of the local store that a ref is bound to.

        Args:
            ref: The ref.

        Raises:
            SSSNRefError: The ref is malformed, not bound, or not bound to a store on this machine.
        """
        return self._local(ref)[1]

    def local_store(self, ref: str | SSSNRef) -> Store:
        """Open the local store that a ref is bound to: `LocalStore` unless another backend made it.

        Args:
            ref: The ref.

        Raises:
            SSSNRefError: The ref is malformed, not bound, or not bound to a store on this machine.
            SSSNError: The store cannot be opened.
        """
        from lllm.store import open_store

        return open_store(self._local(ref)[0])

    def open(self, ref: str | SSSNRef, **options: Any) -> Store:
        """Open the store that a ref is bound to, wherever it is.

        Args:
            ref: The ref.
            options: Options of the backend, such as `timeout` or `token`.

        Raises:
            SSSNRefError: The ref is malformed or not bound.
            SSSNError: The store cannot be opened.
        """
        from lllm.store import open_store

        return open_store(self._location(ref).target, **options)

    def _find(self, ref: str | SSSNRef) -> ResolvedSSSNRef:
        parsed = SSSNRef.parse(ref)
        try:
            return self._bound[parsed.value]
        except KeyError:
            raise SSSNRefError(f"SSSN ref is not bound: {parsed}") from None

    def _location(self, ref: str | SSSNRef) -> StoreLocation:
        bound = self._find(ref)
        if bound.url is not None:
            return StoreLocation(bound.url, None)
        if bound.store in self._stores:
            return locate(self._table_target(bound.store), self.root)
        return locate(bound.store or bound.path or "", self.root)

    def _table_target(self, name: str) -> str:
        table = self._stores[name]
        for key in TARGET_KEYS:
            if key in table:
                return str(table[key])
        raise SSSNRefError(f"[stores.{name}] is used as a store but declares neither path nor url.")

    def _local(self, ref: str | SSSNRef) -> tuple[str, Path]:
        location = self._location(ref)
        if location.path is None:
            raise SSSNRefError(f"SSSN ref is not bound to a local store: {ref}")
        return location.target, location.path

    def _url(self, ref: str | SSSNRef) -> str:
        target = self._location(ref).target
        if not target.lower().startswith(("http://", "https://")):
            raise SSSNRefError(f"SSSN ref is not bound to an HTTP URL: {ref}")
        return target


def _root(root: object) -> Path:
    text = os.fspath(root) if isinstance(root, str | os.PathLike) else None
    if not isinstance(text, str) or not text or text != text.strip() or "\0" in text:
        raise ValueError("config root must be a non-empty path string")
    return Path(text)


def _copied(bound: ResolvedSSSNRef) -> ResolvedSSSNRef:
    return replace(bound, metadata=deepcopy(bound.metadata))


@contextmanager
def _ref_errors() -> Iterator[None]:
    """Turn what the config module raises into errors of refs, the cause kept."""
    try:
        yield
    except FileNotFoundError as error:
        raise SSSNConfigMissingError(f"SSSN config does not exist: {error.filename}") from error
    except OSError as error:
        raise SSSNRefError(f"SSSN config cannot be read or written: {error}") from error
    except (ConfigError, tomllib.TOMLDecodeError) as error:
        raise SSSNRefError(str(error)) from error
