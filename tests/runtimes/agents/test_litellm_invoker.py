"""The invoker `litellm`, on a stand-in for the library and, where it is installed, on the library itself."""

import asyncio
import base64
import sys
from types import ModuleType, SimpleNamespace

import pytest
from pydantic import BaseModel

from lllm_runtime_agents import (
    MCP,
    AgentException,
    BaseStreamHandler,
    InvokerError,
    Prompt,
    build_invoker,
    tool,
)

SECRET = "sk-verysecretverysecret99"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Answer(BaseModel):
    x: int


class Usage(SimpleNamespace):
    def model_dump(self):
        return dict(vars(self))


def completion(content=None, calls=(), model="m", usage=True):
    tool_calls = [
        SimpleNamespace(id=f"c{n}", function=SimpleNamespace(name=name, arguments=arguments))
        for n, (name, arguments) in enumerate(calls)
    ]
    message = SimpleNamespace(content=content, tool_calls=tool_calls or None)
    counted = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15) if usage else None
    return SimpleNamespace(
        choices=[SimpleNamespace(message=message, finish_reason="stop")], model=model, usage=counted
    )


@pytest.fixture
def library(monkeypatch):
    """A stand-in for litellm that answers from a list and keeps what it was asked."""
    module = ModuleType("litellm")
    module.asked, module.answers = [], []

    def answer(**arguments):
        module.asked.append(arguments)
        found = module.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        if arguments.get("stream"):
            module.whole = found
            words = found.choices[0].message.content.split()
            chunks = [
                SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=w))]) for w in words
            ]
            return iter([*chunks, SimpleNamespace(choices=[])])
        return found

    async def acompletion(**arguments):
        found = answer(**arguments)
        if not arguments.get("stream"):
            return found

        async def chunks():
            for chunk in found:
                yield chunk

        return chunks()

    def cost(completion_response):
        if completion_response.model == "unknown":
            raise ValueError("no price")
        return 0.25

    module.completion, module.acompletion, module.completion_cost = answer, acompletion, cost
    module.stream_chunk_builder = lambda chunks, messages: module.whole
    monkeypatch.setitem(sys.modules, "litellm", module)
    return module


@pytest.fixture
def agent(library, make_agent):
    """An agent on the stand-in."""
    config = {"base_url": "http://x", "api_key": SECRET, "headers": {"h": "1"}, "timeout": 9}
    return make_agent(invoker=build_invoker({"invoker": "litellm", "invoker_config": config}))


def test_without_the_library_the_error_says_what_to_do(monkeypatch):
    """The extra, and the invoker that needs none."""
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ImportError, match=r"lllm-runtime-agents\[litellm\].*'models'"):
        build_invoker({"invoker": "litellm"})


def test_a_request_has_the_form_of_the_chat_api(agent, library):
    """The system speaks as developer, unsupported arguments are dropped by the library, retries are ours."""
    library.answers.append(completion("hello"))
    agent.receive("hi", name="a b")
    message = agent.respond(args={"temperature": 0.5})
    assert (message.content, message.model, message.cost.cost) == ("hello", "m", 0.25)
    (asked,) = library.asked
    assert asked["messages"] == [
        {"role": "developer", "name": "system", "content": "You are a test."},
        {"role": "user", "name": "a_b", "content": "hi"},
    ]
    rest = {key: value for key, value in asked.items() if key != "messages"}
    assert rest == {
        "model": "test-model",
        "drop_params": True,
        "num_retries": 0,
        "timeout": 9.0,
        "temperature": 0.5,
        "base_url": "http://x",
        "api_key": SECRET,
        "extra_headers": {"h": "1"},
    }


