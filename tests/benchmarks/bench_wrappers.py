"""What the wrappers cost around a tactic, against the plain `run` and `arun` of that tactic.

python tests/benchmarks/bench_wrappers.py
"""

from __future__ import annotations

from pydantic import BaseModel
from timing import awaits, calls, compare

from lllm import CallContext, InMemoryProxyLog, Tactic, proxy_tactic, sandbox_tactic
from lllm_wrappers import cache, fallback, limit, retry

VALUE = {"text": "hello"}
POLICY = {"max_input_bytes": 1000, "max_output_bytes": 1000, "allowed_metadata_keys": ["tenant"]}


class Text(BaseModel):
    text: str


class Echo(Tactic[Text, Text], register=False):
    name = "echo"

    def _run(self, input_value, *, context=None):
        return Text(text=input_value.text)


class AsyncEcho(Tactic[Text, Text], register=False):
    name = "async_echo"

    async def _arun(self, input_value, *, context=None):
        return Text(text=input_value.text)


def replaced(value: Text, context: CallContext) -> Text:
    """Stand for a hook that gives another value."""
    return Text(text=value.text)


def main() -> None:
    """Print one line for each wrapper."""
    plain, aplain = Echo(), AsyncEcho()
    baseline, abaseline = calls(lambda: plain.run(VALUE)), awaits(lambda: aplain.arun(VALUE))

    def run(name: str, tactic: Tactic, budget: float | None = None) -> None:
        compare(f"{name}.run", calls(lambda: tactic.run(VALUE)), "a plain run", baseline, budget=budget)

    def arun(name: str, tactic: Tactic, budget: float | None = None) -> None:
        compare(f"{name}.arun", awaits(lambda: tactic.arun(VALUE)), "a plain arun", abaseline, budget=budget)

    log = InMemoryProxyLog()
    run("proxy", proxy_tactic(plain), 2)
    run("proxy with hooks", proxy_tactic(plain, before=replaced, after=replaced))
    run("proxy with a sink", proxy_tactic(plain, sink=lambda record: None))
    run("proxy with a log of inputs", proxy_tactic(plain, sink=log, capture_inputs=True))
    log.clear()
    run("sandbox", sandbox_tactic(plain), 3)
    run("sandbox with sizes and keys", sandbox_tactic(plain, POLICY), 3)
    run("retry", retry(plain))
    run("fallback", fallback(plain, plain))
    run("limit", limit(plain, concurrency=4))
    run("cache, found", cache(plain))
    arun("proxy", proxy_tactic(aplain), 2)
    arun("sandbox", sandbox_tactic(aplain), 3)
    arun("sandbox with a time limit", sandbox_tactic(aplain, {"timeout_seconds": 5}))


if __name__ == "__main__":
    main()
