"""What an agent group costs beside its models, each figure against the same work done by hand.

python tests/benchmarks/bench_agents.py
"""

from __future__ import annotations

import copy
import json
import logging
import sqlite3
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from timing import best, calls, compare, processes, report

from lllm import AgentCallSession, InvokeCost, Tactic, TacticCallSession
from lllm_runtime_agents import (
    Agent,
    BaseInvoker,
    Dialog,
    InvokeResult,
    Message,
    Roles,
    find_xml_blocks,
    local_store,
    sqlite_store,
)

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "response_cost": 0.01}
TASKS, WORKERS, SECONDS = 1000, 32, 0.010
TURNS = 300


class Fixed(BaseInvoker):
    """A model that always says the same."""

    def call(self, dialog, model, model_args=None, parser_args=None, responder="a", **rest):
        message = Message(role=Roles.ASSISTANT, content="fine", name=responder, model="m", usage=USAGE)
        return InvokeResult(message=message, model_args=model_args or {})


CONFIG = {
    "invoker": Fixed(),
    "global": {"model_name": "gpt-4o", "model_args": {"temperature": 0.2}},
    "agent_configs": [{"name": "writer", "system_prompt": "You are a writer."}],
}


class Typed(Tactic[str, str], register=False):
    name = "typed"

    def _run(self, input_value, *, context=None):
        return input_value


class Empty(Tactic, register=False):
    name = "empty"
    agent_group = ["writer"]

    def call(self, task):
        return task


class One(Tactic, register=False):
    name = "one"
    agent_group = ["writer"]

    def call(self, task):
        writer = self.agents["writer"]
        writer.open("chat")
        writer.receive(task)
        return writer.respond().content


class Nested(Tactic, register=False):
    """Four empty calls, each inside of the one before."""

    name = "nested"
    agent_group = []

    def __init__(self, depth: int) -> None:
        super().__init__({})
        self.inner = Nested(depth - 1) if depth else None

    def call(self, task):
        return task if self.inner is None else self.inner(task)


class Slow(Tactic, register=False):
    name = "slow"
    agent_group = ["writer"]

    def call(self, task):
        time.sleep(SECONDS)
        writer = self.agents["writer"]
        writer.open("chat")
        return writer.respond().content


def records_by_hand() -> None:
    """Make what a call with one agent leaves behind, without any of the work around it."""
    TacticCallSession(tactic_name="one", state="running", task="x")
    AgentCallSession(agent_name="writer", max_exception_retry=3, max_interrupt_steps=5)
    InvokeCost.from_usage(USAGE)
    dialog = Dialog("chat", owner="writer")
    for role, text in ((Roles.SYSTEM, "You are a writer."), (Roles.USER, "x")):
        dialog.append(Message(role=role, content=text, name="n"))
    dialog.append(Message(role=Roles.ASSISTANT, content="fine", name="writer", model="m", usage=USAGE))


def plain_config() -> dict:
    return {key: value for key, value in CONFIG.items() if key != "invoker"}


def calls_and_construction() -> None:
    typed, empty, one = Typed(), Empty(CONFIG), One(CONFIG)
    shallow, deep = Nested(0), Nested(3)
    print("-- single calls")
    plain = plain_config()
    compare(
        "Tactic(config)",
        calls(lambda: One(CONFIG)),
        "deepcopy of the config",
        calls(lambda: copy.deepcopy(plain)),
    )
    compare(
        "an empty agent-group call",
        calls(lambda: empty("x")),
        "a typed tactic's run",
        calls(lambda: typed.run("x")),
    )
    compare(
        "a call with one agent",
        calls(lambda: one("x")),
        "making its records",
        calls(records_by_hand),
        budget=5,
    )
    four, single = best(calls(lambda: deep("x")), calls(lambda: shallow("x")))
    report("three nested levels, per level", (four - single) / 3, "a flat call", single)


def logged_calls(folder: Path) -> None:
    print("-- with a log")
    one = One(CONFIG)
    data = one("x", return_session=True).model_dump_json().encode()
    files = One(CONFIG, log_store=local_store(folder / "files"))
    rows = One(CONFIG, log_store=sqlite_store(folder / "log.db"))
    by_hand = sqlite3.connect(folder / "hand.db", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL",
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v)",
    ):
        by_hand.execute(statement).close()
    count = iter(range(10**9))

    def write_files() -> None:
        number = next(count)
        for name, content in ((f"s{number}", data), (f"i{number}", data[:300])):
            temporary = folder / f"{name}.new"
            temporary.write_bytes(content)
            temporary.replace(folder / name)

    def write_rows() -> None:
        by_hand.execute("BEGIN")
        by_hand.executemany("INSERT INTO t (v) VALUES (?)", [(data,), (data[:300],)])
        by_hand.execute("COMMIT")

    compare(
        "a call logged to files", calls(lambda: files("x")), "writing two files", calls(write_files), budget=3
    )
    compare("a call logged to SQLite", calls(lambda: rows("x")), "one commit of two rows", calls(write_rows))
    by_hand.close()
    rows.log_store.backend.close()


