"""Sessions: cost, counts, and how calls fold into their callers."""

import json

import pytest

from lllm import AgentCallSession, InvokeCost, TacticCallSession, current_session, record_usage
from lllm.session import InvokeTrace


def test_costs_add_up_and_sum_starts_from_zero():
    """Tokens and dollars are added; rates of single calls are not."""
    one = InvokeCost(prompt_tokens=10, cost=0.01, input_cost_per_token=0.001)
    total = sum([one, one, one])
    assert total.prompt_tokens == 30
    assert total.cost == pytest.approx(0.03)
    assert total.input_cost_per_token == 0.0
    with pytest.raises(TypeError):
        one + 1


def test_cost_fields_are_exact():
    """The fields of a cost are part of the contract."""
    assert list(InvokeCost.model_fields) == [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cached_prompt_tokens",
        "reasoning_tokens",
        "audio_prompt_tokens",
        "audio_completion_tokens",
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "prompt_cost",
        "completion_cost",
        "cost",
    ]


def test_cost_text_has_two_lines():
    """People read tokens first and dollars second."""
    first, second = str(InvokeCost(prompt_tokens=3, total_tokens=3)).splitlines()
    assert first.startswith("Tokens: 3 (Prompt: 3")
    assert second.startswith("Cost Breakdown: ")
    assert second.endswith("Total Cost: $0.000000")


@pytest.mark.parametrize("missing", [None, "absent"])
def test_usage_without_numbers_counts_as_zero(missing):
    """None, absent and odd values never raise."""
    usage = {
        "prompt_tokens": 4,
        "completion_tokens": 5,
        "prompt_tokens_details": missing,
        "completion_tokens_details": {"reasoning_tokens": None},
        "response_cost": missing,
    }
    cost = InvokeCost.from_usage(usage)
    assert (cost.total_tokens, cost.cost, cost.reasoning_tokens) == (9, 0.0, 0)


def test_agent_session_counts_and_limits():
    """Retries, recalls and interrupts are counted across steps."""
    session = AgentCallSession(agent_name="a", max_exception_retry=2, max_llm_recall=1, max_interrupt_steps=1)
    session.exception(ValueError("bad"), 0)
    assert not session.reach_max_exception_retry
    session.exception("worse", 1)
    session.llm_recall(TimeoutError("slow"), 1)
    session.interrupt([{"name": "tool"}], 1)
    assert session.exception_retries == {0: ["ValueError: bad"], 1: ["worse"]}
    assert session.reach_max_exception_retry
    assert session.reach_max_llm_recall
    assert session.reach_max_interrupt_steps
    session.failure(RuntimeError("end"))
    assert (session.state, session.error) == ("failure", "RuntimeError: end")


def test_sessions_survive_json():
    """Keys are integers in memory, strings in JSON, and integers again after loading."""
    agent = AgentCallSession(agent_name="a")
    agent.new_invoke_trace(InvokeTrace(model="m", cost=InvokeCost(cost=0.5)), 3)
    agent.exception("bad", 3)
    session = TacticCallSession(tactic_name="t", tags={"k": "v"})
    session.record_agent_call("a", agent)
    session.record_sub_tactic_call("child", TacticCallSession(tactic_name="c"))
    session.success("done", duration_ms=1.5)
    text = session.model_dump_json()
    loaded = TacticCallSession.model_validate_json(text)
    assert loaded.model_dump_json() == text
    assert loaded.agent_sessions["a"][0].invoke_traces[3][0].cost.cost == 0.5
    assert loaded.total_cost.cost == 0.5
    assert json.loads(text)["agent_sessions"]["a"][0]["exception_retries"] == {"3": ["bad"]}


def test_raw_responses_are_never_dumped():
    """What the provider answered stays in memory."""
    trace = InvokeTrace(raw_response={"api_key": "hush"})
    assert trace.raw_response == {"api_key": "hush"}
    assert "hush" not in trace.model_dump_json()
    assert "hush" not in repr(trace)


def test_counts_are_own_or_recursive():
    """Own agent calls exclude children; model calls and unpriced calls include them."""
    child = TacticCallSession(tactic_name="child")
    child.record_agent_call("b", _agent_call(calls=2, unpriced=1))
    child.record_agent_call("b", _agent_call())
    session = TacticCallSession(tactic_name="root")
    session.record_agent_call("a", _agent_call())
    session.record_sub_tactic_call("researcher", child)
    assert session.agent_call_count == 1
    assert session.total_agent_call_count == 3
    assert session.llm_call_count == 4
    assert session.unpriced_calls == 1
    assert session.sub_tactic_call_count == 1
    assert session.agent_cost.cost == pytest.approx(0.01)
    assert session.sub_tactic_cost.cost == pytest.approx(0.02)
    assert session.total_cost.cost == pytest.approx(0.03)
    summary = session.summary()
    assert list(summary)[:5] == ["tactic", "state", "agent_calls", "sub_tactic_calls", "total_cost"]
    assert summary["cost_usd"] == pytest.approx(0.03)
    assert summary["total_agent_calls"] == 3


def _agent_call(calls=1, unpriced=0):
    trace = InvokeTrace(cost=InvokeCost(cost=0.01, total_tokens=15), calls=calls, unpriced=unpriced)
    return AgentCallSession(agent_name="x", invoke_traces={0: [trace]})


def test_totals_of_a_service_fold_as_one_call():
    """What a remote session reports arrives in the local one, whatever else is in the map."""
    remote = TacticCallSession(tactic_name="remote")
    remote.record_agent_call("a", _agent_call(calls=3, unpriced=1))
    totals = remote.usage_totals()
    assert list(totals) == ["cost", "calls", "unpriced", "prompt_tokens", "completion_tokens", "total_tokens"]
    local = TacticCallSession(tactic_name="local")
    local.fold_usage("service", totals)
    local.fold_usage("odd", {"cost": "free", "calls": None, "total_tokens": True})
    assert local.usage_totals() == totals


def test_usage_outside_of_a_call_is_ignored():
    """Nothing to add it to, nothing raised."""
    assert current_session() is None
    record_usage("lonely", {"total_tokens": 3})


def test_priced_and_unpriced_uses():
    """A price in the usage or as an argument counts; without one the tokens still do."""
    from lllm import Tactic

    class Spender(Tactic):
        def _run(self, input_value, *, context=None):
            record_usage("model", {"prompt_tokens": 2, "response_cost": 0.5}, model="m")
            record_usage("model", {"prompt_tokens": 2}, cost=0.25)
            record_usage("model", {"prompt_tokens": 2}, state="failure", error=ValueError("no"))
            return current_session().llm_call_count

    session = Spender().run(None, return_session=True)
    assert session.delivery == 3
    assert session.total_cost.cost == pytest.approx(0.75)
    assert session.total_cost.prompt_tokens == 6
    assert session.unpriced_calls == 1
    assert session.agent_sessions["model"][2].error == "ValueError: no"
