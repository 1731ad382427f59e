"""Tactics that do what they should not: they cost their own event and nothing else."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from pydantic import BaseModel, model_serializer

from lllm import Tactic
from lllm.errors import SSSNError
from lllm_process import Backoff, Processor


class Mute(Exception):
    """An exception that cannot even be shown."""

    def __str__(self):
        raise ValueError("no text")


RAISED = {
    "exit": SystemExit(7),
    "generator exit": GeneratorExit("mine"),
    "cancelled": asyncio.CancelledError("mine"),
    "mute": Mute(),
    "group": ExceptionGroup("several", [ValueError("one")]),
    "key": ValueError("the key sk-abcdefghijklmnopqrstuvwxyz is wrong"),
    "long": ValueError("x" * 1_000_000),
}
SAID = {
    "exit": "TacticError: the tactic raised SystemExit: 7",
    "generator exit": "TacticError: the tactic raised GeneratorExit: mine",
    "cancelled": "TacticError: the tactic raised CancelledError: mine",
    "mute": "Mute: <no text: __str__ raised ValueError>",
    "group": "ExceptionGroup: several (1 sub-exception)",
    "key": "ValueError: the key *** is wrong",
    "long": "ValueError: " + "x" * 1988 + "...",
}


class Threaded(Tactic):
    """Raises in a worker thread."""

    def _run(self, input_value, *, context=None):
        if input_value in RAISED:
            raise RAISED[input_value]
        return input_value


class Awaited(Tactic):
    """Raises on the event loop."""

    async def _arun(self, input_value, *, context=None):
        if input_value in RAISED:
            raise RAISED[input_value]
        return input_value


@pytest.fixture
def process(store):
    """Process payloads to the end, with dead letters after two attempts."""

    def process(tactic, payloads, **options):
        store.append_events([{"channel": "raw", "payload": payload} for payload in payloads])
        store.create_subscription("raw", subscription_id="work", max_deliveries=2, dead_letter="dead")
        options.setdefault("output", "analysis")
        return Processor(store, "work", tactic, backoff=Backoff(first=0.0), **options).run(once=True)

    return process


def results(store):
    """Return what was stored, and why events were given up."""
    letters = store.query_events("dead")
    return (
        [event.payload for event in store.query_events("analysis")],
        [letter.metadata["dead_letter"]["error"] for letter in letters],
    )


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("tactic", [Threaded, Awaited])
@pytest.mark.parametrize("name", list(RAISED))
def test_whatever_is_raised_is_the_failure_of_one_event(process, store, tactic, timeout, name):
    """An exit ends nothing, what cannot be shown is recorded, and keys are not."""
    progress = process(tactic(), ["before", name, "after"], timeout=timeout)
    assert (progress.done, progress.failed, progress.retried) == (2, 1, 1)
    assert results(store) == (["before", "after"], [SAID[name]])


class Unwritable(BaseModel):
    @model_serializer
    def fail(self):
        raise RuntimeError("cannot be written")


def cycle():
    """Return a list that contains itself."""
    found = []
    found.append(found)
    return found


def nest():
    """Return more lists inside of lists than JSON is written for."""
    found = []
    for _ in range(500):
        found = [found]
    return found


@pytest.mark.parametrize(
    "make",
    [object, cycle, nest, lambda: b"\xff", lambda: "\ud800", lambda: float("nan"), lambda: 2**70, Unwritable],
)
def test_results_without_a_json_form_are_given_up_at_once(process, store, make):
    """No further try could mend them, of whatever kind they are."""
    progress = process(lambda value: make() if value == "bad" else value, ["bad", "good"])
    assert (progress.done, progress.failed, progress.retried) == (1, 1, 0)
    outputs, (said,) = results(store)
    assert outputs == ["good"]
    assert said.startswith("InvalidPayloadError: ")


class Stubborn(Tactic):
    """Goes on when it is cancelled, `deaf` times."""

    deaf = 2

    async def _arun(self, input_value, *, context=None):
        for _ in range(self.deaf):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        return await asyncio.sleep(60)


def test_work_that_does_not_heed_its_timeout_is_left_behind(process, store, monkeypatch):
    """The event is given up, and the others are not held up."""
    monkeypatch.setattr("lllm_process.attempt.UNHEEDED", 0.05)
    progress = process(Stubborn(), ["bad"], timeout=0.05)
    assert (progress.done, progress.failed) == (0, 1)
    assert results(store) == ([], ["DeadlineExceeded: The tactic went on after its 0.05 seconds were over."])


def test_work_that_does_not_heed_a_stop_is_left_behind(store, fill, monkeypatch):
    """Its event is given back all the same."""
    monkeypatch.setattr("lllm_process.run.UNHEEDED", 0.05)
    fill(1)
    store.create_subscription("raw", subscription_id="work")
    begun = threading.Event()

    class Held(Stubborn):
        deaf = 1

        async def _arun(self, input_value, *, context=None):
            begun.set()
            return await super()._arun(input_value, context=context)

    processor = Processor(store, "work", Held(), output="analysis", grace=0.0)
    thread = threading.Thread(target=processor.run)
    thread.start()
    assert begun.wait(30)
    processor.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert (processor.progress.released, store.lag("work").in_flight) == (1, 0)


def test_a_result_that_the_store_cannot_take_holds_nobody_up(process, store, monkeypatch):
    """A store that answers and still fails for one result gives that one event up."""
    monkeypatch.setattr("lllm_process.run._RECONNECT", Backoff(first=0.01))
    commit = store.commit

    def picky(*, acks, events):
        if any(event.payload == "bad" for event in events):
            raise SSSNError("the connection broke")
        return commit(acks=acks, events=events)

    monkeypatch.setattr(store, "commit", picky)
    progress = process(Awaited(), ["one", "bad", "two", "three"], workers=4)
    assert (progress.done, progress.failed, progress.retried) == (3, 1, 1)
    outputs, letters = results(store)
    assert sorted(outputs) == ["one", "three", "two"]
    assert letters == ["SSSNError: the connection broke"]


def test_an_input_that_is_removed_meanwhile_ends_nothing(process, store):
    """Retention may take the event whose output is about to be stored."""

    def forgetful(value):
        if value == "bad":
            store.set_retention("raw", max_events=1, keep_unfinished=False)
            store.apply_retention("raw")
        return value

    progress = process(forgetful, ["bad", "good"])
    assert results(store)[0] == ["good"]
    assert progress.done == 1


def test_a_failing_listener_changes_nothing(process, caplog):
    """What it raises is logged."""

    def listen(progress):
        raise RuntimeError("nobody listens")

    assert process(Awaited(), ["one", "two"], on_progress=listen).done == 2
    assert "the listener of the progress failed" in caplog.text


def test_who_watches_sees_the_lag(store, fill):
    """Also where nothing is done and nothing ends."""
    fill(3)
    store.create_subscription("raw", subscription_id="work")
    seen = []

    def listen(progress):
        seen.append(progress.lag)
        processor.stop()

    processor = Processor(store, "work", Awaited(), on_progress=listen)
    processor.run()
    assert seen[-1] is not None


HANGING = """
import sys, threading
import lllm_process.leaving
from lllm.cli import main

lllm_process.leaving._SECONDS = 0.2
main(["process", "--from", "raw", "--to", "analysis", "--store", "store", "--tactic", "hanging:{tactic}", {options}])
"""
TACTICS = """
import asyncio
import threading
from lllm import Tactic


def thread(value):
    threading.Event().wait()


class Loop(Tactic):
    async def _arun(self, input_value, *, context=None):
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
"""


@pytest.mark.parametrize("tactic", ["thread", "Loop"])
def test_a_tactic_that_hangs_does_not_hold_the_program(store, fill, tmp_path, tactic):
    """The command gives the event up and ends with its usual exit code."""
    fill(1)
    (tmp_path / "hanging.py").write_text(TACTICS)
    options = '"--once", "--timeout", "0.1", "--max-deliveries", "1"'
    program = HANGING.format(tactic=tactic, options=options)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "leaving without them" in done.stderr
    assert time.monotonic() - began < 40
    assert store.lag("process.thread.analysis" if tactic == "thread" else "process.Loop.analysis").cursor == 1
