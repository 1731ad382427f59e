"""Every code block of the documentation runs as it is written, read from the page itself."""

import json
import tomllib

import pytest

LANGUAGES = {"bash", "json", "mermaid", "python", "text", "toml", "yaml", ""}


def test_a_page_runs_from_top_to_bottom(document, page, blocks):
    """The blocks of one page, in order, in one namespace: none of them raises."""
    for block in blocks(document.read_text(encoding="utf-8")):
        page.read(block, document)


def test_data_blocks_are_well_formed(document, blocks):
    """JSON and TOML on a page can be read, and every block says a language that the runner knows."""
    for block in blocks(document.read_text(encoding="utf-8")):
        assert block.language in LANGUAGES, f"{document}:{block.line}: {block.language}"
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)


def test_fences_are_balanced(document, blocks):
    """No fence is left open: the runner sees each block that a reader sees."""
    text = document.read_text(encoding="utf-8")
    fences = [line for line in text.splitlines() if line.lstrip().startswith("```")]
    assert len(fences) == 2 * len(blocks(text))


def test_the_runner_fails_where_the_page_is_wrong(page, blocks):
    """An assertion on a page that does not hold, a broken command and a lost target are all found."""
    for text in ("```python\nassert 1 == 2\n```", "```bash\nfalse\n```", "```bash\nmake nonsense\n```"):
        (block,) = blocks(text)
        with pytest.raises(AssertionError):
            page.read(block, "page.md")


def test_a_titled_block_is_a_file_for_the_blocks_after_it(page, blocks):
    """The title is a path; later blocks read the file, also from an indented fence."""
    text = (
        '   ```toml title="a/b.toml"\n   x = 1\n   ```\n\n'
        "```python\nfrom pathlib import Path\n```\n```python\nfound = Path('a/b.toml').read_text()\n```\n"
    )
    for block in blocks(text):
        page.read(block, "page.md")
    assert page.names["found"] == "x = 1\n"
