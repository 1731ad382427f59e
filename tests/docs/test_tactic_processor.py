"""Seed 000, "LLLM Tactic Processor": its code blocks, verbatim, and the output that it shows."""

import json
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from sssn import LocalStore

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/lllm_tactic_processor"

CONFIG = """\
[refs."psi://demo/events/channels/raw"]
store = ".sssn"

[refs."psi://demo/events/channels/analysis"]
store = ".sssn"
"""

RESOLVER = """\
from sssn import SSSNResolver

resolver = SSSNResolver.from_config(".")
store = resolver.local_store("psi://demo/events/channels/raw")
"""

TACTIC = """\
from pydantic import BaseModel
from lllm import Tactic


class RawMessage(BaseModel):
    text: str


class AnalysisMessage(BaseModel):
    summary: str
    length: int


class AnalyzeMessage(Tactic[RawMessage, AnalysisMessage]):
    name = "analyze_message"
    input_type = RawMessage
    output_type = AnalysisMessage

    def _run(self, input_value, *, context=None):
        return AnalysisMessage(
            summary=input_value.text.upper(),
            length=len(input_value.text),
        )
"""

PROCESSOR = """\
from sssn import Event, LocalStore

store = LocalStore(".sssn")
store.create_channel({"name": "raw", "schema": "demo.RawMessage"})
store.create_channel({"name": "analysis", "schema": "demo.AnalysisMessage"})
subscription = store.create_subscription(
    "raw",
    consumer="lllm_tactic_processor",
    filters={"kind": "message"},
)

raw = store.append_event(
    Event(
        channel="raw",
        source="example",
        kind="message",
        payload={"text": "hello from sssn"},
        correlation_id="episode-1",
    )
)

tactic = AnalyzeMessage()
for event in store.pull_subscription(subscription.id):
    result = tactic.run(event.payload)
    store.append_event(
        Event(
            channel="analysis",
            source="lllm_tactic_processor",
            kind="analysis",
            payload=result.model_dump(),
            correlation_id=event.correlation_id or event.id,
            parent_ids=(event.id,),
        )
    )
"""


def test_the_processor_keeps_the_lineage(page):
    """The page as written: the analysis event holds the result and names the raw event as its parent."""
    page.run(TACTIC, PROCESSOR)
    store, raw = page.names["store"], page.names["raw"]
    (analysis,) = store.query_events("analysis")
    assert analysis.payload == {"summary": "HELLO FROM SSSN", "length": 15}
    assert analysis.parent_ids == (raw.id,)
    assert analysis.correlation_id == "episode-1"
    assert store.get_channel("raw").schema == "demo.RawMessage"
    assert store.pull_subscription(page.names["subscription"].id) == ()
    store.close()


@pytest.fixture(params=["sqlite", "file", "http"])
def local_store(request, monkeypatch):
    """Put each backend in turn behind the name that the page imports."""
    import sssn
    from lllm_store_file import FileStore

    if request.param == "file":
        monkeypatch.setattr(sssn, "LocalStore", FileStore, raising=False)
    if request.param == "http":
        with served_store() as store:
            monkeypatch.setattr(sssn, "LocalStore", lambda root: store, raising=False)
            yield
        return
    yield


@contextmanager
def served_store():
    """A client of a store in memory behind a real server on this machine."""
    import uvicorn

    from lllm.store import MemoryStore
    from lllm_serve import create_store_app
    from lllm_store_http import HTTPStore

    config = uvicorn.Config(create_store_app(MemoryStore()), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    with HTTPStore(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}") as store:
        yield store
    server.should_exit = True
    thread.join(10)


@pytest.mark.usefixtures("local_store")
def test_the_processor_runs_unchanged_on_every_backend(page):
    """The blocks of the page, word for word, on SQLite, on files and over HTTP."""
    page.run(TACTIC, PROCESSOR)
    store, raw = page.names["store"], page.names["raw"]
    (analysis,) = store.query_events("analysis")
    assert analysis.payload == {"summary": "HELLO FROM SSSN", "length": 15}
    assert [event.id for event in store.trace("episode-1")] == [raw.id, analysis.id]
    assert store.pull_subscription(page.names["subscription"].id) == ()
    store.close()


def test_the_config_refs_open_the_store_of_the_processor(page):
    """The binding of the page resolves to the very store that the processor fills."""
    page.write(".psi/config.toml", CONFIG)
    page.run(TACTIC, PROCESSOR)
    page.names["store"].close()
    page.run(RESOLVER)
    with page.names["store"] as store:
        assert [event.payload for event in store.query_events("raw")] == [{"text": "hello from sssn"}]
    assert page.names["resolver"].refs() == (
        "psi://demo/events/channels/analysis",
        "psi://demo/events/channels/raw",
    )


def workflow(directory, *arguments):
    """Run the example in `directory` and return what it printed."""
    argv = [sys.executable, str(EXAMPLE / "workflow.py"), *arguments]
    return subprocess.run(argv, cwd=directory, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("arguments", [(), ("--store", "elsewhere")])
def test_the_example_prints_what_the_page_shows(tmp_path, arguments):
    """Four keys in this order, indented by two, with the ids of what the store now holds."""
    printed = workflow(tmp_path, *arguments)
    assert re.fullmatch(
        r'\{\n  "analysis_event_ids": \[\n    "[\w-]+"\n  \],\n'
        r'  "raw_event_id": "[\w-]+",\n  "root": "[^"]+",\n  "tactic": "analyze_message"\n\}\n',
        printed,
    )
    assert (tmp_path / json.loads(printed)["root"]).is_dir()


def test_the_example_goes_on_where_it_stopped(tmp_path):
    """A second run consumes its own message only, and both analyses keep their parents."""
    first, second = (json.loads(workflow(tmp_path)) for _ in range(2))
    assert len(second["analysis_event_ids"]) == 1
    assert first["analysis_event_ids"] != second["analysis_event_ids"]
    with LocalStore(tmp_path / ".sssn") as store:
        for run in (first, second):
            (analysis,) = run["analysis_event_ids"]
            assert [event.id for event in store.parents(analysis)] == [run["raw_event_id"]]
        assert len(store.trace("episode-1")) == 4
