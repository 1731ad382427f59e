"""What the distribution shows: one plugin, few public names, and nothing imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lllm_store_sqlite
from lllm_store_sqlite import plugin
from lllm_store_sqlite.store import SQLiteStore, Synchronous


def test_the_plugin_contributes_one_store() -> None:
    """It serves its scheme and recognises its own directories."""
    (spec,) = plugin.lllm_stores()
    assert (spec.name, spec.schemes, spec.markers) == ("sqlite", ("sqlite",), ("sssn.sqlite",))
    assert spec.target == "lllm_store_sqlite.store:open_sqlite"


def test_public_names() -> None:
    """The package shows these names, and says so of others as modules do."""
    assert dir(lllm_store_sqlite) == lllm_store_sqlite.__all__ == sorted(lllm_store_sqlite.__all__)
    assert lllm_store_sqlite.SQLiteStore is SQLiteStore
    assert lllm_store_sqlite.Synchronous is Synchronous
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        lllm_store_sqlite.nothing


def test_the_plugin_imports_no_implementation() -> None:
    """Listing plugins pays for no database."""
    program = (
        "import sys, lllm_store_sqlite.plugin as p; p.lllm_stores(); "
        "print(sorted({'sqlite3', 'pydantic', 'lllm_store_sqlite.store'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
