"""Archives that want to do harm: nothing of them is written, and the reason is said."""

import os
import stat
import struct
import zipfile
from contextlib import nullcontext
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lllm_packages import install_package

TOML = b'[package]\nname = "gift"\n'


class Forge:
    """Makes archives that no well-meant program would write."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, members, toml=TOML):
        file = self.folder / "hostile.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            if toml is not None:
                archive.writestr("gift/lllm.toml", toml)
            for info, data in members:
                archive.writestr(info, data)
        return file

    def patch(self, old, new, members=()):
        """Replace bytes in an archive, of the same length, where `zipfile` would not write them."""
        assert len(old) == len(new)
        file = self.write([(old.decode(), b"x"), *members])
        data = file.read_bytes()
        assert data.count(old) == 2
        file.write_bytes(data.replace(old, new))
        return file


@pytest.fixture
def forge(tmp_path):
    """Make hostile archives."""
    return Forge(tmp_path)


@pytest.fixture
def refused(home, tmp_path):
    """Check that an archive is refused with a reason, and that nothing was written anywhere."""

    def check(file, reason, error=ValueError):
        before = sorted(tmp_path.rglob("*"))
        for scope in ("user", "project"):
            with pytest.raises(error, match=reason):
                install_package(file, scope=scope)
        assert sorted(tmp_path.rglob("*")) == before

    return check


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info, b""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil", "leaves the archive"),
        ("gift/../../evil", "leaves the archive"),
        ("gift/..", "leaves the archive"),
        ("/etc/evil", "absolute name"),
        ("//host/evil", "absolute name"),
        ("C:/evil", "absolute name"),
        ("c:evil", "absolute name"),
        ("gift/./x", "empty part"),
        ("gift//x", "empty part"),
        ("gift/a\nb", "control character"),
        ("gift/a\x1b[31m", "control character"),
        ("gift/\u202egnp.exe", "control character"),
        ("gift/" + "x" * 300, "too long"),
        ("gift/" + "x/" * 600 + "x", "too long"),
    ],
)
def test_names_that_escape_are_refused(forge, refused, name, reason):
    """Whatever a member is called, it stays inside the package's folder."""
    refused(forge.write([(name, b"x")]), reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"gift\\..\\..\\evil", "backslash"),
        (b"\\\\host\\sharexxx", "absolute name"),
        (b"gift/a\0.pyxxxxxx", "control"),
    ],
)
def test_names_that_zipfile_would_not_write_are_refused(forge, refused, name, reason):
    """Backslashes and NUL bytes, which the library translates or cuts, are seen."""
    refused(forge.patch(b"gift/placeholder"[: len(name)], name), reason)


def test_members_without_a_name_are_refused(forge, refused):
    """An entry of the index whose name has no length."""
    file = forge.write([("x", b"")])
    data = bytearray(file.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 28 : place + 30] = b"\0\0"
    data[place + 30 : place + 32] = b"\x01\0"  # what was the name is an extra field now
    file.write_bytes(data)
    refused(file, "empty part in its name")


def test_members_outside_the_file_are_refused(forge, refused):
    """An entry of the index that points behind the end, or before the beginning."""
    file = forge.write([("gift/x", b"x")])
    data = bytearray(file.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 42 : place + 46] = struct.pack("<L", 0x7FFFFFFF)
    file.write_bytes(data)
    refused(file, "lies outside the file")


def test_names_of_another_encoding_are_refused(forge, refused):
    """A name that is neither ASCII nor marked as UTF-8 has no certain spelling."""
    refused(forge.patch(b"gift/placeholder", b"gift/pl\x84ceholder"), "not UTF-8")


def test_names_that_claim_to_be_utf8_must_be(forge, refused):
    """A broken UTF-8 name is an archive that cannot be read."""
    file = forge.write([("gift/gr\u00fcn-place", b"x")])
    data = file.read_bytes()
    file.write_bytes(data.replace("gr\u00fcn".encode(), b"gr\xff\xfen"))
    refused(file, "not a zip archive that can be read")


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "lllm.toml"])
def test_links_are_refused(forge, refused, target):
    """A member that is a symbolic link is not followed and not written."""
    refused(forge.write([link("gift/link", target)]), "is a link")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (stat.S_IFCHR | 0o666, "device"),
        (stat.S_IFBLK | 0o666, "device"),
        (stat.S_IFIFO | 0o666, "special file"),
        (stat.S_IFSOCK | 0o666, "special file"),
        (stat.S_IFREG | stat.S_ISUID | 0o755, "set-id"),
        (stat.S_IFREG | stat.S_ISGID | 0o755, "set-id"),
        (stat.S_IFDIR | stat.S_ISGID | 0o755, "set-id"),
    ],
)
def test_special_members_are_refused(forge, refused, mode, reason):
    """Devices, pipes, sockets and set-id programs do not come out of an archive."""
    refused(forge.write([special("gift/x", mode)]), reason)


