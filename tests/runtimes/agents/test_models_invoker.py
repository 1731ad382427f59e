"""The invoker `models` over a real connection to a stub of a provider."""

import asyncio
import base64
import gc
import json
import time

import pytest
from pydantic import BaseModel
from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel

from lllm import CallContext, DeadlineExceeded, Tactic
from lllm_runtime_agents import (
    MCP,
    AgentException,
    BaseStreamHandler,
    Dialog,
    InvokerError,
    Message,
    Prompt,
    Roles,
    build_invoker,
    tool,
)
from lllm_runtime_agents.models_messages import reply_message, request_messages, request_parameters
from lllm_runtime_agents.models_settings import model_settings
from lllm_runtime_agents.roles import APITypes

SECRET = "sk-verysecretverysecret99"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Answer(BaseModel):
    """An answer."""

    x: int


@pytest.fixture
def invoker(server):
    """The invoker, configured for the stub."""
    made = build_invoker({"invoker": "models", "invoker_config": {"base_url": server.url, "api_key": SECRET}})
    yield made
    made.close()


@pytest.fixture
def agent(make_agent, invoker):
    """An agent on the stub, with an open dialog."""
    made = make_agent(invoker=invoker)
    made.model = "gpt-4o"
    return made


def test_a_reply_comes_with_tokens_and_price(agent, server):
    """The price data knows the model, and the request says what was asked."""
    server.say("hello")
    agent.receive("hi")
    message = agent.respond(args={"temperature": 0.5, "max_completion_tokens": 7, "stop": "X", "custom": 1})
    assert (message.content, message.role, message.name) == ("hello", Roles.ASSISTANT, "tester")
    assert message.model == "gpt-4o"
    assert (message.cost.prompt_tokens, message.cost.completion_tokens) == (100, 20)
    assert message.cost.cost == pytest.approx(100 * 2.5e-6 + 20 * 1e-5)
    assert message.priced
    (request,) = server.requests
    assert request["messages"] == [
        {"role": "system", "content": "You are a test."},
        {"role": "user", "content": "hi"},
    ]
    sent = {
        name: request[name] for name in ("model", "temperature", "max_completion_tokens", "stop", "custom")
    }
    assert sent == {
        "model": "gpt-4o",
        "temperature": 0.5,
        "max_completion_tokens": 7,
        "stop": ["X"],
        "custom": 1,
    }
    assert request["__headers__"]["authorization"] == f"Bearer {SECRET}"


def test_tools_go_out_and_come_back(agent, server, reply):
    """Schemas, calls and results keep their ids."""
    server.say(reply(tools=(("add", {"a": 1, "b": 2}),)), "three")
    agent.tools = [add]
    assert agent.respond().content == "three"
    first, second = server.requests
    declared = first["tools"][0]["function"]
    assert declared["name"] == "add"
    assert declared["strict"] is True
    assert declared["parameters"] == add.to_tool()["function"]["parameters"]
    called, answered = second["messages"][1:]
    assert called["tool_calls"][0]["id"] == answered["tool_call_id"] == "call_0"
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"a": 1, "b": 2}
    assert "\n3\n" in answered["content"]


def test_broken_tool_arguments_are_repaired(agent, server, reply):
    """JSON that cannot be read is told to the model."""
    server.say(reply(tools=(("add", '{"a": 1, '),)), reply(tools=(("add", "[1]"),)), "sorry")
    agent.tools = [add]
    session = agent.respond(return_session=True)
    assert session.delivery.content == "sorry"
    assert "are not JSON" in session.exception_retries[0][0]
    assert "must be an object, got list" in session.exception_retries[0][1]


def test_arguments_that_are_nested_without_end_are_repaired(agent, server, reply):
    """They are as broken as any other JSON that cannot be read."""
    server.say(reply(tools=(("add", '{"a":' + "[" * 100_000),)), "sorry")
    agent.tools = [add]
    session = agent.respond(return_session=True)
    assert session.delivery.content == "sorry"
    assert "are not JSON" in session.exception_retries[0][0]


