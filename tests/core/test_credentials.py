"""Credentials by ref: where they are looked for, and that they are never shown."""

import traceback

import pytest

from lllm.credentials import (
    check_credential_ref,
    credential_variable,
    credentials_path,
    find_credential,
    read_credential,
)
from lllm.errors import ConfigError, CredentialNotFoundError

SECRET = "sk-0123456789abcdef0123"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Give each test a config folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "lllm").mkdir()
    return tmp_path


def test_a_named_variable_is_read_as_it_is(monkeypatch):
    """`env:NAME` is that variable and nothing else."""
    assert find_credential("env:MY_KEY") is None
    monkeypatch.setenv("MY_KEY", SECRET)
    assert read_credential("env:MY_KEY") == SECRET


def test_a_name_is_looked_up_in_its_own_variable(monkeypatch):
    """A dotted name has a variable made of it."""
    assert credential_variable("openai.default-eu") == "LLLM_CREDENTIAL_OPENAI_DEFAULT_EU"
    monkeypatch.setenv("LLLM_CREDENTIAL_OPENAI_DEFAULT", f"{SECRET}\n")
    assert find_credential("openai.default") == SECRET


@pytest.mark.parametrize(
    "text", ['[openai]\ndefault = "K"', '"openai.default" = "K"', 'openai.default = "K"']
)
def test_the_file_may_use_tables_or_quoted_names(text):
    """The credentials file holds a name as a table, as dotted or as quoted key."""
    credentials_path().write_text(text)
    assert find_credential("openai.default") == "K"


def test_the_environment_goes_before_the_file(monkeypatch):
    """A variable replaces what the file holds."""
    credentials_path().write_text('openai.default = "file"')
    monkeypatch.setenv("LLLM_CREDENTIAL_OPENAI_DEFAULT", "variable")
    assert find_credential("openai.default") == "variable"


def test_the_file_is_in_the_users_config_folder(monkeypatch, tmp_path):
    """Without XDG_CONFIG_HOME, or with a relative one, it is under the home folder."""
    assert credentials_path() == tmp_path / "lllm" / "credentials.toml"
    monkeypatch.setenv("HOME", "/home/somebody")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert str(credentials_path()) == "/home/somebody/.config/lllm/credentials.toml"


def test_a_missing_credential_says_where_to_put_it():
    """The error names the variable and the file."""
    with pytest.raises(CredentialNotFoundError, match="LLLM_CREDENTIAL_OPENAI_DEFAULT") as caught:
        read_credential("openai.default")
    assert str(credentials_path()) in str(caught.value)
    with pytest.raises(CredentialNotFoundError, match=r"set the environment variable MY_KEY\.$"):
        read_credential("env:MY_KEY")


def test_blank_credentials_are_missing(monkeypatch):
    """An empty variable or text counts as not set."""
    monkeypatch.setenv("LLLM_CREDENTIAL_A", " ")
    credentials_path().write_text('a = ""')
    assert find_credential("a") is None


def test_another_value_than_a_text_is_an_error():
    """A table or number under the name is a mistake in the file."""
    credentials_path().write_text("[openai.default]\nkey = 3")
    with pytest.raises(ConfigError, match=r"`openai\.default` must be a string, got dict"):
        find_credential("openai.default")
    credentials_path().write_text('openai = "K"')
    assert find_credential("openai.default") is None


@pytest.mark.parametrize("value", ["", "a b", "env:", "env:A-B", "a..b", ".a", "vault://x", 3, None, SECRET])
def test_a_malformed_ref_is_refused_without_repeating_it(value):
    """What is no ref may be a secret, so the error never shows it."""
    with pytest.raises(ValueError, match="api_key_ref must name a credential") as caught:
        check_credential_ref(value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
