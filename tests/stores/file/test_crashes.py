"""The file store keeps its promises when it is killed, starved, unplugged, damaged and lied to."""

from __future__ import annotations

from lllm.testing.crash import CrashConformance, Target


class TestFileStoreCrashes(CrashConformance):
    """Every proof of the kit."""

    target = Target("file:{directory}")
