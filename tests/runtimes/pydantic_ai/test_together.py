"""Agents with the other parts: resolver, wrappers, processor, service."""

import asyncio
import contextlib
import threading
import time

import pytest
import uvicorn
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel

from lllm import (
    RemoteTactic,
    RemoteTacticError,
    TacticResolver,
    as_tactic,
    open_store,
    proxy_tactic,
    sandbox_tactic,
)
from lllm.background import drive
from lllm_process import Processor
from lllm_runtime_pydantic_ai import ModelRateLimited, PydanticAITactic, TacticToolset
from lllm_serve import create_tactic_app
from lllm_wrappers import retry

REF = "psi://demo/briefs/tactics/brief"


@pytest.fixture
def brief(briefer, topic_type):
    """A tactic from a topic to a brief."""
    return PydanticAITactic(briefer, input_type=topic_type)


async def collect(items):
    """Return the items of an asynchronous iterator."""
    return [item async for item in items]


async def events_of(remote, value):
    """Return the events of a call to a service, and close the connections of this loop."""
    async with remote:
        return await collect(remote.aevents(value))


@contextlib.contextmanager
def served(tactic):
    """Serve a tactic over HTTP on loopback; yields the URL."""
    config = uvicorn.Config(create_tactic_app(tactic), port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def test_a_resolver_finds_an_agent(brief, brief_type):
    """By ref, on every path."""
    resolver = TacticResolver()
    resolver.register(REF, brief)
    assert resolver.run(REF, {"topic": "a"}) == brief_type(title="Refs", words=3)
    assert list(resolver.stream(REF, {"topic": "a"}))[-1].title == "Refs"
    assert asyncio.run(collect(resolver.aevents(REF, {"topic": "a"})))[-1].kind == "result"


@pytest.mark.parametrize("wrap", [proxy_tactic, sandbox_tactic, retry])
def test_wrappers_pass_everything_on(brief, brief_type, wrap):
    """Outputs, chunks, events and capabilities."""
    wrapped = wrap(brief)
    wanted = brief_type(title="Refs", words=3)
    assert wrapped.run({"topic": "a"}) == asyncio.run(wrapped.arun({"topic": "a"})) == wanted
    assert list(wrapped.stream({"topic": "a"}))[-1] == wanted
    events = asyncio.run(collect(wrapped.aevents({"topic": "a"})))
    assert [event.kind for event in events[-2:]] == ["usage", "result"]
    assert wrapped.capabilities() == brief.capabilities()


def test_a_retry_waits_as_long_as_the_provider_asks(make_served, server, reply):
    """`retry_after` of a rate limit is respected."""
    server.say(reply("slow down", status=429, headers={"retry-after-ms": "150"}))
    tactic = retry(PydanticAITactic(make_served()), on=ModelRateLimited, backoff=0.001)
    begun = time.monotonic()
    assert tactic.run("x") == "echo:x"
    assert time.monotonic() - begun >= 0.15


def test_an_agent_in_a_processor(brief, tmp_path):
    """Events go through the agent, one output for each, with its lineage."""
    with open_store(tmp_path / "store") as store:
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "briefs"})
        store.create_subscription("raw", subscription_id="work")
        events = store.append_events([{"channel": "raw", "payload": {"topic": f"t{n}"}} for n in range(5)])
        progress = Processor(store, "work", brief, output="briefs", workers=3).run(once=True)
        outputs = store.query_events("briefs")
        assert (progress.done, progress.failed) == (5, 0)
        assert {event.parent_ids[0] for event in outputs} == {event.id for event in events}
        assert all(event.payload == {"title": "Refs", "words": 3} for event in outputs)


def test_a_served_agent_is_called_like_a_local_one(brief, topic_type, brief_type):
    """Run, events with text, tools, usage and the output; what it cost comes back too."""
    with served(brief) as url, RemoteTactic(url, input_type=topic_type, output_type=brief_type) as remote:
        assert remote.run({"topic": "a"}) == brief_type(title="Refs", words=3)
        assert remote.fetch_info().runtime_kind == "pydantic-ai"
        events = asyncio.run(events_of(remote, {"topic": "a"}))
        kinds = [event.kind for event in events]
        assert kinds[-2:] == ["usage", "result"]
        assert {"tool_call", "tool_result"} <= set(kinds)
        assert events[-1].data == brief_type(title="Refs", words=3)
        session = remote.run({"topic": "a"}, return_session=True)
        assert session.total_cost.total_tokens > 0
        assert session.unpriced_calls == 2


def test_a_service_passes_on_how_long_the_provider_asks_to_wait(make_served, server, reply):
    """The remote caller of an agent waits as a local one would."""
    server.say(reply("slow down", status=429, headers={"retry-after": "7"}))
    tactic = PydanticAITactic(make_served())
    with served(tactic) as url, RemoteTactic(url) as remote, pytest.raises(RemoteTacticError) as caught:
        remote.run("x")
    assert (caught.value.error_type, caught.value.retry_after) == ("ModelRateLimited", 7.0)


def test_a_client_that_goes_away_ends_the_run():
    """The service cancels the agent, and the agent its model."""
    asked, closed = threading.Event(), threading.Event()

    async def never(messages, info):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def leave(url):
        async with RemoteTactic(url) as remote:
            task = asyncio.create_task(remote.arun("x"))
            await asyncio.to_thread(asked.wait, 10)
            task.cancel()
            await asyncio.wait({task})

    with served(PydanticAITactic(Agent(FunctionModel(never), name="never"))) as url:
        asyncio.run(leave(url))
        assert closed.wait(10)


def test_text_streams_through_a_service(talker):
    """Piece by piece, as the model says it."""
    with served(PydanticAITactic(talker)) as url, RemoteTactic(url) as remote:
        events = asyncio.run(events_of(remote, "hello"))
        assert [event.data for event in events if event.kind == "text"] == ["one ", "two ", "three"]


def test_a_service_is_a_tool_of_an_agent(brief, talker):
    """With the schema that the service tells, and its usage in the agent's session."""
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel as ScriptedModel

    model = ScriptedModel()
    with served(brief) as url:
        resolver = TacticResolver()
        resolver.bind_url(REF, url)
        agent = Agent(model, toolsets=[TacticToolset([REF], resolver=resolver, parameter_mode="kwargs")])
        session = as_tactic(agent, name="outer").run("x", return_session=True)
        drive(resolver.resolve(REF).aclose())
    (tool,) = model.last_model_request_parameters.function_tools
    assert tool.parameters_json_schema["required"] == ["topic"]
    assert '"title":"Refs"' in session.delivery
    assert session.llm_call_count == 4
