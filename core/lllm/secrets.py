"""Which keys and values look like secrets, and the filter for what is shown in public.

The filter is a safety net under metadata that people write by hand: it errs on the side of hiding. A key
whose last word is `ref` (`api_key_ref`) names where a secret is kept and is therefore shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lllm.names import copy_boundary

__all__ = [
    "find_secret_key",
    "is_secret_key",
    "looks_secret",
    "mask_secrets",
    "public_copy",
    "public_schema",
]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_REFERENCES = frozenset({"ref", "refs", "reference", "references"})

# A key with one of these words is secret, wherever the word stands.
_ALWAYS = frozenset(
    "password passwords passwd passwds pwd pwds passphrase passphrases secret secrets credential credentials "
    "bearer jwt jwts dsn dsns apikey apikeys sshkey sshkeys privatekey accesskey signingkey".split()
)
# These are secret unless the key speaks *about* them (`authorization_url`, `cookie_consent`, `token_budget`).
_UNLESS_ABOUT = frozenset("authorization auth cookie cookies token tokens".split())
_ABOUT = frozenset(
    "url uri urls endpoint endpoints consent policy type types mode method methods scheme schemes kind count "
    "counts limit limits budget budgets usage length size cost price rate per name names provider expiry expires "
    "ttl enabled required domain path banner preference preferences settings id ids index position offset level "
    "version scope scopes header_name".split()
)
# Before `token`, these make it a cursor, a vocabulary entry or a number, not a credential.
_PLAIN_TOKENS = frozenset(
    "page next prev previous cursor continuation pad bos eos unk unknown sep cls mask special stop start end max "
    "min maximum minimum input output prompt completion total cached reasoning audio num n count thinking image "
    "text new generated used remaining first last".split()
)
# Before `key`, these make it a credential; a bare `key` or `sort_key` is not one.
_KEY_OWNERS = frozenset(
    "api private access ssh signing encryption decryption master service account auth session shared client "
    "storage subscription admin root license openai anthropic azure gemini google mistral cohere groq hf "
    "huggingface aws gcp deepseek xai openrouter together fireworks replicate perplexity voyage".split()
)
_COMPACT_ENDINGS = ("apikey", "apikeys", "password", "secret", "cookie", "token")

_SECRET_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}"
    r"|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^\s/:@]{1,256}:[^\s/@]{1,256}(?=@)"
)
# Texts without any of these, which is most of them, need not be searched: the pattern is tried at every character.
_MARKS = (
    *(
        "sk-",
        "pk-",
        "rk-",
        "_live_",
        "_test_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
    ),
    *("xox", "hf_", "npm_", "pypi-", "AKIA", "ASIA", "AIza", "eyJ", "-----BEGIN ", "://"),
)
_reported: set[str] = set()


def _words(key: str) -> list[str]:
    return [word for word in _NOT_WORD.split(_CAMEL.sub("_", key).lower()) if word]


def is_secret_key(key: str) -> bool:
    """Tell whether a key is shaped like the name of a secret.

    camelCase, snake_case and kebab-case are read alike, singular and plural too. A key that ends in the whole
    word `ref`, `refs`, `reference` or `references` is never secret.

    Args:
        key: The key of a mapping.
    """
    words = _words(key)
    if not words or words[-1] in _REFERENCES:
        return False
    if not _ALWAYS.isdisjoint(words) or words[-2:] in (["session", "id"], ["session", "ids"]):
        return True
    return _credential_word(words) or _credential_key(words) or _compact_secret(words)


def _credential_word(words: list[str]) -> bool:
    for index, word in enumerate(words):
        if word not in _UNLESS_ABOUT or not _ABOUT.isdisjoint(words[index + 1 :]):
            continue
        if word in {"token", "tokens"} and index and words[index - 1] in _PLAIN_TOKENS:
            continue
        return True
    return False


def _credential_key(words: list[str]) -> bool:
    if "api" in words and not {"key", "keys"}.isdisjoint(words):
        return True
    return any(
        word in {"key", "keys"} and words[index - 1] in _KEY_OWNERS
        for index, word in enumerate(words)
        if index
    )


def _compact_secret(words: list[str]) -> bool:
    last = words[-1].removesuffix("s")
    if last in _UNLESS_ABOUT or last in {"key"}:
        return False
    return any(
        last.endswith(ending) and last.removesuffix(ending) not in _PLAIN_TOKENS
        for ending in _COMPACT_ENDINGS
    )


def find_secret_key(value: Any) -> str | None:
    """Return the first secret-shaped key in maps and sequences at any depth, or None.

    Args:
        value: Anything.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str) and is_secret_key(key):
                return key
            if (found := find_secret_key(item)) is not None:
                return found
    elif isinstance(value, (list, tuple)):
        for item in value:
            if (found := find_secret_key(item)) is not None:
                return found
    return None


def looks_secret(text: str) -> bool:
    """Tell whether a text contains something shaped like a key, a private key or `user:password@`.

    Args:
        text: Any text.
    """
    return any(mark in text for mark in _MARKS) and _SECRET_VALUE.search(text) is not None


def mask_secrets(text: str) -> str:
    """Replace what looks like a key, a private key or `user:password@` in a text by `***`.

    Args:
        text: Any text.
    """
    return _SECRET_VALUE.sub("***", text) if any(mark in text for mark in _MARKS) else text


def public_copy(value: Any) -> Any:
    """Copy a value for public eyes: secret-shaped keys are dropped, secret-shaped texts masked.

    Dicts, lists and tuples are walked; an entry whose key is not a string is dropped. Each dropped key is
    reported once for the life of the process, at WARNING, on the logger `lllm.secrets`.

    Args:
        value: Metadata, examples or anything else that is about to leave the process.
    """
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, Mapping):
        return {key: public_copy(item) for key, item in value.items() if _is_public(key)}
    if isinstance(value, list):
        return [public_copy(item) for item in value]
    if isinstance(value, tuple):
        return tuple(public_copy(item) for item in value)
    return copy_boundary(value)


def _is_public(key: object) -> bool:
    if not isinstance(key, str):
        return False
    if not is_secret_key(key):
        return True
    if key not in _reported and len(_reported) < 1000:
        from logging import getLogger

        _reported.add(key)
        getLogger("lllm.secrets").warning("dropped the secret-shaped key %r from public metadata", key)
    return False


_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_VALUES = frozenset({"default", "example", "examples"})


def public_schema(schema: Any) -> Any:
    """Return a JSON schema for public eyes.

    Fields whose names are secret-shaped are shown without defaults and examples; those of other fields are filtered
    as `public_copy` does.

    Args:
        schema: A JSON schema, a part of one, or None.
    """
    if isinstance(schema, Mapping):
        return {name: _public_part(name, part) for name, part in schema.items()}
    if isinstance(schema, list):
        return [public_schema(part) for part in schema]
    return schema


def _public_part(keyword: str, part: Any) -> Any:
    """Return what stands under one keyword of a JSON schema."""
    if keyword in _VALUES:
        return public_copy(part)
    if keyword not in _NAMED or not isinstance(part, Mapping):
        return public_schema(part)
    shown = {name: public_schema(inner) for name, inner in part.items()}
    if keyword != "properties":
        return shown
    return {name: _without_values(inner) if is_secret_key(name) else inner for name, inner in shown.items()}


def _without_values(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    return {
        name: value for name, value in part.items() if name not in {"default", "examples", "const", "enum"}
    }
