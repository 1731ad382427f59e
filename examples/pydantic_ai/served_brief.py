"""An agent with structured output as a service, and a client that reads it as it is written.

`python served_brief.py [TOPIC]` starts the service, streams one call and shows what it cost. No model is asked unless
LLLM_MODEL names one, such as `openai:gpt-5`. `lllm serve served_brief:build_tactic` serves the same tactic alone.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from serving import served

from lllm import PydanticAITactic, RemoteTactic, Tactic


class Topic(BaseModel):
    topic: str


class Brief(BaseModel):
    title: str
    points: list[str]


async def scripted(messages, info) -> AsyncIterator[dict]:
    """Look the topic up, then write the brief in pieces, as a model would."""
    topic = Topic.model_validate_json(messages[0].parts[-1].content).topic
    if len(messages) == 1:
        yield {0: DeltaToolCall("look_up", f'{{"topic": "{topic}"}}', tool_call_id="call-1")}
        return
    facts = messages[-1].parts[-1].content
    pieces = [f'{{"title": "About {topic}"', ', "points": [', f'"{facts}"', ', "Ask again tomorrow."', "]}"]
    yield {0: DeltaToolCall(info.output_tools[0].name, pieces[0], tool_call_id="call-2")}
    for piece in pieces[1:]:
        await asyncio.sleep(0.05)
        yield {0: DeltaToolCall(json_args=piece)}


async def scripted_at_once(messages, info) -> ModelResponse:
    """Answer the same to a caller that does not read a stream."""
    calls = [delta[0] async for delta in scripted(messages, info)]
    return ModelResponse([ToolCallPart(calls[0].name, "".join(call.json_args for call in calls))])


writer = Agent(
    os.environ.get("LLLM_MODEL") or FunctionModel(scripted_at_once, stream_function=scripted),
    output_type=Brief,
    name="writer",
    description="Writes a brief about a topic.",
    instructions="Look the topic up, then write a brief of two points.",
)


@writer.tool_plain
def look_up(topic: str) -> str:
    """Look a topic up."""
    return f"{topic.capitalize()} has been around for a while."


def build_tactic() -> Tactic:
    """Return the agent as a tactic."""
    return PydanticAITactic(writer, input_type=Topic)


async def read(url: str, topic: str) -> None:
    """Call the service and print what it says, as it says it."""
    async with RemoteTactic(url, output_type=Brief) as remote:
        async for event in remote.aevents(Topic(topic=topic)):
            if event.kind == "part" and event.data["event_kind"] == "part_delta":
                print("writing", event.data["delta"]["args_delta"])
            elif event.kind in {"tool_call", "tool_result", "usage"}:
                print(event.kind, event.data)
            elif event.kind == "result":
                print(event.data.model_dump_json(indent=2))


def main(topic: str = "tides") -> None:
    """Serve the tactic, call it, and show what is written before it is complete."""
    tactic = build_tactic()
    with served(tactic) as url:
        asyncio.run(read(url, topic))
    for brief in tactic.stream(Topic(topic=topic)):
        print("so far", len(brief.points), "points")
    print("at once", len(tactic.run(Topic(topic=topic)).points), "points")


if __name__ == "__main__":
    main(*sys.argv[1:2])
