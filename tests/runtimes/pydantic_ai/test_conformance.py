"""Agents pass what every runtime's tactics pass: work is done by a model in Python, inside a real agent."""

import json
from inspect import isawaitable, iscoroutinefunction
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from pydantic_ai.usage import RequestUsage

from lllm import Tactic
from lllm.testing import Answer, Question, TacticConformance
from lllm_runtime_pydantic_ai import PydanticAITactic


def worker(work):
    """Return an agent whose model reads a question and answers with what `work` makes of it.

    The agent itself takes any map, so that the tactic's own validation is what is tested.
    """

    def arguments(answer):
        # The output tool of a type that is no model takes it under this name.
        return {"response": answer.model_dump() if isinstance(answer, BaseModel) else answer}

    def question(messages):
        return Question.model_validate_json(messages[-1].parts[-1].content)

    def reply(info, answer):
        # Without any usage the library would estimate one.
        usage = RequestUsage(details={"scripted": 1})
        return ModelResponse([ToolCallPart(info.output_tools[0].name, arguments(answer))], usage=usage)

    def answer_at_once(messages, info):
        return reply(info, work(question(messages)))

    async def answer_later(messages, info):
        return reply(info, await work(question(messages)))

    async def stream(messages, info):
        answer = work(question(messages))
        done = arguments(await answer if isawaitable(answer) else answer)
        yield {0: DeltaToolCall(info.output_tools[0].name, json.dumps(done))}

    answer = answer_later if iscoroutinefunction(work) else answer_at_once
    return Agent(FunctionModel(answer, stream_function=stream), output_type=dict[str, Any], name="conforming")


class TestAgents(TacticConformance):
    """`PydanticAITactic` around an agent."""

    def make(self, work):
        return PydanticAITactic(worker(work), input_type=Question, output_type=Answer, name="agent")

    def make_async(self, work):
        return self.make(work)


class TestAgentClasses(TacticConformance):
    """A tactic class with an agent."""

    def make(self, work):
        class Conforming(Tactic[Question, Answer], register=False):
            """Answers questions."""

            name = "agent_class"
            agent = worker(work)

        return Conforming()

    def make_async(self, work):
        return self.make(work)


class TestObjectsLikeAgents(TacticConformance):
    """An object that has an agent's methods and is none of the library's."""

    def make(self, work):
        return self._around(run_sync=work)

    def make_async(self, work):
        return self._around(run=work, run_sync=work)

    def make_stream(self, work):
        return self._around(run_sync=len, run_stream_sync=work)

    def make_astream(self, work):
        return self._around(run_sync=len, run_stream=work, run_stream_sync=work)

    def _around(self, **methods):
        return PydanticAITactic(
            SimpleNamespace(**methods),
            input_type=Question,
            output_type=Answer,
            input_mode="python",
            name="like_an_agent",
        )
