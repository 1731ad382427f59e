"""What plugins answer when they are asked what they contribute, checked before anything relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from lllm.errors import PluginError
from lllm.hookspecs import RuntimeSpec, StoreSpec
from lllm.import_strings import parse_import_string

__all__ = ["check_contribution"]

_Spec = TypeVar("_Spec", RuntimeSpec, StoreSpec)


def check_contribution(kind: str, answer: Any) -> dict[str, Any]:
    """Return what a plugin contributes, by name.

    Args:
        kind: `runtime`, `store` or `tactic`.
        answer: What its hook returned; None means nothing.

    Raises:
        PluginError: The answer has the wrong shape; the text names the hook and what it must return.
    """
    if answer is None:
        return {}
    if kind == "runtime":
        return dict(_specs(answer, RuntimeSpec, "lllm_runtimes"))
    if kind == "store":
        return dict(_specs(answer, StoreSpec, "lllm_stores"))
    return _targets(answer)


def _specs(answer: Any, spec_type: type[_Spec], hook: str) -> dict[str, _Spec]:
    if not isinstance(answer, (list, tuple)):
        raise PluginError(
            f"`{hook}` must return a list of {spec_type.__name__}, got {type(answer).__name__}."
        )
    named: dict[str, _Spec] = {}
    for spec in answer:
        if not isinstance(spec, spec_type):
            raise PluginError(
                f"`{hook}` must return a list of {spec_type.__name__}, got a list that holds {type(spec).__name__}."
            )
        if spec.name in named:
            raise PluginError(f"`{hook}` returns `{spec.name}` twice.")
        named[spec.name] = spec
    return named


def _targets(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, Mapping):
        raise PluginError(
            f"`lllm_tactics` must return a mapping of refs to import strings, got {type(answer).__name__}."
        )
    for ref, target in answer.items():
        _check_ref(ref)
        if isinstance(target, str):
            try:
                parse_import_string(target, str(ref))
            except ValueError as error:
                raise PluginError(f"`lllm_tactics`: {error}") from error
        elif target is None:
            raise PluginError(f"`lllm_tactics` maps `{ref}` to None.")
    return dict(answer)


def _check_ref(ref: Any) -> None:
    from lllm.refs import check_tactic_ref

    try:
        check_tactic_ref(ref, "Tactic ref")
    except ValueError as error:
        raise PluginError(f"`lllm_tactics`: {error}") from error
