"""An agent in a processor: events of one channel go through it, what it makes of them into another.

`python processed_events.py [DIRECTORY]` keeps the store in DIRECTORY, `.sssn` by default; running it again processes
what is new and nothing twice. No model is asked unless LLLM_MODEL names one, such as `openai:gpt-5`.
"""

import os
import sys
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from lllm import Tactic, open_store
from lllm_process import Processor

MESSAGES = ("The parcel is broken!", "Where do I find my invoice?", "Thank you, all is well.")


class Message(BaseModel):
    text: str


class Label(BaseModel):
    label: Literal["complaint", "question", "other"]
    urgent: bool = False


def scripted(messages, info) -> ModelResponse:
    """Judge a message by its last character, which is not how a model does it."""
    text = Message.model_validate_json(messages[0].parts[-1].content).text
    label = {"!": "complaint", "?": "question"}.get(text[-1], "other")
    arguments = {"label": label, "urgent": label == "complaint"}
    return ModelResponse([ToolCallPart(info.output_tools[0].name, arguments)])


class Triage(Tactic[Message, Label]):
    """Say what a message is."""

    name = "triage"
    agent = Agent(
        os.environ.get("LLLM_MODEL") or FunctionModel(scripted),
        output_type=Label,
        name="triage",
        instructions="Label the message of a customer.",
    )


def main(root: str = ".sssn") -> None:
    """Append messages, process them, and show each label with the message it came from."""
    with open_store(root) as store:
        for channel in ("messages", "labels"):
            store.ensure_channel({"name": channel})
        store.append_events([{"channel": "messages", "payload": {"text": text}} for text in MESSAGES])
        work = store.create_subscription("messages", subscription_id="triage")
        progress = Processor(store, work.id, Triage(), output="labels", workers=4).run(once=True)
        print(f"done {progress.done}, failed {progress.failed}")
        for label in store.query_events("labels"):
            (message,) = store.parents(label.id)
            print(
                f"{label.payload['label']:<9} {'!' if label.payload['urgent'] else ' '} {message.payload['text']}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:2])
