"""Discovery: what is read from the metadata of installed distributions, and what is not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lllm.plugins import PluginSettings, decide, discover

from .conftest import Site


def test_a_declared_plugin_is_found(site: Site) -> None:
    """Name, distribution, version, target, place and requirement come from the metadata."""
    site.install("acme-shout", version="1.2", requires=("lllm>=0.1,<9", "click"))
    (record,) = discover([str(site.path)])
    assert (record.name, record.distribution, record.version) == ("shout", "acme-shout", "1.2")
    assert record.entry_point == "acme_shout.plugin"
    assert record.location == str(site.path)
    assert record.requires == ("lllm>=0.1,<9",)
    assert not record.editable


def test_nothing_is_imported(site: Site) -> None:
    """A plugin whose module raises is discovered like any other."""
    site.install("acme-shout", "raise RuntimeError('imported')")
    assert [record.name for record in discover([str(site.path)])] == ["shout"]
    assert "acme_shout" not in sys.modules


def test_distributions_without_the_group_are_skipped(site: Site) -> None:
    """Only a section named exactly after the group counts."""
    site.install("acme-other", entry_points="[console_scripts]\nlllm = acme_other:main\n")
    site.install("acme-close", entry_points="[lllm.more]\nclose = acme_close.plugin\n")
    assert discover([str(site.path)]) == ()


def test_one_distribution_may_declare_several_plugins(site: Site) -> None:
    """Entries are sorted by name; comments and other sections are ignored."""
    text = "# ours\n[lllm]\nzeta = acme_two.z\n; more\nalpha=acme_two.a : thing [extra]\n[other]\nx = y\n"
    site.install("acme-two", entry_points=text)
    found = [(record.name, record.entry_point) for record in discover([str(site.path)])]
    assert found == [("alpha", "acme_two.a:thing"), ("zeta", "acme_two.z")]


def test_order_is_by_distribution_then_name(site: Site) -> None:
    """The order of the directory listing has no say."""
    for name in ("acme-b", "Acme_A", "acme-c"):
        site.install(name)
    assert [record.distribution for record in discover([str(site.path)])] == ["Acme_A", "acme-b", "acme-c"]


def test_the_first_distribution_of_a_name_on_the_path_wins(site: Site, tmp_path: Path) -> None:
    """A later one of the same name is hidden, however it is spelt."""
    later = Site(tmp_path / "later")
    later.path.mkdir()
    later.install("Acme.Shout", None, version="2.0", folder="Acme.Shout-2.0.dist-info")
    site.install("acme-shout", version="1.0")
    assert [record.version for record in discover([str(site.path), str(later.path)])] == ["1.0"]


def test_a_distribution_without_the_group_hides_a_later_one_with_it(site: Site, tmp_path: Path) -> None:
    """What is hidden from imports is hidden here too."""
    later = Site(tmp_path / "later")
    later.path.mkdir()
    later.install("acme-shout", None)
    site.install("acme-shout", entry_points="[console_scripts]\n")
    assert discover([str(site.path), str(later.path)]) == ()


def test_the_remains_of_an_interrupted_upgrade_are_ignored(site: Site) -> None:
    """Folders that begin with `~`, and folders that lost their METADATA to a newer one, do not count."""
    site.install("acme-shout", version="2.0")
    site.install("acme-shout", None, version="1.0", metadata="")
    site.install("acme-shout", None, folder="~cme_shout-0.9.dist-info")
    assert [(record.version, record.problem) for record in discover([str(site.path)])] == [("2.0", None)]


def test_a_half_removed_distribution_is_reported(site: Site) -> None:
    """Without METADATA nobody knows what it requires, so it has a problem with a remedy."""
    site.install("acme-shout", metadata="")
    (record,) = discover([str(site.path)])
    assert (record.name, record.distribution, record.version) == ("shout", "acme_shout", "1.0")
    assert record.problem is not None
    assert "is incomplete; reinstall it: pip install --force-reinstall acme_shout" in record.problem


def test_entry_points_that_are_not_utf8_are_reported(site: Site) -> None:
    """The record is named after the distribution and says which byte is wrong."""
    site.install("acme-shout", entry_points=b"[lllm]\nsh\xffut = acme_shout.plugin\n")
    (record,) = discover([str(site.path)])
    assert record.name == "acme-shout"
    assert record.problem is not None
    assert "entry_points.txt is not UTF-8: byte 0xff at offset 9" in record.problem


def test_a_name_declared_twice_is_reported(site: Site) -> None:
    """Which of the two would be meant is not guessed."""
    site.install("acme-shout", entry_points="[lllm]\nshout = acme_shout.a\nshout = acme_shout.b\n")
    (record,) = discover([str(site.path)])
    assert record.problem == "entry_points.txt declares `shout` twice; the distribution needs a fix"


def test_control_characters_do_not_reach_the_terminal(site: Site) -> None:
    """Metadata is text from strangers."""
    metadata = "Metadata-Version: 2.1\nName: acme-shout\nVersion: 1.0\nSummary: a\x1b[31mred\n"
    site.install("acme-shout", metadata=metadata)
    (record,) = discover([str(site.path)])
    assert "\x1b" not in record.summary


def test_an_editable_install_is_located_in_its_project(site: Site) -> None:
    """The direct URL that an installer records names the project's folder."""
    info = site.install("acme-shout")
    (info / "direct_url.json").write_text(
        '{"url": "file:///home/me/my%20shout", "dir_info": {"editable": true}}'
    )
    (record,) = discover([str(site.path)])
    assert record.editable
    assert record.location == "/home/me/my shout"


