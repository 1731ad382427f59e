"""What every wrapper keeps of the tactic inside."""

import asyncio

import pytest

from lllm import Tactic
from lllm.testing import TacticConformance
from lllm_wrappers import cache, fallback, limit, proxy_tactic, retry, sandbox_tactic

WRAP = {
    "proxy": proxy_tactic,
    "sandbox": lambda tactic: sandbox_tactic(tactic, {"timeout_seconds": 5, "max_output_bytes": 100_000}),
    "retry": retry,
    "fallback": fallback,
    "cache": cache,
    "limit": lambda tactic: limit(tactic, concurrency=2),
}


@pytest.fixture(params=WRAP)
def wrap(request):
    """Each of the wrappers in turn."""
    return WRAP[request.param]


def test_wrappers_look_like_what_they_wrap(wrap, echo):
    """Types, schemas, refs, examples and capabilities are those of the tactic inside."""
    inner = type(echo)(package_ref="psi://o/p/tactics/echo", examples=[{"input": {"text": "a"}}])
    info, own = wrap(inner).info(), inner.info()
    for field in ("input_schema", "output_schema", "package_ref", "examples", "capabilities"):
        assert getattr(info, field) == getattr(own, field)
    assert info.name.startswith("echo_")
    assert info.name == f"echo_{info.runtime_kind}"
    assert "echo" in info.description


def test_calls_pass_through(wrap, tactics, echo):
    """run, arun, stream, astream and aevents give what the tactic inside gives."""
    wrapped, collect = wrap(echo), tactics["collect"]
    assert wrapped.run({"text": "hi"}).text == "HI"
    assert asyncio.run(wrapped.arun({"text": "hi"})).text == "HI"
    assert list(wrapped.stream({"text": "hi"})) == ["h", "i"]
    assert asyncio.run(collect(wrapped.astream({"text": "hi"}))) == ["h", "i"]
    assert [event.data for event in asyncio.run(collect(wrapped.aevents({"text": "hi"})))] == ["h", "i"]


def test_native_events_pass_through(wrap, tactics):
    """Kinds and the validated result of the inner events survive."""
    wrapped, collect = wrap(tactics["native"]()), tactics["collect"]
    assert wrapped.supports("events")
    events = asyncio.run(collect(wrapped.aevents({"text": "hi"})))
    assert [event.kind for event in events] == ["text", "result"]
    assert events[1].data == tactics["word"](text="hi")


def test_sessions_fold_through(wrap, echo):
    """What the tactic inside spends is in the wrapper's total."""
    session = wrap(echo).run({"text": "hi"}, return_session=True)
    assert session.total_cost.cost == pytest.approx(0.01)
    assert session.total_cost.total_tokens == 2


def test_plain_tactics_do_not_start_to_stream(wrap):
    """A wrapper claims no more than the tactic inside can do."""

    class Plain(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    wrapped = wrap(Plain())
    assert wrapped.capabilities() == {"run", "arun"}
    with pytest.raises(Exception, match="does not support stream"):
        wrapped.stream(1)


def test_only_tactics_can_be_wrapped(wrap):
    """The error says how to turn a function into one."""
    with pytest.raises(TypeError, match="as_tactic"):
        wrap(print)


def test_wrappers_compose(wrap, echo):
    """Any wrapper goes around any other."""
    for other in WRAP.values():
        assert wrap(other(echo)).run({"text": "hi"}).text == "HI"


class _Conformance(TacticConformance):
    """The suite of all tactics, on a wrapped function."""

    kind = "proxy"

    def make(self, work):
        from lllm.testing.tactics import Answer, Question
        from lllm_runtime_callable import CallableTactic

        return WRAP[self.kind](CallableTactic(work, input_type=Question, output_type=Answer))


class TestProxyConformance(_Conformance):
    kind = "proxy"


class TestSandboxConformance(_Conformance):
    kind = "sandbox"


class TestFallbackConformance(_Conformance):
    kind = "fallback"


class TestLimitConformance(_Conformance):
    kind = "limit"
