"""The binding of a tactic: checked when a config is loaded, opened by a runtime when its ref is first resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from lllm.bindings import TARGETS, Binding, is_portable_path, override_variable
from lllm.credentials import read_credential
from lllm.errors import PluginNotFoundError, TacticRefError
from lllm.names import check_metadata
from lllm.refs import TacticRef, check_http_url, parse_psi_ref
from lllm.secrets import find_secret_key, looks_secret

if TYPE_CHECKING:
    from lllm.tactic import Tactic

__all__ = ["TacticBinding", "bind_tactic_url", "bound_url", "read_tactic_binding"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OPEN_KEYS = (*TARGETS, "runtime")


@dataclass(frozen=True, slots=True)
class TacticBinding:
    """Where a tactic is and who opens it.

    Args:
        ref: The ref that is bound.
        target: The keys that say where the tactic is: at most one of `url`, `store`, `path` and `object`.
        metadata: Public metadata, with the canonical `ref` and, for a URL, `url`.
        runtime: Name of the runtime that opens it; None leaves it to the scheme of the URL.
        options: What code, not a config, adds for the runtime, such as `timeout` or `transport`.
    """

    ref: TacticRef
    target: Mapping[str, str]
    metadata: Mapping[str, Any]
    runtime: str | None = None
    options: Mapping[str, Any] | None = None

    @property
    def credential_ref(self) -> str | None:
        """Name of the credential that the runtime needs, or None."""
        return self.metadata.get("api_key_ref")

    def runtime_name(self) -> str:
        """Return the name of the runtime that opens the binding; no implementation is imported.

        Raises:
            PluginNotFoundError: No runtime serves the scheme of the URL; the text says what to install.
        """
        if self.runtime is not None:
            return self.runtime
        from lllm.plugins import manager

        return manager().runtime_for_scheme(self.target["url"].partition(":")[0].lower())

    def open(self) -> Tactic[Any, Any]:
        """Import the runtime and let it open the tactic; an object of this process is imported as it is.

        Raises:
            TacticRefError: The runtime refuses the URL.
            PluginNotFoundError: There is no such runtime; the text says what to install.
            PluginImportError: The runtime cannot be imported.
        """
        if self.runtime is None and "object" in self.target:
            from lllm.entrypoint import load_tactic_entrypoint

            return load_tactic_entrypoint(self.target["object"])
        from lllm.plugins import manager

        runtime = manager().runtime(self.runtime_name())
        try:
            return runtime.open(str(self.ref), self.for_runtime())
        except ValueError as error:
            raise TacticRefError(f"Tactic URL binding is invalid for {self.ref}: {error}") from error

    def for_runtime(self) -> dict[str, Any]:
        """Return what the runtime's `open` receives.

        Returns:
            The target key; `name`, the last part of the ref; `metadata`; `timeout` in seconds when the metadata
            has `timeout_s`; `credential`, a function that looks the secret up, when it has `api_key_ref`; and
            the options from code, which win.
        """
        binding: dict[str, Any] = {**self.target, "name": self.ref.name, "metadata": dict(self.metadata)}
        if "timeout_s" in self.metadata:
            binding["timeout"] = float(self.metadata["timeout_s"])
        if self.credential_ref is not None:
            # The secret is looked up by each client that needs it, so that it is never part of a binding.
            binding["credential"] = partial(read_credential, self.credential_ref)
        return binding | dict(self.options or {})


def bind_tactic_url(
    ref: TacticRef, url: object, metadata: object, options: Mapping[str, Any]
) -> TacticBinding:
    """Check the binding of a URL that code gives.

    Args:
        ref: The ref to bind.
        url: The URL.
        metadata: String-keyed map without secret-shaped keys, or None.
        options: What else the runtime's client takes.

    Returns:
        The binding.

    Raises:
        TacticRefError: The URL or the metadata is malformed.
    """
    try:
        own = check_metadata(metadata)
        if (secret := find_secret_key(own)) is not None:
            raise ValueError(
                f"must not hold a raw secret key `{secret}`; name one with `api_key_ref` instead"
            )
        _check_timeout(own)
        _check_credential(own)
    except (TypeError, ValueError) as error:
        raise TacticRefError(f"Tactic binding metadata is invalid for {ref}: {error}") from None
    try:
        target = _check_url(url, ref)
    except ValueError as error:
        raise TacticRefError(str(error)) from None
    return TacticBinding(ref, {"url": target}, _canonical(own, ref, target), options=options)


def read_tactic_binding(
    binding: Binding, environ: Mapping[str, str], *, allow_objects: bool = False
) -> TacticBinding | None:
    """Check a binding of a config.

    Args:
        binding: The binding, of the section `tactics`.
        environ: Environment variables, one of which may replace the target.
        allow_objects: Whether an `object` target, an entry point of this process, may stand alone.

    Returns:
        The checked binding, or None when it has neither target nor runtime and so binds nothing.

    Raises:
        ConfigError: A target, the runtime's name or the URL is malformed, a value that LLLM reads has the wrong
            shape, or a secret lies in the binding.
    """
    ref = TacticRef(str(binding.ref))
    binding.check_no_secrets()
    metadata = binding.extras(_OPEN_KEYS) | binding.metadata()
    for key, check in (("timeout_s", _check_timeout), ("api_key_ref", _check_credential)):
        with _located(binding, *(() if key in binding.table else ("metadata",)), key):
            check(metadata)
    runtime = binding.text("runtime") if "runtime" in binding.table else None
    target = _read_target(binding, runtime, allow_objects)
    if (override := bound_url(ref, environ)) is not None:
        target, runtime = {"url": override}, None
    elif "url" in target and runtime is None:
        with _located(binding, "url"):
            _check_url(target["url"], ref)
    if not target and runtime is None:
        return None
    return TacticBinding(ref, target, _canonical(metadata, ref, target.get("url")), runtime)


def bound_url(ref: TacticRef, environ: Mapping[str, str]) -> str | None:
    """Return the URL that the environment binds to a ref, or None.

    Args:
        ref: The ref.
        environ: Environment variables.

    Raises:
        TacticRefError: The variable of the ref holds something else than such a URL.
    """
    variable = override_variable(parse_psi_ref(ref.value))
    url = environ.get(variable)
    if not url:
        return None
    try:
        return _check_url(url, ref)
    except ValueError as error:
        raise TacticRefError(f"{variable}: {error}") from None


def _read_target(binding: Binding, runtime: str | None, allow_objects: bool) -> dict[str, str]:
    """Return the one target of a binding; only a named runtime may have any other than a URL."""
    targets = binding.targets()
    if len(targets) > 1:
        named = ", ".join(targets)
        raise binding.error(
            f"Tactic ref binding must declare only one concrete target, got {named}: {binding.ref}",
            targets[1],
        )
    alone = {"url", "object"} if allow_objects else {"url"}
    if targets and targets[0] not in alone and runtime is None:
        raise binding.error(
            f"Tactic ref binding must declare a url target, got {targets[0]}: {binding.ref}", targets[0]
        )
    target = {name: binding.text(name) for name in targets}
    for name, text in target.items():
        if name in {"store", "path"} and not is_portable_path(text):
            raise binding.error(
                f"Ref binding target {name!r} must be a relative path inside the project: {binding.ref}", name
            )
    return target


def _check_url(url: object, ref: TacticRef) -> str:
    """Check a URL by the rules of its scheme: HTTP strictly, another one when an installed runtime serves it."""
    scheme = _SCHEME.match(url) if isinstance(url, str) else None
    try:
        if isinstance(url, str) and scheme is not None and scheme[1].lower() not in {"http", "https"}:
            return _check_foreign_url(url, scheme[1].lower())
        return check_http_url(url)
    except ValueError as error:
        raise ValueError(f"Tactic URL binding is invalid for {ref}: {error}") from None


def _check_foreign_url(url: str, scheme: str) -> str:
    from lllm.plugins import manager

    if url.split() != [url] or not url.isprintable():
        raise ValueError("url must not contain whitespace.")
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError("url must not include embedded credentials; name one with `api_key_ref` instead.")
    try:
        manager().runtime_for_scheme(scheme)
    except PluginNotFoundError as error:
        raise ValueError(
            f"url must be an absolute HTTP(S) URL, or one that an installed runtime opens: {error}"
        ) from None
    return url


def _check_timeout(metadata: Mapping[str, Any]) -> None:
    timeout = metadata.get("timeout_s", 1)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < inf:
        raise ValueError("timeout_s must be a positive, finite number of seconds.")


def _check_credential(metadata: Mapping[str, Any]) -> None:
    ref = metadata.get("api_key_ref", "unset")
    if not isinstance(ref, str) or not ref.strip() or looks_secret(ref):
        raise ValueError("api_key_ref must name a credential, such as `openai.default`, and never be one.")


@contextmanager
def _located(binding: Binding, *key: str) -> Iterator[None]:
    """Give a ValueError of a check the place of the key in the config."""
    try:
        yield
    except ValueError as error:
        raise binding.error(str(error), *key) from None


def _canonical(metadata: dict[str, Any], ref: TacticRef, url: str | None) -> dict[str, Any]:
    """Overlay the metadata with the ref and the URL that are really bound."""
    return metadata | {"ref": str(ref)} | ({} if url is None else {"url": url})