def test_modes_are_reduced_to_plain_ones(forge):
    """A program stays one; everything else of a mode is dropped."""
    path = install_package(
        forge.write([special("gift/run", stat.S_IFREG | 0o777), special("gift/data", stat.S_IFREG | 0o666)])
    )
    assert stat.S_IMODE((path / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE((path / "data").stat().st_mode) == 0o644


def test_encrypted_members_are_refused(forge, refused):
    """There is no password to ask for."""
    file = forge.write([("gift/x", b"x")])
    data = bytearray(file.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start + 1)) >= 0:
        data[start + 8] |= 1
    file.write_bytes(data)
    refused(file, "is encrypted")


def test_other_compressions_are_refused(tmp_path, refused):
    """Only what every unpacker knows, and what cannot ask for gigabytes of memory."""
    file = tmp_path / "lzma.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("gift/lllm.toml", TOML)
    refused(file, "method other than deflate")


@pytest.mark.parametrize(
    "names",
    [
        ("gift/a", "gift/a"),
        ("gift/A.py", "gift/a.py"),
        ("gift/\u00e9", "gift/e\u0301"),
        ("gift/x", "gift/X/"),
    ],
)
def test_two_members_of_one_name_are_refused(forge, refused, names):
    """Names that are one file on some system: equal, of other case, or of other normal form."""
    with pytest.warns(UserWarning, match="Duplicate name") if names[0] == names[1] else nullcontext():
        file = forge.write([(name, b"") for name in names])
    refused(file, "have one name")


def test_a_file_that_is_a_folder_is_refused(forge, refused):
    """One name cannot be both."""
    refused(forge.write([("gift/x", b"x"), ("gift/x/y", b"y")]), "is a file and a folder")


def test_a_folder_with_content_is_refused(forge, refused):
    """A name with a slash at its end holds nothing."""
    file = forge.write([("gift/folder_", b"content")])
    data = file.read_bytes()
    file.write_bytes(data.replace(b"gift/folder_", b"gift/folder/"))
    refused(file, "is a folder with content")


def test_a_bomb_of_zeros_is_refused(forge, refused):
    """More than 200 times its size."""
    refused(forge.write([("gift/zeros", bytes(30_000_000))]), "more than 200 times its size")


def test_what_is_small_may_be_well_packed(forge):
    """The ratio does not count below 64 KiB."""
    assert (install_package(forge.write([("gift/zeros", bytes(50_000))])) / "zeros").stat().st_size == 50_000


def test_too_much_content_is_refused(forge, refused, monkeypatch):
    """The limit is on what it unpacks to."""
    monkeypatch.setattr("lllm_packages.archive_index.MAX_UNPACKED", 1000)
    refused(forge.write([("gift/x", os.urandom(1001))]), "unpacks to 10.. bytes, and 1000 are allowed")


def test_too_many_members_are_refused(forge, refused, monkeypatch):
    """By the count in the archive, and by what is there when the count lies."""
    monkeypatch.setattr("lllm_packages.archive_index.MAX_MEMBERS", 5)
    file = forge.write([(f"gift/{number}", b"") for number in range(6)])
    refused(file, "more than 5 members")
    data = bytearray(file.read_bytes())
    end = data.rfind(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 2, 2)
    file.write_bytes(data)
    refused(file, "7 members, and 5 are allowed")


def test_ten_thousand_members_is_the_limit(forge, refused):
    """One more than allowed, for real."""
    refused(forge.write([(f"gift/{number}", b"") for number in range(10_000)]), "more than 10000 members")


def test_a_huge_index_is_refused_before_it_is_read(forge, refused):
    """The size that the end of the archive claims is checked first, and so is the format for large archives."""
    file = forge.write([])
    data = bytearray(file.read_bytes())
    end = data.rfind(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<L", 0x7FFFFFFF)
    file.write_bytes(data)
    refused(file, "more than 10000 members")
    locator = b"PK\x06\x07" + bytes(16)
    file.write_bytes(file.read_bytes()[:end] + locator + forge.write([]).read_bytes()[end:])
    refused(file, "more than 10000 members")


def test_overlapping_members_are_refused(forge, refused):
    """Many entries of the index that share their data."""
    file = forge.write([(f"gift/{number}", os.urandom(3000)) for number in range(8)])
    with zipfile.ZipFile(file) as archive:
        first = archive.getinfo("gift/0").header_offset
        size = archive.getinfo("gift/0").compress_size
    data = bytearray(file.read_bytes())
    start = data.find(b"PK\x01\x02")
    central = data[start : data.rfind(b"PK\x05\x06")]
    end = data[data.rfind(b"PK\x05\x06") :]
    # Keep the data of the first member alone, and let every entry point at it.
    kept = data[: first + 30 + len("gift/0") + size]
    place = 0
    while (place := central.find(b"PK\x01\x02", place)) >= 0:
        length = struct.unpack("<H", central[place + 28 : place + 30])[0]
        if central[place + 46 : place + 46 + length] != b"gift/lllm.toml":
            central[place + 42 : place + 46] = struct.pack("<L", first)
        place += 46
    end[16:20] = struct.pack("<L", len(kept))
    file.write_bytes(kept + central + end)
    refused(file, "overlap")


def test_damaged_content_leaves_nothing(forge, refused):
    """A wrong checksum shows while unpacking; what was unpacked until then goes away."""
    file = forge.write([("gift/a", b"a" * 100), ("gift/b", os.urandom(5000)), ("gift/c", b"c" * 100)])
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo("gift/b").header_offset + 200
    data[place] ^= 0xFF
    file.write_bytes(data)
    refused(file, "is damaged: member 'gift/b'")


def test_a_member_larger_than_it_claims_is_refused(forge, refused):
    """The sizes in the index are not believed."""
    file = forge.write([("gift/zeros", bytes(5_000_000))])
    data = file.read_bytes()
    file.write_bytes(data.replace(struct.pack("<L", 5_000_000), struct.pack("<L", 10)))
    refused(file, "is damaged")


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x03\x04", b"PK\x05\x06", b"PK\x05\x06" + bytes(17)]
)
def test_what_is_no_archive_is_refused(tmp_path, refused, content):
    """Whatever the bytes are."""
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    refused(file, "is not a zip archive")


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        (b'[package]\nname = "../../evil"', "not a valid package name"),
        (b'[package]\nname = ".."', "not a valid package name"),
        (b'[package]\nname = ".hidden"', "not a valid package name"),
        (b'[package]\nname = "a/b"', "not a valid package name"),
        (b'[package]\nname = ""', "not a valid package name"),
        (b'[package]\nname = "a\\u0000b"', "not a valid package name"),
        (b"[package]\nversion = '1'", r"has no \[package\] name field"),
        (b"[package", "is not valid TOML"),
        (b"\xff\xfe", "is not valid TOML"),
        (b'[package]\nname = "x"\n[assets]\npaths = ["/etc"]', "leads out of the package"),
        (b'[package]\nname = "x"\n[data]\npaths = [{path = "a/../../b"}]', "leads out of the package"),
        (b"#" * (1024 * 1024 + 1), "is refused: its gift/lllm.toml is larger|200 times"),
    ],
)
def test_a_package_file_that_escapes_is_refused(forge, refused, toml, reason):
    """The name and the paths are checked after the archive is read, so no name leaves the install root."""
    refused(forge.write([], toml=toml), reason)


