"""The tactics of the tutorial, from one agent to a pipeline: `python lesson.py [TOPIC]`.

With LLLM_INVOKER=mock no model is asked; otherwise OPENAI_API_KEY is needed, or OPENAI_BASE_URL for another
OpenAI-compatible server.
"""

import asyncio
import sys

from lllm import Tactic


class SummarizerTactic(Tactic):
    """Summarise a text in three bullet points."""

    name = "summarizer"
    agent_group = ["writer"]

    def call(self, task: str, **kwargs) -> str:
        writer = self.agents["writer"]
        writer.open("session")
        writer.receive(f"Summarize this text in 3 bullet points:\n\n{task}")
        return writer.respond().content


class ResearchTactic(Tactic):
    """Gather facts and put them into a paragraph."""

    name = "researcher"
    agent_group = ["finder", "synthesizer"]

    def call(self, task: str, **kwargs) -> str:
        finder = self.agents["finder"]
        synthesizer = self.agents["synthesizer"]

        finder.open("gather")
        finder.receive(f"List 5 key facts about: {task}")
        facts = finder.respond().content

        synthesizer.open("synthesize")
        synthesizer.receive(f"Facts:\n{facts}\n\nWrite a short paragraph.")
        return synthesizer.respond().content


class PipelineTactic(Tactic):
    """Research a topic and make a plan."""

    name = "pipeline"
    agent_group = ["coordinator"]

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.researcher = ResearchTactic(config)

    def call(self, task: str, **kwargs) -> str:
        facts = self.researcher(task)
        coordinator = self.agents["coordinator"]
        coordinator.open("plan")
        coordinator.receive(f"Based on this research:\n{facts}\n\nCreate an action plan.")
        return coordinator.respond().content


CONFIG = {
    "global": {"model_name": "gpt-4o", "model_args": {"temperature": 0.2}},
    "agent_configs": [
        {"name": "writer", "system_prompt": "You are a concise technical writer."},
        {"name": "finder", "system_prompt": "You gather accurate factual information."},
        {"name": "synthesizer", "system_prompt": "You write clear, concise summaries."},
        {"name": "coordinator", "system_prompt": "You make plans that can be carried out."},
    ],
}


async def as_they_complete(tactic: Tactic, topics: list[str]) -> None:
    async for index, result in tactic.ccall(topics, max_workers=2):
        print(f"{topics[index]}: {result.splitlines()[0]}")


def main() -> None:
    topic = sys.argv[1] if len(sys.argv) > 1 else "solid-state batteries"
    pipeline = PipelineTactic(CONFIG)
    session = pipeline(topic, return_session=True)
    research = session.sub_tactic_sessions["researcher"][0]
    print(session.delivery.splitlines()[0])
    print(f"-- own agent calls: {session.agent_call_count}, of the research: {research.agent_call_count}")
    print(f"-- ${session.total_cost.cost:.4f}, of which ${research.total_cost.cost:.4f} for the research")
    asyncio.run(as_they_complete(SummarizerTactic(CONFIG), ["first text", "second text"]))


if __name__ == "__main__":
    main()
