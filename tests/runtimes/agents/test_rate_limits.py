"""Rate limits: recognised, waited for, and bounded."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lllm import CallContext, Tactic
from lllm_runtime_agents import InvokerError
from lllm_runtime_agents.rate_limit import is_rate_limit, retry_after, wait_before


class Response:
    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def error_with(text="x", **attributes):
    error = RuntimeError(text)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.fixture
def slept(monkeypatch):
    """The seconds that the loop wanted to wait, without waiting."""
    waits = []

    def sleep(seconds, call):
        waits.append(seconds)

    async def asleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr("lllm_runtime_agents.drivers._sleep", sleep)
    return waits


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvokerError(429, "slow down"), True),
        (error_with(status_code=429), True),
        (error_with("Rate limit reached for gpt"), True),
        (error_with("Too Many Requests"), True),
        (type("RateLimitError", (Exception,), {})("x"), True),
        (InvokerError(500, "rate limit service is down"), False),
        (error_with("cannot divide"), False),
        (error_with("Error code: 429 - slow"), True),
        (error_with("code 14290"), False),
        (error_with("line 429 is malformed"), False),
    ],
)
def test_rate_limits_are_recognised(error, expected):
    """By status when there is one, else by the class or the text."""
    assert is_rate_limit(error) is expected


def test_the_wait_is_what_the_provider_asks_for():
    """From the error, from the headers, as seconds or as a date; else it doubles."""
    assert retry_after(InvokerError(429, "x", 2.5)) == 2.5
    assert retry_after(error_with(response=Response(retry_after="3"))) == 3.0
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert 50 < retry_after(error_with(headers={"retry-after": format_datetime(later)})) < 61
    assert retry_after(error_with(retry_after="soon")) is None
    assert retry_after(error_with()) is None
    assert [wait_before(error_with(), tried) for tried in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_limit_is_waited_for(make_agent, slept):
    """The reply comes after the wait; recalls and repairs are not used up."""
    agent = make_agent(InvokerError(429, "x", 0.5), InvokerError(429, "x"), "ok")
    session = agent.respond(return_session=True)
    assert session.delivery.content == "ok"
    assert slept == [0.5, 2.0]
    assert session.llm_recalls_count == 0


def test_tries_are_bounded(make_agent, slept):
    """Six tries by default; then the provider's error is raised."""
    agent = make_agent(*[InvokerError(429, "x", 0.1)] * 20)
    with pytest.raises(InvokerError):
        agent.respond()
    assert len(agent.llm_invoker.seen) == 6
    assert slept == [0.1] * 5


def test_the_time_is_bounded(make_agent, slept):
    """A wait that does not fit into what is left is not begun."""
    agent = make_agent(*[InvokerError(429, "x", 50.0)] * 9)
    with pytest.raises(InvokerError):
        agent.respond()
    assert slept == [50.0, 50.0]


def test_both_bounds_can_be_set(make_agent, slept):
    """On the agent, and so in the config."""
    agent = make_agent(*[InvokerError(429, "x", 1.0)] * 9, rate_limit_retries=1)
    with pytest.raises(InvokerError):
        agent.respond()
    assert slept == [1.0]
    agent = make_agent(InvokerError(429, "x", 1.0), rate_limit_max_wait=0.5)
    with pytest.raises(InvokerError):
        agent.respond()
    assert slept == [1.0]


def test_awaiting_code_waits_without_blocking(make_agent):
    """Other tasks run during the wait."""
    agent = make_agent(InvokerError(429, "x", 0.1), "ok")

    async def run():
        ticks = 0
        task = asyncio.create_task(agent.arespond())
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return ticks, (await task).content

    ticks, content = asyncio.run(run())
    assert content == "ok"
    assert ticks > 3


class Ask(Tactic, register=False):
    name = "ask"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"]
        writer.open("x")
        return writer.respond().content


def test_a_cancelled_call_does_not_sit_out_its_wait(group_config):
    """A synchronous wait is cut short when nobody waits for the result."""
    tactic = Ask(group_config("writer", script=[InvokerError(429, "x", 60.0), "ok"]))
    context = CallContext()
    begun = time.monotonic()

    async def run():
        task = asyncio.create_task(tactic.arun("x", context=context))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    deadline = time.monotonic() + 5
    while len(tactic.llm_invoker.seen) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    tactic.executor.shutdown(wait=True)
    assert time.monotonic() - begun < 5
    assert len(tactic.llm_invoker.seen) == 1
