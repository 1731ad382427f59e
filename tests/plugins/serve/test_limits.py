"""How much runs at once, what waits, and what the rest is told."""

import asyncio
import threading
import time

import httpx
import pytest

from lllm import create_service_app, create_tactic_app
from lllm_serve import TacticPolicy
from lllm_serve.late_watch import LateWatch
from lllm_serve.limiter import Full, Limiter
from lllm_serve.threads import Threads


def caller(app):
    """Return an asynchronous client of an application."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def settled():
    """Let the loop do all that can be done at once: a call has then begun, waits, or was refused."""
    for _ in range(100):
        await asyncio.sleep(0)


def responses(app, gate, *paths):
    """Return the responses of calls that are made one after the other and end together, when the gate opens."""

    async def main():
        async with caller(app) as client:
            calls = []
            for path in paths:
                calls.append(asyncio.create_task(client.post(path, json=1)))
                await settled()
            gate.set()
            return await asyncio.gather(*calls)

    return asyncio.run(main())


@pytest.fixture
def gate():
    """Opened by whoever has seen enough; work waits for it."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def nap(gate):
    """Work that waits for the gate without a thread."""

    async def nap(value, context):
        while not gate.is_set():
            await asyncio.sleep(0.005)
        return value

    return nap


@pytest.fixture
def doze(gate):
    """Work that waits for the gate in a thread."""

    def doze(value, context):
        gate.wait(20)
        return value

    return doze


@pytest.mark.parametrize("kind", ["nap", "doze"])
def test_a_full_service_says_come_back(make, error_of, gate, request, kind):
    """503 with Retry-After once as many wait as may."""
    app = create_tactic_app(make(request.getfixturevalue(kind)), max_concurrency=1, max_queue=1)
    first, second, third = responses(app, gate, "/run", "/run", "/run")
    assert [response.status_code for response in (first, second, third)] == [200, 200, 503]
    assert third.headers["retry-after"] == "1"
    assert error_of(third)["type"] == "ServiceUnavailable"


def test_a_tactic_has_limits_of_its_own(make, error_of, gate, nap):
    """429 for the one that is busy; the others go on."""
    busy, free = make(nap, name="busy"), make(nap, name="free")
    app = create_service_app([busy, free], policies={"busy": TacticPolicy(max_concurrency=1, max_queue=0)})
    paths = ["/tactics/busy/run", "/tactics/busy/run", "/tactics/free/run", "/tactics/free/run"]
    answers = responses(app, gate, *paths)
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200]
    assert (answers[1].headers["retry-after"], error_of(answers[1])["type"]) == ("1", "TooManyRequests")


def test_a_tactic_can_say_its_limits_itself(make, gate, nap):
    """As attributes; what the service says wins."""
    tactic = make(nap, max_concurrency=1, max_queue=0)
    narrow = create_tactic_app(tactic)
    assert [each.status_code for each in responses(narrow, gate, "/run", "/run")] == [200, 429]
    gate.clear()
    wide = create_tactic_app(tactic, policies={"work": TacticPolicy(max_concurrency=5)})
    assert [each.status_code for each in responses(wide, gate, "/run", "/run")] == [200, 200]


def test_streams_and_endpoints_count(make, gate, nap):
    """Whatever occupies the tactic."""

    async def slow(value, context):
        yield 1
        await nap(value, context)

    app = create_tactic_app(make(slow), policies={"work": TacticPolicy(max_concurrency=1, max_queue=0)})
    assert [each.status_code for each in responses(app, gate, "/stream", "/stream")] == [200, 429]


def test_health_is_outside_of_the_limits(make, gate, doze):
    """It answers however full the service is."""
    app = create_tactic_app(make(doze), max_concurrency=1, max_queue=0)

    async def main():
        async with caller(app) as client:
            call = asyncio.create_task(client.post("/run", json=1))
            await settled()
            answers = [(await client.get(path)).status_code for path in ("/health", "/ready", "/info")]
            gate.set()
            await call
            return answers

    assert asyncio.run(main()) == [200, 200, 200]


def test_forty_calls_run_in_threads_by_default(make, gate):
    """Further ones wait for one of them."""
    running, most = [], []

    def work(value, context):
        running.append(1)
        most.append(len(running))
        if len(running) == 40:
            gate.set()
        gate.wait(20)
        running.pop()

    async def main(app):
        async with caller(app) as client:
            return await asyncio.gather(*(client.post("/run", json=1) for _ in range(60)))

    assert {each.status_code for each in asyncio.run(main(create_tactic_app(make(work))))} == {200}
    assert max(most) == 40


def test_a_hung_thread_keeps_its_place(make, doze):
    """Calls that were given up cannot pile up behind the caller's back."""
    app = create_tactic_app(make(doze), max_concurrency=1, max_queue=0, request_timeout=0.1)

    async def main():
        async with caller(app) as client:
            return [(await client.post("/run", json=1)).status_code for _ in range(2)]

    assert asyncio.run(main()) == [504, 503]


def test_deadlines_hold_while_waiting(make, error_of, gate, nap):
    """Time in the queue is time."""
    app = create_tactic_app(make(nap), max_concurrency=1)

    async def main():
        async with caller(app) as client:
            first = asyncio.create_task(client.post("/run", json=1))
            await settled()
            late = await client.post("/run", json=1, headers={"X-LLLM-Timeout-Ms": "50"})
            gate.set()
            return late, await first

    late, first = asyncio.run(main())
    assert (late.status_code, error_of(late)["type"], first.status_code) == (504, "DeadlineExceeded", 200)


