"""What the boundary adds to the run of a Pydantic AI agent, against the same agent run by hand.

python tests/benchmarks/bench_pydantic_ai.py
"""

from __future__ import annotations

from statistics import quantiles
from time import process_time

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
from timing import Batch, awaits, calls, report

from lllm import Tactic
from lllm.background import drive
from lllm_runtime_pydantic_ai import PydanticAITactic

SHARE, FIXED = 0.05, 100e-6
"""The boundary may add this share of a run, and this many seconds."""

TURNS, REPETITIONS = 100, 5


class Topic(BaseModel):
    topic: str


class Brief(BaseModel):
    title: str
    words: int


TOPIC = Topic(topic="refs")
talker = Agent(TestModel(custom_output_text="a few words"), name="talker")
briefer = Agent(TestModel(), output_type=Brief, name="briefer")


@briefer.tool_plain
def look_up(word: str) -> str:
    """Look a word up."""
    return word


class Write(Tactic[Topic, Brief], register=False):
    """Writes a brief."""

    name = "write"
    agent = briefer


async def stream(agent: Agent, prompt: str) -> None:
    """Read the events of a run."""
    async with agent.run_stream_events(prompt, infer_name=False) as events:
        async for _ in events:
            pass


async def read(tactic: Tactic, value: object) -> None:
    """Read the events of a call."""
    async for _ in tactic.aevents(value):
        pass


def processor_seconds(batch: Batch) -> float:
    """Return the processor time of one repetition, whatever else the machine is busy with."""
    start = process_time()
    batch(REPETITIONS)
    return (process_time() - start) / REPETITIONS


def quartiles(*batches: Batch) -> list[float]:
    """Return the lower quartile of each batch's repetitions, measured turn by turn.

    A run takes milliseconds, in which much can come between; this is steadier than the best of a few.
    """
    for batch in batches:
        batch(REPETITIONS)
    turns = [[processor_seconds(batch) for batch in batches] for _ in range(TURNS)]
    return [quantiles(column, n=4)[0] for column in zip(*turns, strict=True)]


def within(name: str, ours: Batch, by_hand: str, baseline: Batch) -> None:
    """Compare with what may be added: a share of the run and a fixed time."""
    mine, theirs = quartiles(ours, baseline)
    report(name, mine, by_hand, theirs, budget=round(1 + SHARE + FIXED / theirs, 3))


def interleaved(by_hand: str, ours: Batch, baseline: Batch) -> tuple[float, str, float]:
    """Return what `report` prints of two batches for which nothing is promised."""
    mine, theirs = quartiles(ours, baseline)
    return mine, by_hand, theirs


def main() -> None:
    """Print one line for each figure."""
    talk = PydanticAITactic(talker)
    brief = PydanticAITactic(briefer, input_type=Topic)
    write = Write()
    json = TOPIC.model_dump_json()
    run = awaits(lambda: talker.run("hello", infer_name=False))
    within("arun, text", awaits(lambda: talk.arun("hello")), "agent.run", run)
    run = awaits(lambda: briefer.run(json, infer_name=False))
    within("arun, structured, one tool", awaits(lambda: brief.arun(TOPIC)), "agent.run", run)
    within("arun, class form", awaits(lambda: write.arun(TOPIC)), "agent.run", run)
    driven = calls(lambda: drive(talker.run("hello", infer_name=False)))
    run_sync = calls(lambda: talker.run_sync("hello"))
    here = calls(lambda: talk.run("hello"))
    within("run, text", here, "agent.run on the background loop", driven)
    report("run, text", *interleaved("agent.run_sync", here, run_sync))
    events = awaits(lambda: stream(talker, "hello"))
    report("aevents, text", *interleaved("run_stream_events", awaits(lambda: read(talk, "hello")), events))


if __name__ == "__main__":
    main()
