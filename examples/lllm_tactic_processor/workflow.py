"""Consume events, run each payload through a tactic, and write what it answers to another channel.

    python examples/lllm_tactic_processor/workflow.py [--store DIRECTORY]

Run it again: the subscription remembers what was consumed, so each run handles its own message only.
"""

from __future__ import annotations

import argparse
import json

from pydantic import BaseModel

from lllm import CallContext, Tactic
from sssn import Event, LocalStore


class RawMessage(BaseModel):
    text: str


class AnalysisMessage(BaseModel):
    summary: str
    length: int


class AnalyzeMessage(Tactic[RawMessage, AnalysisMessage]):
    """Summarise a message and measure it."""

    name = "analyze_message"
    input_type = RawMessage
    output_type = AnalysisMessage

    def _run(self, input_value: RawMessage, *, context: CallContext | None = None) -> AnalysisMessage:
        return AnalysisMessage(summary=input_value.text.upper(), length=len(input_value.text))


def open_channels(store: LocalStore) -> str:
    """Make the channels and the subscription unless they exist; return the subscription's id."""
    store.ensure_channel({"name": "raw", "schema": "demo.RawMessage"})
    store.ensure_channel({"name": "analysis", "schema": "demo.AnalysisMessage"})
    return store.create_subscription(
        "raw",
        subscription_id="lllm_tactic_processor",
        consumer="lllm_tactic_processor",
        filters={"kind": "message"},
    ).id


def process(store: LocalStore, subscription: str, tactic: AnalyzeMessage) -> list[Event]:
    """Run the tactic on every event that is new to the subscription; return the events it made."""
    return [
        store.append_event(
            Event(
                channel="analysis",
                source="lllm_tactic_processor",
                kind="analysis",
                payload=tactic.run(event.payload).model_dump(),
                correlation_id=event.correlation_id or event.id,
                parent_ids=(event.id,),
            )
        )
        for event in store.pull_subscription(subscription)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Events through a tactic into another channel.")
    parser.add_argument("--store", default=".sssn", help="directory that keeps the events (default: .sssn)")
    root = parser.parse_args().store
    tactic = AnalyzeMessage()
    with LocalStore(root) as store:
        subscription = open_channels(store)
        raw = store.append_event(
            Event(
                channel="raw",
                source="example",
                kind="message",
                payload={"text": "hello from sssn"},
                correlation_id="episode-1",
            )
        )
        analyses = process(store, subscription, tactic)
    shown = {
        "analysis_event_ids": [event.id for event in analyses],
        "raw_event_id": raw.id,
        "root": root,
        "tactic": tactic.tactic_name,
    }
    print(json.dumps(shown, indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
