"""Pages can be found and their links lead somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_every_page_is_in_the_navigation():
    """`mkdocs.yml` names each file under docs/ once, and none that does not exist."""
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"(\S+\.md)$", config[config.index("\nnav:") :], re.MULTILINE)
    assert sorted(named) == sorted(
        path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")
    )


def test_links_between_files_lead_somewhere(document):
    """Each relative link of a page points to a file or folder of the repository."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (document.parent / target.partition("#")[0]).exists(), f"{document}: {target}"


def test_design_notes_are_dated_and_listed():
    """Each note in docs/design opens with its date, and the index shows it with that date."""
    index = (ROOT / "docs/design/index.md").read_text(encoding="utf-8")
    notes = [path for path in ROOT.glob("docs/design/*.md") if path.name != "index.md"]
    for note in notes:
        title, _, date = note.read_text(encoding="utf-8").splitlines()[:3]
        assert f"| {date} | [{title.removeprefix('# ')}]({note.name}) |" in index
    assert index.count(".md)") == len(notes)
