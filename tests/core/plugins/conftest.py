"""A folder to install distributions into, without an installer."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lllm.plugins import PluginManager


class Site:
    """A directory on `sys.path` with the distributions of one test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def install(
        self,
        distribution: str,
        source: str | None = "",
        *,
        version: str = "1.0",
        entry_points: str | bytes | None = None,
        requires: tuple[str, ...] = ("lllm>=0.1",),
        metadata: str | None = None,
        folder: str | None = None,
    ) -> Path:
        """Write a package with one module `plugin`, and the metadata that an installer would write."""
        package = distribution.replace("-", "_")
        if source is not None:
            module = self.path / package / "plugin.py"
            module.parent.mkdir(exist_ok=True)
            (module.parent / "__init__.py").touch()
            module.write_text(textwrap.dedent(source))
        info = self.path / (folder or f"{package}-{version}.dist-info")
        info.mkdir()
        name = distribution.removeprefix("acme-")
        text = entry_points if entry_points is not None else f"[lllm]\n{name} = {package}.plugin\n"
        (info / "entry_points.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        if metadata is None:
            needed = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
            metadata = (
                f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\n{needed}\nA readme.\n"
            )
        if metadata:
            (info / "METADATA").write_text(metadata)
        return info

    def manager(self, **options: Any) -> PluginManager:
        """Make a manager of what is installed here; what it reports is kept in `lines`."""
        return PluginManager(path=[str(self.path)], report=self.lines.append, **options)

    def states(self, **options: Any) -> dict[str, str]:
        """Load everything and return the state of each plugin."""
        manager = self.manager(**options)
        manager.load()
        return {info.name: info.state for info in manager.plugins()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give an empty site directory, a working directory without a config, and a clean environment."""
    for variable in ("LLLM_PLUGINS_DISABLE", "LLLM_PLUGINS_ALLOW", "LLLM_PLUGINS_STRICT"):
        monkeypatch.delenv(variable, raising=False)
    folder, work = tmp_path / "site", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if name.startswith("acme_"):
            del sys.modules[name]


@pytest.fixture
def config(site: Site) -> Path:
    """Give the path of the config of the working directory; its folder exists."""
    Path(".psi").mkdir()
    return Path(".psi", "config.toml")
