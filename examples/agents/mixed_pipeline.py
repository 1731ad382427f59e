"""One bill for three runtimes: an agent group, a plain function and a tactic behind HTTP.

`python mixed_pipeline.py [TOPIC]` serves the fact checker on a port of its own, runs the pipeline, and shows the
session. With LLLM_INVOKER=mock no model is asked.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from lllm import RemoteTactic, Tactic, as_tactic, create_tactic_app

CONFIG = {
    "global": {"model_name": "gpt-4o"},
    "agent_configs": [
        {"name": "writer", "system_prompt": "You write one short paragraph."},
        {
            "name": "checker",
            "system_prompt": "You check facts and answer with what is wrong, or with `fine`.",
        },
    ],
    # What the models say under LLLM_INVOKER=mock; other invokers ignore it.
    "invoker_config": {
        "replies": {"writer": ["Tides   follow the moon."], "checker": ["fine"]},
        "cost": 0.01,
    },
}


class FactCheck(Tactic[str, str]):
    """Check the facts of a text."""

    name = "fact_check"
    agent_group = ["checker"]

    def call(self, task: str, **kwargs) -> str:
        checker = self.agents["checker"]
        checker.open("check")
        checker.receive(task)
        return checker.respond().content


def tidy(text: str) -> str:
    """Put single spaces between words."""
    return " ".join(text.split())


class CheckedArticle(Tactic):
    """Write, tidy up, and have the facts checked by somebody else's service."""

    name = "checked_article"
    agent_group = ["writer"]

    def __init__(self, config, *, checker: Tactic, **kwargs):
        super().__init__(config, **kwargs)
        self.tidy = as_tactic(tidy)
        self.checker = checker

    def call(self, task: str, **kwargs) -> dict:
        writer = self.agents["writer"]
        writer.open("draft")
        writer.receive(f"Write about {task}.")
        text = self.tidy(writer.respond().content)
        return {"text": text, "verdict": self.checker.run(text)}


@contextmanager
def served(tactic: Tactic) -> Iterator[str]:
    """Serve a tactic on a free port while the block runs."""
    server = uvicorn.Server(uvicorn.Config(create_tactic_app(tactic), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    topic = sys.argv[1] if len(sys.argv) > 1 else "the tides"
    with served(FactCheck(CONFIG)) as url, RemoteTactic(url, name="fact_check") as checker:
        session = CheckedArticle(CONFIG, checker=checker)(topic, return_session=True)
    print(json.dumps(session.delivery, indent=2))
    for name, (part,) in session.sub_tactic_sessions.items():
        print(f"{name}: {part.state}, ${part.total_cost.cost:.4f}")
    print(f"all together: {session.llm_call_count} model calls, ${session.total_cost.cost:.4f}")


if __name__ == "__main__":
    main()
