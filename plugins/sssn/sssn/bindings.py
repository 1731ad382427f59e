"""What the data plane makes of the bindings of channels and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lllm.bindings import Binding, read_bindings
from lllm.names import check_metadata
from lllm.refs import check_http_url, parse_psi_ref
from sssn.locations import leaves_root
from sssn.refs import BOUND_SECTIONS, ResolvedSSSNRef, SSSNRef

__all__ = ["TARGETS", "make_binding", "read_resolved"]

TARGETS = ("url", "store", "path")


def make_binding(ref: SSSNRef, targets: Mapping[str, Any], metadata: object) -> ResolvedSSSNRef:
    """Bind a ref in code.

    Args:
        ref: The ref.
        targets: Exactly one of `url`, `store` and `path`.
        metadata: The other keys of the binding, a mapping that is copied; None means none.

    Raises:
        ConfigError: The target is missing, malformed or not the only one, or the metadata cannot be kept.
    """
    binding = Binding(parse_psi_ref(ref.value), targets)
    try:
        copied = check_metadata(metadata)
    except (TypeError, ValueError) as error:
        raise binding.error(f"Ref binding {error} {ref}") from error
    return _resolved(binding, copied)


def read_resolved(
    config: Mapping[str, Any], *, source: Path | None, allow_outside: bool
) -> dict[str, ResolvedSSSNRef]:
    """Read the bindings of channels and snapshots from a config; other sections are skipped.

    Args:
        config: The tables of the config.
        source: The file they came from, for the errors.
        allow_outside: Allow paths that leave the config's folder.

    Returns:
        What each ref is bound to.

    Raises:
        ConfigError: A key or a binding is malformed; the text names file, line and key.
    """
    resolved = {}
    for binding in read_bindings(config, sections=BOUND_SECTIONS, known=None, source=source):
        binding.check_no_secrets()
        nested = {"metadata": binding.metadata()} if "metadata" in binding.table else {}
        bound = _resolved(binding, binding.extras(TARGETS) | nested)
        place = bound.store or bound.path
        if place is not None and not allow_outside and leaves_root(place):
            key = "store" if bound.store else "path"
            raise binding.error(
                f"Ref binding target {key!r} must stay inside the folder of the config: {binding.ref}; build the "
                "resolver with `allow_outside=True` to bind what lies outside",
                key,
            )
        resolved[bound.ref] = bound
    return resolved


def _resolved(binding: Binding, metadata: dict[str, Any]) -> ResolvedSSSNRef:
    targets = binding.targets(TARGETS)
    if not targets:
        raise binding.error(
            f"Ref binding must declare one concrete target: {binding.ref}; set url, store or path"
        )
    if len(targets) > 1:
        names = ", ".join(targets)
        raise binding.error(f"Ref binding must declare only one concrete target, got {names}: {binding.ref}")
    (key,) = targets
    text = binding.text(key)
    if key == "url":
        try:
            check_http_url(text, "Ref binding target 'url'")
        except ValueError as error:
            raise binding.error(str(error), key) from None
    return ResolvedSSSNRef(
        ref=str(binding.ref),
        resource_kind=binding.ref.section,
        name=binding.ref.name,
        metadata=metadata,
        **{key: text},
    )
