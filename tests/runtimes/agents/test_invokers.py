"""The table of invokers, the choice among them, and the invoker for tests."""

import threading
import time
from types import ModuleType

import pytest

import lllm
from lllm.invokers import BaseInvoker, InvokerBuilder, build_invoker, register_invoker
from lllm_runtime_agents import FunctionCall, InvokeResult, Message, MockInvoker, Prompt, Roles
from lllm_runtime_agents.models_invoker import ModelsInvoker


class Fake(BaseInvoker):
    def call(self, dialog, model, **rest):
        return InvokeResult(message=Message(role="assistant", content="fake", name="x"))


def test_names_are_registered_once():
    """In any case of letters, unless overwriting is asked for."""
    register_invoker("Acme", Fake)
    assert isinstance(build_invoker({"invoker": "ACME"}), Fake)
    with pytest.raises(ValueError, match="Invoker 'acme' already registered"):
        register_invoker("acme", Fake)
    register_invoker("acme", MockInvoker, overwrite=True)
    assert isinstance(build_invoker({"invoker": "acme"}), MockInvoker)
    with pytest.raises(ValueError, match="Invoker 'mock' already registered"):
        register_invoker("mock", Fake)
    with pytest.raises(TypeError, match="callable"):
        register_invoker("broken", "no builder")


def test_an_unknown_name_lists_what_there_is():
    """The shipped invokers are there from the start."""
    with pytest.raises(
        KeyError, match=r"Invoker 'nope' not registered. Available: \['litellm', 'mock', 'models'\]"
    ):
        build_invoker({"invoker": "nope"})
    with pytest.raises(TypeError, match="`invoker`"):
        build_invoker({"invoker": 3})


def test_the_builder_gets_its_own_part_of_the_config():
    """`invoker_config` when there is one, else the whole config."""
    assert build_invoker({"invoker": "mock", "invoker_config": {"cost": 1}}).config == {"cost": 1}
    assert build_invoker({"invoker": "mock", "cost": 2}).config == {"invoker": "mock", "cost": 2}
    given = {"invoker_config": {"cost": 1}}
    build_invoker({"invoker": "mock", **given}).config["cost"] = 9
    assert given == {"invoker_config": {"cost": 1}}
    assert InvokerBuilder is not None


def test_the_choice_has_an_order(monkeypatch):
    """The config, then a replaced `litellm`, then the environment, then `models`."""
    assert isinstance(build_invoker(), ModelsInvoker)
    monkeypatch.setenv("LLLM_INVOKER", "mock")
    assert isinstance(build_invoker({}), MockInvoker)
    register_invoker("litellm", Fake, overwrite=True)
    assert isinstance(build_invoker({}), Fake)
    assert isinstance(build_invoker({"invoker": "mock"}), MockInvoker)
    own = Fake()
    assert build_invoker({"invoker": own}) is own


def test_plugins_contribute_invokers(monkeypatch):
    """Through the hook, by import string, imported when built."""
    module = ModuleType("acme_invoker")
    module.Fake = Fake
    monkeypatch.setitem(__import__("sys").modules, "acme_invoker", module)

    class Plugin:
        @staticmethod
        @lllm.hookimpl
        def lllm_invokers():
            return {"Acme": "acme_invoker:Fake"}

    manager = lllm.plugins.PluginManager(discover=False)
    manager.register(__import__("lllm_runtime_agents.plugin", fromlist=["x"]), name="agents")
    manager.register(Plugin, name="acme")
    with lllm.plugins.use(manager):
        assert isinstance(build_invoker({"invoker": "acme"}), Fake)
        with pytest.raises(KeyError, match="'acme', 'litellm'"):
            build_invoker({"invoker": "nope"})
        with pytest.raises(ValueError, match="already registered"):
            register_invoker("acme", Fake)


