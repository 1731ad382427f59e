"""Wrappers that are copied, forked, opened and closed, and callers that cannot wait."""

import asyncio
import copy
import gc
import multiprocessing
import pickle
import threading

import pytest

from lllm import CallContext, DeadlineExceeded, InMemoryProxyLog, Tactic, current_call, proxy_tactic
from lllm_wrappers import cache, fallback, limit, retry, sandbox_tactic


class Shout(Tactic, register=False):
    """A tactic of this module, so that other processes find its class."""

    name = "shout"

    def _run(self, input_value, *, context=None):
        return str(input_value).upper()


class Door(Shout, register=False):
    """A tactic with something to open and close."""

    def __init__(self):
        super().__init__()
        self.seen = []

    async def __aenter__(self):
        self.seen.append("aopen")
        return self

    async def __aexit__(self, *exception):
        self.seen.append("aclose")

    def __enter__(self):
        self.seen.append("open")
        return self

    def __exit__(self, *exception):
        self.seen.append("close")


WRAP = {
    "proxy": lambda tactic: proxy_tactic(tactic, sink=InMemoryProxyLog()),
    "sandbox": lambda tactic: sandbox_tactic(tactic, {"timeout_seconds": 50}),
    "retry": retry,
    "fallback": fallback,
    "limit": lambda tactic: limit(tactic, concurrency=1),
    "cache": cache,
}


@pytest.fixture(params=WRAP)
def wrap(request):
    """Each of the wrappers in turn."""
    return WRAP[request.param]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_wrappers_can_be_copied_and_pickled(wrap, duplicate):
    """Locks and queues stay behind; the copy works for itself."""
    wrapped = wrap(Shout())
    assert wrapped.run("a") == "A"
    assert duplicate(wrapped).run("b") == "B"


def test_a_copied_log_keeps_its_records():
    """Records are data and go along; the lock is made anew."""
    log = InMemoryProxyLog()
    proxy_tactic(Shout(), sink=log).run("a")
    copied = pickle.loads(pickle.dumps(log))
    copied.append(copied.records[0])
    assert (len(copied.records), len(log.records)) == (2, 1)


def _run_in_child(tactic, answers):
    answers.put(tactic.run("child"))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["limit", "cache"])
def test_a_forked_child_waits_for_nobody_of_the_parent(kind):
    """Whoever was inside when the process forked never leaves in the child."""
    inside, go = threading.Event(), threading.Event()

    class Slow(Shout, register=False):
        def _run(self, input_value, *, context=None):
            if input_value == "child" and threading.current_thread() is not threading.main_thread():
                inside.set()
                go.wait(30)
            return super()._run(input_value, context=context)

    wrapped = WRAP[kind](Slow())
    busy = threading.Thread(target=wrapped.run, args=("child",))
    busy.start()
    assert inside.wait(30)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_run_in_child, args=(wrapped, answers))
    child.start()
    try:
        assert answers.get(timeout=30) == "CHILD"
    finally:
        go.set()
        busy.join()
        child.join(30)
        child.kill()


def test_with_blocks_open_and_close_what_is_inside(wrap):
    """Through any number of wrappers, synchronously and asynchronously."""
    door = Door()
    with retry(wrap(door)) as wrapped:
        assert wrapped.run("a") == "A"
    assert door.seen == ["open", "close"]

    async def main():
        async with retry(wrap(door)) as wrapped:
            assert await wrapped.arun("b") == "B"

    asyncio.run(main())
    assert door.seen == ["open", "close", "aopen", "aclose"]


def test_a_fallback_opens_all_of_its_tactics():
    """The second one is needed when the first one fails; tactics without anything to open are left alone."""
    first, second = Door(), Door()
    with fallback(first, Shout(), second):
        pass
    assert first.seen == second.seen == ["open", "close"]


@pytest.mark.parametrize("kind", ["limit", "cache"])
def test_waiting_ends_at_the_deadline(kind):
    """A synchronous caller waits for another call no longer than its own deadline."""
    inside, go = threading.Event(), threading.Event()

    class Slow(Shout, register=False):
        def _run(self, input_value, *, context=None):
            inside.set()
            go.wait(30)
            return input_value

    wrapped = WRAP[kind](Slow())
    busy = threading.Thread(target=wrapped.run, args=("x",))
    busy.start()
    assert inside.wait(30)
    try:
        with pytest.raises(DeadlineExceeded):
            wrapped.run("x", context=CallContext().limit(0.05))
    finally:
        go.set()
        busy.join()
    assert wrapped.run("x", context=CallContext().limit(30)) == "x"


