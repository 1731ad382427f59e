"""What the store promises, proved by mistreating it."""

from __future__ import annotations

from lllm.testing.crash import CrashConformance, Target


class TestSQLiteCrashes(CrashConformance):
    target = Target("sqlite:{directory}")