def test_unknown_tools_are_answered(agent, server, reply):
    """The conversation stays well-formed."""
    server.say(reply(tools=(("invent", {}),)), "ok")
    agent.tools = [add]
    assert agent.respond().content == "ok"
    assert server.requests[1]["messages"][-1]["content"] == "Error: unknown tool 'invent'. Available: ['add']"


@pytest.mark.parametrize("form", [Answer, Answer.model_json_schema()], ids=["model", "schema"])
def test_structured_output_is_sent_validated_and_repaired(agent, server, form):
    """The provider gets the schema; a reply that does not fit is repaired."""
    server.say('{"x": "many"}', '```json\n{"x": 3}\n```')
    agent.receive_prompt(Prompt(path="p", prompt="Which x?", format=form))
    message = agent.respond()
    expected = Answer(x=3) if form is Answer else {"x": 3}
    assert message.parsed == {"raw": message.content, "value": expected}
    declared = server.requests[0]["response_format"]["json_schema"]
    assert declared["name"] == "Answer"
    assert declared["strict"] is True
    assert declared["schema"]["required"] == ["x"]
    assert "many" in server.requests[1]["messages"][-2]["content"]


def test_replies_that_never_fit_end_in_an_error(agent, server):
    """All of them are paid."""
    server.say(*["nonsense"] * 4)
    agent.receive_prompt(Prompt(path="p", prompt="?", format=Answer))
    with pytest.raises(AgentException, match="does not match Answer") as caught:
        agent.respond()
    assert len(caught.value.agent_session.traces) == 4


