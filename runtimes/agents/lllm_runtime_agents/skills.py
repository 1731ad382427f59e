"""Skills: folders with a `SKILL.md` that an agent can read up on when it needs them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from lllm_runtime_agents.front_matter import split_front_matter
from lllm_runtime_agents.function import Function

__all__ = ["Skill", "activation_tool", "catalogue", "find_skills", "load_skills"]

logger = logging.getLogger("lllm.agents")

_FOLDERS = (".agents/skills", ".claude/skills")
_FILE = "SKILL.md"
_MAX_BYTES = 1_000_000
_TIMEOUT = 10.0

_cache: dict[Path, tuple[int, Skill]] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill.

    Attributes:
        name: Name by which it is activated.
        description: When to use it.
        body: What the agent reads when it activates it.
        folder: Where its files are; None for one that was fetched.
        allowed_tools: Names of the tools it wants to use.
    """

    name: str
    description: str
    body: str
    folder: Path | None
    allowed_tools: tuple[str, ...] = ()

    def activated(self) -> str:
        """Return what the agent reads: the body, the folder and the files in it."""
        if self.folder is None:
            return self.body
        files = sorted(
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != _FILE
        )
        listing = "\n".join(f"- {name}" for name in files) or "(none)"
        return f"{self.body}\n\nSkill folder: {self.folder}\nFiles:\n{listing}"


def find_skills() -> dict[str, Skill]:
    """Return the skills of the working directory and of the home folder by name; the first one wins.

    A file that cannot be read is reported and left out: it must not fail agents that have no use for it.
    """
    found: dict[str, Skill] = {}
    for file in _skill_files():
        try:
            skill = _read(file)
        except (OSError, ValueError) as error:
            logger.warning("the skill %s cannot be used: %s", file, error)
            continue
        found.setdefault(skill.name, skill)
    return found


def load_skills(wanted: str | Sequence[str]) -> list[Skill]:
    """Return the skills that a config asks for.

    Args:
        wanted: `"*"` for all local ones, or names and URLs of `SKILL.md` files.

    Raises:
        KeyError: There is no local skill of that name.
        ValueError: A URL is not http or https, or what it serves is not a skill.
        OSError: A URL cannot be read within 10 seconds.
    """
    local = find_skills()
    if wanted == "*":
        return list(local.values())
    skills = []
    for name in [wanted] if isinstance(wanted, str) else wanted:
        if "://" in name:
            skills.append(_fetched(name))
        elif name in local:
            skills.append(local[name])
        else:
            raise KeyError(f"Skill '{name}' not found. Available: {sorted(local)}")
    return skills


def catalogue(skills: Sequence[Skill]) -> str:
    """Return the block that tells an agent which skills there are.

    Args:
        skills: The skills.
    """
    lines = [f"- {skill.name}: {' '.join(skill.description.split())}" for skill in skills]
    return "\n".join(
        ["", "", "## Skills", "Call `activate_skill` with a name to read one before you use it.", *lines]
    )


def activation_tool(skills: Sequence[Skill]) -> Function:
    """Return the tool `activate_skill(name)`.

    Args:
        skills: The skills that can be activated.
    """
    by_name = {skill.name: skill for skill in skills}

    def activate_skill(name: str) -> str:
        if name not in by_name:
            raise KeyError(f"no skill '{name}'. Available: {sorted(by_name)}")
        return by_name[name].activated()

    return Function(
        name="activate_skill",
        description="Read the instructions of a skill before using it.",
        properties={"name": {"type": "string", "enum": sorted(by_name)}},
        required=["name"],
        function=activate_skill,
        processor=_plain,
    )


def _plain(result: Any, _: Any) -> str:
    return str(result)


def _skill_files() -> Iterator[Path]:
    for base in (Path.cwd(), Path.home()):
        for folder in _FOLDERS:
            yield from sorted((base / folder).glob(f"*/{_FILE}"))


def _read(file: Path) -> Skill:
    modified = file.stat().st_mtime_ns
    with _lock:
        cached = _cache.get(file)
    if cached is not None and cached[0] == modified:
        return cached[1]
    with file.open("rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    skill = _parsed(_text(data, str(file)), file.parent.name, file.parent)
    with _lock:
        _cache[file] = (modified, skill)
    return skill


def _fetched(url: str) -> Skill:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"A skill's URL must be http or https, got {url!r}.")
    request = Request(url, headers={"Accept": "text/markdown, text/plain"})
    end = monotonic() + _TIMEOUT
    with urlopen(request, timeout=_TIMEOUT) as answer:
        text = _text(_received(answer, end), url)
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return _parsed(text, parts[-2] if len(parts) > 1 else url, None)


def _received(answer: BinaryIO, end: float) -> bytes:
    """Read what a server sends, as much as a skill may have, in the time it may take."""
    data = b""
    # One read returns what has arrived; waiting for the whole would let a slow server take for ever.
    while len(data) <= _MAX_BYTES and (piece := answer.read1(65_536)):  # type: ignore[attr-defined]
        data += piece
        if monotonic() > end:
            raise TimeoutError(f"The skill was not sent within {_TIMEOUT:g} seconds.")
    return data


def _text(data: bytes, place: str) -> str:
    if len(data) > _MAX_BYTES:
        raise ValueError(f"The skill at {place} is larger than {_MAX_BYTES} bytes.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"The skill at {place} is not UTF-8 text.") from error


def _parsed(text: str, fallback: str, folder: Path | None) -> Skill:
    fields, body = split_front_matter(text)
    tools = fields.get("allowed-tools", ())
    return Skill(
        name=str(fields.get("name") or fallback),
        description=str(fields.get("description") or ""),
        body=body.strip(),
        folder=folder,
        allowed_tools=tuple(tools.replace(",", " ").split()) if isinstance(tools, str) else tuple(tools),
    )
