"""The grammar of `[refs]` that all layers share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.bindings import is_portable_path, override_variable, read_bindings
from lllm.config import read_toml
from lllm.errors import ConfigError
from lllm.refs import parse_psi_ref

REF = "psi://demo/b/tactics/t"


def bindings(text, **options):
    """Read the tactic bindings of a TOML text."""
    return read_bindings(read_toml(text), **{"sections": ("tactics",), **options})


def test_only_the_wanted_sections_are_read():
    """A config of several layers gives each layer its own bindings, in order."""
    text = f"""
    [refs."{REF}"]
    url = "http://a"
    [refs."psi://demo/b/channels/c"]
    store = 3
    metadata = "not even a table"
    [refs."psi://demo/b/tactics/other"]
    """
    found = bindings(text)
    assert [str(binding.ref) for binding in found] == [REF, "psi://demo/b/tactics/other"]
    assert found[0].table == {"url": "http://a"}
    assert [str(b.ref) for b in bindings(text, sections=("channels",))] == ["psi://demo/b/channels/c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("refs = 3", r"^\[refs\] must be a TOML table\.$"),
        ("[[refs]]", r"^\[refs\] must be a TOML table\.$"),
        ('refs."http://a" = {}', "psi:// resource ref .* plain path segments"),
        ('refs."psi://a/b/tactics" = {}', "psi:// resource ref .* plain path segments"),
        ('refs."psi://a/b/tactics/x%20" = {}', "psi:// resource ref .* plain path segments"),
        ('refs."" = {}', "psi:// resource ref .* plain path segments"),
        ("refs.a.b = {}", "psi:// resource ref .* plain path segments"),
        ('refs."psi://a/b/gadgets/x" = {}', "got /gadgets/"),
        ('refs."psi://a/b/tactics/x" = 3', r'^\[refs\."psi://a/b/tactics/x"\] must be a TOML table\.$'),
        ('refs."psi://a/b/docs/x" = []', "must be a TOML table"),
    ],
)
def test_a_malformed_table_is_refused(text, message):
    """Every key must be a plain ref of a known section, whichever layer it belongs to."""
    with pytest.raises(ConfigError, match=message):
        bindings(text)


def test_a_layer_may_let_unknown_sections_pass():
    """A layer that says so skips sections that nobody knows yet, and still checks their shape."""
    assert bindings('refs."psi://a/b/gadgets/x" = {}', known=None) == ()
    with pytest.raises(ConfigError, match="plain path segments"):
        bindings('refs."psi://a/b/gadgets/x y" = {}', known=None)


def test_the_error_names_file_line_and_key(tmp_path):
    """An error of a binding that came from a file says where it stands."""
    path = tmp_path / "config.toml"
    path.write_text(f'[settings]\n\n[refs."{REF}"]\nlabel = "x"\nurl = ""\n')
    (binding,) = read_bindings(read_toml(path.read_text()), sections=("tactics",), source=path)
    with pytest.raises(ConfigError, match="'url' must be a non-empty string without whitespace") as caught:
        binding.text("url")
    assert str(caught.value).startswith(f"{path}:5: ")
    assert caught.value.line == 5
    assert caught.value.key == ("refs", REF, "url")


@pytest.mark.parametrize("value", ['""', '" "', '"a b"', '"a\\n"', "3", "[]", '"\u2028"'])
def test_a_target_is_a_text_without_white_space(value):
    """A target of another type, blank or with white space is refused."""
    (binding,) = bindings(f'[refs."{REF}"]\nstore = {value}')
    with pytest.raises(
        ConfigError, match=f"target 'store' must be a non-empty string without whitespace: {REF}"
    ):
        binding.text("store")


def test_targets_extras_and_metadata_are_told_apart():
    """Targets say where, the nested table and loose keys describe; what is returned is a copy."""
    text = f'[refs."{REF}"]\nurl = "http://a"\npath = "x"\nlabel = "l"\n[refs."{REF}".metadata]\nowner = {{a = [1]}}'
    (binding,) = bindings(text)
    assert binding.targets() == ("url", "path")
    assert binding.targets(("path", "url", "store")) == ("path", "url")
    assert binding.extras() == {"label": "l"}
    assert binding.extras(("url",)) == {"path": "x", "label": "l"}
    binding.metadata()["owner"]["a"].append(2)
    assert binding.metadata() == {"owner": {"a": [1]}}


def test_metadata_must_be_a_table():
    """A metadata key that is no table is refused in the words of the contract."""
    (binding,) = bindings(f'[refs."{REF}"]\nmetadata = 3')
    with pytest.raises(ConfigError, match=rf'^\[refs\."{REF}"\.metadata\] must be a TOML table\.$'):
        binding.metadata()


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "x"',
        'metadata.token = "x"',
        'deep.list = [{password = "x"}]',
        "metadata.a.b.authorization = 1",
    ],
)
def test_a_secret_in_a_binding_is_refused(line):
    """A secret-shaped key at any depth is refused, and its value is not repeated."""
    (binding,) = bindings(f'[refs."{REF}"]\n{line}')
    with pytest.raises(ConfigError, match="raw secret key") as caught:
        binding.check_no_secrets()
    assert '"x"' not in str(caught.value)


def test_refs_to_secrets_are_legal():
    """A key that names where a secret is kept is fine."""
    (binding,) = bindings(f'[refs."{REF}"]\nmetadata = {{api_key_ref = "openai.default"}}')
    binding.check_no_secrets()


@pytest.mark.parametrize("path", ["a", "./a", "a/b.c", ".sssn", "a..b", "$HOME"])
def test_paths_inside_the_project_are_portable(path):
    """A relative path without a way up is the same on every system."""
    assert is_portable_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/a",
        "~",
        "~/a",
        "~user/a",
        "../a",
        "a/../../b",
        "..",
        "C:\\a",
        "C:a",
        "c:/a",
        "\\a",
        "a\\..\\b",
        "a\0b",
    ],
)
def test_paths_that_may_leave_the_project_are_not(path):
    """Absolute paths, home folders, ways up and drives are refused."""
    assert not is_portable_path(path)


def test_the_override_variable_of_a_ref():
    """The variable is the ref in the letters that variables have."""
    ref = parse_psi_ref("psi://demo/my-briefs/tactics/brief.v2")
    assert override_variable(ref) == "LLLM_REF_DEMO__MY_BRIEFS__TACTICS__BRIEF_V2"


@given(st.text(min_size=1, max_size=20))
def test_every_ref_has_a_legal_variable(name):
    """Whatever the name, the variable is upper-case ASCII letters, digits and underscores."""
    try:
        ref = parse_psi_ref(f"psi://a/b/tactics/{name}")
    except ValueError:
        return
    assert set(override_variable(ref)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