def test_images_go_out_with_their_media_type(agent, server):
    """As data URLs, the caption beside them; content parts pass as they are."""
    gif = base64.b64encode(b"GIF89a" + b"\0" * 10).decode()
    agent.receive_image(gif, caption="what is this?")
    parts = [
        {"type": "text", "text": "and this?"},
        {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
    ]
    agent.current_dialog.append(Message(role="user", content=parts, name="user"))
    server.say("a picture")
    agent.respond()
    first, second = server.requests[0]["messages"][1:]
    assert first["content"][0]["text"] == "what is this?"
    assert first["content"][1]["image_url"]["url"] == f"data:image/gif;base64,{gif}"
    assert second["content"][1]["image_url"]["url"] == "https://a.example/x.png"


def test_streams_bring_pieces_and_the_whole(agent, server):
    """To a handler, to a reader, and to an asynchronous reader."""

    class Collector(BaseStreamHandler):
        chunks = []

        def handle_chunk(self, chunk_content, chunk_response):
            self.chunks.append(chunk_content)

    server.say("one\ntwo\nthree", "one\ntwo\nthree", "one\ntwo\nthree")
    agent.stream_handler = Collector()
    message = agent.respond()
    assert message.content == "one\ntwo\nthree"
    assert "".join(Collector.chunks) == message.content
    assert len(Collector.chunks) == 3
    agent.stream_handler = None
    *pieces, last = list(agent.stream())
    assert ("".join(pieces), last.content) == (message.content, message.content)
    assert last.cost.prompt_tokens == 100

    async def collect():
        return [item async for item in agent.astream()]

    *pieces, last = asyncio.run(collect())
    assert ("".join(pieces), last.content) == (message.content, message.content)


def test_streams_bring_tool_calls(agent, server, reply):
    """A tool call in pieces is one call."""
    server.say(reply(tools=(("add", {"a": 1, "b": 2}),)), "three")
    agent.tools = [add]
    assert list(agent.stream())[-1].content == "three"


def test_provider_errors_say_what_happened_without_the_key(agent, server, reply):
    """Status, text and the wait that was asked for; never the key, not even in the traceback."""
    import traceback

    server.say(reply(f"Incorrect API key {SECRET}", status=401))
    with pytest.raises(InvokerError) as caught:
        agent.respond()
    error = caught.value
    assert (error.status, error.retry_after) == (401, None)
    assert str(error) == "HTTP 401: Incorrect API key ***"
    assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in error.agent_session.model_dump_json()
    assert SECRET not in repr(agent.llm_invoker)


def test_rate_limits_are_waited_for(agent, server, reply):
    """As long as the provider asks."""
    server.say(reply("slow down", status=429, headers={"retry-after": "0.2"}), "ok")
    begun = time.monotonic()
    assert agent.respond().content == "ok"
    assert 0.2 <= time.monotonic() - begun < 5
    assert len(server.requests) == 2


def test_server_errors_are_recalled_when_allowed(agent, server, reply, monkeypatch):
    """And not by the library behind our back."""
    monkeypatch.setattr("lllm_runtime_agents.call_loop._RECALL_WAIT", 0.0)
    server.say(reply("down", status=503), "ok", reply("down", status=503))
    agent.max_llm_recall = 1
    assert agent.respond().content == "ok"
    agent.max_llm_recall = 0
    with pytest.raises(InvokerError, match="HTTP 503: down"):
        agent.respond()
    assert len(server.requests) == 3


def test_a_request_has_a_time_limit(make_agent, server, reply):
    """A provider that does not answer is an error, not a hang."""
    config = {"base_url": server.url, "timeout": 0.2}
    agent = make_agent(invoker=build_invoker({"invoker": "models", "invoker_config": config}))
    server.say(reply("late", delay=1.0))
    begun = time.monotonic()
    with pytest.raises(InvokerError):
        agent.respond()
    assert time.monotonic() - begun < 5
    agent.llm_invoker.close()


def test_an_unreachable_provider_is_an_error(make_agent):
    """There is no status, but a text."""
    config = {"base_url": "http://127.0.0.1:9/v1"}
    agent = make_agent(invoker=build_invoker({"invoker": "models", "invoker_config": config}))
    with pytest.raises(InvokerError) as caught:
        agent.respond()
    assert caught.value.status is None
    agent.llm_invoker.close()


def test_a_deadline_shortens_the_request(server, reply, group_config, ask_class):
    """What is left of the call's time is all that a request may take."""
    config = {
        **group_config("writer"),
        "invoker": "models",
        "invoker_config": {"base_url": server.url},
    }
    tactic = ask_class(config)
    tactic.run("warm up")  # the library is imported outside of the measured time
    server.say(reply("late", delay=2.0))
    begun = time.monotonic()
    with pytest.raises((InvokerError, DeadlineExceeded)):
        tactic.run("x", context=CallContext().limit(0.3))
    assert time.monotonic() - begun < 1.9
    tactic.llm_invoker.close()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"base_url": "https://models.example/v1"}, "No API key for https://models.example/v1"),
        ({"api_key_env": "NO_SUCH_KEY_VARIABLE"}, "`NO_SUCH_KEY_VARIABLE` is not set"),
        ({}, "OPENAI_API_KEY"),
    ],
)
def test_a_missing_key_is_an_error_of_the_call(make_agent, monkeypatch, config, message):
    """Building the invoker asks for nothing; the call names what is missing."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    agent = make_agent(invoker=build_invoker({"invoker": "models", "invoker_config": config}))
    with pytest.raises(InvokerError, match=message):
        agent.respond()
    agent.llm_invoker.close()


def test_a_server_on_this_machine_needs_no_key_and_gets_none(make_agent, server, monkeypatch):
    """A key from the environment is not for it; one that is named is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("STUB_KEY", "named")
    for config, sent in (({}, "unused"), ({"api_key_env": "STUB_KEY"}, "named")):
        own = {"base_url": server.url, **config}
        agent = make_agent(invoker=build_invoker({"invoker": "models", "invoker_config": own}))
        agent.respond()
        assert server.requests[-1]["__headers__"]["authorization"] == f"Bearer {sent}"
        agent.llm_invoker.close()


def test_headers_and_settings_are_sent(make_agent, server):
    """From the config, under the agent's own arguments."""
    config = {"base_url": server.url, "headers": {"x-team": "a"}, "settings": {"temperature": 0.1, "seed": 3}}
    agent = make_agent(invoker=build_invoker({"invoker": "models", "invoker_config": config}))
    agent.respond(args={"temperature": 0.9})
    request = server.requests[0]
    assert (request["temperature"], request["seed"]) == (0.9, 3)
    assert request["__headers__"]["x-team"] == "a"
    agent.llm_invoker.close()


