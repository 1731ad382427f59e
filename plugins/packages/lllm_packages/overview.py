"""What a package holds, told without running any of its code."""

from __future__ import annotations

import stat
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

from lllm_packages.archive import digest_of
from lllm_packages.defaults import get_default_runtime
from lllm_packages.export import find_package, package_files
from lllm_packages.index import package_of
from lllm_packages.receipt import read_receipt
from lllm_packages.registry import Runtime

__all__ = ["describe_package", "package_digest"]


def package_digest(folder: Path) -> str:
    """Return a digest of the files of a package: of their paths, their content and whether they are programs.

    Args:
        folder: The folder of the package.

    Raises:
        ValueError: There is a link or a special file in it.
    """
    digest = sha256()
    for path, file in sorted(package_files(folder)):
        is_program = bool(file.stat().st_mode & stat.S_IXUSR)
        digest.update(f"{path}\0{digest_of(file)}\0{is_program:d}\n".encode("utf-8", "surrogateescape"))
    return f"sha256:{digest.hexdigest()}"


def describe_package(name: str, runtime: Runtime | None = None) -> dict[str, Any]:
    """Return the facts about a loaded package.

    Args:
        name: Its name or alias.
        runtime: The registry; None for the default one.

    Returns:
        `name`, `version`, `description`, `alias`, `path`; `digest`, None (and a warning) when there is a link or a
        special file in it; `origin` and `archive_sha256`, None when it was not installed from an archive;
        `resources` by section; and `unread`, the files that would have to be run to know what they hold.

    Raises:
        ValueError: No such package is loaded.
    """
    registry = runtime if runtime is not None else get_default_runtime()
    info = find_package(name, registry)
    receipt = read_receipt(info.base_dir)
    resources: dict[str, list[str]] = {}
    for node in registry.iter_nodes(run_modules=False):
        if package_of(node.namespace) == info.name and "alias_of" not in node.metadata:
            resources.setdefault(node.namespace.rpartition(".")[2], []).append(node.key)
    unread = [module.source for module in registry.opaque_modules()]
    return {
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "alias": info.alias,
        "path": str(info.base_dir),
        "digest": _digest_or_warning(info.base_dir),
        "origin": receipt.origin,
        "archive_sha256": receipt.sha256,
        "resources": resources,
        "unread": sorted(str(source.file) for source in unread if source.home.base_dir == info.base_dir),
    }


def _digest_or_warning(folder: Path) -> str | None:
    try:
        return package_digest(folder)
    except ValueError as error:
        warnings.warn(f"There is no digest: {error}", RuntimeWarning, stacklevel=3)
        return None
