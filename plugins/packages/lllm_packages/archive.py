"""A package as a zip archive: reading what it holds, and unpacking it."""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from lllm_packages.archive_index import check_members, check_size_of_index, is_skipped
from lllm_packages.package_file import FILE_NAMES, LARGEST_FILE, PackageFile, escapes, parse_package_file

__all__ = ["PackageArchive", "digest_of", "open_archive"]

_CHUNK = 1024 * 1024


def digest_of(file: Path) -> str:
    """Return the sha256 of a file in hexadecimal.

    Args:
        file: The file.
    """
    digest = sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class PackageArchive:
    """An open archive whose members have been checked.

    Attributes:
        package: Its package file.
        folder: The folder inside the archive that is the package; empty when it is the archive itself.
    """

    package: PackageFile
    folder: str
    _archive: zipfile.ZipFile

    def unpack(self, target: Path) -> None:
        """Unpack the package into a folder, hidden files left out.

        Args:
            target: The folder; it must not exist.

        Raises:
            ValueError: A member is damaged, or larger than it claims.
            OSError: It cannot be written.
        """
        target.mkdir(parents=True)
        prefix = f"{self.folder}/" if self.folder else ""
        for member in self._archive.infolist():
            path = member.filename.removeprefix(prefix)
            if not member.filename.startswith(prefix) or (is_skipped(path) and path not in FILE_NAMES):
                continue
            place = target.joinpath(*PurePosixPath(path).parts)
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                self._write(member, place)

    def _write(self, member: zipfile.ZipInfo, place: Path) -> None:
        with (
            _reading(self.package.file, member),
            self._archive.open(member) as source,
            place.open("xb") as sink,
        ):
            shutil.copyfileobj(source, sink, _CHUNK)
        is_program = (member.external_attr >> 16) & stat.S_IXUSR
        place.chmod(0o755 if is_program else 0o644)


@contextmanager
def _reading(file: Path, member: zipfile.ZipInfo) -> Iterator[None]:
    """Turn what a damaged member raises into an error that names it."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
    ) as error:
        raise ValueError(f"{file} is damaged: member {member.filename!r}: {error}") from error


@contextmanager
def open_archive(file: Path) -> Iterator[PackageArchive]:
    """Open an archive and check all of it that can be checked without unpacking.

    Args:
        file: The archive.

    Yields:
        The archive.

    Raises:
        ValueError: It is no zip archive, is refused, or holds no package, several, or one without a name.
    """
    with _open(file) as archive:
        members = archive.infolist()
        check_members(file, members)
        entry = _package_entry(file, members)
        package = _read_package(file, archive, entry)
        yield PackageArchive(package, entry.filename.rpartition("/")[0], archive)


def _open(file: Path) -> zipfile.ZipFile:
    check_size_of_index(file)
    try:
        return zipfile.ZipFile(file)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        OSError,
        OverflowError,
        ValueError,
        struct.error,
    ) as error:
        raise ValueError(f"{file} is not a zip archive that can be read: {error}") from error


def _package_entry(file: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """Return the package file: at the root of the archive, or directly in one folder."""
    found: dict[str, zipfile.ZipInfo] = {}
    for name in reversed(FILE_NAMES):
        for member in members:
            folder, _, last = member.filename.rpartition("/")
            if last == name and "/" not in folder and not is_skipped(folder):
                found[folder] = member
    if "" in found:
        return found[""]
    if not found:
        raise ValueError(f"No lllm.toml found in {file}, neither at its root nor in a folder at its root.")
    if len(found) > 1:
        raise ValueError(
            f"Multiple package directories found in {file}: {sorted(found)}; an archive holds one package."
        )
    return next(iter(found.values()))


def _read_package(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> PackageFile:
    if entry.file_size > LARGEST_FILE:
        raise ValueError(f"{file} is refused: its {entry.filename} is larger than {LARGEST_FILE} bytes.")
    with _reading(file, entry):
        data = archive.read(entry)
    package = parse_package_file(data, file / entry.filename)
    if not package.is_named:
        raise ValueError(f"{file / entry.filename} has no [package] name field, which installing needs.")
    for section, entries in package.sections.items():
        for path in entries:
            if escapes(path.path):
                raise ValueError(
                    f"{file} is refused: path {path.path!r} of [{section}] leads out of the package."
                )
    return replace(package, file=file)