@pytest.mark.parametrize("threads", [True, False])
def test_the_deadline_of_one_caller_is_not_that_of_those_who_wait(threads):
    """When whoever works for all has no time left, somebody with time begins anew."""
    begun = threading.Event()

    class Slow(Shout, register=False):
        calls = 0

        def _run(self, input_value, *, context=None):
            Slow.calls += 1
            begun.set()
            while Slow.calls == 1 and not context.cancelled:
                threading.Event().wait(0.005)
            if context.cancelled:
                raise DeadlineExceeded("no time left")
            return "done"

    cached = cache(Slow())

    def hurried():
        with pytest.raises(DeadlineExceeded):
            cached.run("a", context=CallContext().limit(0.3))

    worker = threading.Thread(target=hurried)
    worker.start()
    assert begun.wait(30)
    assert (cached.run("a") if threads else asyncio.run(cached.arun("a"))) == "done"
    worker.join()
    assert Slow.calls == 2


def test_pacing_ends_at_the_deadline():
    """A start that is booked for later than the deadline is not waited for."""
    paced = limit(Shout(), rate=1, per=3600)
    assert paced.run("a") == "A"
    with pytest.raises(DeadlineExceeded):
        paced.run("b", context=CallContext().limit(0.05))


def test_a_synchronous_call_on_the_loop_that_works_for_it_does_not_hang():
    """The cached call under way needs this thread, so that waiting for it here would be for ever."""

    class Both(Shout, register=False):
        async def _arun(self, input_value, *, context=None):
            await asyncio.sleep(0)
            return "async"

    cached = cache(Both())

    async def main():
        first = asyncio.create_task(cached.arun("a"))
        await asyncio.sleep(0)
        return cached.run("a"), await first

    assert asyncio.run(main()) == ("A", "async")


def test_what_has_no_json_form_is_never_kept():
    """Its text may show an address that another object gets later; NaN and None are not equal either."""

    class Thing:
        pass

    class Count(Shout, register=False):
        calls = 0

        def _run(self, input_value, *, context=None, **options):
            Count.calls += 1
            return Count.calls

        def _stream(self, input_value, *, context=None):
            Count.calls += 1
            yield Count.calls

    cached, thing = cache(Count()), Thing()
    assert [cached.run(thing), cached.run(thing), asyncio.run(cached.arun(thing))] == [1, 2, 3]
    assert [list(cached.stream(thing)), list(cached.stream(thing))] == [[4], [5]]
    assert [cached.run(1, option=thing), cached.run(1, option=thing)] == [6, 7]
    assert [cached.run(float("nan")), cached.run(None), cached.run(None)] == [8, 9, 9]


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (404, 1), (422, 1), (429, 3), (408, 3), (500, 3)])
def test_retry_respects_the_refusal_of_a_service(status, tries):
    """A status that says never is final; one that says not now, or no status at all, is not."""

    class Answer(Exception):
        status_code = status

    class Refused(Shout, register=False):
        calls = 0

        def _run(self, input_value, *, context=None):
            Refused.calls += 1
            raise Answer

    with pytest.raises(Answer):
        retry(Refused(), attempts=3, backoff=0).run("a")
    assert Refused.calls == tries


def test_calls_leave_nothing_to_the_collector():
    """The calls below an outermost one end with it, unless somebody holds it and may ask for its session."""
    wrapped = retry(proxy_tactic(Shout()))
    wrapped.run("a")
    gc.collect()
    gc.disable()
    try:
        wrapped.run("a")
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_call_that_is_held_keeps_its_session():
    """Whoever took the running call can ask later for everything below it."""
    held = []

    def look(value, context):
        held.append(current_call())

    retry(proxy_tactic(Shout(), before=look)).run("a")
    root = held[0].parent
    assert (root.session.state, list(root.session.sub_tactic_sessions)) == ("success", ["tactic"])