def test_an_archive_without_a_package_is_refused(forge, refused):
    """The package file must lie at the root or one folder deep."""
    refused(forge.write([("README", b"x")], toml=None), r"No lllm\.toml found in")
    refused(forge.write([("a/b/lllm.toml", TOML)], toml=None), r"No lllm\.toml found in")
    refused(forge.write([(".a/lllm.toml", TOML)], toml=None), r"No lllm\.toml found in")


def test_an_archive_with_several_packages_is_refused(forge, refused):
    """The error lists the folders."""
    refused(
        forge.write([("other/lllm.toml", TOML)]),
        r"Multiple package directories found in .*\['gift', 'other'\]",
    )


@pytest.mark.parametrize("name", ["lllm.toml", "anything/lllm.toml", "anything/LLLM.toml", ".lllm.toml"])
def test_the_folder_in_the_archive_may_have_any_name(forge, home, name):
    """The package is installed under its own name, from a folder or from the root."""
    path = install_package(forge.write([(name, TOML), ("stray/file.txt", b"x")], toml=None))
    assert path == home / ".lllm" / "packages" / "gift"
    assert (path / name.rpartition("/")[2]).exists()


def test_hidden_members_are_left_out(forge):
    """Hidden files, bytecode and what some systems add do not come out of the archive."""
    members = [".ssh/key", "gift/.env", "gift/.git/config", "gift/__pycache__/a.pyc", "__MACOSX/gift/x"]
    path = install_package(
        forge.write([(name, b"x") for name in [*members, "gift/.lllm-install.json", "gift/ok"]])
    )
    assert sorted(item.name for item in path.iterdir()) == [".lllm-install.json", "lllm.toml", "ok"]
    assert b"sha256" in (path / ".lllm-install.json").read_bytes()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_damage_to_an_archive_gets_past(tmp_path, home, data):
    """Whatever bytes are changed, an archive installs below the install root or is a ValueError."""
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gift/lllm.toml", TOML)
        archive.writestr("gift/configs/a.yaml", b"x: 1\n" * 20)
    content = bytearray(memory.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged.zip"
    file.write_bytes(content)
    try:
        path = install_package(file, load=False, force=True)
    except ValueError:
        path = None
    outside = {item.name for item in home.iterdir()} - {"work", ".lllm"}
    assert outside == set()
    assert path is None or path.parent == home / ".lllm" / "packages"
