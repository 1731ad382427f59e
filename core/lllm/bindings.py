"""The `[refs]` table of a config: the grammar of a binding that all layers share.

Each layer reads the bindings of its own sections and leaves the others alone, so one file serves tactics,
services, channels and whatever comes next. What a layer does with a binding is its own affair; that the key is
a plain ref, that the value is a table, and that no secret lies in it is checked here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from lllm.config import find_line
from lllm.errors import ConfigError
from lllm.names import check_metadata
from lllm.refs import PSI_REF_SECTIONS, PsiRef, check_http_url, parse_psi_ref
from lllm.secrets import find_secret_key

__all__ = ["TARGETS", "Binding", "is_portable_path", "override_variable", "read_bindings"]

TARGETS = ("url", "store", "path", "object")
"""The keys of a binding that say where the resource is; a binding has at most one of them."""

_NOT_VARIABLE = re.compile(r"[^A-Z0-9]")


@dataclass(frozen=True, slots=True)
class Binding:
    """One `[refs."psi://..."]` table, with errors that name file, line and key.

    Args:
        ref: The ref that is bound.
        table: What the table holds.
        source: The config file, or None when the binding did not come from one.
    """

    ref: PsiRef
    table: Mapping[str, Any]
    source: Path | None = None

    def targets(self, names: Collection[str] = TARGETS) -> tuple[str, ...]:
        """Return which of the target keys the binding has, in the order of `names`.

        Args:
            names: The keys that are targets for the layer that asks.
        """
        return tuple(name for name in names if name in self.table)

    def text(self, key: str) -> str:
        """Return the text of a target.

        Args:
            key: The key of the target, which the binding has.

        Raises:
            ConfigError: The value is not a non-empty string without white space.
        """
        value = self.table[key]
        if not isinstance(value, str) or not value or value.split() != [value]:
            raise self.error(
                f"Ref binding target {key!r} must be a non-empty string without whitespace: {self.ref}", key
            )
        return value

    def http_url(self) -> str:
        """Return the `url` of a binding, checked by the rules of service URLs.

        Raises:
            ConfigError: It is not such a URL.
        """
        try:
            return check_http_url(self.text("url"))
        except ConfigError:
            raise
        except ValueError as error:
            raise self.error(f"Ref binding target 'url' is invalid for {self.ref}: {error}", "url") from None

    def metadata(self) -> dict[str, Any]:
        """Return a copy of the nested `metadata` table, empty when there is none.

        Raises:
            ConfigError: It is not a table.
        """
        value = self.table.get("metadata", {})
        if not isinstance(value, Mapping):
            raise self.error(f'[refs."{self.ref}".metadata] must be a TOML table.', "metadata")
        return check_metadata(value)

    def extras(self, but: Collection[str] = TARGETS) -> dict[str, Any]:
        """Return a copy of the keys that stand beside the targets and the `metadata` table.

        Args:
            but: The keys that are not extras, besides `metadata`.
        """
        return check_metadata({k: v for k, v in self.table.items() if k != "metadata" and k not in but})

    def check_no_secrets(self) -> None:
        """Check that no key at any depth is shaped like the name of a secret.

        Raises:
            ConfigError: One is; `*_ref` keys, which name where a secret is kept, are legal.
        """
        for key, value in self.table.items():
            secret = find_secret_key({key: value})
            if secret is not None:
                path = tuple(dict.fromkeys((key, secret)))
                raise self.error(
                    f"Ref binding must not hold a raw secret key `{secret}`: {self.ref}; "
                    "keep the secret elsewhere and name it with `api_key_ref`",
                    *path,
                )

    def error(self, message: str, *key: str) -> ConfigError:
        """Make the error for a key of this binding.

        Args:
            message: What is wrong.
            *key: The keys inside the binding that lead to the value at fault.
        """
        return _error(message, self.source, ("refs", str(self.ref), *key))


def read_bindings(
    config: Mapping[str, Any],
    *,
    sections: Collection[str],
    known: Collection[str] | None = PSI_REF_SECTIONS,
    source: str | os.PathLike[str] | None = None,
) -> tuple[Binding, ...]:
    """Read the bindings of some sections from a config; the keys of all others are checked for shape.

    Args:
        config: The tables of the config.
        sections: The sections whose bindings are wanted.
        known: Sections that may stand in the file; None allows every well-formed one.
        source: The file that the config came from, for the errors.

    Returns:
        The bindings, in the order of the file.

    Raises:
        ConfigError: `[refs]` or a binding is not a table, or a key is not a ref of a known section.
    """
    path = None if source is None else Path(source)
    refs = config.get("refs", {})
    if not isinstance(refs, Mapping):
        raise _error("[refs] must be a TOML table.", path, ("refs",))
    bindings = []
    for key, table in refs.items():
        ref = _read_key(key, known, path)
        if not isinstance(table, Mapping):
            raise _error(f'[refs."{ref}"] must be a TOML table.', path, ("refs", key))
        if ref.section in sections:
            bindings.append(Binding(ref, table, path))
    return tuple(bindings)


def is_portable_path(text: str) -> bool:
    """Tell whether a path from a config stays inside the folder of the config on every system.

    Args:
        text: The path as it is written in the config.
    """
    windows = PureWindowsPath(text)
    if windows.drive or windows.root or text.startswith("~") or "\0" in text or "\\" in text:
        return False
    return ".." not in PurePosixPath(text).parts


def override_variable(ref: PsiRef) -> str:
    """Return the name of the environment variable whose URL replaces the binding of a ref.

    Args:
        ref: The ref, such as `psi://demo/briefs/tactics/brief`.

    Returns:
        The name, such as `LLLM_REF_DEMO__BRIEFS__TACTICS__BRIEF`: the parts in upper case, joined by two
        underscores, every character but letters and digits of ASCII replaced by one.
    """
    parts = (ref.org, ref.package, ref.section, ref.name)
    return "LLLM_REF_" + "__".join(_NOT_VARIABLE.sub("_", part.upper()) for part in parts)


def _read_key(key: str, known: Collection[str] | None, path: Path | None) -> PsiRef:
    try:
        ref = parse_psi_ref(key, "key")
    except ValueError as error:
        raise _error(
            "Config ref must be a psi:// resource ref of the form psi://org/package/section/name with plain "
            f"path segments: {error}",
            path,
            ("refs", key),
        ) from None
    if known is not None and ref.section not in known:
        raise _error(
            f"Config ref must point at one of the sections {', '.join(known)}, got /{ref.section}/: {ref}",
            path,
            ("refs", key),
        )
    return ref


def _error(message: str, path: Path | None, key: tuple[str, ...]) -> ConfigError:
    line = None
    if path is not None:
        # The line costs another look at the file, which only an error pays.
        try:
            line = find_line(path.read_text(encoding="utf-8"), key)
        except (OSError, ValueError):
            line = None
    return ConfigError(message, path=path, line=line, key=key)
