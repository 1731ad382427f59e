"""Installing a package from an archive."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path

from lllm_packages.archive import PackageArchive, digest_of, open_archive
from lllm_packages.defaults import get_default_runtime
from lllm_packages.loading import PackageLoader
from lllm_packages.locations import check_scope, install_root
from lllm_packages.names import check_alias
from lllm_packages.package_file import file_in, read_package_file
from lllm_packages.receipt import Receipt, write_receipt
from lllm_packages.registry import Runtime

__all__ = ["install_package"]


def install_package(
    zip_path: str | os.PathLike[str],
    *,
    alias: str | None = None,
    scope: str = "user",
    load: bool = True,
    runtime: Runtime | None = None,
    force: bool = False,
    upgrade: bool = False,
    sha256: str | None = None,
) -> Path:
    """Install a package from a zip archive. No code of the package runs until a resource of it is used.

    Args:
        zip_path: The archive.
        alias: A second name for the resources of the package.
        scope: `user` for `~/.lllm/packages`, `project` for `lllm_packages` beside the project's package file.
        load: Whether the package can be used at once in this process.
        runtime: The registry to load it into, and whose project is meant; None for the default one and the project
            of the working directory.
        force: Whether an installed package of the same name is replaced, whatever its version.
        upgrade: Whether an installed package of the same name is replaced, unless it is newer.
        sha256: The digest that the archive must have, in hexadecimal.

    Returns:
        The folder of the installed package.

    Raises:
        FileNotFoundError: There is no such archive.
        ValueError: An argument is not valid, or the archive is refused.
        FileExistsError: A package of that name is installed.
    """
    check_scope(scope)
    if alias is not None:
        check_alias(alias)
    file = Path(zip_path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"Zip file not found: {file}")
    digest = _checked_digest(file, sha256)
    with open_archive(file) as archive:
        target = install_root(scope, runtime) / archive.package.name
        _check_free(target, archive.package.version, force=force, upgrade=upgrade)
        receipt = Receipt(alias=alias, sha256=digest, origin=str(file.resolve()))
        _install(archive, target, receipt, may_replace=force or upgrade)
    if load:
        _load(target, runtime if runtime is not None else get_default_runtime())
    return target


def _checked_digest(file: Path, expected: str | None) -> str:
    digest = digest_of(file)
    if expected is not None and expected.strip().lower().removeprefix("sha256:") != digest:
        raise ValueError(f"{file} has the sha256 {digest}, and {expected} was expected; it is not installed.")
    return digest


def _check_free(target: Path, version: str, *, force: bool, upgrade: bool) -> None:
    if not os.path.lexists(target) or force:
        return
    if not upgrade:
        raise FileExistsError(
            f"Package `{target.name}` is already installed at {target}; use --upgrade or --force."
        )
    installed = _installed_version(target)
    if _is_newer(installed, version):
        raise FileExistsError(
            f"Package `{target.name}` {installed} is already installed at {target} and newer than {version}; use "
            "--force to go back."
        )


def _installed_version(target: Path) -> str:
    file = file_in(target)
    try:
        return read_package_file(file).version if file is not None else ""
    except (OSError, ValueError):
        return ""


def _is_newer(one: str, other: str) -> bool:
    """Compare the leading numbers of two versions; what has none is not newer."""
    pairs = zip_longest(_numbers(one), _numbers(other), fillvalue=0)
    first = next((pair for pair in pairs if pair[0] != pair[1]), None)
    return first is not None and first[0] > first[1]


def _numbers(version: str) -> list[int]:
    numbers: list[int] = []
    for part in version.split("."):
        if not (part.isascii() and part.isdecimal()):
            break
        numbers.append(int(part[:18]))
    return numbers


def _install(archive: PackageArchive, target: Path, receipt: Receipt, *, may_replace: bool) -> None:
    """Unpack beside the target, check, and put it in place with one rename."""
    with _workshop(target.parent) as workshop:
        fresh = workshop / "new"
        archive.unpack(fresh)
        file = file_in(fresh)
        if file is None or read_package_file(file).name != target.name:
            raise ValueError(
                f"{archive.package.file} does not hold the package `{target.name}` it announced."
            )
        write_receipt(fresh, receipt)
        former = workshop / "old"
        if may_replace and os.path.lexists(target):
            target.replace(former)
        try:
            fresh.replace(target)
        except OSError as error:
            if os.path.lexists(former) and not os.path.lexists(target):
                former.replace(target)
            if os.path.lexists(target):
                raise FileExistsError(f"Package `{target.name}` is already installed at {target}.") from error
            raise


@contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """Yield a temporary folder inside the install root; whatever is left in it goes away."""
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    root.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".install-", dir=root))
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
        with suppress(OSError):  # the first that is not empty ends it
            for folder in missing:
                folder.rmdir()


def _load(target: Path, runtime: Runtime) -> None:
    file = file_in(target)
    for name, info in runtime.packages.items():
        if info.base_dir == target.resolve():
            runtime.drop_package(name)
    if file is not None:
        PackageLoader(runtime).load(file, shared=True)
