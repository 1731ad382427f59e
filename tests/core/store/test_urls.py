"""Store URLs: the scheme, the marker or the default decides who opens a store."""

from pathlib import Path

import pytest

import lllm
from lllm.errors import StoreURLError
from lllm.plugins import PluginManager, use
from lllm.store import directory_of, open_store
from lllm.store.urls import scheme_of


class Opened:
    """What the test backends open: their name, the URL and the options."""

    def __init__(self, url, *, timeout=None, token=None):
        if timeout == "bad":
            raise ValueError("timeout must be a number")
        self.url, self.timeout, self.token = url, timeout, token


class OtherOpened(Opened):
    """What the second test backend opens."""


class Plugin:
    """A plugin that contributes store backends."""

    def __init__(self, *specs):
        self.specs = specs

    @lllm.hookimpl
    def lllm_stores(self):
        return list(self.specs)


def spec(name, target, **fields):
    """Return the spec of a test backend."""
    return lllm.StoreSpec(name=name, target=f"{__name__}:{target}", summary="For tests.", **fields)


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """Use a plugin manager that knows two test backends."""
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[Opened.__module__])
    manager = PluginManager(discover=False)
    manager.register(
        Plugin(
            spec("sqlite", "Opened", schemes=("sqlite",), markers=("first.mark",)),
            spec("other", "OtherOpened", schemes=("other", "others"), markers=("second.mark",)),
        ),
        name="stores",
    )
    with use(manager):
        yield manager


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:a/b", Opened),
        ("SQLITE:///a", Opened),
        ("other:x", OtherOpened),
        ("others://host:7700/prefix", OtherOpened),
    ],
)
def test_the_scheme_decides(url, kind):
    """In any case of letters."""
    store = open_store(url, timeout=3)
    assert type(store) is kind
    assert (store.url, store.timeout) == (url, 3)


def test_a_new_or_empty_directory_is_opened_by_the_default(tmp_path):
    """Given as a text or as a path."""
    assert type(open_store(tmp_path / "new")) is Opened
    assert type(open_store(str(tmp_path))) is Opened
    assert open_store(tmp_path).url == str(tmp_path)


def test_a_marker_decides(tmp_path):
    """The backend whose file is there opens the directory."""
    (tmp_path / "second.mark").touch()
    assert type(open_store(tmp_path)) is OtherOpened
    assert type(open_store(str(tmp_path))) is OtherOpened


def test_two_markers_are_not_guessed(tmp_path):
    """The error names both backends and how to choose."""
    (tmp_path / "first.mark").touch()
    (tmp_path / "second.mark").touch()
    with pytest.raises(StoreURLError, match=r"several backends \(other, sqlite\).*`other:"):
        open_store(tmp_path)


def test_a_file_is_no_store(tmp_path):
    """The error says what a store is."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreURLError, match="A store is a directory"):
        open_store(tmp_path / "file")


def test_an_unknown_scheme_names_the_known_ones():
    """And what to install, where that is known."""
    with pytest.raises(StoreURLError, match="`other`, `others`, `sqlite`"):
        open_store("nope:x")
    with pytest.raises(StoreURLError, match="pip install lllm-store-file"):
        open_store("file:x")


def test_a_contested_scheme_names_both(host):
    """Nothing is guessed."""
    host.register(Plugin(spec("third", "Opened", schemes=("other",))), name="more")
    with pytest.raises(StoreURLError, match=r"(?s)stores.*more|more.*stores"):
        open_store("other:x")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:a?x=1", "query or a fragment"),
        ("sqlite:a#x", "query or a fragment"),
        ("other://user:secret@host/", "credentials"),
        ("sqlite:a b", "%20"),
        ("sqlite:a\x00b", "non-empty"),
        ("other://[::1", "malformed"),
        ("", "non-empty"),
        ("  ", "non-empty"),
        (None, "non-empty"),
        (5, "non-empty"),
        (b"sqlite:a", "non-empty"),
    ],
)
def test_a_malformed_url_is_refused(url, text):
    """Before any backend is asked, and without showing credentials."""
    with pytest.raises(StoreURLError, match=text) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_options_are_the_backends_own():
    """An unknown one or a bad value is an error of the URL."""
    assert open_store("other:x", token="t").token == "t"
    with pytest.raises(StoreURLError, match="tokens"):
        open_store("other:x", tokens="t")
    with pytest.raises(StoreURLError, match="timeout must be a number"):
        open_store("other:x", timeout="bad")


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("sqlite:rel/dir", "rel/dir"),
        ("sqlite:///abs/dir", "/abs/dir"),
        ("sqlite://localhost/abs", "/abs"),
        ("sqlite:/abs", "/abs"),
        ("sqlite:a%20b%25", "a b%"),
        ("plain/path", "plain/path"),
        (".", "."),
        ("with space", "with space"),
    ],
)
def test_the_directory_of_a_url(url, directory):
    """Paths are percent-decoded in URLs, and taken as they are otherwise."""
    assert directory_of(url) == directory


@pytest.mark.parametrize(
    "url", ["sqlite://host/dir", "sqlite://rel", "sqlite:", "sqlite:///", "x:%00", "x:a?b"]
)
def test_a_url_without_a_directory_is_refused(url):
    """Another host is none of ours."""
    with pytest.raises(StoreURLError):
        directory_of(url)


def test_schemes_and_paths_differ_by_the_colon():
    """A Path is never a URL."""
    assert scheme_of("SQLite:x") == "sqlite"
    assert scheme_of("a/b:c") is None
    assert scheme_of(".sssn") is None
    assert type(open_store(Path("odd:name"))) is Opened
