"""What a store promises, proved by mistreating it: killed, starved, unplugged, damaged and lied to.

Each proof is a function of a `Target` (a store URL, or an opener of your own) and a directory, and returns a
`CrashReport`. `CrashConformance` runs them all as tests:

```python
from lllm.testing.crash import CrashConformance, Target

class TestMyStoreCrashes(CrashConformance):
    target = Target("mystore:{directory}")
```
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from lllm.testing.crash.children import Target
from lllm.testing.crash.clocks import jump_clock, shifted_clock
from lllm.testing.crash.flips import flip_bytes
from lllm.testing.crash.kills import kill_consumers, kill_writers
from lllm.testing.crash.power import can_trace, cut_power
from lllm.testing.crash.reports import CrashReport
from lllm.testing.crash.starvation import fill_disk

__all__ = [
    "CrashConformance",
    "CrashReport",
    "Target",
    "can_trace",
    "cut_power",
    "fill_disk",
    "flip_bytes",
    "jump_clock",
    "kill_consumers",
    "kill_writers",
    "shifted_clock",
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
class CrashConformance:
    """Tests that every durable store passes; inherit it in a class whose name begins with `Test`.

    The number of rounds is small, so that a suite stays quick; `LLLM_CRASH_ROUNDS` raises it.

    Attributes:
        target: The store.
        rounds: How often processes are killed.
    """

    target: ClassVar[Target]
    rounds: ClassVar[int] = int(os.environ.get("LLLM_CRASH_ROUNDS", "4"))

    def test_killed_writers_lose_nothing(self, tmp_path: Path) -> None:
        """Whatever was acknowledged before SIGKILL is there, and no batch is there by half."""
        report = kill_writers(self.target, tmp_path, rounds=self.rounds)
        assert report.ok, report
        assert report.acknowledged >= self.rounds

    def test_killed_consumers_lose_and_double_nothing(self, tmp_path: Path) -> None:
        """Every input has exactly one output, however often processors die."""
        report = kill_consumers(self.target, tmp_path, rounds=self.rounds, events=60 * self.rounds)
        assert report.ok, report

    def test_a_power_cut_loses_nothing(self, tmp_path: Path) -> None:
        """Whatever was acknowledged was flushed before, byte by byte and name by name."""
        if not can_trace():
            pytest.skip("needs strace")
        report = cut_power(self.target, tmp_path, steps=10 * self.rounds)
        assert report.ok, report
        assert report.acknowledged == 10 * self.rounds

    def test_a_full_disk_loses_nothing(self, tmp_path: Path) -> None:
        """The error is clear, and the store is intact."""
        report = fill_disk(self.target, tmp_path)
        assert report.ok, report

    def test_a_flipped_byte_is_never_wrong_data(self, tmp_path: Path) -> None:
        """What is damaged is reported or refused, and never returned."""
        report = flip_bytes(self.target, tmp_path, flips=3 * self.rounds)
        assert report.ok, report

    def test_a_jumping_clock_changes_nothing(self, tmp_path: Path) -> None:
        """Order, leases and outputs do not depend on a clock that runs true."""
        report = jump_clock(self.target, tmp_path)
        assert report.ok, report
