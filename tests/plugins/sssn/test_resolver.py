"""The resolver: what a config may say, what it refuses, and what is handed out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sssn import LocalStore, ResolvedSSSNRef, SSSNClient, SSSNError, SSSNRef, SSSNRefError, SSSNResolver

RAW = "psi://demo/events/channels/raw"
LATEST = "psi://demo/events/snapshots/latest"


def config(*lines: str, ref: str = RAW) -> str:
    return "\n".join([f'[refs."{ref}"]', *lines])


def write(folder: Path, text: str) -> Path:
    file = folder / ".psi" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_from_config_finds_file_and_root(tmp_path):
    """A folder, a file inside `.psi` and any other file each have their root."""
    file = write(tmp_path, config('store = ".sssn"'))
    other = tmp_path / "etc" / "refs.toml"
    other.parent.mkdir()
    other.write_text(config('store = ".sssn"'))
    assert SSSNResolver.from_config(tmp_path).store_path(RAW) == tmp_path / ".sssn"
    assert SSSNResolver.from_config(str(file)).store_path(RAW) == tmp_path / ".sssn"
    assert SSSNResolver.from_config(other).store_path(RAW) == tmp_path / "etc" / ".sssn"


def test_a_missing_file(tmp_path):
    """The error is a ref error and a FileNotFoundError, and names the file."""
    with pytest.raises(SSSNRefError, match=r"config\.toml") as error:
        SSSNResolver.from_config(tmp_path)
    assert isinstance(error.value, FileNotFoundError)
    assert isinstance(error.value, SSSNError)


def test_malformed_toml(tmp_path):
    """The error carries that of the TOML parser and names the file."""
    file = write(tmp_path, "[refs\n")
    with pytest.raises(SSSNRefError) as error:
        SSSNResolver.from_config(tmp_path)
    assert isinstance(error.value.__cause__, tomllib.TOMLDecodeError)
    assert str(file) in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path):
    """A folder in place of the file is a ref error too."""
    (tmp_path / ".psi" / "config.toml").mkdir(parents=True)
    with pytest.raises(SSSNRefError, match="cannot be read"):
        SSSNResolver.from_config(tmp_path)


@pytest.mark.parametrize("path", ["", " ", " x", 3, None, b"x"])
def test_bad_paths(path):
    """A config path and a root are non-empty, unpadded paths."""
    with pytest.raises(ValueError, match="config path"):
        SSSNResolver.from_config(path)
    with pytest.raises(ValueError) as error:
        SSSNResolver(root=path)
    assert str(error.value) == "config root must be a non-empty path string"


def test_from_text_writes_and_loads(tmp_path):
    """The text becomes the config of the root."""
    text = config('store = ".sssn"')
    resolver = SSSNResolver.from_text(text, root=tmp_path)
    assert (tmp_path / ".psi" / "config.toml").read_text() == text
    assert resolver.refs() == (RAW,)
    assert resolver.store_path(RAW) == tmp_path / ".sssn"


def test_from_text_writes_to_the_working_directory(tmp_path, monkeypatch):
    """Without a root the working directory is meant."""
    monkeypatch.chdir(tmp_path)
    SSSNResolver.from_text(config('store = ".sssn"'))
    assert (tmp_path / ".psi" / "config.toml").is_file()


@pytest.mark.parametrize("text", [None, 3, b"x"])
def test_text_must_be_text(text, tmp_path):
    """Other types are refused before the disk is touched."""
    with pytest.raises(SSSNRefError) as error:
        SSSNResolver.from_text(text, root=tmp_path)
    assert str(error.value) == "config text must be a string."
    assert list(tmp_path.iterdir()) == []


def test_malformed_text_leaves_the_file_alone(tmp_path):
    """An existing config survives a text that would not load."""
    file = write(tmp_path, "# mine\n")
    with pytest.raises(SSSNRefError):
        SSSNResolver.from_text("[refs", root=tmp_path)
    with pytest.raises(SSSNRefError):
        SSSNResolver.from_text(config(), root=tmp_path)
    assert file.read_text() == "# mine\n"


def test_parse_text_writes_nothing(tmp_path):
    """The same reading without a file."""
    resolver = SSSNResolver.parse_text(config('path = "data"'), root=tmp_path)
    assert resolver.store_path(RAW) == tmp_path / "data"
    assert list(tmp_path.iterdir()) == []


def test_resolved_refs():
    """Extra keys become metadata, a nested metadata table stays nested."""
    resolver = SSSNResolver.parse_text(
        config('store = ".sssn"', 'retention = "x"', 'metadata = { owner = "d" }')
        + "\n"
        + config('url = "http://127.0.0.1:7700"', ref=LATEST)
    )
    assert resolver.resolve(RAW) == ResolvedSSSNRef(
        ref=RAW,
        resource_kind="channels",
        name="raw",
        store=".sssn",
        metadata={"retention": "x", "metadata": {"owner": "d"}},
    )
    assert resolver.resolve(SSSNRef(LATEST)) == ResolvedSSSNRef(
        ref=LATEST, resource_kind="snapshots", name="latest", url="http://127.0.0.1:7700"
    )
    assert resolver.refs() == (RAW, LATEST)


def test_metadata_is_always_a_copy():
    """What is handed out or passed in never changes the resolver."""
    resolver = SSSNResolver()
    metadata = {"tags": ["a"]}
    bound = resolver.bind(RAW, store="x", metadata=metadata)
    metadata["tags"].append("b")
    bound.metadata["tags"].append("c")
    resolver.resolve(RAW).metadata["tags"].append("d")
    assert resolver.resolve(RAW).metadata == {"tags": ["a"]}


def test_unbound_refs():
    """The text names the ref."""
    with pytest.raises(SSSNRefError) as error:
        SSSNResolver().resolve(RAW)
    assert str(error.value) == f"SSSN ref is not bound: {RAW}"


@pytest.mark.parametrize(
    ("lines", "fragment"),
    [
        ((), "must declare one concrete target"),
        (('note = "x"',), "must declare one concrete target"),
        (('url = "http://h"', 'store = "x"'), "must declare only one concrete target, got url, store"),
        (('store = "x"', 'path = "x"'), "must declare only one concrete target, got store, path"),
        (('store = ""',), f"Ref binding target 'store' must be a non-empty string without whitespace: {RAW}"),
        (('store = "a b"',), "Ref binding target 'store' must be a non-empty string without whitespace"),
        (("path = 3",), "Ref binding target 'path' must be a non-empty string without whitespace"),
        (('url = " "',), "Ref binding target 'url' must be a non-empty string without whitespace"),
        (('url = "ftp://h"',), "must be an absolute HTTP(S) URL"),
        (('url = "/x"',), "must be an absolute HTTP(S) URL"),
        (('url = "http://user:pw@h"',), "embedded credentials"),
        (('url = "http://h/?q=1"',), "params, query, or fragment"),
        (('url = "http://h/#f"',), "params, query, or fragment"),
        (('url = "http://h/a%20b"',), "percent escapes"),
        (('url = "http://h//a"',), "empty segments"),
        (('url = "http://h/../a"',), "dot segments"),
        (('url = "http://h/a:b"',), "backslashes or colons"),
        (('store = "x"', "metadata = 3"), f'[refs."{RAW}".metadata] must be a TOML table.'),
        (('store = "x"', 'api_key = "v"'), "raw secret key"),
        (('store = "x"', 'metadata = { a = [ { password = "v" } ] }'), "raw secret key"),
        (('store = "/var/x"',), "must stay inside the folder"),
        (('store = "~/x"',), "must stay inside the folder"),
        (('store = "a/../../x"',), "must stay inside the folder"),
        (('path = ".."',), "must stay inside the folder"),
        (('store = "sqlite:///var/x"',), "must stay inside the folder"),
        (('store = "sqlite:../x"',), "must stay inside the folder"),
        (('store = "sqlite:%2e%2e/x"',), "must stay inside the folder"),
    ],
)
def test_bad_bindings(lines, fragment, tmp_path):
    """Each fault has its text; read from a file it also names file and line."""
    text = "# first\n" + config(*lines)
    with pytest.raises(SSSNRefError) as error:
        SSSNResolver.parse_text(text)
    assert fragment in str(error.value)
    with pytest.raises(SSSNRefError, match=r"config\.toml:\d+: "):
        SSSNResolver.from_config(write(tmp_path, text))


@pytest.mark.parametrize("text", ["refs = 3", f'[refs]\n"{RAW}" = 3'])
def test_tables_must_be_tables(text):
    """`[refs]` and each binding are tables."""
    with pytest.raises(SSSNRefError, match="must be a TOML table"):
        SSSNResolver.parse_text(text)


def test_secret_names_may_be_mentioned():
    """A key that ends in `_ref` names where a secret is kept, and is legal."""
    resolver = SSSNResolver.parse_text(config('store = "x"', 'api_key_ref = "openai.default"'))
    assert resolver.resolve(RAW).metadata == {"api_key_ref": "openai.default"}


@pytest.mark.parametrize(
    "section", ["assets", "configs", "docs", "examples", "runs", "schemas", "services", "tactics", "tools"]
)
def test_other_sections_are_skipped(section):
    """Bindings of other layers are checked for the shape of their key only; `bind` still refuses them."""
    ref = f"psi://demo/events/{section}/x"
    resolver = SSSNResolver.parse_text(config("store = 3", 'url = ""', ref=ref))
    assert resolver.refs() == ()
    with pytest.raises(SSSNRefError):
        resolver.bind(ref, url="http://h")


@pytest.mark.parametrize(
    "key",
    ["raw", "http://demo/events/channels/raw", "psi://demo/events/tactics", "psi://demo/a b/tactics/x", ""],
)
def test_malformed_keys(key):
    """Every key must be a well-formed ref, also one of another layer."""
    with pytest.raises(SSSNRefError, match="psi:// resource ref"):
        SSSNResolver.parse_text(config('store = "x"', ref=key))


def test_outside_paths_on_request(tmp_path):
    """A config may leave its folder when the caller says so, and `bind` always may."""
    text = config(f'store = "{tmp_path}/x"')
    assert SSSNResolver.parse_text(text, allow_outside=True).store_path(RAW) == tmp_path / "x"
    resolver = SSSNResolver(root=tmp_path / "deep")
    resolver.bind(RAW, path="../x")
    assert resolver.store_path(RAW).resolve() == tmp_path / "x"
    resolver.bind(RAW, store="~/x")
    assert resolver.store_path(RAW) == Path.home() / "x"


def test_store_tables(tmp_path):
    """A `store` that names a table uses the table's path; other texts are paths."""
    resolver = SSSNResolver.parse_text(
        config('store = "default"')
        + "\n"
        + config('store = "elsewhere"', ref=LATEST)
        + '\n[stores.default]\npath = "data/events"\nmetadata = { owner = "d" }\n',
        root=tmp_path,
    )
    assert resolver.store_path(RAW) == tmp_path / "data" / "events"
    assert resolver.store_path(LATEST) == tmp_path / "elsewhere"
    assert resolver.resolve(RAW).store == "default"
    assert resolver.stores() == {"default": {"path": "data/events", "metadata": {"owner": "d"}}}
    resolver.stores()["default"]["metadata"]["owner"] = "x"
    resolver.store("default")["metadata"]["owner"] = "x"
    assert resolver.store("default") == {"path": "data/events", "metadata": {"owner": "d"}}