def test_prices_of_the_config_win(make_agent, server, reply):
    """Per million tokens, by the name in the config; an unknown model has no price and keeps its tokens."""
    config = {"base_url": server.url, "prices": {"mine": {"input": 10, "output": 100}}}
    agent = make_agent(invoker=build_invoker({"invoker": "models", "invoker_config": config}))
    agent.model = "mine"
    assert agent.respond().cost.cost == pytest.approx(100 * 1e-5 + 20 * 1e-4)
    agent.model = "nobody-knows-this-model"
    session = agent.respond(return_session=True)
    assert session.delivery.cost.cost == 0.0
    assert session.delivery.cost.prompt_tokens == 100
    assert session.traces[0].unpriced == 1
    agent.llm_invoker.close()


def test_a_reply_without_usage_is_unpriced(agent, server, reply):
    """It is a success all the same."""
    server.say(reply("free", usage=False))
    session = agent.respond(return_session=True)
    assert session.state == "success"
    assert session.traces[0].unpriced == 1


def test_callers_in_any_loop_share_the_connections(agent, server):
    """Synchronous calls, two event loops and threads work side by side."""
    agent.respond()
    for number in range(2):
        assert asyncio.run(agent.arespond()).content.startswith("echo:"), number

    async def inside():
        return agent.respond().content

    assert asyncio.run(inside()).startswith("echo:")
    agent.llm_invoker.close()
    assert agent.respond().content.startswith("echo:")


def test_cancelling_closes_the_request(agent, server, reply):
    """The caller does not wait for the provider."""
    agent.respond()
    server.say(reply("late", delay=1.0))

    async def run():
        task = asyncio.create_task(agent.arespond())
        await asyncio.sleep(0.2)
        task.cancel()
        begun = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begun

    assert asyncio.run(run()) < 0.5


def test_an_async_tool_may_use_agents_of_its_own(agent, make_agent, server, reply, invoker):
    """The background loop is blocked by the tool, so the inner request gets a connection of its own."""
    inner = make_agent(invoker=invoker)

    @tool
    async def ask(question: str) -> str:
        inner.receive(question)
        return inner.respond().content

    server.say(reply(tools=(("ask", {"question": "?"}),)), "inner", "outer")
    agent.tools = [ask]
    assert agent.respond().content == "outer"


def test_model_objects_are_taken_as_they_are(make_agent):
    """Any model of the library can be passed in code."""

    def answer(messages, info):
        return ModelResponse(parts=[TextPart("from a function")])

    agent = make_agent(invoker=build_invoker({"invoker": "models"}))
    agent.model = FunctionModel(answer)
    assert agent.respond().content == "from a function"


@pytest.mark.parametrize(
    ("model", "message"),
    [("nobody:some-model", "echo"), ("anthropic:claude", "pip install"), ("cohere:x", "pip install")],
)
def test_names_before_a_colon_are_providers_only_when_they_are(make_agent, server, model, message):
    """A tag such as `llama3:8b` belongs to the name; a provider without its library says what to install."""
    agent = make_agent(
        invoker=build_invoker(
            {"invoker": "models", "invoker_config": {"base_url": server.url, "api_key": "k"}}
        )
    )
    agent.model = model
    if message == "echo":
        assert agent.respond().content.startswith("echo")
        assert server.requests[0]["model"] == model
    else:
        with pytest.raises(InvokerError, match=message):
            agent.respond()
    agent.llm_invoker.close()


def test_the_other_api_is_chosen_by_its_type():
    """`response` means the Responses API of a bare OpenAI name."""
    from lllm_runtime_agents.models_client import _full_name

    assert _full_name("gpt-4o", APITypes.COMPLETION, None) == "openai-chat:gpt-4o"
    assert _full_name("gpt-4o", APITypes.RESPONSE, None) == "openai-responses:gpt-4o"
    assert _full_name("claude", APITypes.COMPLETION, "anthropic") == "anthropic:claude"
    assert _full_name("openai:gpt-4o", APITypes.COMPLETION, "anthropic") == "openai:gpt-4o"


