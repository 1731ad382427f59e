"""What is hidden when metadata becomes public."""

import logging

import pytest

from lllm.secrets import (
    find_secret_key,
    is_secret_key,
    looks_secret,
    mask_secrets,
    public_copy,
    public_schema,
)

SECRET = (
    "private_key access_key passwd pwd tokens secrets api_keys passwords cookies bearer auth jwt dsn session_id "
    "tokenValue sshkey openaiKey api_key_href apiKey API_KEY X-Api-Key authorization Authorization-Header "
    "set_cookie access_token refreshToken accesstoken client_secret credential credentials auth_token passphrase "
    "signing_key OPENAI_API_KEY apikey HTTPAuthorization password secret cookie token"
).split()
PLAIN = (
    "next_page_token pad_token cookie_consent authorization_url api_key_ref secret_ref tokens_refs "
    "password_reference x-policy max_tokens token_budget prompt_tokens total_tokens author sort_key primary_key "
    "key public_key label headers idempotency_key timeout_s monkey nextPageToken tokenizer retention input runtime"
).split()


@pytest.mark.parametrize("key", SECRET)
def test_names_of_secrets_are_recognised(key):
    """Singular and plural, in every spelling that code uses."""
    assert is_secret_key(key)


@pytest.mark.parametrize("key", PLAIN)
def test_plain_names_and_references_are_not_secrets(key):
    """Counters, cursors and `*_ref` keys stay visible."""
    assert not is_secret_key(key)


def test_secret_keys_are_found_at_any_depth():
    """Maps, lists and tuples are searched."""
    assert find_secret_key({"a": [{"b": ({"api_key": 1},)}]}) == "api_key"
    assert find_secret_key({"a": [{"api_key_ref": "openai.default"}]}) is None


def test_public_copies_drop_secret_and_unnamed_entries(caplog):
    """What is dropped is reported once, by key and never by value."""
    value = {"a": {"private_key": "hush"}, 1: "number", "list": [{"password": "hush", "ok": 1}], "t": (1,)}
    with caplog.at_level(logging.WARNING, "lllm.secrets"):
        shown = public_copy(value)
        public_copy(value)
    assert shown == {"a": {}, "list": [{"ok": 1}], "t": (1,)}
    assert "hush" not in caplog.text
    assert caplog.text.count("'private_key'") <= 1


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdefghijklmnopqrstuv",
        "use ghp_0123456789abcdefghijABCDEFGHIJ please",
        "postgres://user:pass@host/db",
        "AKIAABCDEFGHIJKLMNOP",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_values_that_look_like_keys_are_masked(text):
    """Common prefixes, private keys and credentials in URLs are masked whatever the key is called."""
    assert looks_secret(text)
    assert not looks_secret(mask_secrets(text))
    assert "***" in public_copy({"note": text})["note"]


@pytest.mark.parametrize(
    "text", ["sk-1", "http://host:80/a@b", "task-list", "plain text", "skeleton-of-a-plan"]
)
def test_plain_text_is_not_masked(text):
    """Short or ordinary text passes unchanged."""
    assert mask_secrets(text) == text


def test_schemas_are_shown_without_secret_values():
    """Fields with secret names lose their values, other values are filtered; names of fields are only names."""
    key = "sk-abcdefghijklmnopqrstuvwx123456"
    schema = {
        "type": "object",
        "properties": {
            "password": {"type": "string", "default": "hunter2", "examples": ["x"]},
            "login": {"type": "object", "default": {"user": "bob", "password": "hunter2"}},
            "note": {"type": "string", "default": key, "examples": [f"use {key}"]},
            "default": {"type": "object", "properties": {"token": {"type": "string", "const": "t"}}},
        },
        "$defs": {"examples": {"properties": {"size": {"default": 3}}}},
        "examples": [{"note": key, "api_key": "k"}],
    }
    assert public_schema(schema) == {
        "type": "object",
        "properties": {
            "password": {"type": "string"},
            "login": {"type": "object", "default": {"user": "bob"}},
            "note": {"type": "string", "default": "***", "examples": ["use ***"]},
            "default": {"type": "object", "properties": {"token": {"type": "string"}}},
        },
        "$defs": {"examples": {"properties": {"size": {"default": 3}}}},
        "examples": [{"note": "***"}],
    }
    assert public_schema(None) is None
