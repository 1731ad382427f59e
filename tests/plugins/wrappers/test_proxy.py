"""The proxy: hooks and records."""

import asyncio
import logging

import pytest

from lllm import CallContext, Tactic, TacticUnsupportedError
from lllm_wrappers import NONE, InMemoryProxyLog, ProxyTactic, proxy_tactic


def test_defaults_and_metadata(echo):
    """Name, description and metadata are exact; ours win."""
    proxy = ProxyTactic(echo, metadata={"m": 1, "proxied_tactic": "spoof"})
    assert (proxy.tactic_name, proxy.runtime_kind) == ("echo_proxy", "proxy")
    assert proxy.info().description == "Proxy for echo."
    assert proxy.info().metadata == {"m": 1, "proxied_tactic": "echo", "proxied_runtime_kind": "python"}


@pytest.mark.parametrize("flag", ["capture_inputs", "capture_outputs"])
def test_flags_are_strict(echo, flag):
    """0 and 1 are no booleans."""
    with pytest.raises(TypeError, match=flag):
        ProxyTactic(echo, **{flag: 1})
    with pytest.raises(TypeError, match="before must be callable"):
        ProxyTactic(echo, before=5)
    with pytest.raises(TypeError, match="sink must be callable"):
        ProxyTactic(echo, sink=5)


def test_hooks_see_and_replace_values(tactics, echo):
    """None keeps the value, anything else replaces it, NONE replaces it by None."""
    word, seen = tactics["word"], []
    proxy = ProxyTactic(
        echo,
        before=lambda value, context: seen.append((value, context.request_id)),
        after=lambda value, context: word(text=value.text + "!"),
    )
    assert proxy.run({"text": "hi"}, context=CallContext(request_id="r")).text == "HI!"
    assert seen == [(word(text="hi"), "r")]

    class Loose(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    assert ProxyTactic(Loose(), after=lambda value, context: NONE).run(1) is None
    assert repr(NONE) == "NONE"


def test_stream_chunks_pass_through_after(tactics, echo):
    """`after` sees each chunk, on all stream paths."""
    proxy, collect = ProxyTactic(echo, after=lambda value, context: value * 2), tactics["collect"]
    assert list(proxy.stream({"text": "ab"})) == ["aa", "bb"]
    assert asyncio.run(collect(proxy.astream({"text": "ab"}))) == ["aa", "bb"]
    assert [event.data for event in asyncio.run(collect(proxy.aevents({"text": "ab"})))] == ["aa", "bb"]


def test_async_hooks_need_async_calls(tactics, echo):
    """An awaitable hook result is awaited on async paths and refused on sync ones."""

    async def after(value, context):
        return tactics["word"](text="async")

    proxy = ProxyTactic(echo, after=after)
    assert asyncio.run(proxy.arun({"text": "x"})).text == "async"
    with pytest.raises(TacticUnsupportedError, match="hook of `echo_proxy` is asynchronous"):
        proxy.run({"text": "x"})


def test_records_are_exact(echo):
    """Fields, captured values in JSON form, and both metadata maps."""
    log = InMemoryProxyLog()
    proxy = proxy_tactic(echo, sink=log, capture_inputs=True, capture_outputs=True, metadata={"m": 1})
    proxy.run({"text": "hi"}, context=CallContext(request_id="r1", metadata={"a": 1}))
    (record,) = log.records
    dump = record.model_dump()
    for timed in ("started_at", "ended_at", "latency_ms"):
        assert dump.pop(timed) >= 0
    assert dump == {
        "request_id": "r1",
        "proxy": "echo_proxy",
        "tactic": "echo",
        "state": "success",
        "input_value": {"text": "hi"},
        "output_value": {"text": "HI"},
        "error_type": None,
        "error": None,
        "metadata": {"context": {"a": 1}, "proxy": {"m": 1}},
    }
    log.clear()
    assert log.records == []


def test_streams_are_recorded_as_lists(tactics, echo):
    """One record a stream, its chunks in order."""
    log = InMemoryProxyLog()
    proxy = proxy_tactic(echo, sink=log.append, capture_outputs=True)
    list(proxy.stream({"text": "ab"}))
    asyncio.run(tactics["collect"](proxy.aevents({"text": "ab"})))
    assert [record.output_value[0:1] for record in log.records] == [["a"], ["a"]]
    assert log.records[0].output_value == ["a", "b"]


def test_failures_closed_and_cancelled_streams_leave_records(tactics):
    """A record is written in every case, with the class of what ended the call."""
    log = InMemoryProxyLog()
    told = []
    flaky = proxy_tactic(tactics["flaky"](5), sink=log, on_error=lambda error, context: told.append(error))
    with pytest.raises(ConnectionError, match="failure 1"):
        flaky.run({"text": "x"})
    assert [str(error) for error in told] == ["failure 1"]

    reader = proxy_tactic(tactics["echo"](), sink=log).stream({"text": "ab"})
    next(reader)
    reader.close()

    async def cancelled():
        task = asyncio.create_task(proxy_tactic(tactics["sleepy"](5), sink=log).arun({"text": "x"}))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert [(record.state, record.error_type) for record in log.records] == [
        ("failure", "ConnectionError"),
        ("failure", "GeneratorExit"),
        ("failure", "CancelledError"),
    ]


def test_sinks_captures_and_error_hooks_never_change_the_outcome(tactics, echo, caplog):
    """What they raise is logged."""

    class Unshowable:
        def __str__(self):
            raise RuntimeError("no text")

    class Odd(Tactic):
        def _run(self, input_value, *, context=None):
            return Unshowable()

    def broken(*args):
        raise RuntimeError("broken sink")

    with caplog.at_level(logging.ERROR, "lllm.wrappers"):
        assert proxy_tactic(echo, sink=broken).run({"text": "x"}).text == "X"
        assert asyncio.run(proxy_tactic(echo, sink=broken).arun({"text": "x"})).text == "X"
        assert isinstance(proxy_tactic(Odd(), sink=print, capture_outputs=True).run(1), Unshowable)
        with pytest.raises(ConnectionError, match="failure 1"):
            proxy_tactic(tactics["flaky"](1), on_error=broken).run({"text": "x"})
    assert "broken sink" in caplog.text


def test_async_sinks_are_awaited(echo):
    """On async paths a sink may be a coroutine function."""
    records = []

    async def sink(record):
        await asyncio.sleep(0)
        records.append(record)

    asyncio.run(proxy_tactic(echo, sink=sink).arun({"text": "x"}))
    assert [record.state for record in records] == ["success"]


def test_the_log_owns_its_records(echo):
    """Changing a record afterwards does not change the log."""
    log = InMemoryProxyLog()
    kept = []
    proxy_tactic(echo, sink=kept.append).run({"text": "x"})
    log.append(kept[0])
    kept[0].metadata["context"]["changed"] = True
    assert log.records[0].metadata == {"context": {}, "proxy": {}}
