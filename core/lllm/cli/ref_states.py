"""What each ref of a config is bound to, who would open it, and what is missing for that; nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lllm.bindings import Binding, override_variable, read_bindings
from lllm.credentials import credential_variable, find_credential
from lllm.errors import PluginError
from lllm.plugins import manager
from lllm.plugins.known import install_text
from lllm.refs import PSI_REF_SECTIONS
from lllm.tactic_binding import TacticBinding, read_tactic_binding

__all__ = ["RefState", "check_health", "read_ref_states"]

_STORE_TARGETS = ("url", "store", "path")


@dataclass(frozen=True, slots=True)
class RefState:
    """One ref of a config.

    Args:
        ref: The ref.
        target: What it is bound to, such as `url http://127.0.0.1:8000`; empty when to nothing.
        opener: Who opens it, such as `runtime remote`; empty when nobody does.
        problem: What is missing or malformed, or None.
        url: The URL of a service that can be asked for its health, or None.
        runtime: Name of the runtime that opens it, or None.
    """

    ref: str
    target: str = ""
    opener: str = ""
    problem: str | None = None
    url: str | None = None
    runtime: str | None = None


def read_ref_states(
    config: Mapping[str, Any], source: Path, *, sections: Collection[str] = PSI_REF_SECTIONS
) -> list[RefState]:
    """Look at every binding of a config; what is wrong with one does not hide the others.

    Args:
        config: The tables of the config.
        source: The file it came from.
        sections: The sections to look at.

    Raises:
        ConfigError: `[refs]` itself is malformed.
    """
    states = []
    for binding in read_bindings(config, sections=sections, source=source):
        read = _READERS.get(binding.ref.section, _other_state)
        try:
            states.append(read(binding, config))
        except (ValueError, RuntimeError, OSError) as error:
            states.append(RefState(str(binding.ref), problem=str(error)))
    return states


def check_health(state: RefState, timeout: float = 5.0) -> str | None:
    """Ask the service behind a ref whether it is well, through the runtime that opens its URL.

    Args:
        state: The ref.
        timeout: Seconds to wait for the answer.

    Returns:
        `"ok"`, what went wrong, or None when there is nothing to ask or the runtime has no `health(url, timeout=)`.
    """
    if state.url is None or state.problem is not None:
        return None
    host = manager()
    try:
        runtime = host.runtime(state.runtime or host.runtime_for_scheme(state.url.partition(":")[0]))
        health = getattr(runtime, "health", None)
        if health is None:
            return None
        health(state.url, timeout=timeout)
    except Exception as error:
        # Whatever a service or its client does, the other refs are still to be shown.
        return f"failed: {str(error) or type(error).__name__}"
    return "ok"


def _tactic_state(binding: Binding, config: Mapping[str, Any]) -> RefState:
    bound = read_tactic_binding(binding, os.environ)
    ref = str(binding.ref)
    if bound is None:
        return RefState(ref, problem="it binds nothing: give it a `url`")
    target = next((f"{key} {value}" for key, value in bound.target.items()), "")
    runtime, problem = _runtime_of(bound)
    if problem is None and bound.credential_ref is not None and find_credential(bound.credential_ref) is None:
        variable = credential_variable(bound.credential_ref)
        problem = f"the credential `{bound.credential_ref}` is not set; set {variable}"
    opener = "" if runtime is None else f"runtime {runtime}"
    return RefState(ref, target, opener, problem, bound.target.get("url"), runtime)


def _runtime_of(bound: TacticBinding) -> tuple[str | None, str | None]:
    """Return the runtime that opens a binding, or why there is none."""
    try:
        name = bound.runtime_name()
    except PluginError as error:
        return None, str(error)
    if name in manager().runtimes():
        return name, None
    install = install_text("runtime", name)
    return None, f"there is no runtime `{name}`" + (
        f": {install}" if install else "; see `lllm plugins list`"
    )


def _service_state(binding: Binding, config: Mapping[str, Any]) -> RefState:
    url = os.environ.get(override_variable(binding.ref))
    if not url and "url" not in binding.table:
        return RefState(str(binding.ref), problem="it binds nothing: give it a `url`")
    url = url or binding.http_url()
    return RefState(str(binding.ref), f"url {url}", "service", url=url)


def _store_state(binding: Binding, config: Mapping[str, Any]) -> RefState:
    ref = str(binding.ref)
    targets = binding.targets(_STORE_TARGETS)
    if len(targets) != 1:
        named = ", ".join(targets) or "none"
        return RefState(ref, problem=f"it must have exactly one of {', '.join(_STORE_TARGETS)}, got {named}")
    target = binding.text(targets[0])
    table = config.get("stores", {}).get(target) if targets[0] == "store" else None
    place = table.get("url", table.get("path", target)) if isinstance(table, Mapping) else target
    opener, problem = _backend_of(str(place))
    return RefState(ref, f"{targets[0]} {target}", opener, problem)


def _backend_of(place: str) -> tuple[str, str | None]:
    """Return the backend that opens a store URL or directory, or why there is none."""
    host = manager()
    scheme, colon, _ = place.partition(":")
    try:
        if colon:
            return f"store {host.store_for_scheme(scheme)}", None
    except PluginError as error:
        return "", str(error)
    specs = host.stores()
    found = (name for name, spec in specs.items() if any(Path(place, mark).exists() for mark in spec.markers))
    name = next(found, "sqlite")
    if name in specs:
        return f"store {name}", None
    return "", f"there is no store backend `{name}`: {install_text('store', name)}"


def _other_state(binding: Binding, config: Mapping[str, Any]) -> RefState:
    return RefState(str(binding.ref), " ".join(f"{key} {binding.table[key]}" for key in binding.targets()))


_READERS: dict[str, Callable[[Binding, Mapping[str, Any]], RefState]] = {
    "tactics": _tactic_state,
    "services": _service_state,
    "channels": _store_state,
    "snapshots": _store_state,
}