def test_models_without_structured_output_read_the_schema_in_their_instructions(make_agent):
    """The reply is validated all the same, also behind a model that chooses among others."""
    told = []

    def answer(messages, info):
        told.append(info.instructions)
        return ModelResponse(parts=[TextPart('{"x": 3}')])

    function = FunctionModel(answer, profile={"supports_json_schema_output": False})
    for model in (function, FallbackModel(function)):
        agent = make_agent(invoker=build_invoker({"invoker": "models"}))
        agent.model = model
        agent.receive_prompt(Prompt(path="p", prompt="Which x?", format=Answer))
        assert agent.respond().parsed["value"] == Answer(x=3)
    assert all('"x"' in instructions for instructions in told)


def test_the_responses_api_is_spoken(agent, server):
    """A bare name with that API type asks the other route."""
    server.say("hello")
    agent.api_type = APITypes.RESPONSE
    agent.receive("hi")
    message = agent.respond()
    assert (message.content, message.api_type) == ("hello", APITypes.RESPONSE)
    assert message.cost.prompt_tokens == 100
    assert server.requests[0]["input"][-1]["content"] == "hi"


def test_a_tool_result_needs_its_id():
    """Nothing is guessed."""
    dialog = Dialog()
    dialog.append(Message(role=Roles.TOOL, content="x", name="add"))
    with pytest.raises(ValueError, match="Tool call id is not found in the message metadata"):
        request_messages(dialog)


def test_parts_that_only_the_provider_understands_survive():
    """Signed reasoning goes back to where it came from."""
    parts = [ThinkingPart("hm", signature="s", provider_name="p"), TextPart("so")]
    message, errors = reply_message(ModelResponse(parts=parts), "w", APITypes.COMPLETION, {})
    assert (message.content, errors) == ("so", [])
    dialog = Dialog()
    dialog.append(Message.from_dict(json.loads(json.dumps(message.to_dict()))))
    (again,) = request_messages(dialog)
    assert again.parts == parts


def test_native_tools_are_declared():
    """MCP servers and web search are the provider's business."""
    prompt = Prompt(path="p", prompt="x", addon_args={"web_search": True})
    prompt.register_mcp_server(MCP(server_label="docs", server_url="https://a.example/mcp"))
    kinds = [tool.kind for tool in request_parameters(prompt).native_tools]
    assert kinds == ["mcp_server", "web_search"]


def test_settings_take_the_names_of_the_library():
    """Renamed, provider-specific, unknown and empty arguments each go where they belong."""
    settings = model_settings(
        {"seed": 1, "extra_body": {"a": 1}},
        {
            "max_completion_tokens": 5,
            "openai_x": 2,
            "b": 3,
            "top_p": None,
            "stop": ["x"],
            "reasoning_effort": "low",
        },
        9.0,
    )
    assert settings == {
        "timeout": 9.0,
        "max_retries": 0,
        "seed": 1,
        "max_tokens": 5,
        "openai_x": 2,
        "stop_sequences": ["x"],
        "openai_reasoning_effort": "low",
        "extra_body": {"a": 1, "b": 3},
    }


def test_a_forgotten_invoker_closes_its_connections(make_agent, server):
    """Garbage collection leaves no open sockets behind."""
    agent = make_agent(
        invoker=build_invoker({"invoker": "models", "invoker_config": {"base_url": server.url}})
    )
    agent.respond()
    clients = agent.llm_invoker._clients
    del agent
    gc.collect()
    deadline = time.monotonic() + 5
    while clients._client is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert clients._client is None


def test_a_group_of_agents_runs_on_the_invoker(server, group_config):
    """From the config alone, with costs in the session."""

    class Pair(Tactic, register=False):
        agent_group = ["a", "b"]

        def call(self, task, **kwargs):
            for name in self.agent_group:
                agent = self.agents[name]
                agent.open("x")
                agent.receive(task)
                task = agent.respond().content
            return task

    config = {**group_config("a", "b"), "invoker": "models", "invoker_config": {"base_url": server.url}}
    config["global"] = {"model_name": "gpt-4o-mini"}
    tactic = Pair(config)
    session = tactic("hi", return_session=True)
    assert session.delivery == "echo:echo:hi"
    assert session.total_cost.cost > 0
    assert session.unpriced_calls == 0
    tactic.llm_invoker.close()
