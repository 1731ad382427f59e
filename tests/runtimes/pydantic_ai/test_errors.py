"""What goes wrong in a run, as typed errors with the library's own as the cause."""

import asyncio
import pickle
import re
import socket

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError, ModelRetry, UserError, exceptions
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel as ScriptedModel

from lllm import BudgetExceeded, DeadlineExceeded, SchemaError, Tactic, TacticError
from lllm_runtime_pydantic_ai import (
    AgentError,
    AgentRefused,
    AgentTimeout,
    ModelError,
    ModelOverloaded,
    ModelRateLimited,
    PydanticAITactic,
    RetriesExhausted,
    ToolError,
    UnusableReply,
    errors,
)
from lllm_runtime_pydantic_ai.retry_after import retry_after_of


def test_the_drawn_tree_is_true():
    """The tree at the top of the module names every exception below its base."""
    drawn = {}
    stack = []
    for line in re.search(r"```\n(.*?)```", errors.__doc__, re.DOTALL)[1].splitlines():
        depth = len(re.match(r"[│├└ ]*", line)[0]) // 2
        name = re.search(r"\w+", line)[0]
        stack[depth:] = [name]
        drawn[name] = stack[depth - 1] if depth else None
    known = {name: getattr(errors, name) for name in errors.__all__}
    known |= {cls.__name__: cls for cls in (TacticError, BudgetExceeded, DeadlineExceeded)}
    assert set(drawn) == set(known)
    for name, base in drawn.items():
        if base is not None:
            assert known[name].__bases__[0] is known[base], name
    assert issubclass(AgentTimeout, TimeoutError)


def failing(error):
    """Return a tactic whose model raises `error`."""

    def fail(messages, info):
        raise error

    async def fail_streaming(messages, info):
        raise error
        yield ""

    model = FunctionModel(fail, stream_function=fail_streaming)
    return PydanticAITactic(Agent(model, name="poor"))


async def collect(items):
    """Return the items of an asynchronous iterator."""
    return [item async for item in items]


WAYS = [
    lambda tactic: tactic.run("x"),
    lambda tactic: asyncio.run(tactic.arun("x")),
    lambda tactic: list(tactic.stream("x")),
    lambda tactic: asyncio.run(collect(tactic.astream("x"))),
    lambda tactic: asyncio.run(collect(tactic.aevents("x"))),
]


@pytest.mark.parametrize("way", WAYS, ids=["run", "arun", "stream", "astream", "aevents"])
def test_every_path_raises_the_typed_error(way):
    """With the cause, the agent's name and the session."""
    raised = ModelHTTPError(429, "gpt", {"error": "slow down"}, headers={"Retry-After": "7"})
    with pytest.raises(ModelRateLimited) as caught:
        way(failing(raised))
    error = caught.value
    assert error.__cause__ is raised
    assert (error.agent, error.model, error.status_code, error.retry_after) == ("poor", "gpt", 429, 7.0)
    assert error.session.state == "failure"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ModelHTTPError(503, "m"), ModelOverloaded),
        (ModelHTTPError(529, "m"), ModelOverloaded),
        (ModelHTTPError(500, "m"), ModelError),
        (ModelHTTPError(401, "m"), ModelError),
        (exceptions.ContentFilterError("filtered"), AgentRefused),
        (exceptions.UnexpectedModelBehavior("nonsense"), UnusableReply),
        (exceptions.IncompleteToolCall("cut off"), UnusableReply),
        (exceptions.AgentRunError("somehow"), AgentError),
    ],
)
def test_categories(raised, kind):
    """Each category of the library has a type of its own, and the text is kept."""
    with pytest.raises(AgentError) as caught:
        failing(raised).run("x")
    assert type(caught.value) is kind
    assert str(raised) in str(caught.value)


@pytest.mark.skipif(
    not hasattr(exceptions, "ModelRateLimitError"), reason="a younger release tells them apart"
)
def test_categories_without_a_status():
    """Younger releases tell a rate limit without a status, the timeout of a request, and a spent quota."""
    limited = exceptions.ModelRateLimitError("m", "slow down", retry_after=3.5)
    with pytest.raises(ModelRateLimited) as caught:
        failing(limited).run("x")
    assert caught.value.retry_after == 3.5
    with pytest.raises(AgentTimeout):
        failing(exceptions.ModelRequestTimeout("m", 2.0)).run("x")
    with pytest.raises(ModelError) as caught:
        failing(exceptions.ModelQuotaExceededError("m", "pay first")).run("x")
    assert type(caught.value) is ModelError


def test_misuse_and_foreign_errors_are_left_alone():
    """What is no failure of a run keeps its type: a mistake of the developer, an error of a model in Python."""
    with pytest.raises(UserError, match="wrong"):
        failing(UserError("wrong")).run("x")
    with pytest.raises(LookupError, match="mine"):
        failing(LookupError("mine")).run("x")
    with pytest.raises(TypeError, match="no_such"):
        PydanticAITactic(Agent(ScriptedModel())).run("x", no_such=True)


def test_secrets_are_masked():
    """A key that the provider repeats does not get into the text."""
    key = "sk-" + "a1B2" * 8
    with pytest.raises(ModelError) as caught:
        failing(ModelHTTPError(401, "m", {"message": f"bad key {key}"})).run("x")
    assert key not in str(caught.value)


