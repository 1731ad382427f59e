"""The conformance suite of tactics finds what is wrong with a tactic that breaks the contract."""

import asyncio
import threading

import pytest

from lllm import Tactic, TacticEvent, as_tactic, record_usage
from lllm.testing import Answer, Question, TacticConformance

TESTS = sorted(name for name in dir(TacticConformance) if name.startswith("test_"))


class Plain(TacticConformance):
    """A suite over tactics that keep the contract."""

    kind = None

    def make(self, work):
        return (self.kind or Kept)(work)

    def make_async(self, work):
        return (self.kind or KeptAsync)(work)

    def make_stream(self, work):
        return (self.kind or KeptStream)(work)


class Kept(Tactic[Question, Answer], register=False):
    """Does the work it was given."""

    def __init__(self, work):
        super().__init__()
        self.work = work

    def _run(self, input_value, *, context=None):
        return self.work(input_value)


class KeptAsync(Kept, register=False):
    async def _arun(self, input_value, *, context=None):
        return await self.work(input_value)


class KeptStream(Kept, register=False):
    def _stream(self, input_value, *, context=None):
        yield from self.work(input_value)


class Unchecked(Kept, register=False):
    input_type = output_type = object

    def _run(self, input_value, *, context=None):
        text = input_value.text if isinstance(input_value, Question) else input_value["text"]
        return self.work(Question(text=text))


class Unanswered(Kept, register=False):
    def _run(self, input_value, *, context=None):
        return Answer(text=input_value.text)


class Different(Kept, register=False):
    async def _arun(self, input_value, *, context=None):
        return Answer(text="something else")


class Wrapping(Kept, register=False):
    def _run(self, input_value, *, context=None):
        try:
            return self.work(input_value)
        except Exception as error:
            raise RuntimeError("failed") from error


class Shared(Kept, register=False):
    latest = None
    gate = threading.Barrier(8)

    def _run(self, input_value, *, context=None):
        self.latest = input_value
        if self.gate.n_waiting or threading.current_thread() is not threading.main_thread():
            self.gate.wait(5)
        return self.work(self.latest)


class Spending(Kept, register=False):
    def _run(self, input_value, *, context=None):
        record_usage("hidden", {"prompt_tokens": 1}, cost=1.0)
        return self.work(input_value)


class Shielding(KeptAsync, register=False):
    async def _arun(self, input_value, *, context=None):
        return await asyncio.shield(asyncio.create_task(self.work(input_value)))


class Boasting(Kept, register=False):
    declared_capabilities = frozenset({"stream"})


class Idle(Kept, register=False):
    def capabilities(self):
        return {"arun"}


class Leaky(Kept, register=False):
    def info(self):
        described = super().info()
        described.metadata = self.metadata
        return described


class Doubling(KeptStream, register=False):
    async def _astream(self, input_value, *, context=None):
        for chunk in self.work(input_value):
            yield chunk
            yield chunk


class Hoarding(KeptStream, register=False):
    def _stream(self, input_value, *, context=None):
        return iter(list(self.work(input_value)))


class Blind(KeptStream, register=False):
    input_type = object

    def _stream(self, input_value, *, context=None):
        yield from self.work(Question(text="whatever"))


@pytest.mark.parametrize("name", TESTS)
def test_a_tactic_that_keeps_the_contract_passes(name):
    """Every test of the suite accepts a plain tactic."""
    getattr(Plain(), name)()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Unanswered, "test_run_answers_with_the_output_type"),
        (Different, "test_every_way_to_call_agrees"),
        (Unchecked, "test_input_is_validated_before_the_work_begins"),
        (Unchecked, "test_output_is_validated"),
        (Wrapping, "test_errors_keep_type_and_text"),
        (Wrapping, "test_a_trace_tells_how_the_call_went"),
        (Shared, "test_calls_share_no_state"),
        (Spending, "test_sessions_fold_into_the_caller"),
        (Shielding, "test_cancelling_arun_cancels_the_work"),
        (Unchecked, "test_info_says_what_the_tactic_does"),
        (Leaky, "test_info_is_a_copy"),
        (Boasting, "test_capabilities_are_true"),
        (Idle, "test_info_says_what_the_tactic_does"),
        (Doubling, "test_every_way_to_stream_agrees"),
        (Blind, "test_streams_validate_their_input"),
        (Hoarding, "test_errors_in_a_stream_come_after_its_chunks"),
    ],
)
def test_a_broken_tactic_is_found(kind, name):
    """The named test fails for a tactic with one fault."""
    suite = type("Broken", (Plain,), {"kind": kind, "patience": 0.2})()
    with pytest.raises((Exception, pytest.fail.Exception)):
        getattr(suite, name)()


def test_what_a_runtime_does_not_offer_is_skipped():
    """Without the optional makers only the tests of synchronous work run."""

    class Small(TacticConformance):
        def make(self, work):
            return as_tactic(work)

    for name in ("test_cancelling_arun_cancels_the_work", "test_every_way_to_stream_agrees"):
        with pytest.raises(pytest.skip.Exception):
            getattr(Small(), name)()


def test_a_runtime_may_translate_errors():
    """`error_type` says what a caller sees instead; the tests then want that."""

    class Translating(Plain):
        kind = Wrapping

        def error_type(self, error):
            return RuntimeError

    with pytest.raises(AssertionError, match="no answer to life"):
        Translating().test_errors_keep_type_and_text()


def test_the_events_of_a_stream_are_events():
    """The suite's own models work as payloads."""
    assert TacticEvent(data=Answer(text="a")).data == Answer(text="a")
