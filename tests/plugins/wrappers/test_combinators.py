"""Retry, fallback, cache and limit."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lllm import CallContext, SchemaError, Tactic, TacticUnsupportedError
from lllm_wrappers import cache, fallback, limit, retry


def test_retry_until_success(tactics):
    """Failures below the number of attempts do not show, on any path."""
    flaky, collect = tactics["flaky"], tactics["collect"]
    assert retry(flaky(2), backoff=0).run({"text": "x"}).text == "x"
    assert asyncio.run(retry(flaky(2), backoff=0).arun({"text": "x"})).text == "x"
    assert list(retry(flaky(2), backoff=0).stream({"text": "xy"})) == ["x", "y"]
    assert asyncio.run(collect(retry(flaky(2), backoff=0).astream({"text": "xy"}))) == ["x", "y"]


def test_retry_gives_up(tactics):
    """The last error is raised as it is; nothing is tried again that cannot succeed."""
    flaky = tactics["flaky"](9)
    with pytest.raises(ConnectionError, match="failure 3"):
        retry(flaky, attempts=3, backoff=0).run({"text": "x"})
    other = tactics["flaky"](9, KeyError)
    with pytest.raises(KeyError):
        retry(other, backoff=0, on=(ConnectionError,)).run({"text": "x"})
    assert other.calls == 1
    for final in (SchemaError, TacticUnsupportedError):
        final_failure = tactics["flaky"](9, final)
        with pytest.raises(final):
            retry(final_failure, backoff=0).run({"text": "x"})
        assert final_failure.calls == 1


def test_a_begun_stream_is_not_repeated(tactics):
    """Chunks that were delivered cannot be taken back."""
    flaky, seen = tactics["flaky"](1, chunks=1), []
    with pytest.raises(ConnectionError):
        for chunk in retry(flaky, backoff=0).stream({"text": "xy"}):
            seen.append(chunk)
    assert seen == ["x"]
    with pytest.raises(ConnectionError):
        asyncio.run(
            tactics["collect"](retry(tactics["flaky"](1, chunks=1), backoff=0).astream({"text": "xy"}))
        )


def test_retry_waits_as_asked_and_within_the_deadline(tactics):
    """`retry_after` of the error counts; a pause beyond the deadline is not begun."""

    class Busy(Exception):
        retry_after = 0.05

    start = time.monotonic()
    retry(tactics["flaky"](1, Busy), backoff=0).run({"text": "x"})
    assert time.monotonic() - start >= 0.05
    flaky = tactics["flaky"](1)
    with pytest.raises(ConnectionError):
        retry(flaky, backoff=60, max_backoff=60).run({"text": "x"}, context=CallContext().limit(1))
    assert flaky.calls == 1


@pytest.mark.parametrize(
    ("field", "value"), [("attempts", 0), ("attempts", True), ("backoff", -1), ("max_backoff", float("nan"))]
)
def test_retry_numbers_are_checked(tactics, field, value):
    """The error names the argument."""
    with pytest.raises(ValueError, match=field):
        retry(tactics["flaky"](0), **{field: value})


def test_fallback_uses_the_first_that_succeeds(tactics, echo):
    """On every path; streams before their first chunk."""
    collect = tactics["collect"]

    def chain():
        return fallback(tactics["flaky"](9), echo)

    assert chain().run({"text": "x"}).text == "X"
    assert asyncio.run(chain().arun({"text": "x"})).text == "X"
    assert list(chain().stream({"text": "xy"})) == ["x", "y"]
    assert [event.data for event in asyncio.run(collect(chain().aevents({"text": "xy"})))] == ["x", "y"]
    with pytest.raises(ConnectionError):
        list(fallback(tactics["flaky"](9, chunks=1), echo).stream({"text": "xy"}))


def test_fallback_reports_all_failures(tactics):
    """The last error is raised, the earlier ones stand in its notes."""
    with pytest.raises(ConnectionError, match="failure 1") as caught:
        fallback(tactics["flaky"](9, KeyError), tactics["flaky"](9)).run({"text": "x"})
    assert caught.value.__notes__ == ["before, `flaky` failed with KeyError: 'failure 1'"]
    with pytest.raises(ValueError, match="at least one"):
        fallback()


def test_fallback_claims_what_all_can_do(tactics, echo):
    """A member that does not stream takes streaming away."""

    class Plain(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    assert fallback(echo, Plain()).capabilities() == {"run", "arun"}


def test_cache_does_equal_work_once(tactics):
    """Equal JSON forms share a result; callers get copies; failures are not kept."""
    flaky = tactics["flaky"](1)
    cached = cache(flaky)
    with pytest.raises(ConnectionError):
        cached.run({"text": "x"})
    first = cached.run({"text": "x"})
    first.text = "changed"
    assert cached.run({"text": "x"}).text == "x"
    assert asyncio.run(cached.arun({"text": "x"})).text == "x"
    assert flaky.calls == 2
    cached.run({"text": "other"})
    assert flaky.calls == 3
    cached.clear()
    cached.run({"text": "x"})
    assert flaky.calls == 4


def test_cache_forgets_by_size_and_age(tactics):
    """The least recently used result goes first, and old ones go."""
    flaky = tactics["flaky"](0)
    cached = cache(flaky, max_entries=1)
    for text in ("a", "b", "a"):
        cached.run({"text": text})
    assert flaky.calls == 3
    aged = cache(flaky, ttl=0.01)
    aged.run({"text": "a"})
    time.sleep(0.02)
    aged.run({"text": "a"})
    assert flaky.calls == 5


def test_cache_replays_streams(tactics):
    """Streams that ended well are replayed; others are not."""
    flaky, collect = tactics["flaky"](1, chunks=1), tactics["collect"]
    cached = cache(flaky)
    with pytest.raises(ConnectionError):
        list(cached.stream({"text": "xy"}))
    assert list(cached.stream({"text": "xy"})) == ["x", "y"]
    assert list(cached.stream({"text": "xy"})) == ["x", "y"]
    assert asyncio.run(collect(cached.astream({"text": "xy"}))) == ["x", "y"]
    assert flaky.calls == 2


def test_concurrent_equal_calls_share_one_piece_of_work(tactics):
    """Threads and tasks wait for the one that works; when it is cancelled another takes over."""

    class Counting(Tactic):
        calls = 0

        def _run(self, input_value, *, context=None):
            Counting.calls += 1
            time.sleep(0.05)
            return input_value

    cached = cache(Counting())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(cached.run, [1] * 8)) == [1] * 8
    assert Counting.calls == 1

    async def main():
        first = asyncio.create_task(cached.arun(2))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(cached.arun(2))
        await asyncio.sleep(0.01)
        first.cancel()
        return await second

    assert asyncio.run(main()) == 2


class Counted(Tactic):
    """Counts how many calls are inside at once."""

    def __init__(self):
        super().__init__()
        self.inside = 0
        self.most = 0
        self.starts = []
        self.lock = threading.Lock()

    def _run(self, input_value, *, context=None):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.starts.append(time.monotonic())
        time.sleep(0.01)
        with self.lock:
            self.inside -= 1
        return input_value


def test_limit_holds_across_threads_and_loops():
    """Never more than allowed are inside, and everybody gets a turn."""
    counted = Counted()
    limited = limit(counted, concurrency=2)

    def loop(number):
        async def main():
            return await asyncio.gather(*(limited.arun(number) for _ in range(3)))

        return asyncio.run(main())

    with ThreadPoolExecutor(6) as pool:
        threads = [pool.submit(limited.run, number) for number in range(6)]
        loops = [pool.submit(loop, number) for number in range(2)]
        assert sorted(future.result() for future in threads) == list(range(6))
        assert [future.result() for future in loops] == [[0, 0, 0], [1, 1, 1]]
    assert counted.most == 2


def test_a_waiting_call_can_be_cancelled():
    """Whoever gives up leaves the queue and holds nobody up."""
    limited = limit(Counted(), concurrency=1)

    async def main():
        tasks = [asyncio.create_task(limited.arun(number)) for number in range(4)]
        await asyncio.sleep(0.002)
        tasks[1].cancel()
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert (results[0], results[3]) == (0, 3)
    assert limited.run(9) == 9


def test_rates_are_kept():
    """At most `rate` calls begin within `per` seconds."""
    counted = Counted()
    limited = limit(counted, rate=3, per=0.1)
    begun = time.monotonic()
    for number in range(7):
        limited.run(number)
    assert counted.starts[3] - begun >= 0.1
    assert counted.starts[6] - begun >= 0.2


def test_a_stream_holds_its_place(tactics, echo):
    """A closed stream frees it."""
    limited = limit(echo, concurrency=1)
    reader = limited.stream({"text": "ab"})
    next(reader)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limited.run, {"text": "x"})
        time.sleep(0.02)
        assert not waiting.done()
        reader.close()
        assert waiting.result(2).text == "X"


def test_limit_arguments(echo):
    """One limit is needed, and numbers are checked."""
    with pytest.raises(ValueError, match="concurrency=, rate= or both"):
        limit(echo)
    with pytest.raises(ValueError, match="concurrency"):
        limit(echo, concurrency=0)