def test_when_all_fallbacks_fail_the_last_one_tells():
    """The group is the cause; the type is that of the last model's failure."""

    def limited(messages, info):
        raise ModelHTTPError(429, "second", headers={"retry-after": "2"})

    def down(messages, info):
        raise ModelHTTPError(500, "first")

    agent = Agent(FallbackModel(FunctionModel(down), FunctionModel(limited)))
    with pytest.raises(ModelRateLimited) as caught:
        PydanticAITactic(agent).run("x")
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert (caught.value.model, caught.value.retry_after) == ("second", 2.0)


# --- retries, tools


class Count(BaseModel):
    words: int


def test_replies_that_stay_invalid():
    """Every retry that was allowed is used up."""
    agent = Agent(ScriptedModel(custom_output_args={"words": "many"}), output_type=Count, retries=1)
    with pytest.raises(RetriesExhausted, match="retries"):
        PydanticAITactic(agent).run("x")


def test_a_tool_that_keeps_asking_for_another_try():
    """`ModelRetry` goes to the model, until the limit."""
    agent = Agent(ScriptedModel())

    @agent.tool_plain
    def never() -> str:
        raise ModelRetry("again")

    with pytest.raises(RetriesExhausted, match="never"):
        PydanticAITactic(agent).run("x")


@pytest.mark.parametrize("way", WAYS, ids=["run", "arun", "stream", "astream", "aevents"])
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_tool_raises_is_a_tool_error(way, is_async):
    """It names the tool and the agent; the exception itself is the cause."""
    agent = Agent(ScriptedModel(), name="clumsy")
    raised = LookupError("gone")

    async def later() -> str:
        raise raised

    def now() -> str:
        raise raised

    agent.tool_plain(later if is_async else now)
    with pytest.raises(ToolError) as caught:
        way(PydanticAITactic(agent))
    error = caught.value
    name = "later" if is_async else "now"
    assert str(error) == f"Tool `{name}` of agent `clumsy` failed: LookupError: gone"
    assert (error.tool, error.agent, error.__cause__) == (name, "clumsy", raised)


def test_a_tool_error_keeps_retry_after():
    """What the tool's exception says about a new try is kept."""
    agent = Agent(ScriptedModel())

    @agent.tool_plain
    def call() -> str:
        error = ConnectionError("busy")
        error.retry_after = 4
        raise error

    with pytest.raises(ToolError) as caught:
        PydanticAITactic(agent).run("x")
    assert caught.value.retry_after == 4


class Bad(Tactic[str, int], register=False):
    """Answers with something that is no number."""

    def _run(self, input_value, *, context=None):
        return "no number"


class Poor(Tactic[str, int], register=False):
    """Has no budget left."""

    def _run(self, input_value, *, context=None):
        raise BudgetExceeded("spent")


@pytest.mark.parametrize(
    ("tactic", "kind", "cause"), [(Bad(), ToolError, SchemaError), (Poor(), BudgetExceeded, type(None))]
)
def test_a_tactic_in_a_tool_that_fails(tactic, kind, cause):
    """Its budget is the caller's budget too; its bad output is a failed tool and not a bad output of the caller."""
    agent = Agent(ScriptedModel())

    @agent.tool_plain
    async def ask() -> int:
        return await tactic.arun("q")

    with pytest.raises(TacticError) as caught:
        PydanticAITactic(agent).run("x")
    assert (type(caught.value), type(caught.value.__cause__)) == (kind, cause)


def test_errors_over_a_real_connection(make_served, server, reply):
    """Rate limits with their header, and server errors."""
    server.say(reply("slow down", status=429, headers={"retry-after": "3"}), reply("oops", status=500))
    tactic = PydanticAITactic(make_served())
    with pytest.raises(ModelRateLimited) as caught:
        tactic.run("x")
    assert caught.value.retry_after == 3.0
    with pytest.raises(ModelError) as caught:
        asyncio.run(tactic.arun("x"))
    assert (type(caught.value), caught.value.status_code) == (ModelError, 500)


def test_a_provider_that_cannot_be_reached(make_served, server):
    """There is no status then."""
    agent = make_served()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        agent.model.provider.client.base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    with pytest.raises(ModelError) as caught:
        PydanticAITactic(agent).run("x")
    assert (type(caught.value), caught.value.status_code) == (ModelError, None)


def test_a_request_that_takes_too_long(make_served, server, reply):
    """The model's own time limit is a timeout of the agent, and no deadline of the caller."""
    server.say(reply("late", delay=1.0))
    tactic = PydanticAITactic(make_served(), model_settings={"timeout": 0.05})
    with pytest.raises(AgentTimeout):
        tactic.run("x")


def test_errors_can_be_pickled():
    """Fields and text survive, as they must between processes."""
    for error in (
        ModelRateLimited("slow", model="m", status_code=429, agent="a", retry_after=1.0),
        ToolError("bad", tool="t", agent="a"),
        AgentTimeout("late", agent="a"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


# --- how long to wait


class Answered(Exception):
    def __init__(self, headers):
        self.headers = headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_retry_after_is_read_from_headers(headers, seconds):
    """Milliseconds, seconds, a date; nothing else."""
    assert retry_after_of(Answered(headers)) == seconds


def test_retry_after_of_the_library_wins():
    """Younger releases read it themselves."""
    error = Answered({"retry-after": "5"})
    error.retry_after = 2
    assert retry_after_of(error) == 2.0
    assert retry_after_of(ValueError()) is None
