"""Reading `lllm.toml`."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm_packages.names import check_alias, check_package_name, folder_name, is_package_name
from lllm_packages.package_file import (
    SECTIONS,
    Dependency,
    PathEntry,
    escapes,
    file_in,
    parse_package_file,
    read_package_file,
)


def parse(text, folder):
    return parse_package_file(text.encode(), folder / "lllm.toml")


def test_everything_is_optional(tmp_path):
    """An empty file is a package named after its folder whose sections are its sub-folders."""
    folder = tmp_path / "writer"
    package = parse("", folder)
    assert (package.name, package.is_named, package.version, package.description) == ("writer", False, "", "")
    assert tuple(package.sections) == SECTIONS
    assert package.sections["prompts"] == (PathEntry("prompts", named=False),)
    assert package.dependencies == ()
    assert package.base_dir == folder


def test_the_package_table_is_read(tmp_path):
    """Name, version and description are what the file says."""
    package = parse('[package]\nname = "a"\nversion = "1.2"\ndescription = "d"', tmp_path)
    assert (package.name, package.is_named, package.version, package.description) == ("a", True, "1.2", "d")


def test_paths_have_three_forms(tmp_path):
    """A path, a path with `under`, and a table with `under` or `prefix`."""
    package = parse(
        '[prompts]\npaths = ["prompts/", "more ideas under extra", {path = "p", under = "x/y"}, '
        '{path = "q", prefix = "/z/"}, {path = "r"}]',
        tmp_path,
    )
    assert package.sections["prompts"] == (
        PathEntry("prompts/"),
        PathEntry("more ideas", "extra"),
        PathEntry("p", "x/y"),
        PathEntry("q", "z"),
        PathEntry("r"),
    )


def test_a_section_without_paths_is_the_sub_folder(tmp_path):
    """An empty list of paths is none; a section without the key is the folder of its name."""
    package = parse("[configs]\npaths = []\n[tools]\n[data]\n", tmp_path)
    assert package.sections["configs"] == ()
    assert package.sections["tools"] == (PathEntry("tools", named=False),)
    assert package.sections["data"] == (PathEntry("data", named=False),)


def test_dependencies_have_three_forms(tmp_path):
    """A path, a path with `as`, and a table with `as` or `alias`."""
    package = parse(
        '[dependencies]\npackages = ["../a", "../the b as b", {path = "../c", as = "cc"}, '
        '{path = "../d", alias = "dd"}, {path = "../e"}]',
        tmp_path,
    )
    assert package.dependencies == (
        Dependency("../a"),
        Dependency("../the b", "b"),
        Dependency("../c", "cc"),
        Dependency("../d", "dd"),
        Dependency("../e"),
    )


@pytest.mark.parametrize(
    "entry",
    [
        "1",
        "{}",
        "{path = 1}",
        '{path = ""}',
        '{path = "a", to = "b"}',
        '{path = "a", under = 2}',
        '""',
        '{path = "a", under = ".."}',
        '{path = "a", under = "x:y"}',
        '{path = "a", under = "/"}',
        '"a under x//y"',
    ],
)
def test_a_bad_path_is_named(entry, tmp_path):
    """A path entry of another form is a ValueError that names section and file."""
    with pytest.raises(ValueError, match=r"^Invalid path entry: .*\[prompts\].*lllm\.toml"):
        parse(f"[prompts]\npaths = [{entry}]", tmp_path)


def test_paths_must_be_a_list(tmp_path):
    """One path alone is no list of paths."""
    with pytest.raises(ValueError, match=r"Invalid path entry: \[prompts\] paths in .* must be a list"):
        parse('[prompts]\npaths = "prompts"', tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        "1",
        "{}",
        '{path = ""}',
        '{path = "a", as = 1}',
        '{path = "a", as = "x/y"}',
        '{as = "x"}',
        '"a as ../x"',
    ],
)
def test_a_bad_dependency_is_named(entry, tmp_path):
    """A dependency of another form is a ValueError that names the file."""
    with pytest.raises(ValueError, match=r"^Invalid dependency entry: .*lllm\.toml"):
        parse(f"[dependencies]\npackages = [{entry}]", tmp_path)


def test_dependencies_must_be_a_list(tmp_path):
    """One dependency alone is no list of dependencies."""
    with pytest.raises(ValueError, match=r"Invalid dependency entry: .* must be a list"):
        parse('[dependencies]\npackages = "../a"', tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[package]\nname = "../x"', "not a valid package name"),
        ("[package]\nname = 1", "not a valid package name"),
        ("[package]\nversion = 1.0", "version in .* must be a string, got float"),
        ("package = 1", "`package` in .* must be a table, got int"),
        ('["a.b"]\npaths = []', "not a valid section name"),
        ("[package", "is not valid TOML"),
        ("a = 1\na = 2", "is not valid TOML"),
        ("a = " + "[" * 100_000, "is not valid TOML: a value nests too deeply$"),
        ("#" * (1 << 20) + "#", "is larger than 1048576 bytes"),
    ],
)
def test_a_faulty_file_is_named(text, message, tmp_path):
    """Whatever is wrong is a ValueError that names the file."""
    with pytest.raises(ValueError, match=message) as caught:
        parse(text, tmp_path)
    assert str(tmp_path / "lllm.toml") in str(caught.value)


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    """Bytes that are no UTF-8 are a ValueError that names the file."""
    file = tmp_path / "lllm.toml"
    file.write_bytes(b'[package]\nname = "\xff"')
    with pytest.raises(ValueError, match=r"lllm\.toml is not valid TOML"):
        read_package_file(file)


def test_a_huge_file_is_not_read_whole(tmp_path):
    """The error comes before the memory is spent."""
    file = tmp_path / "lllm.toml"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ValueError, match=r"lllm\.toml is larger than 1048576 bytes"):
        read_package_file(file)


@pytest.mark.parametrize("kind", ["folder", "loop", "pipe"])
def test_what_is_no_file_is_passed_over_with_a_warning(kind, tmp_path):
    """A folder, a link to itself or a pipe of that name is told, and another package file counts."""
    file = tmp_path / "lllm.toml"
    {"folder": file.mkdir, "loop": lambda: file.symlink_to(file), "pipe": lambda: os.mkfifo(file)}[kind]()
    with pytest.warns(RuntimeWarning, match=rf"^{re.escape(str(file))} is passed over: it is "):
        assert file_in(tmp_path) is None
    (tmp_path / ".lllm.toml").write_text("")
    with pytest.warns(RuntimeWarning, match="is passed over"):
        assert file_in(tmp_path) == tmp_path / ".lllm.toml"


def test_a_byte_order_mark_is_no_fault(tmp_path):
    """Files that begin with a byte order mark, as some editors write them, are read."""
    file = tmp_path / "lllm.toml"
    file.write_bytes(b'\xef\xbb\xbf[package]\nname = "a"')
    assert read_package_file(file).name == "a"


def test_a_file_has_one_of_three_names(tmp_path):
    """`lllm.toml` comes first, then `.lllm.toml`, then `LLLM.toml`."""
    assert file_in(tmp_path) is None
    for name in ("LLLM.toml", ".lllm.toml", "lllm.toml"):
        (tmp_path / name).write_text("")
        assert file_in(tmp_path) == tmp_path / name


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("prompts/", False),
        ("a/../b", False),
        ("../b", True),
        ("a/../../b", True),
        ("/etc", True),
        ("C:\\x", True),
    ],
)
def test_paths_that_lead_out_are_recognised(path, result):
    """`..` and absolute paths lead out of a package; `..` inside it does not."""
    assert escapes(path) is result


@given(st.text(max_size=200))
def test_a_package_name_is_always_one_plain_folder_name(text):
    """Whatever is accepted as a name cannot leave the folder it is joined to."""
    if is_package_name(text):
        assert check_package_name(text) == text
        assert "/" not in text
        assert "\\" not in text
        assert text not in {"", ".", ".."}
        assert len(text) <= 128
    else:
        with pytest.raises(ValueError, match="is not a valid package name"):
            check_package_name(text)


@given(st.text(max_size=200))
def test_every_folder_gives_a_package_name(text):
    """A package without a name gets one from any folder."""
    assert is_package_name(folder_name(text))


@pytest.mark.parametrize("alias", ["", "A", "a.b", "a/b", "-a", "ä", "a" * 129, 1, None])
def test_a_bad_alias_is_refused(alias):
    """An alias is lower-case letters, digits, hyphens and underscores."""
    with pytest.raises(ValueError, match="is not a valid package name"):
        check_alias(alias)


@pytest.mark.parametrize("alias", ["a", "my-alias", "my_alias_2", "2nd"])
def test_a_good_alias_is_returned(alias):
    """A valid alias comes back as it is."""
    assert check_alias(alias) == alias
