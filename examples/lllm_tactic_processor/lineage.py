"""Show where each analysis in a store came from.

python examples/lllm_tactic_processor/lineage.py [--store DIRECTORY]
"""

from __future__ import annotations

import argparse
import json

from sssn import Event, LocalStore


def line(event: Event) -> str:
    """Return one event as a line of text."""
    payload = json.dumps(event.payload, sort_keys=True)
    return f"{event.channel}/{event.cursor} {event.kind} {payload} ({event.id})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Each analysis with the events it was made from.")
    parser.add_argument("--store", default=".sssn", help="directory that keeps the events (default: .sssn)")
    with LocalStore(parser.parse_args().store) as store:
        for analysis in store.query_events("analysis"):
            print(line(analysis))
            for parent in analysis.parent_ids:
                print(f"  from {line(store.get_event(parent))}")


if __name__ == "__main__":
    main()
