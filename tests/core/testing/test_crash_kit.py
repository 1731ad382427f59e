"""The crash kit finds nothing wrong with a careful store, and what is wrong with every careless one."""

from pathlib import Path

import pytest

from lllm.testing.crash import (
    Target,
    can_trace,
    cut_power,
    fill_disk,
    flip_bytes,
    jump_clock,
    kill_consumers,
    kill_writers,
)

needs_strace = pytest.mark.skipif(not can_trace(), reason="needs strace")


@pytest.fixture
def toy():
    """Return what makes the target of a toy store, which workers can import too."""
    folder = str(Path(__file__).parent)
    return lambda name: Target("{directory}", opener=f"toy_stores:{name}", path=folder)


def test_a_careful_store_survives_kills(toy, tmp_path):
    """What it acknowledged is there after every kill."""
    report = kill_writers(toy("careful"), tmp_path, rounds=2)
    assert report.ok, report
    assert report.points == 2


def test_a_store_that_writes_later_loses_acknowledged_writes(toy, tmp_path):
    """An acknowledgement before the write is found out by a kill."""
    assert kill_writers(toy("late"), tmp_path, rounds=3, writers=1).lost


def test_consumers_of_a_careful_store_finish_everything_once(toy, tmp_path):
    """Every input has its one output."""
    report = kill_consumers(toy("careful"), tmp_path, rounds=1, events=30)
    assert report.ok, report


@needs_strace
def test_a_careful_store_survives_power_cuts(toy, tmp_path):
    """Everything acknowledged had been flushed."""
    report = cut_power(toy("careful"), tmp_path, steps=15)
    assert report.ok, report
    assert report.acknowledged == 15
    assert report.points >= 30


@needs_strace
@pytest.mark.parametrize("name", ["unflushed", "torn"])
def test_a_store_that_does_not_flush_loses_to_a_power_cut(toy, tmp_path, name):
    """Neither a rename without a flush nor a file that is written in place is safe."""
    assert cut_power(toy(name), tmp_path, steps=15).lost


def test_a_careful_store_survives_a_full_disk(toy, tmp_path):
    """Its errors are those of a store, and nothing is lost."""
    report = fill_disk(toy("careful"), tmp_path)
    assert report.ok, report


def test_a_raw_error_of_a_full_disk_is_found(toy, tmp_path):
    """An OSError must not leave a store."""
    assert any("OSError" in problem for problem in fill_disk(toy("leaking"), tmp_path).problems)


def test_a_file_that_is_written_in_place_is_lost_on_a_full_disk(toy, tmp_path):
    """A failed write has already destroyed what was there."""
    assert fill_disk(toy("torn"), tmp_path).lost


def test_a_sealed_store_never_returns_wrong_data(toy, tmp_path):
    """Every flipped byte is refused."""
    report = flip_bytes(toy("careful"), tmp_path, flips=10)
    assert report.ok, report
    assert report.points == 40


def test_an_unsealed_store_returns_wrong_data(toy, tmp_path):
    """A byte that changes inside a text is found out."""
    assert flip_bytes(toy("unsealed"), tmp_path, flips=20).lost


def test_a_jumping_clock_is_no_problem(toy, tmp_path):
    """Order and outputs stay right."""
    report = jump_clock(toy("careful"), tmp_path)
    assert report.ok, report