def test_asking_for_a_store_table():
    """A missing table is a KeyError, a malformed name a ref error."""
    with pytest.raises(KeyError):
        SSSNResolver().store("default")
    for name in ("", "a/b", None, 3):
        with pytest.raises(SSSNRefError):
            SSSNResolver().store(name)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("stores = 3", "[stores] must be a TOML table."),
        ("stores.default = 3", "[stores.default] must be a TOML table."),
        ('[stores."a/b"]', "[stores.<name>] must use a non-empty path-segment name."),
        ('[stores.""]', "[stores.<name>] must use a non-empty path-segment name."),
        (
            '[stores.default]\npath = ""',
            "[stores.default] path must be a non-empty string without whitespace.",
        ),
        (
            '[stores.default]\npath = "a b"',
            "[stores.default] path must be a non-empty string without whitespace.",
        ),
        ("[stores.default]\nurl = 3", "[stores.default] url must be a non-empty string without whitespace."),
        ('[stores.default]\npath = "a"\nurl = "b"', "only one of path and url"),
        ("[stores.default]\nmetadata = 3", "[stores.default.metadata] must be a TOML table."),
        ('[stores.default.metadata]\ntoken = "v"', "raw secret key"),
        ('[stores.default]\npath = "/x"', "must stay inside the folder"),
    ],
)
def test_bad_store_tables(text, fragment, tmp_path):
    """Each fault of a store table has its text, and a line when there is a file."""
    with pytest.raises(SSSNRefError) as error:
        SSSNResolver.parse_text(text)
    assert fragment in str(error.value)
    with pytest.raises(SSSNRefError, match=r"config\.toml:\d+: "):
        SSSNResolver.from_config(write(tmp_path, text))


