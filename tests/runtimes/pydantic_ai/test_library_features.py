"""What the library offers around a run works behind the boundary as well."""

import asyncio

from pydantic_ai import (
    Agent,
    DeferredToolRequests,
    DeferredToolResults,
    capture_run_messages,
)
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm_runtime_pydantic_ai import PydanticAITactic


def test_an_override_holds_on_every_path(talker):
    """`agent.override` is for tests; calls that run on the background loop are below it too."""
    tactic = PydanticAITactic(talker)
    with talker.override(model=ScriptedModel(custom_output_text="other")):
        assert tactic.run("x") == "other"
        assert asyncio.run(tactic.arun("x")) == "other"
        assert "".join(tactic.stream("x")) == "other"
    assert tactic.run("x") == "one two three"


def test_messages_can_be_captured(talker):
    """Also those of a synchronous call."""
    with capture_run_messages() as messages:
        PydanticAITactic(talker).run("x")
    assert [message.kind for message in messages] == ["request", "response"]


def test_a_tool_call_waits_for_approval():
    """The output is the request; the run goes on with the answer and its own messages."""
    agent = Agent(ScriptedModel(), name="careful", output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def delete(number: int) -> str:
        """Delete something."""
        return f"deleted {number}"

    tactic = PydanticAITactic(agent, result_mode="result")
    first = tactic.run("x")
    assert isinstance(first.output, DeferredToolRequests)
    approvals = {call.tool_call_id: True for call in first.output.approvals}
    second = tactic.run(
        None,
        message_history=first.all_messages(),
        deferred_tool_results=DeferredToolResults(approvals=approvals),
    )
    assert second.output == '{"delete":"deleted 0"}'
    (asked,) = PydanticAITactic(agent).stream("x")
    assert isinstance(asked, DeferredToolRequests)
