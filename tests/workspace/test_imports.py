"""Who may import whom: the check holds here, and it finds what it is meant to find."""

import pytest

import check_imports
import workspace

CORE = """
[project]
name = "lllm"
dependencies = ["click>=8"]
[tool.hatch.build.targets.wheel]
packages = ["core/lllm"]
"""
PLUGIN = """
[project]
name = "lllm-shout"
dependencies = ["lllm>=0.1,<0.2", "loud[very]>=1"]
[project.optional-dependencies]
more = ["lllm-whisper"]
[tool.hatch.build.targets.wheel]
packages = ["lllm_shout"]
"""
SIBLINGS = {
    "lllm": "lllm",
    "lllm_shout": "lllm-shout",
    "lllm_whisper": "lllm-whisper",
    "lllm_hum": "lllm-hum",
}
PROVIDERS = {"loud": ["Loud"], "click": ["click"], "pytest": ["pytest"], "httpx": ["httpx"]}


def write(path, text):
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_this_repository_has_no_import_that_points_the_wrong_way():
    """The check that `make check` runs finds nothing."""
    assert check_imports.complaints() == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("errors", "from lllm.tactic import Tactic", "`lllm.errors` stands below `lllm.tactic`"),
        ("errors", "from lllm import tactic", "`lllm.errors` stands below `lllm.tactic`"),
        ("errors", "from . import tactic", "`lllm.errors` stands below `lllm.tactic`"),
        ("errors", "def f():\n    import lllm.store.models", "`lllm.errors` stands below `lllm.store`"),
        ("plugins/host", "from ..cli import main", "`lllm.plugins` stands below `lllm.cli`"),
        (
            "tactic",
            "from lllm import CallContext",
            "import `CallContext` from the module that defines it",
        ),
        ("surprise", "from lllm.errors import LLLMError", "`lllm.surprise` has no place in the order"),
    ],
)
def test_an_upward_import_in_the_core_is_found(tmp_path, module, source, complaint):
    """Absolute, relative, whole-module and deferred imports are reported with their line."""
    write(tmp_path / f"lllm/{module}.py", source)
    (line,) = check_imports.core_complaints(tmp_path / "lllm")
    assert complaint in line
    assert f"{module}.py:{source.count(chr(10)) + 1}: " in line


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tactic", "from lllm.errors import TacticError"),
        ("store/models", "from lllm.store.names import check\nfrom .names import check"),
        (
            "plugins/host",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lllm.tactic import Tactic",
        ),
        ("session", "def model(name):\n    import lllm\n    return getattr(lllm, name)"),
        ("__init__", "from lllm.cli import main"),
    ],
)
def test_imports_that_are_allowed_in_the_core(tmp_path, module, source):
    """Downward, within a package, for type checkers, and of the public surface as a whole."""
    write(tmp_path / f"lllm/{module}.py", source)
    assert list(check_imports.core_complaints(tmp_path / "lllm")) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import httpx", "`httpx` is not among the dependencies of lllm-shout"),
        ("def f():\n    from httpx import Client", "`httpx` is not among the dependencies of lllm-shout"),
        ("import unheard_of", "`unheard_of` is not among the dependencies of lllm-shout"),
        ("from lllm_hum import hum", "`lllm_hum` is not among the dependencies of lllm-shout"),
        (
            "try:\n    import json\nexcept ImportError:\n    import httpx",
            "`httpx` is not among the dependencies",
        ),
        ("from lllm_whisper import _softly", "`lllm_whisper._softly` is private to lllm-whisper"),
        (
            "from lllm_whisper._inside import softly",
            "`lllm_whisper._inside.softly` is private to lllm-whisper",
        ),
        ("from lllm.errors import _tree", "`lllm.errors._tree` is private to lllm"),
    ],
)
def test_an_undeclared_import_of_a_plugin_is_found(tmp_path, source, complaint):
    """A library or sibling that the project file does not name, or the inside of one that it does."""
    (line,) = plugin_complaints(tmp_path, source)
    assert complaint in line


@pytest.mark.parametrize(
    "source",
    [
        "import json, click, loud.very",
        "from lllm import Tactic\nfrom lllm.errors import SchemaError",
        "from lllm_whisper import whisper, __version__\nfrom lllm_whisper.loud import shout",
        "try:\n    import httpx\nexcept ImportError:\n    httpx = None",
        "from lllm_shout.inside import shout\nfrom . import inside",
    ],
)
def test_imports_that_are_allowed_in_a_plugin(tmp_path, source):
    """The standard library, the core and its libraries, what is declared (extras too), and itself."""
    assert plugin_complaints(tmp_path, source) == []


def test_a_library_of_the_tests_that_nobody_declares_is_found(tmp_path):
    """A fresh machine has what the members declare; their own files and what is tried need no declaration."""
    write(tmp_path / "pyproject.toml", CORE)
    write(tmp_path / "core/lllm/__init__.py", "")
    write(
        tmp_path / "tests/kit.py",
        "import click, json, lllm\ntry:\n    import loud\nexcept ImportError:\n    pass",
    )
    write(tmp_path / "tests/core/test_kit.py", "import kit\ndef test():\n    import httpx")
    (line,) = check_imports.suite_complaints(tmp_path, workspace.members(tmp_path), PROVIDERS)
    assert "test_kit.py:3: `httpx` is not among the dependencies of any member" in line


def plugin_complaints(root, source):
    """Return what the check says about a plugin `lllm-shout` whose one module is `source`."""
    write(root / "pyproject.toml", CORE)
    write(root / "plugins/shout/pyproject.toml", PLUGIN)
    write(root / "plugins/shout/lllm_shout/plugin.py", source)
    core, plugin = workspace.members(root)
    return list(check_imports.dependency_complaints(plugin, core, SIBLINGS, PROVIDERS))