@pytest.mark.parametrize(
    "text", ["{", '{"editable": 1}', '{"dir_info": {"editable": false}, "url": "file:///x"}', "[]"]
)
def test_a_direct_url_that_says_nothing_is_no_editable_install(site: Site, text: str) -> None:
    """Malformed and negative records are the same."""
    info = site.install("acme-shout")
    (info / "direct_url.json").write_text(text)
    (record,) = discover([str(site.path)])
    assert not record.editable
    assert record.location == str(site.path)


def test_an_egg_info_folder_is_read(site: Site) -> None:
    """An old development install keeps PKG-INFO and requires.txt beside its entry points."""
    info = site.install("acme-shout", folder="acme_shout.egg-info", metadata="")
    (info / "PKG-INFO").write_text("Metadata-Version: 1.2\nName: acme-shout\nVersion: 3.0\n")
    (info / "requires.txt").write_text("lllm>=0.1\n\n[fast]\nlllm>=99\n")
    (record,) = discover([str(site.path)])
    assert (record.version, record.requires, record.problem) == ("3.0", ("lllm>=0.1",), None)


def test_a_zip_file_on_the_path_is_read(site: Site, tmp_path: Path) -> None:
    """What cannot be listed as a directory is read with importlib-metadata."""
    archive = tmp_path / "acme_zip-1.0.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(
            "acme_zip-1.0.dist-info/METADATA", "Name: acme-zip\nVersion: 1.0\nRequires-Dist: lllm>9\n"
        )
        writer.writestr("acme_zip-1.0.dist-info/entry_points.txt", "[lllm]\nzip = acme_zip.plugin\n")
    site.install("acme-shout")
    records = discover([str(site.path), str(archive)])
    assert [(record.name, record.requires) for record in records] == [
        ("shout", ("lllm>=0.1",)),
        ("zip", ("lllm>9",)),
    ]


def test_custom_finders_are_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finder on `sys.meta_path` that knows distributions is heard after the path."""

    class Distribution:
        metadata: ClassVar = {"Name": "acme-far", "Summary": "Far away."}
        version = "4.0"
        requires = ("lllm",)

        def read_text(self, name: str) -> str:
            return "[lllm]\nfar = acme_far.plugin\n"

        def locate_file(self, path: str) -> str:
            return "far://away"

    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            return None

        def find_distributions(self, context: object) -> list[Distribution]:
            return [Distribution(), Distribution()]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    far = [record for record in discover() if record.name == "far"]
    assert [(record.distribution, record.location) for record in far] == [("acme-far", "far://away")]


def test_a_raising_finder_hides_nothing_else(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its failure is logged."""

    class Finder:
        def find_distributions(self, context: object) -> list[object]:
            raise OSError("no network")

    site.install("acme-shout")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert "shout" in [record.name for record in discover()]
    assert "cannot read the distributions of a custom finder: OSError('no network')" in caplog.text


def test_paths_that_do_not_exist_are_skipped(tmp_path: Path) -> None:
    """Python's own path holds such entries too."""
    assert discover([str(tmp_path / "nothing"), str(tmp_path / "python311.zip")]) == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of POSIX")
def test_a_named_pipe_in_place_of_the_file_does_not_hang(site: Site) -> None:
    """Opening it never waits for a writer."""
    info = site.path / "acme_pipe-1.0.dist-info"
    info.mkdir()
    os.mkfifo(info / "entry_points.txt")
    assert discover([str(site.path)]) == ()


def test_an_installation_after_the_first_look_is_seen(site: Site) -> None:
    """There is no cache between two calls."""
    assert discover([str(site.path)]) == ()
    site.install("acme-shout")
    assert len(discover([str(site.path)])) == 1


def test_discovery_is_light(site: Site) -> None:
    """It imports nothing that is slow, in an ordinary environment."""
    site.install("acme-shout")
    program = (
        "import sys; from lllm.plugins import discover; discover([sys.argv[1]]); "
        "heavy = {'pydantic', 'asyncio', 'tomlkit', 'tomllib', 'importlib_metadata', 'importlib.metadata', "
        "'pathlib', 'email', 'click', 'json', 'logging.config', 'platform', 'packaging'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}", str(site.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "[]\n"


lines = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"[lllm]",
            b"a = b.c",
            b"a = b.c:d [x]",
            b"= b",
            b"a",
            b"[",
            b"# x",
            b"\xff = a",
            b"[lllm]\r",
            b" [lllm] ",
        ]
    ),
)
files = st.lists(lines, max_size=6).map(b"\n".join)


@given(
    entry_points=files, metadata=st.one_of(files, st.just(b"Name: acme\nVersion: 1.0\nRequires-Dist: lllm\n"))
)
@settings(max_examples=150, deadline=None)
def test_any_metadata_gives_records_and_states(
    tmp_path_factory: pytest.TempPathFactory, entry_points: bytes, metadata: bytes
) -> None:
    """Whatever lies in the files of a distribution, discovery and policy answer."""
    info = tmp_path_factory.mktemp("site") / "acme-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_bytes(entry_points)
    (info / "METADATA").write_bytes(metadata)
    records = discover([str(info.parent)])
    assert bool(records) <= (b"[lllm]" in entry_points)
    for decision in decide(records, PluginSettings(), "0.1.0"):
        assert decision.state in {"ready", "broken", "incompatible", "conflict"}
        assert (decision.error is None) == (decision.state == "ready")
        assert decision.record.distribution.isprintable()
