"""The file `.psi/config.toml`: found, read, and edited without touching what the user wrote in it.

Reading uses tomllib and editing tomlkit; both are imported when they are needed, because most starts of the
command line find no file at all. What the tables mean is in `lllm.bindings`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lllm.errors import ConfigError

if TYPE_CHECKING:
    import tomllib

    from tomlkit import TOMLDocument

__all__ = [
    "CONFIG_FILE",
    "MAX_CONFIG_BYTES",
    "config_path",
    "edit_config",
    "find_config",
    "find_line",
    "read_config",
    "read_toml",
    "write_config",
]

CONFIG_FILE = Path(".psi", "config.toml")
"""Where the config lies inside a project folder."""

MAX_CONFIG_BYTES = 1 << 20
"""A config file larger than this is refused unread."""

_MAX_DEPTH = 100
# tomllib needs cubic time for a key of very many dotted parts, so such a file never reaches it.
_ENDLESS_KEY = re.compile(r"(?>(?>[^.\s=,\[\]{}]{1,99})[ \t]*+\.[ \t]*+){101}")
_MAX_LINES_TRIED = 50


def find_config(start: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the config file of a folder, if it has one. Folders above are not searched.

    Args:
        start: The folder; None means the working directory.

    Returns:
        The path of the file, or None when it does not exist. A file that cannot be looked at exists, so that
        reading it says why.
    """
    path = Path(start if start is not None else Path.cwd()) / CONFIG_FILE
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return path
    return path


def config_path(path: object) -> Path:
    """Turn what a caller names as a config into the path of the file.

    Args:
        path: The file, or a folder that holds `.psi/config.toml`.

    Returns:
        The path of the file, which need not exist.

    Raises:
        ValueError: `path` is not a path, is empty, or is padded with white space.
    """
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or text != text.strip() or "\0" in text:
        raise ValueError("config path must be a non-empty, unpadded string or path.")
    return Path(text) / CONFIG_FILE if Path(text).is_dir() else Path(text)


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a config file.

    Args:
        path: The file itself.

    Returns:
        The tables of the file.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The file cannot be read, or is a folder.
        ConfigError: It is not a regular file, or is larger than `MAX_CONFIG_BYTES`.
        tomllib.TOMLDecodeError: It is not valid TOML in UTF-8, or nests too deeply; the text names the file.
    """
    return read_toml(_read_text(Path(path)), path)


def read_toml(text: str, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Parse the text of a config, whatever it holds.

    Args:
        text: TOML text.
        path: The file it came from, for the errors.

    Returns:
        The tables of the text.

    Raises:
        tomllib.TOMLDecodeError: It is not valid TOML, or nests too deeply; the text names the file.
    """
    import tomllib

    if (endless := _ENDLESS_KEY.search(text)) is not None:
        line = text.count("\n", 0, endless.start()) + 1
        raise _toml_error(f"a key has too many dotted parts (at line {line})", path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(str(error), path) from None
    except RecursionError:
        raise _toml_error("a value nests too deeply", path) from None
    except ValueError as error:
        # An integer of thousands of digits, which Python refuses to convert.
        raise _toml_error(str(error), path) from None
    if (deep := _too_deep(tables)) is not None:
        raise _toml_error(f"`{deep}` nests too deeply", path)
    return tables


def find_line(text: str, key: Sequence[str]) -> int | None:
    """Find the line on which a key, or the nearest table around it, begins.

    Args:
        text: Valid TOML text.
        key: The TOML keys that lead to the value, outermost first.

    Returns:
        The line counted from 1, or None when not even the outermost key was found.
    """
    lines = text.split("\n")
    found: int | None = None
    for depth in range(1, len(key) + 1):
        start = 0 if found is None else found - 1
        written = (number for number in range(start, len(lines)) if key[depth - 1] in lines[number])
        for _, number in zip(range(_MAX_LINES_TRIED), written, strict=False):
            if _begins(lines, number, key[:depth]):
                found = number + 1
                break
        else:
            return found
    return found


@contextmanager
def edit_config(path: str | os.PathLike[str]) -> Iterator[TOMLDocument]:
    """Edit a config file in place; comments, order and line ends of the user's text survive.

    The file is replaced as a whole when the block ends without an error and changed something. A file that
    does not exist yet is created, its folder too.

    Args:
        path: The file itself.

    Yields:
        The document, which behaves like a nested dict.

    Raises:
        OSError: The file cannot be read or written.
        ConfigError: The file is a link, or was changed by somebody else in the meantime.
        tomllib.TOMLDecodeError: The file is not valid TOML, or would not be any more.
    """
    import tomlkit

    path = Path(path)
    before = _read_text(path) if os.path.lexists(path) else ""
    read_toml(before, path)
    document = tomlkit.parse(before)
    yield document
    after = tomlkit.dumps(document)
    if after != before:
        write_config(path, after, expected=before)


def write_config(path: str | os.PathLike[str], text: str, *, expected: str | None = None) -> None:
    """Replace a config file in one step, so that no reader ever sees half of it.

    Args:
        path: The file itself; its folder is created when it is missing.
        text: The new TOML text.
        expected: What the file must still hold, `""` for no file; None writes in any case.

    Raises:
        OSError: The file cannot be written.
        ConfigError: The file or its folder is a link, or the file no longer holds what was expected.
        tomllib.TOMLDecodeError: The text is not valid TOML.
    """
    path = Path(path)
    read_toml(text, path)
    for place in (path, path.parent):
        if place.is_symlink():
            raise ConfigError(f"`{place}` is a link; edit the file that it points to.", path=path)
    exists = path.exists()
    if exists and path.stat().st_nlink > 1:
        raise ConfigError("the file has another hard link; edit a file of its own.", path=path)
    if expected is not None and (_read_text(path) if exists else "") != expected:
        raise ConfigError("the file was changed by somebody else while it was edited; try again.", path=path)
    _replace(path, text, mode=stat.S_IMODE(path.stat().st_mode) if exists else None)


def _read_text(path: Path) -> str:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise ConfigError("the config must be a regular file.", path=path)
    with path.open("rb") as file:
        data = file.read(MAX_CONFIG_BYTES + 1)
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"the config is larger than {MAX_CONFIG_BYTES} bytes.", path=path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _toml_error(f"the file is not UTF-8 (at line {line})", path) from None


def _replace(path: Path, text: str, mode: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(text.encode())
            file.flush()
            if mode is not None:
                draft.chmod(mode)
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _toml_error(message: str, path: str | os.PathLike[str] | None) -> tomllib.TOMLDecodeError:
    import tomllib

    text = message if path is None else f"{os.fspath(path)}: {message}"
    # Made without its constructor, whose arguments differ between the versions of Python.
    return tomllib.TOMLDecodeError.__new__(tomllib.TOMLDecodeError, text)


def _too_deep(tables: Mapping[str, Any]) -> str | None:
    """Return the outermost key of a value that nests beyond the limit, without recursion."""
    for name, top in tables.items():
        level = [top]
        for _ in range(_MAX_DEPTH):
            level = [item for value in level for item in _items(value)]
            if not level:
                break
        else:
            return name
    return None


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _begins(lines: Sequence[str], number: int, key: Sequence[str]) -> bool:
    """Tell whether the text has the key once the value that a line begins is complete."""
    import tomllib

    for end in range(number + 1, min(number + _MAX_LINES_TRIED, len(lines)) + 1):
        try:
            value: Any = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for part in key:
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return True
    return False
