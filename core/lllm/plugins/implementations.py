"""From an import string to the implementation behind it, and which runtime fits which type."""

from __future__ import annotations

import sys
from typing import Any

from lllm.errors import PluginError, PluginImportError
from lllm.hookspecs import Runtime, RuntimeSpec
from lllm.import_strings import load_import_string
from lllm.plugins.entries import Entry, broken_text

__all__ = ["adapts", "build_runtime", "import_target", "quoted_requirement"]

_METHODS = ("adapt", "open", "attach", "bind")


def import_target(entry: Entry, what: str, target: str, install: str | None) -> Any:
    """Import what a plugin named with an import string.

    Args:
        entry: The plugin.
        what: What the target is, such as ``"runtime `remote`"``.
        target: The import string.
        install: What to pip install when a library is missing, or None.

    Raises:
        PluginImportError: It cannot be imported; the text names the plugin, what is missing and what to install.
    """
    try:
        return load_import_string(target)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        remedy = _remedy(entry, target, install, error)
        raise PluginImportError(
            f"Plugin {entry.title} cannot import its {what}: {broken_text(error).rstrip('.')}. {remedy}",
            plugin=entry.name,
        ) from error


def _remedy(entry: Entry, target: str, install: str | None, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        if missing != target.partition(":")[0].partition(".")[0]:
            return f"Install it: pip install {quoted_requirement(install or missing)}"
    elif isinstance(error, ImportError) and install:
        return f"Install it: pip install {quoted_requirement(install)}"
    return f"Run `{entry.check_command}`, or reinstall it: pip install --force-reinstall {_source(entry)}"


def _source(entry: Entry) -> str:
    return entry.distribution or entry.name


def quoted_requirement(requirement: str) -> str:
    """Return a requirement as one can paste it behind `pip install`.

    Args:
        requirement: What to install; it may be quoted already.
    """
    plain = requirement.replace("-", "").replace("_", "").replace(".", "").replace(" ", "").isalnum()
    return requirement if plain or "'" in requirement else f"'{requirement}'"


class _PartialRuntime(Runtime):
    """A runtime that implements some of the protocol without inheriting from it.

    What it has beyond the protocol, such as `health` for `lllm refs --check`, stays reachable.
    """

    def __init__(self, implementation: Any) -> None:
        self._implementation = implementation
        for name in _METHODS:
            if callable(method := getattr(implementation, name, None)):
                setattr(self, name, method)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._implementation, name)


def build_runtime(entry: Entry, spec: RuntimeSpec, factory: Any) -> Runtime:
    """Construct a runtime from what its import string named.

    Args:
        entry: The plugin.
        spec: What the plugin said about the runtime.
        factory: The imported class.

    Raises:
        PluginError: It cannot be constructed, or has none of the methods of a runtime.
    """
    try:
        runtime = factory()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = f"Plugin {entry.title} cannot construct its runtime `{spec.name}`: {broken_text(error)}"
        raise PluginError(text, plugin=entry.name) from error
    present = [name for name in _METHODS if callable(getattr(runtime, name, None))]
    if not present:
        raise PluginError(
            f"Plugin {entry.title}: `{spec.target}` is not a runtime; it has none of {', '.join(_METHODS)}.",
            plugin=entry.name,
        )
    return runtime if len(present) == len(_METHODS) else _PartialRuntime(runtime)


def adapts(spec: RuntimeSpec, cls: type) -> bool:
    """Tell whether a runtime adapts objects of exactly this type.

    A type is known by the path where it is defined and by every path where an imported module shows it.

    Args:
        spec: What the plugin said about the runtime.
        cls: The type.
    """
    return any(name == f"{cls.__module__}.{cls.__qualname__}" or _shows(name, cls) for name in spec.adapts)


def _shows(name: str, cls: type) -> bool:
    module_name, _, attribute = name.rpartition(".")
    module = sys.modules.get(module_name)
    # `vars` and not `getattr`: a lazy module must not be made to import anything here.
    return module is not None and vars(module).get(attribute) is cls
