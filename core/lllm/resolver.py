"""`TacticResolver`: from a `psi://` ref to the tactic that is bound to it here and now."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from threading import RLock
from typing import Any, Self

from lllm import plugins
from lllm.bindings import override_variable, read_bindings
from lllm.calls import active_call
from lllm.config import config_path, read_config
from lllm.context import CallContext
from lllm.entrypoint import tactic_from_target
from lllm.errors import ConfigError, PluginNotFoundError, TacticRefError
from lllm.events import TacticEvent
from lllm.refs import TacticRef, check_http_url, check_psi_ref, parse_psi_ref
from lllm.tactic import Tactic, TacticInfo
from lllm.tactic_binding import TacticBinding, bind_tactic_url, bound_url, read_tactic_binding

__all__ = ["TacticResolver"]


class TacticResolver:
    """Finds tactics by ref, wherever they are: in this process, behind a URL, or in an installed plugin.

    A ref is looked up in what was registered or bound in code or loaded from a config; then in the environment
    variable of the ref (`LLLM_REF_...`); then among the tactics that plugins contribute. A binding is checked
    when it is made, and its implementation is imported when the ref is first resolved.

    Example:
        ```python
        resolver = TacticResolver()
        resolver.register("psi://demo/briefs/tactics/brief", brief_tactic)
        output = resolver.run("psi://demo/briefs/tactics/brief", {"topic": "LLLM refs"})
        ```
    """

    def __init__(self) -> None:
        self._tactics: dict[str, Tactic[Any, Any]] = {}
        self._unopened: dict[str, TacticBinding] = {}
        self._services: dict[str, str] = {}
        self._contributed: dict[str, tuple[int, Tactic[Any, Any]]] = {}
        self._lock = RLock()

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] = ".", *, allow_objects: bool = False) -> Self:
        """Make a resolver of the tactic and service bindings in a config.

        Args:
            path: The config file, or a folder that holds `.psi/config.toml`.
            allow_objects: Whether the config may name entry points of this process, `object = "module:attribute"`.
                A config is data, so importing code because of it needs this opt-in.

        Returns:
            The resolver. No implementation was imported for it.

        Raises:
            ValueError: `path` is not a path, is empty, or is padded with white space.
            FileNotFoundError: There is no such file.
            tomllib.TOMLDecodeError: The file is not valid TOML.
            TacticRefError: A binding is malformed; the text names file, line and key.
        """
        file = config_path(path)
        resolver = cls()
        with _as_ref_error():
            for binding in read_bindings(read_config(file), sections=("tactics", "services"), source=file):
                if binding.ref.section == "tactics":
                    resolver._add(read_tactic_binding(binding, os.environ, allow_objects=allow_objects))
                elif "url" in binding.table:
                    binding.check_no_secrets()
                    resolver._services[str(binding.ref)] = binding.http_url()
        return resolver

    def register(self, ref: str | TacticRef, tactic: Tactic[Any, Any]) -> None:
        """Bind a ref to a tactic of this process; a later binding of the same ref wins.

        The tactic's `package_ref` becomes the ref when it has none.

        Args:
            ref: The ref to bind.
            tactic: The tactic.

        Raises:
            TacticRefError: The ref is malformed.
            TypeError: `tactic` is not a Tactic.
        """
        key = str(TacticRef.parse(ref))
        if not isinstance(tactic, Tactic):
            raise TypeError(
                f"tactic must be a Tactic, got {type(tactic).__name__}; wrap it with as_tactic()."
            )
        with self._lock:
            self._keep(key, tactic)

    def unregister(self, ref: str | TacticRef) -> None:
        """Take the binding of a ref away.

        Args:
            ref: The ref.

        Raises:
            TacticRefError: The ref is malformed, or nothing is bound to it here.
        """
        key = str(TacticRef.parse(ref))
        with self._lock:
            if self._tactics.pop(key, None) is None and self._unopened.pop(key, None) is None:
                raise _not_bound(key)

    def bind_url(
        self,
        ref: str | TacticRef,
        url: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        **remote_kwargs: Any,
    ) -> Tactic[Any, Any]:
        """Bind a ref to the tactic behind a URL.

        Args:
            ref: The ref to bind.
            url: Where the tactic is; the runtime that serves the scheme opens it.
            metadata: Public metadata; `timeout_s` and `api_key_ref` have a meaning, as in a config.
            **remote_kwargs: What else the runtime's client takes, such as `timeout` or `transport`.

        Returns:
            The tactic, named after the ref.

        Raises:
            TacticRefError: The ref, the URL or the metadata is malformed.
            PluginNotFoundError: No installed runtime serves the scheme; the text says what to install.
        """
        binding = bind_tactic_url(TacticRef.parse(ref), url, metadata, remote_kwargs)
        tactic = binding.open()
        with self._lock:
            return self._keep(str(binding.ref), tactic)

    def resolve(self, ref: str | TacticRef) -> Tactic[Any, Any]:
        """Return the tactic of a ref.

        Args:
            ref: The ref.

        Returns:
            The tactic; the same object each time.

        Raises:
            TacticRefError: The ref is malformed, or nothing is bound to it.
            PluginError: The runtime or the plugin that has the tactic is missing or broken.
        """
        parsed = TacticRef.parse(ref)
        key = str(parsed)
        tactic = self._tactics.get(key)
        if tactic is not None:
            return tactic
        with self._lock:
            if key in self._tactics:
                return self._tactics[key]
            binding = self._unopened.get(key)
            if binding is None and (url := bound_url(parsed, os.environ)) is not None:
                binding = bind_tactic_url(parsed, url, None, {})
            if binding is not None:
                return self._keep(key, binding.open())
            return self._resolve_contributed(key)

    def run(
        self, ref: str | TacticRef, value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> Any:
        """Call the tactic of a ref.

        Args:
            ref: The ref; the tactic finds it as `context.tactic_ref`.
            value: The input.
            context: Who calls; a new one when None.
            **kwargs: Passed on to `Tactic.run`.

        Returns:
            The output.

        Raises:
            TacticRefError: The ref is malformed, or nothing is bound to it.
        """
        return self.resolve(ref).run(value, context=_addressed(context, ref), **kwargs)

    async def arun(
        self, ref: str | TacticRef, value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> Any:
        """Call the tactic of a ref, asynchronously; the arguments are those of `run`."""
        return await self.resolve(ref).arun(value, context=_addressed(context, ref), **kwargs)

    def stream(
        self, ref: str | TacticRef, value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Stream the output chunks of the tactic of a ref; the arguments are those of `run`."""
        return self.resolve(ref).stream(value, context=_addressed(context, ref), **kwargs)

    def astream(
        self, ref: str | TacticRef, value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream the output chunks of the tactic of a ref, asynchronously; the arguments are those of `run`."""
        return self.resolve(ref).astream(value, context=_addressed(context, ref), **kwargs)

    def aevents(
        self, ref: str | TacticRef, value: Any, *, context: CallContext | None = None, **kwargs: Any
    ) -> AsyncIterator[TacticEvent]:
        """Stream the events of the tactic of a ref; the arguments are those of `run`."""
        return self.resolve(ref).aevents(value, context=_addressed(context, ref), **kwargs)

    def refs(self) -> tuple[str, ...]:
        """Return the tactic refs that are bound here, sorted."""
        with self._lock:
            return tuple(sorted({*self._tactics, *self._unopened}))

    def infos(self) -> dict[str, TacticInfo]:
        """Return the public contract of every tactic that is bound here, by ref, sorted.

        Every binding is opened for it.

        Raises:
            PluginError: The runtime of a binding is missing or broken.
        """
        return {ref: self.resolve(ref).info() for ref in self.refs()}

    def service_url(self, ref: str) -> str:
        """Return the URL that is bound to a service.

        Args:
            ref: `psi://org/package/services/name`.

        Returns:
            The URL of the environment variable of the ref, if there is one, else that of the config.

        Raises:
            TacticRefError: The ref is malformed, or no URL is bound to it.
        """
        try:
            key = check_psi_ref(ref, "Service ref", sections=("services",))
        except ValueError as error:
            raise TacticRefError(str(error)) from None
        variable = override_variable(parse_psi_ref(key))
        if url := os.environ.get(variable):
            try:
                return check_http_url(url, variable)
            except ValueError as error:
                raise TacticRefError(str(error)) from None
        if key not in self._services:
            raise TacticRefError(
                f"Service ref is not bound: {key}; bind it in .psi/config.toml or set {variable}."
            )
        return self._services[key]

    def _add(self, binding: TacticBinding | None) -> None:
        if binding is not None:
            self._unopened[str(binding.ref)] = binding

    def _keep(self, key: str, tactic: Tactic[Any, Any]) -> Tactic[Any, Any]:
        self._unopened.pop(key, None)
        self._tactics[key] = _published(tactic, key)
        return tactic

    def _resolve_contributed(self, key: str) -> Tactic[Any, Any]:
        host = plugins.manager()
        made_at, tactic = self._contributed.get(key, (None, None))
        if tactic is None or made_at != plugins.generation:
            try:
                target = host.load_tactic_target(key)
            except PluginNotFoundError:
                raise _not_bound(key) from None
            tactic = _published(tactic_from_target(target, key), key)
            # Counted after the load, which may itself have changed what is registered.
            self._contributed[key] = (plugins.generation, tactic)
        return tactic


def _published(tactic: Tactic[Any, Any], key: str) -> Tactic[Any, Any]:
    """Give a tactic without a package ref the ref that it is found by."""
    if tactic.package_ref is None:
        tactic.package_ref = key
    return tactic


def _addressed(context: CallContext | None, ref: str | TacticRef) -> CallContext:
    """Return a context for a call through a ref; the caller's own one is left as it is."""
    if context is None:
        call = active_call.get()
        context = CallContext.fresh(None if call is None else call.context)
    elif isinstance(context, CallContext):
        context = copy(context)
    else:
        raise TypeError("context must be a CallContext.")
    context.tactic_ref = str(ref)
    return context


def _not_bound(key: str) -> TacticRefError:
    return TacticRefError(
        f"Tactic ref is not bound: {key}; bind it in .psi/config.toml, register it, or install the plugin that has "
        f"it."
    )


@contextmanager
def _as_ref_error() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise TacticRefError(str(error)) from error