def batches(folder: Path) -> None:
    print(f"-- {TASKS} tasks of {SECONDS * 1000:g} ms on {WORKERS} workers")

    def by_hand() -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda _: time.sleep(SECONDS), range(TASKS)))

    store = sqlite_store(folder / "batch.db")
    plain, logged = Slow(CONFIG), Slow(CONFIG, log_store=store)
    ideal = TASKS * SECONDS / WORKERS
    bare, ours, kept = (min(_seconds(run) for _ in range(3)) for run in (
        by_hand,
        lambda: plain.bcall(["x"] * TASKS, max_workers=WORKERS),
        lambda: logged.bcall(["x"] * TASKS, max_workers=WORKERS),
    ))  # fmt: skip
    report("a thread pool that only sleeps", bare, "the ideal", ideal)
    report("bcall", ours, "the ideal", ideal, budget=1.28)
    report("bcall with the SQLite log", kept, "the ideal", ideal, budget=1.92)
    store.backend.close()


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def chat(turns: int) -> list[AgentCallSession]:
    agent = Agent(name="writer", system_prompt="x", model="m", llm_invoker=Fixed())
    agent.open("chat")
    sessions = []
    for number in range(turns):
        agent.receive(f"message {number} " * 20)
        sessions.append(agent.respond(return_session=True))
    return sessions


def memory_of(turns: int) -> int:
    tracemalloc.start()
    kept = chat(turns)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return size


def long_chats() -> None:
    print(f"-- a chat of {TURNS} turns, sessions kept")
    long, short = best(
        lambda n: [chat(TURNS) for _ in range(n)], lambda n: [chat(TURNS // 10) for _ in range(n)], rounds=3
    )
    report(f"{TURNS} turns, a tenth of them", long / 10, f"a chat of {TURNS // 10} turns", short, budget=2)
    chat(2)
    large, small = memory_of(TURNS), memory_of(TURNS // 10)
    baseline = f"a chat of {TURNS // 10} turns ({large / 1e6:.2f} MB for {TURNS})"
    print(f"{'memory of a tenth of them':<42} {large / 10 / small:7.2f} x {baseline}")


def listings(folder: Path) -> None:
    print("-- 200 stored sessions")
    store = sqlite_store(folder / "list.db")
    session = One(CONFIG)("x", return_session=True)
    for _ in range(200):
        store.save_session(session, tags={"k": "v"})
    rows = [store.backend.get(key) for key in store.backend.list_keys("default/index/")]
    parse = calls(lambda: [json.loads(row) for row in rows])
    compare("list_sessions", calls(lambda: store.list_sessions(limit=200)), "parsing the 200 rows", parse)
    store.backend.close()


def imports() -> None:
    print("-- fresh processes")
    program = (
        "from lllm_runtime_agents import Agent, build_invoker\n"
        "from pydantic_ai.models.test import TestModel\n"
        "invoker = build_invoker({'invoker': 'models'})\n"
        "agent = Agent(name='a', system_prompt='x', model=TestModel(), llm_invoker=invoker)\n"
        "agent.open('x'); agent.receive('hi'); agent.respond()"
    )
    python = sys.executable
    compare(
        "first model call through `models`",
        processes([python, "-c", program]),
        "importing pydantic_ai",
        processes([python, "-c", "import pydantic_ai, pydantic_ai.models.test"]),
        rounds=3,
    )
    compare(
        "importing the package and its plugin",
        processes([python, "-c", "import lllm_runtime_agents.plugin"]),
        "importing lllm and pluggy",
        processes([python, "-c", "import lllm, pluggy"]),
        rounds=5,
    )


def parsing() -> None:
    print("-- 60 kB of open tags")
    text = "<a>" * 20_000
    compare(
        "find_xml_blocks",
        calls(lambda: find_xml_blocks(text, "a")),
        "counting the tags",
        calls(lambda: text.count("<a>")),
    )


def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls_and_construction()
        logged_calls(folder)
        batches(folder)
        long_chats()
        listings(folder)
        parsing()
        imports()


if __name__ == "__main__":
    main()
