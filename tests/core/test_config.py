"""The config file: found, read whatever it holds, and edited without touching the user's text."""

import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.config import (
    CONFIG_FILE,
    MAX_CONFIG_BYTES,
    config_path,
    edit_config,
    find_config,
    find_line,
    read_config,
    read_toml,
    write_config,
)
from lllm.errors import ConfigError

USER_TEXT = """\
# my own notes
[refs."psi://demo/b/tactics/t"]   # keep me
url   =  "http://127.0.0.1:8000"

[settings]
language = 'en'  # and me
"""


@pytest.fixture
def config(tmp_path):
    """Return the path at which a project's config lies, its folder made."""
    path = tmp_path / CONFIG_FILE
    path.parent.mkdir()
    return path


def test_find_config_looks_in_the_folder_only(tmp_path, config, monkeypatch):
    """The config of a folder is found there, and folders above are not searched."""
    assert find_config(tmp_path) is None
    config.write_text("")
    assert find_config(tmp_path) == config
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_config(inner) is None
    monkeypatch.chdir(tmp_path)
    assert find_config() == config


def test_find_config_knows_a_project_whose_psi_is_a_file(tmp_path):
    """A file named .psi is not a folder with a config."""
    (tmp_path / ".psi").write_text("")
    assert find_config(tmp_path) is None


def test_a_dangling_link_is_a_config_that_cannot_be_read(config):
    """A link to nothing is found, so that reading it says what is wrong."""
    config.symlink_to(config.parent / "gone.toml")
    assert find_config(config.parent.parent) == config
    with pytest.raises(FileNotFoundError):
        read_config(config)


def test_config_path_takes_a_file_or_its_project(tmp_path, config):
    """A folder means its .psi/config.toml; anything else is the file."""
    assert config_path(tmp_path) == config
    assert config_path(str(tmp_path)) == config
    assert config_path(tmp_path / "other.toml") == tmp_path / "other.toml"


@pytest.mark.parametrize("value", ["", " ", " x", "x\n", None, 3, b"x", "a\0b", ["x"]])
def test_config_path_refuses_what_is_no_path(value):
    """Blank, padded and other values are refused with one sentence."""
    with pytest.raises(ValueError, match=r"^config path must be a non-empty"):
        config_path(value)


def test_read_config_returns_the_tables(config):
    """A config is read as plain dicts."""
    config.write_text(USER_TEXT)
    assert read_config(config) == {
        "refs": {"psi://demo/b/tactics/t": {"url": "http://127.0.0.1:8000"}},
        "settings": {"language": "en"},
    }