def test_without_a_word_the_default_asynchronous_call_runs_in_a_thread():
    """An invoker needs only `call`."""
    import asyncio

    class Where(Fake):
        def call(self, dialog, model, **rest):
            self.thread = threading.current_thread()
            return super().call(dialog, model)

    invoker = Where()
    asyncio.run(invoker.acall(None, "m"))
    assert invoker.thread is not threading.current_thread()


def test_the_script_is_followed_item_by_item(make_agent):
    """Texts, tool calls in every form, errors and callables; then the echo."""
    calls = [FunctionCall(id="c", name="a"), {"name": "b"}, {"name": "c", "arguments": {"x": 1}, "id": "d"}]
    agent = make_agent("text", lambda dialog, model, args: f"{model}:{dialog.tail.content}")
    agent.receive("hi")
    assert agent.respond().content == "text"
    assert agent.respond().content == "test-model:text"
    assert agent.respond().content == "echo:test-model:text"
    dialog = agent.current_dialog
    invoker = build_invoker(
        {"invoker": "mock", "script": [calls, {"name": "single"}, {"error": "broken"}, ValueError]}
    )
    message = invoker.call(dialog, "m").message
    assert (message.role, message.content) == (Roles.TOOL_CALL, "")
    assert [call.name for call in message.function_calls] == ["a", "b", "c"]
    assert message.function_calls[2].id == "d"
    assert len({call.id for call in message.function_calls}) == 3
    assert invoker.call(dialog, "m").message.function_calls[0].name == "single"
    broken = invoker.call(dialog, "m")
    assert (broken.execution_errors, broken.cost.cost) == (["broken"], 0.01)
    with pytest.raises(ValueError):
        invoker.call(dialog, "m")
    bad = build_invoker({"invoker": "mock", "script": [42]})
    with pytest.raises(TypeError, match="An item of the mock's script"):
        bad.call(dialog, "m")


def test_what_follows_the_script_can_be_chosen(make_agent):
    """A text, an error, or the echo of the last message."""
    assert make_agent(config={"default": "fallback"}).respond().content == "fallback"
    with pytest.raises(RuntimeError, match="used up"):
        make_agent(config={"default": "raise"}).respond()


def test_agents_can_have_scripts_of_their_own(group_config, ask_class):
    """Replies by name come before the common script."""
    tactic = ask_class(
        group_config("writer", script=["common"], replies={"writer": ["own"], "other": ["no"]})
    )
    assert [tactic("x"), tactic("x"), tactic("x")] == ["own", "common", "echo:x"]


def test_usage_and_price_are_fixed(make_agent):
    """Ten and five tokens, and the price that was set; None means unknown."""
    cost = make_agent(config={"cost": 0.5}).respond().cost
    assert (cost.prompt_tokens, cost.completion_tokens, cost.cost) == (10, 5, 0.5)
    session = make_agent(config={"cost": None}).respond(return_session=True)
    assert session.traces[0].unpriced == 1


def test_what_was_seen_is_kept(make_agent):
    """One map for each call."""
    agent = make_agent(prompt=Prompt(path="p", prompt="x"), model_args={"t": 1})
    agent.respond()
    (seen,) = agent.llm_invoker.seen
    assert sorted(seen) == ["agent", "messages", "model", "model_args", "tools"]
    assert (seen["agent"], seen["model"], seen["model_args"], seen["tools"]) == (
        "tester",
        "test-model",
        {"t": 1},
        [],
    )
    assert [message.content for message in seen["messages"]] == ["x"]


def test_a_delay_takes_its_time(make_agent):
    """Synchronous callers wait it out."""
    agent = make_agent(config={"delay": 0.05})
    begun = time.perf_counter()
    agent.respond()
    assert time.perf_counter() - begun >= 0.05


def test_the_script_is_safe_under_threads(group_config, ask_class):
    """Every item is given exactly once."""
    tactic = ask_class(group_config("writer", script=[str(n) for n in range(200)]))
    assert sorted(tactic.bcall(range(200), max_workers=16), key=int) == [str(n) for n in range(200)]
    assert len(tactic.llm_invoker.seen) == 200
