"""`lllm plugins new`: writes a plugin distribution that installs, passes its tests and passes the check as it is."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from lllm._version import __version__
from lllm.hookspecs import is_plugin_name
from lllm.plugins.known import distribution_of

__all__ = ["KINDS", "create_plugin"]

KINDS = {
    "runtime": ("The runtime {0} for LLLM.", "as_tactic", "runtime"),
    "store": ("The store {0} for LLLM.", "open_store", "store"),
    "tactic": ("The tactic {0} for LLLM.", "run", "tactic"),
    "command": ("The command {0} for LLLM.", "command", "command"),
}
"""What can be started: its one-line summary, the key of its usage, and the module of its implementation."""

_USAGE = {
    "as_tactic": """```python
from $package.job import Job

from lllm import as_tactic

assert as_tactic(Job(len, input_type=str, output_type=int)).run("four") == 4
assert as_tactic("$scheme://upper").run("hello") == "HELLO"
```""",
    "open_store": """```python
from lllm import open_store

store = open_store("$scheme:example")
store.create_channel({"name": "raw"})
```""",
    "run": """```
lllm run $ref '{"text": "a longer word"}'
```

Before you publish it, give the ref your own organisation: `psi://<organisation>/<package>/tactics/<name>`.""",
    "command": """```
lllm $name hello --times 2
```""",
}


def create_plugin(kind: str, name: str, directory: str | Path = ".") -> Path:
    """Write a complete plugin distribution and return its folder.

    Args:
        kind: `runtime`, `store`, `tactic` or `command`.
        name: Name of the plugin, and of what it contributes.
        directory: Folder in which the project's folder is made.

    Raises:
        ValueError: The name cannot name a plugin, or a plugin of ours has it.
        FileExistsError: The project's folder exists and holds something.
        OSError: A file cannot be written.
    """
    if not is_plugin_name(name):
        raise ValueError(
            f"{name!r} is not a plugin name: lower-case letters, digits, `_` and `-`, beginning with a letter or "
            f"digit."
        )
    if (ours := distribution_of(kind, name)) is not None:
        raise ValueError(f"`{name}` is the {kind} of {ours.name}; choose another name.")
    values = _values(kind, name)
    folder = Path(directory) / values["distribution"]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"Project directory is not empty: {folder}")
    for part in ("common", kind):
        _write(files("lllm.cli") / "plugin_templates" / part, folder, values)
    return folder


def _values(kind: str, name: str) -> dict[str, str]:
    """Return what the placeholders of the templates stand for."""
    summary, usage, module = KINDS[kind]
    identifier = name.replace("-", "_")
    title = "".join(part.capitalize() for part in identifier.split("_"))
    values = {
        "name": name,
        "distribution": f"lllm-{kind}-{name}".replace("_", "-").rstrip("-"),
        "package": f"lllm_{kind}_{identifier}",
        "module": module,
        "summary": summary.format(name),
        "title": title if title.isidentifier() else f"Plugin{title}",
        "identifier": identifier,
        "scheme": _scheme(name),
        "ref": f"psi://local/{name}/tactics/{name}",
        "requirement": _requirement(__version__),
    }
    return {**values, "usage": Template(_USAGE[usage]).substitute(values)}


def _scheme(name: str) -> str:
    """Return a URL scheme that a name stands for: a letter first, and no `_`."""
    plain = name.replace("_", "-")
    return plain if plain[0].isalpha() else f"x{plain}"


def _requirement(host: str) -> str:
    """Return the versions of the host that a plugin written today may expect to work with."""
    major, minor = (int(part) for part in host.split(".")[:2])
    limit = f"{major + 1}" if major else f"0.{minor + 1}"
    return f">={major}.{minor},<{limit}"


def _write(source: Traversable, folder: Path, values: dict[str, str]) -> None:
    for item in sorted(source.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            _write(item, folder / item.name.replace("PACKAGE", values["package"]), values)
        elif item.name.endswith(".txt"):
            folder.mkdir(parents=True, exist_ok=True)
            text = Template(item.read_text(encoding="utf-8")).substitute(values)
            (folder / item.name.removesuffix(".txt")).write_text(text, encoding="utf-8")
