"""Over a real connection: agents on several event loops, one pool of connections for each."""

import asyncio
import gc
import threading

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers import Provider
from pydantic_ai.providers.openai import OpenAIProvider

from lllm_runtime_pydantic_ai import PydanticAITactic
from lllm_runtime_pydantic_ai.connections import PerLoopTransport, keep_connections_apart

knows_loops = pytest.mark.skipif(
    not hasattr(Provider, "_own_client_loop"), reason="this release does not know the loop of a client"
)


async def collect(items):
    """Return the items of an asynchronous iterator."""
    return [item async for item in items]


@pytest.fixture
def tactic(make_served):
    """A tactic whose model echoes over a connection."""
    return PydanticAITactic(make_served())


def test_synchronous_and_asynchronous_calls_take_turns(tactic):
    """Each in its own loop, on one agent; no connection is used in a loop that did not open it."""
    assert tactic.run("a") == "echo:a"
    assert asyncio.run(tactic.arun("b")) == "echo:b"
    assert tactic.run("c") == "echo:c"
    assert asyncio.run(tactic.arun("d")) == "echo:d"
    assert list(tactic.stream("e")) == ["echo:e"]
    assert asyncio.run(collect(tactic.astream("f"))) == ["echo:f"]


def test_synchronous_calls_inside_a_running_loop(tactic):
    """As in a notebook: the loop waits, and goes on with its own connections."""

    async def main():
        said = [await tactic.arun("a"), tactic.run("b"), await tactic.arun("c"), *tactic.stream("d")]
        return [*said, *await collect(tactic.astream("e"))]

    assert asyncio.run(main()) == ["echo:a", "echo:b", "echo:c", "echo:d", "echo:e"]


def test_many_at_once_on_two_loops(tactic):
    """Threads call synchronously while a loop calls asynchronously."""

    async def main():
        there = asyncio.gather(*(asyncio.to_thread(tactic.run, str(number)) for number in range(8)))
        here = asyncio.gather(*(tactic.arun(str(number)) for number in range(8)))
        return await there, await here

    wanted = [f"echo:{number}" for number in range(8)]
    assert asyncio.run(main()) == (wanted, wanted)


@pytest.mark.parametrize("outside", ["run", "arun"])
@pytest.mark.parametrize("is_async", [False, True])
def test_synchronous_calls_inside_a_tool(make_served, server, reply, outside, is_async):
    """In a synchronous tool and in an asynchronous one that blocks its loop; chunks as well."""
    inner = PydanticAITactic(make_served(name="inner"))

    def ask() -> str:
        return inner.run("q") + "".join(inner.stream("r"))

    async def ask_on_the_loop() -> str:
        return ask()

    outer = make_served(name="outer")
    tool = ask_on_the_loop if is_async else ask
    outer.tool_plain(tool)
    server.say(reply(tools=((tool.__name__, {}),)))
    tactic = PydanticAITactic(outer)
    said = tactic.run("x") if outside == "run" else asyncio.run(tactic.arun("x"))
    assert said == "echo:echo:qecho:r"


@knows_loops
def test_the_agent_may_have_been_used_before(make_served):
    """What the library opened on a loop that still runs stays with that loop."""
    agent = make_served()

    async def main():
        first = (await agent.run("a")).output
        second = PydanticAITactic(agent).run("b")
        return first, second, (await agent.run("c")).output

    assert asyncio.run(main()) == ("echo:a", "echo:b", "echo:c")


def test_connections_are_kept_alive(tactic, server):
    """Synchronous calls share one pool: the second does not open a connection again."""
    opened = []
    accept = server._server.get_request

    def counting():
        opened.append(1)
        return accept()

    server._server.get_request = counting
    for _ in range(3):
        tactic.run("a")
    assert len(opened) == 1


def test_connections_are_closed_with_their_loop(make_served):
    """Neither a loop that ends nor an agent that is dropped leaves a socket behind; pytest would report it."""
    agent = make_served()
    asyncio.run(PydanticAITactic(agent).arun("a"))
    gc.collect()
    PydanticAITactic(agent).run("b")
    del agent
    gc.collect()


def provider_for(server):
    """Return a provider of the stub server."""
    return OpenAIProvider(base_url=server.url, api_key="sk-test")


def is_kept_apart(provider):
    """Tell whether a provider's client has one pool for each loop."""
    return isinstance(provider._own_http_client._transport, PerLoopTransport)


def test_models_made_of_models_are_looked_through(server):
    """Wrappers and fallbacks have providers inside."""
    providers = [provider_for(server) for _ in range(3)]
    first, second, third = (OpenAIChatModel("gpt-4o", provider=provider) for provider in providers)
    keep_connections_apart(FallbackModel(WrapperModel(first), second))
    assert [is_kept_apart(provider) for provider in providers] == [True, True, False]
    keep_connections_apart(third)
    keep_connections_apart(third)
    assert not isinstance(providers[2]._own_http_client._transport._make(), PerLoopTransport)


def test_a_client_of_the_user_is_left_alone(server):
    """Its loop is its owner's choice; names of models and no model have no client."""
    import httpx2

    client = httpx2.AsyncClient()
    transport = client._transport
    provider = OpenAIProvider(base_url=server.url, api_key="sk-test", http_client=client)
    keep_connections_apart(OpenAIChatModel("gpt-4o", provider=provider))
    keep_connections_apart("openai:gpt-4o")
    keep_connections_apart(None)
    assert client._transport is transport


@knows_loops
def test_a_client_that_was_closed_is_replaced_by_one_of_the_same_kind(make_served):
    """The library makes a new client when an agent's context is entered again; it too works on every loop."""
    agent = make_served()
    tactic = PydanticAITactic(agent)
    assert tactic.run("a") == "echo:a"

    async def inside():
        async with agent:
            return await tactic.arun("b"), await asyncio.to_thread(tactic.run, "c")

    assert asyncio.run(inside()) == ("echo:b", "echo:c")
    assert tactic.run("d") == "echo:d"
    assert is_kept_apart(agent.model.provider)


class Pool:
    """A transport that tells on which loops it worked and was closed."""

    def __init__(self):
        self.loops, self.closed = set(), []

    async def handle_async_request(self, request):
        self.loops.add(asyncio.get_running_loop())
        return request

    async def aclose(self):
        self.closed.append(threading.current_thread())


def test_each_loop_gets_a_transport_of_its_own():
    """The one that exists goes to the first; every one is closed when its loop ends."""
    pools = [Pool(), Pool()]
    made = iter(pools[1:])
    transport = PerLoopTransport(pools[0], lambda: next(made))

    async def twice():
        return [await transport.handle_async_request(number) for number in (1, 2)]

    for pool in pools:
        assert asyncio.run(twice()) == [1, 2]
        assert len(pool.loops) == 1
        assert len(pool.closed) == 1


def test_closing_closes_the_pool_of_this_loop():
    """That of a loop nobody has used yet, too."""
    unused, used = Pool(), Pool()
    asyncio.run(PerLoopTransport(unused, Pool).aclose())
    assert len(unused.closed) == 1

    async def main():
        transport = PerLoopTransport(used, Pool)
        await transport.handle_async_request(1)
        await transport.aclose()
        assert len(used.closed) == 1

    asyncio.run(main())


def test_an_agent_without_connections_works(talker):
    """A model in Python has no provider."""
    assert PydanticAITactic(Agent(WrapperModel(talker.model))).run("x") == "one two three"