def test_a_table_without_a_place():
    """A table may hold metadata only, until a binding needs it."""
    resolver = SSSNResolver.parse_text(config('store = "default"') + '\n[stores.default]\nnote = "x"')
    with pytest.raises(SSSNRefError, match="declares neither path nor url"):
        resolver.store_path(RAW)


def test_other_tables_are_ignored():
    """Services and settings belong to others."""
    text = "[services]\nx = 1\n[settings]\ny = 2\n[plugins]\ndisable = []\n"
    assert SSSNResolver.parse_text(text).refs() == ()


def test_rebinding_replaces():
    """The last binding of a ref counts."""
    resolver = SSSNResolver()
    resolver.bind(RAW, store="a")
    resolver.bind(SSSNRef(RAW), url="http://127.0.0.1:7700")
    assert (resolver.resolve(RAW).store, resolver.resolve(RAW).url) == (None, "http://127.0.0.1:7700")


@pytest.mark.parametrize(
    ("targets", "fragment"),
    [
        ({}, "must declare one concrete target"),
        ({"url": "http://h", "path": "x"}, "must declare only one concrete target, got url, path"),
        ({"store": "a b"}, "Ref binding target 'store' must be a non-empty string without whitespace"),
        ({"url": "h"}, "must be an absolute HTTP(S) URL"),
        ({"store": "x", "metadata": 3}, "metadata must be a mapping"),
        ({"store": "x", "metadata": {3: 4}}, "metadata keys must be strings"),
    ],
)
def test_bad_bind(targets, fragment):
    """`bind` obeys the same rules and leaves an earlier binding alone."""
    resolver = SSSNResolver()
    resolver.bind(RAW, store="kept")
    with pytest.raises(SSSNRefError) as error:
        resolver.bind(RAW, **targets)
    assert fragment in str(error.value)
    assert resolver.resolve(RAW).store == "kept"