@pytest.mark.parametrize("milliseconds", ["0", "-5", "0.0"])
def test_a_spent_deadline_is_refused_before_the_work(client, untyped, error_of, milliseconds):
    """504 at once, with the caller's id."""
    body = {"input": 1, "context": {"request_id": "r"}}
    response = client(untyped).post("/run", json=body, headers={"X-LLLM-Timeout-Ms": milliseconds})
    error = error_of(response)
    assert (response.status_code, error["type"], error["request_id"]) == (504, "DeadlineExceeded", "r")


@pytest.mark.parametrize("value", ["soon", "nan", "inf", ""])
def test_a_malformed_deadline_is_refused(client, untyped, error_of, value):
    """It must be a number of milliseconds."""
    response = client(untyped).post("/run", json=1, headers={"X-LLLM-Timeout-Ms": value})
    assert (response.status_code, error_of(response)["type"]) == (400, "SchemaError")


def test_the_deadline_reaches_the_tactic(client, make):
    """As the remaining time of its context; the service's own limit only shortens it."""
    tactic = make(lambda value, context: context.remaining)
    remaining = client(tactic).post("/run", json=1, headers={"X-LLLM-Timeout-Ms": "5000"}).json()["output"]
    assert 4 < remaining <= 5
    http = client(tactic, request_timeout=2.0)
    assert 1 < http.post("/run", json=1, headers={"X-LLLM-Timeout-Ms": "5000"}).json()["output"] <= 2
    assert http.post("/run", json=1, headers={"X-LLLM-Timeout-Ms": "500"}).json()["output"] <= 0.5
    assert client(tactic).post("/run", json=1).json()["output"] is None


@pytest.mark.parametrize("kind", ["nap", "doze"])
def test_the_service_limits_every_call(client, make, error_of, request, kind):
    """`request_timeout` answers 504, for synchronous work too."""
    response = client(make(request.getfixturevalue(kind)), request_timeout=0.05).post("/run", json=1)
    assert (response.status_code, error_of(response)["type"]) == (504, "DeadlineExceeded")


def test_synchronous_work_is_told_that_the_time_is_up(client, make):
    """It sees `context.cancelled`."""
    seen = []

    def work(value, context):
        for _ in range(500):
            if context.cancelled:
                seen.append(True)
                return
            time.sleep(0.01)

    client(make(work), request_timeout=0.05).post("/run", json=1)
    until = time.monotonic() + 5
    while not seen and time.monotonic() < until:
        time.sleep(0.01)
    assert seen


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_body_bytes", 0),
        ("max_body_bytes", True),
        ("max_concurrency", 0),
        ("max_queue", -1),
        ("max_queue", None),
        ("request_timeout", 0),
        ("request_timeout", float("inf")),
        ("body_timeout", "1"),
        ("heartbeat", None),
        ("drain_timeout", -1),
        ("on_disconnect", "ignore"),
        ("expose_errors", "all"),
    ],
)
def test_options_are_checked(echo, option, value):
    """The error names the option."""
    with pytest.raises(ValueError, match=option):
        create_tactic_app(echo, **{option: value})


def test_policies_are_checked(echo, make):
    """Those of the service, and what a tactic says itself."""
    with pytest.raises(TypeError, match="policies"):
        create_tactic_app(echo, policies={"echo": {"max_concurrency": 1}})
    with pytest.raises(ValueError, match="max_concurrency"):
        create_tactic_app(make(nap, max_concurrency="many"))
    with pytest.raises(TypeError, match="allow_nan"):
        create_tactic_app(echo, allow_nan=1)
    with pytest.raises(TypeError, match="expose_single_tactic_routes"):
        create_service_app([echo], expose_single_tactic_routes=1)


def test_a_limiter_serves_in_order():
    """First come, first served; who gives up is skipped."""

    async def main():
        limiter, order = Limiter(1, 10), []
        await limiter.enter()

        async def work(name):
            await limiter.enter()
            order.append(name)
            limiter.leave()

        tasks = [asyncio.create_task(work(name)) for name in "abcd"]
        await asyncio.sleep(0)
        assert limiter.queued == 4
        tasks[1].cancel()
        limiter.leave()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order, limiter.active, limiter.queued

    assert asyncio.run(main()) == (["a", "c", "d"], 0, 0)


def test_a_place_that_comes_too_late_goes_on():
    """Who is cancelled in the moment of its turn hands the place on."""

    async def main():
        limiter = Limiter(1, 10)
        await limiter.enter()
        tasks = [asyncio.create_task(limiter.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        limiter.leave()
        tasks[0].cancel()
        await asyncio.wait_for(tasks[1], 1)
        limiter.leave()
        return limiter.active

    assert asyncio.run(main()) == 0


def test_a_full_limiter_refuses():
    """Nobody waits when nobody may."""

    async def main():
        limiter = Limiter(1, 0)
        await limiter.enter()
        with pytest.raises(Full):
            await limiter.enter()

    asyncio.run(main())


def test_threads_carry_context_and_errors():
    """And give their place back after either."""
    from contextvars import ContextVar

    variable = ContextVar("variable", default=0)

    def fail():
        raise KeyError("x")

    async def main():
        threads = Threads(1, 5)
        variable.set(7)
        assert await threads.call(variable.get) == 7
        with pytest.raises(KeyError):
            await threads.call(fail)
        assert threads.busy == 0
        threads.close()

    asyncio.run(main())


def test_only_late_requests_are_told():
    """In order, once, and the timer rests when nothing is under way."""

    class Request:
        late = 0

        def be_late(self):
            self.late += 1

    async def main():
        watch, quick, slow = LateWatch(), Request(), Request()
        watch.add(quick)
        watch.add(slow)
        watch.discard(quick)
        await asyncio.sleep(0.1)
        again = Request()
        watch.add(again)
        await asyncio.sleep(0.1)
        return quick.late, slow.late, again.late

    assert asyncio.run(main()) == (0, 1, 1)