def test_read_config_says_which_file_is_missing(config):
    """A missing file is a FileNotFoundError that names it."""
    with pytest.raises(FileNotFoundError, match=r"config\.toml"):
        read_config(config)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a = \n", r"line 1"),
        (b"a = 1\nb = [1,\n", r"config\.toml: "),
        (b"a = 1\na = 2\n", r"line 2"),
        (b"a = 1\nb = '\xff\xfe'\n", r"not UTF-8 \(at line 2\)"),
        (b"\xef\xbb\xbfa = 1\n", r"line 1"),
        (b"a = '\x00'\n", r"line 1"),
        (b"a = " + b"[" * 100_000, r"nests too deeply"),
        (b"a = " + b"{b=" * 5_000 + b"1" + b"}" * 5_000, r"nests too deeply"),
        (b"a = " + b"[" * 120 + b"]" * 120, r"`a` nests too deeply"),
        (b"x = 1\n" + b"a." * 100_000 + b"a = 1\n", r"too many dotted parts \(at line 2\)"),
        (b"[" + b'"a" . ' * 5_000 + b"a]\n", r"too many dotted parts \(at line 1\)"),
        (b"a = " + b"1" * 10_000, r"Exceeds the limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_and_malformed_text_is_a_toml_error_with_the_file(config, data, message):
    """Whatever a file holds, the answer is quick, a TOMLDecodeError, and names the file."""
    config.write_bytes(data)
    with pytest.raises(tomllib.TOMLDecodeError, match=message) as caught:
        read_config(config)
    assert str(config) in str(caught.value)


def test_long_lines_that_are_no_keys_are_read():
    """Arrays of many numbers and long sentences are not taken for endless keys."""
    text = f"a = {[0.5] * 500}\nb = '''{'Word. ' * 10}{'two words. ' * 500}{'.' * 500}'''\n"
    assert len(read_toml(text)["a"]) == 500


def test_a_huge_file_is_refused_unread(config):
    """A file beyond the limit is refused with its limit."""
    config.write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(ConfigError, match=f"larger than {MAX_CONFIG_BYTES} bytes") as caught:
        read_config(config)
    assert caught.value.path == config


def test_a_folder_and_a_pipe_are_no_configs(config):
    """A folder is an IsADirectoryError, a pipe is refused and never waited for."""
    with pytest.raises(IsADirectoryError):
        read_config(config.parent)
    os.mkfifo(config)
    with pytest.raises(ConfigError, match="must be a regular file"):
        read_config(config)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_names_itself(config):
    """A file without permission to read is a PermissionError that names it."""
    config.write_text("")
    config.chmod(0)
    with pytest.raises(PermissionError, match=r"config\.toml"):
        read_config(config)


@given(st.binary(max_size=200))
def test_any_bytes_are_tables_or_a_value_error(tmp_path_factory, data):
    """No file makes the reader fail otherwise."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    try:
        tables = read_config(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert isinstance(tables, dict)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("refs",), 2),
        (("refs", "psi://demo/b/tactics/t"), 2),
        (("refs", "psi://demo/b/tactics/t", "url"), 3),
        (("refs", "psi://demo/b/tactics/t", "absent"), 2),
        (("settings", "language"), 6),
        (("absent",), None),
    ],
)
def test_find_line_finds_a_key_or_the_table_around_it(key, line):
    """The line of a key is where it is written; an unknown one has the line of its table."""
    assert find_line(USER_TEXT, key) == line


def test_find_line_is_not_fooled_by_values_and_comments():
    """A key's name in a comment, a text or another table is passed over."""
    text = '# url\n[a]\nnote = "url"\n[b]\nurl = 1\nlist = [\n  {x = 1},\n]\n'
    assert find_line(text, ("b", "url")) == 5
    assert find_line(text, ("b", "list", "x")) == 6


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), min_size=1, max_size=8))
def test_find_line_is_right_or_silent_for_any_keys(tables):
    """Whatever the keys, the line found is the one where the key is written, when it is found at all."""
    import tomlkit

    text = tomlkit.dumps({"refs": tables})
    for key in tables:
        line = find_line(text, ("refs", key))
        before = "\n".join(text.split("\n")[: line - 1])
        after = "\n".join(text.split("\n")[:line])
        assert line == 1 or (key not in tomllib.loads(before)["refs"] and key in tomllib.loads(after)["refs"])


def test_an_edit_keeps_the_users_text(config):
    """Only the edited lines change: comments, spacing and order stay byte for byte."""
    config.write_bytes(USER_TEXT.encode())
    with edit_config(config) as document:
        document["settings"]["port"] = 8000
    assert config.read_bytes() == (USER_TEXT + "port = 8000\n").encode()


def test_an_edit_keeps_windows_line_ends(config):
    """A file with CRLF line ends keeps them."""
    config.write_bytes(USER_TEXT.replace("\n", "\r\n").encode())
    with edit_config(config) as document:
        document["settings"]["language"] = "de"
    assert config.read_bytes() == USER_TEXT.replace("\n", "\r\n").replace("'en'", '"de"').encode()