def test_metadata_of_bind_may_use_any_key():
    """A metadata key named like a target is metadata."""
    resolver = SSSNResolver()
    resolver.bind(RAW, url="http://h", metadata={"store": "x", "metadata": 3})
    assert resolver.resolve(RAW).metadata == {"store": "x", "metadata": 3}


def test_clients_need_a_url():
    """A client is made for a URL binding only, a path for a local one only."""
    resolver = SSSNResolver()
    resolver.bind(RAW, store=".sssn")
    resolver.bind(LATEST, url="http://127.0.0.1:7700/")
    for make in (resolver.client, resolver.async_client):
        with pytest.raises(SSSNRefError) as error:
            make(RAW)
        assert str(error.value) == f"SSSN ref is not bound to an HTTP URL: {RAW}"
    for find in (resolver.store_path, resolver.local_store):
        with pytest.raises(SSSNRefError) as error:
            find(LATEST)
        assert str(error.value) == f"SSSN ref is not bound to a local store: {LATEST}"
    transport = object()
    client = resolver.client(LATEST, timeout=2.0, transport=transport)
    assert isinstance(client, SSSNClient)
    assert (client.base_url, client.timeout, client.transport) == ("http://127.0.0.1:7700", 2.0, transport)
    assert resolver.async_client(LATEST).base_url == "http://127.0.0.1:7700"


def test_opening_stores(tmp_path):
    """`local_store` and `open` give the store of the binding, in whichever way it is written."""
    resolver = SSSNResolver.parse_text(
        config('store = ".sssn"') + "\n" + config('store = "sqlite:.sssn"', ref=LATEST), root=tmp_path
    )
    with resolver.local_store(RAW) as store:
        assert isinstance(store, LocalStore)
        assert store.root == tmp_path / ".sssn"
        store.create_channel({"name": "raw"})
    with resolver.open(LATEST) as store:
        assert [channel.name for channel in store.list_channels()] == ["raw"]
    assert resolver.store_path(LATEST) == tmp_path / ".sssn"


@given(st.text(max_size=30))
def test_any_store_text_is_bound_or_refused(text):
    """No text in `bind` raises anything but a ref error, and a bound one resolves to itself."""
    resolver = SSSNResolver()
    try:
        resolver.bind(RAW, store=text)
    except SSSNRefError:
        assert text.split() != [text]
    else:
        assert resolver.resolve(RAW).store == text
