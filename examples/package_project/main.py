"""Write an article: `python main.py [--config NAME] [TOPIC]`."""

import argparse

from lllm import build_tactic, load_resource, resolve_config


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("topic", nargs="?", default=load_resource("data:topics.json")[0])
    parser.add_argument("--config", default="offline", help="`offline` needs nothing, `default` asks a model")
    arguments = parser.parse_args()

    tactic = build_tactic(resolve_config(arguments.config))
    session = tactic(arguments.topic, return_session=True)
    print(session.delivery)
    print(f"\n{session.total_agent_call_count} answers by agents, ${session.total_cost.cost:.2f} in all")


if __name__ == "__main__":
    main()