@pytest.mark.parametrize("way", ["sync", "async"])
def test_tools_and_formats_go_both_ways(agent, library, way):
    """Calls, results, broken arguments and structured output."""
    library.answers += [
        completion(calls=[("add", '{"a": 1, "b": 2}')]),
        completion(calls=[("add", "{broken")]),
        completion('{"x": 3}'),
    ]
    agent.receive_prompt(Prompt(path="p", prompt="x?", function_list=[add], format=Answer))
    session = (
        agent.respond(return_session=True)
        if way == "sync"
        else asyncio.run(agent.arespond(return_session=True))
    )
    assert session.delivery.parsed["value"] == Answer(x=3)
    assert "are not JSON" in session.exception_retries[1][0]
    first, second, _ = library.asked
    assert first["tools"] == [add.to_tool()]
    schema = first["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"], schema["schema"]["required"]) == ("Answer", True, ["x"])
    called, answered = second["messages"][-2:]
    assert called["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert (answered["role"], answered["tool_call_id"]) == ("tool", "c0")


@pytest.mark.parametrize("way", ["sync", "async"])
def test_streams_reach_the_handler(agent, library, way):
    """Piece by piece; the message is whole."""

    class Collector(BaseStreamHandler):
        chunks = []

        def handle_chunk(self, chunk_content, chunk_response):
            self.chunks.append(chunk_content)

    library.answers.append(completion("one two"))
    agent.stream_handler = Collector()
    Collector.chunks.clear()
    message = agent.respond() if way == "sync" else asyncio.run(agent.arespond())
    assert message.content == "one two"
    assert Collector.chunks == ["one", "two", ""]


def test_images_servers_and_search_are_declared(agent, library):
    """As the chat API takes them."""
    gif = base64.b64encode(b"GIF89a" + b"\0" * 10).decode()
    prompt = Prompt(path="p", prompt="x", addon_args={"web_search": True})
    prompt.register_mcp_server(MCP(server_label="docs", server_url="https://a.example"))
    agent.receive_prompt(prompt)
    agent.receive_image(gif, caption="c")
    library.answers.append(completion("ok"))
    agent.respond()
    asked = library.asked[0]
    assert asked["messages"][-1]["content"] == [
        {"type": "text", "text": "c"},
        {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{gif}"}},
    ]
    assert asked["tools"] == [prompt.mcp_servers["docs"].to_tool()]
    assert asked["web_search_options"] == {}


def test_errors_keep_their_status_and_lose_the_key(agent, library):
    """Whatever the library raises."""
    error = RuntimeError(f"bad key {SECRET}")
    error.status_code = 401
    library.answers.append(error)
    with pytest.raises(InvokerError, match=r"HTTP 401: bad key \*\*\*") as caught:
        agent.respond()
    assert caught.value.__cause__ is None


def test_an_unknown_model_has_no_price(agent, library):
    """Tokens are kept; prices of the config go over the library's."""
    library.answers += [
        completion("x", model="unknown"),
        completion("y", usage=False),
        completion("z", model="mine"),
    ]
    assert not agent.respond().priced
    assert agent.respond().cost.prompt_tokens == 0
    agent.llm_invoker.config["prices"] = {"mine": {"input": 1_000_000, "output": 0}}
    assert agent.respond().cost.cost == 10.0


def test_parse_failures_are_execution_errors(agent, library):
    """They are repaired and end in the loop's own error."""
    library.answers += [completion("no")] * 4
    agent.receive_prompt(Prompt(path="p", prompt="x?", format=Answer))
    with pytest.raises(AgentException):
        agent.respond()


@pytest.mark.filterwarnings("default")
def test_the_library_itself_answers_offline_and_over_a_connection(make_agent, server, monkeypatch):
    """Where litellm is installed: its mock, and the stub of a provider."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # its prices come from a web page otherwise
    pytest.importorskip("litellm")
    agent = make_agent(invoker=build_invoker({"invoker": "litellm"}))
    agent.model = "gpt-4o"
    assert agent.respond(args={"mock_response": "Paris"}).content == "Paris"
    config = {"base_url": server.url, "api_key": SECRET}
    agent = make_agent(invoker=build_invoker({"invoker": "litellm", "invoker_config": config}))
    agent.model = "openai/gpt-4o"
    server.say("hello")
    assert agent.respond().content == "hello"
