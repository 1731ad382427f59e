#!/usr/bin/env bash
# Sends events through a tactic, then shows what the store kept and which plugins did the work.
# Usage: scripts/demo.sh STORE_DIRECTORY, with the programs of the virtual environment on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
store=${1:-.sssn}

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

show python examples/lllm_tactic_processor/workflow.py --store "$store"
# The same work for weeks instead of once: a durable processor on a subscription of its own.
show lllm process --store "$store" --from raw --to analysis --tactic examples.lllm_tactic_processor.workflow:AnalyzeMessage \
    --filter-kind message --kind analysis --once
show sssn --store "$store" query-events analysis
show sssn --store "$store" trace episode-1 --format text
show lllm plugins list