def test_an_edit_creates_file_and_folder(tmp_path):
    """A project without a config gets one."""
    path = tmp_path / CONFIG_FILE
    with edit_config(path) as document:
        document["settings"] = {"language": "en"}
    assert read_config(path) == {"settings": {"language": "en"}}


def test_an_edit_that_changes_nothing_writes_nothing(tmp_path, config):
    """No change leaves the file as it is, and makes none."""
    config.write_text(USER_TEXT)
    before = config.stat()
    with edit_config(config) as document:
        document["settings"]["language"]
    assert config.stat().st_mtime_ns == before.st_mtime_ns
    assert config.stat().st_ino == before.st_ino
    with edit_config(tmp_path / "other" / CONFIG_FILE):
        pass
    assert not (tmp_path / "other").exists()


def test_an_edit_that_fails_writes_nothing(config):
    """An error inside the block leaves the file as it was."""
    config.write_text(USER_TEXT)
    with pytest.raises(KeyError), edit_config(config) as document:
        document["settings"]["language"] = "de"
        document["absent"]["x"] = 1
    assert config.read_text() == USER_TEXT
    assert os.listdir(config.parent) == ["config.toml"]


def test_an_edit_keeps_the_permissions(config):
    """The replaced file has the mode that the user gave it."""
    config.write_text(USER_TEXT)
    config.chmod(0o600)
    with edit_config(config) as document:
        document["settings"]["language"] = "de"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_an_edit_of_malformed_text_is_a_toml_error(config):
    """What cannot be read cannot be edited."""
    config.write_text("a = \n")
    with pytest.raises(tomllib.TOMLDecodeError, match=r"config\.toml"), edit_config(config):
        pytest.fail("the block must not begin")


def test_links_are_refused(tmp_path, config):
    """A linked file, a file with a second name and a linked folder are left alone."""
    real = tmp_path / "real.toml"
    real.write_text("")
    config.symlink_to(real)
    with pytest.raises(ConfigError, match="is a link"):
        write_config(config, "a = 1\n")
    config.unlink()
    os.link(real, config)
    with pytest.raises(ConfigError, match="hard link"):
        write_config(config, "a = 1\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / ".psi").symlink_to(config.parent)
    with pytest.raises(ConfigError, match="is a link"):
        write_config(other / CONFIG_FILE, "a = 1\n")
    assert real.read_text() == ""


def test_two_editors_do_not_overwrite_each_other(config):
    """A change made by somebody else during an edit is kept, and the edit fails."""
    config.write_text(USER_TEXT)
    with pytest.raises(ConfigError, match="changed by somebody else"), edit_config(config) as document:
        document["settings"]["language"] = "de"
        config.write_text("mine = 1\n")
    assert config.read_text() == "mine = 1\n"


def test_what_is_written_is_toml(config):
    """A text that is not TOML is refused before the disk is touched."""
    with pytest.raises(tomllib.TOMLDecodeError):
        write_config(config, "a = \n")
    assert not config.exists()


def test_a_failed_write_leaves_the_old_file(config, monkeypatch):
    """When the disk refuses, the old file stays and no draft is left behind."""
    config.write_text(USER_TEXT)

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_config(config, "a = 1\n")
    assert config.read_text() == USER_TEXT
    assert os.listdir(config.parent) == ["config.toml"]


def test_importing_it_is_cheap():
    """Refs, config, bindings and credentials import no TOML library and no pydantic until they are used."""
    code = "import sys, lllm.refs, lllm.config, lllm.bindings, lllm.credentials; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"pydantic", "tomlkit", "tomllib", "pluggy", "click", "json"}


def test_the_error_tells_file_line_and_key():
    """A ConfigError carries its place as data and shows it first."""
    error = ConfigError("is wrong", path=Path("x.toml"), line=3, key=("refs", "a"))
    assert str(error) == "x.toml:3: is wrong"
    assert (error.path, error.line, error.key) == (Path("x.toml"), 3, ("refs", "a"))
    assert str(ConfigError("is wrong")) == "is wrong"
