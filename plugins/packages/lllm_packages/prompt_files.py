"""Prompts that are Markdown files: the front matter holds their fields, the body is their text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lllm_packages.documents import read_markdown, split_front_matter

__all__ = ["load_markdown_prompt", "markdown_path"]

_PATH = re.compile(r"^path:[ \t]*(['\"]?)(?P<path>[^'\"#\n]+?)\1[ \t]*(?:#.*)?$", re.MULTILINE)


def markdown_path(file: Path) -> str:
    """Return the path of the prompt in a Markdown file without parsing YAML.

    Args:
        file: The file; without a `path:` line in its front matter, the file's name is the path.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return file.stem
    match = _PATH.search(split_front_matter(text)[0])
    return match["path"].strip() if match else file.stem


def load_markdown_prompt(file: Path, path: str) -> Any:
    """Return the prompt in a Markdown file.

    Args:
        file: The file.
        path: The path of the prompt.

    Raises:
        ImportError: It is not a prompt, or the agents runtime is not installed; the text names the file.
    """
    import lllm

    prompt_class: Any = lllm.Prompt
    try:
        fields, body = read_markdown(file)
        return prompt_class(**{**fields, "path": path, "prompt": body})
    except (OSError, TypeError, ValueError) as error:
        raise ImportError(f"{file} is not a prompt: {error}", path=str(file)) from error
