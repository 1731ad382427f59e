"""Services that hang, break off, lie or flood: the caller gets an error in time, and nothing else."""

import asyncio
import gzip
import logging
import pickle
import time

import pytest

from lllm import (
    CallContext,
    DeadlineExceeded,
    RemoteTactic,
    RemoteTacticError,
    TacticServiceError,
)
from lllm_runtime_remote.exchange import Exchange

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 6\r\n\r\n<html>"


def sends(data):
    """Return a script that answers these bytes and closes the connection."""
    return lambda server, connection: connection.sendall(data)


def body(content, *headers):
    """Return a whole answer with a body."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + lines + b"content-length: %d\r\n\r\n" % len(content) + content


async def collect(stream):
    """Read a stream to its end."""
    return [item async for item in stream]


PATHS = {
    "run": lambda tactic, context: tactic.run(1, context=context),
    "arun": lambda tactic, context: asyncio.run(tactic.arun(1, context=context)),
    "stream": lambda tactic, context: list(tactic.stream(1, context=context)),
    "astream": lambda tactic, context: asyncio.run(collect(tactic.astream(1, context=context))),
    "aevents": lambda tactic, context: asyncio.run(collect(tactic.aevents(1, context=context))),
}
RUNS = {name: PATHS[name] for name in ("run", "arun")}
STREAMS = {name: PATHS[name] for name in ("stream", "astream", "aevents")}


@pytest.fixture(params=PATHS)
def path(request):
    """Each way to call, in turn."""
    return PATHS[request.param]


@pytest.fixture(params=RUNS)
def run(request):
    """Each way to call for one result."""
    return RUNS[request.param]


@pytest.fixture(params=STREAMS)
def stream(request):
    """Each way to call for a stream."""
    return STREAMS[request.param]


def test_a_service_that_never_answers(raw, path):
    """The timeout ends the call, and the deadline does; the connection is closed."""
    server = raw(lambda server, connection: server.wait(connection))
    with RemoteTactic(server.url, timeout=0.2) as tactic:
        with pytest.raises(TacticServiceError, match="did not answer in time"):
            path(tactic, None)
        assert server.gone.wait(30)
        with pytest.raises(DeadlineExceeded):
            path(tactic, CallContext().limit(0.1))
    assert len(server.requests) == 2


def test_a_service_that_drips(raw, run):
    """A byte now and then does not count as an answer: the timeout is for the whole of it."""

    def drip(server, connection):
        connection.sendall(OK + b"content-length: 1000000\r\n\r\n")
        server.repeat(connection, b" ")

    server = raw(drip)
    with RemoteTactic(server.url, timeout=0.3) as tactic:
        with pytest.raises(TacticServiceError, match="did not answer in time"):
            run(tactic, None)
        with pytest.raises(DeadlineExceeded):
            run(tactic, CallContext().limit(0.2))


def test_a_stream_of_heartbeats_ends_at_the_deadline(raw, stream):
    """Comments keep the connection alive and give the caller nothing."""

    def beat(server, connection):
        connection.sendall(EVENTS)
        server.repeat(connection, b": ping\n\n")

    with RemoteTactic(raw(beat).url) as tactic, pytest.raises(DeadlineExceeded):
        stream(tactic, CallContext().limit(0.3))


@pytest.mark.parametrize("given", [60, None])
def test_a_timeout_of_one_call_does_not_outlive_the_deadline(raw, run, given):
    """`timeout=` for the HTTP library shortens or lengthens the client's own, and never the caller's deadline."""
    server = raw(lambda server, connection: server.wait(connection))
    with RemoteTactic(server.url) as tactic:
        with pytest.raises(DeadlineExceeded):
            tactic.run(1, context=CallContext().limit(0.1), timeout=given)
        with pytest.raises(TacticServiceError, match="did not answer in time"):
            tactic.run(1, timeout=0.1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(OK, id="half a head"),
        pytest.param(OK + b"content-length: 100\r\n\r\n{", id="half a body"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n5\r\n{", id="half a chunk"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", id="no chunk"),
        pytest.param(b"\x00\xff garbage\r\n\r\n", id="garbage"),
        pytest.param(b"HTTP/9.9 what\r\n\r\n", id="another protocol"),
        pytest.param(body(b"no gzip", b"content-encoding: gzip"), id="wrong encoding"),
    ],
)
def test_broken_answers(raw, run, answer):
    """What is no whole answer is an error that names the service; the work may have been done, so once only."""
    server = raw(sends(answer))
    with RemoteTactic(server.url) as tactic, pytest.raises(TacticServiceError, match=server.url) as caught:
        run(tactic, None)
    assert caught.value.__cause__ is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"302 Found", b"304 Not Modified", b"999 Odd"])
def test_statuses_that_are_no_result(raw, path, status):
    """Redirects are neither followed nor taken for results, with or without a JSON body; nor are odd statuses."""
    content = b'{"output": "spoof"}' if status[:1] in b"39" and status != b"304 Not Modified" else b""
    answer = (
        b"HTTP/1.1 "
        + status
        + b"\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: %d\r\n\r\n" % len(content)
    )
    server = raw(sends(answer + content))
    if status.startswith(b"204") and path not in RUNS.values():
        pytest.skip("a stream without any event is a stream")
    with RemoteTactic(server.url) as tactic, pytest.raises(RemoteTacticError) as caught:
        path(tactic, None)
    assert caught.value.error_type == "InvalidResponse"
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [PAGE, body(b'{"output": 1}')])
def test_a_page_is_no_stream(raw, stream, answer):
    """A document instead of events would look like a stream that ended well."""
    with RemoteTactic(raw(sends(answer)).url) as tactic, pytest.raises(RemoteTacticError) as caught:
        stream(tactic, None)
    assert (caught.value.error_type, caught.value.endpoint) == ("InvalidResponse", "stream")
    assert "instead of a stream" in str(caught.value)


def test_a_flood_is_cut_off(raw, run):
    """Neither a body without end nor a small one that unpacks to a large one fills the memory."""

    def flood(server, connection):
        connection.sendall(OK + b"\r\n")
        server.repeat(connection, b" " * 4096)

    bomb = sends(body(gzip.compress(b" " * 1_000_000), b"content-encoding: gzip"))
    for script in (flood, bomb):
        with (
            RemoteTactic(raw(script).url, max_response_bytes=10_000) as tactic,
            pytest.raises(RemoteTacticError, match="larger than 10000 bytes") as caught,
        ):
            run(tactic, None)
        assert caught.value.error_type == "InvalidResponse"


def test_a_line_without_end_is_cut_off(raw, stream):
    """One frame is limited; a stream of many is not."""

    def flood(server, connection):
        connection.sendall(EVENTS)
        server.repeat(connection, b"data: " + b"x" * 4096)

    with (
        RemoteTactic(raw(flood).url, max_response_bytes=10_000) as tactic,
        pytest.raises(TacticServiceError, match="frame of more than 10000 bytes"),
    ):
        stream(tactic, None)
    many = sends(EVENTS + b"data: " + b"1\n\ndata: " * 3000 + b"1\n\n")
    with RemoteTactic(raw(many).url, max_response_bytes=10_000) as tactic:
        assert len(stream(tactic, None)) == 3001


@pytest.mark.parametrize("value", [0, -1, True, "5", None])
def test_the_size_limit_is_checked(value):
    """A positive integer."""
    with pytest.raises(ValueError, match="max_response_bytes"):
        RemoteTactic("http://127.0.0.1:1", max_response_bytes=value)


def test_a_stream_is_tried_again_until_it_has_begun(raw, stream):
    """A refusal that passes is waited for; once there was an event, breaking off is final."""

    def script(server, connection):
        if len(server.requests) < 3:
            connection.sendall(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n")
            return True
        connection.sendall(
            EVENTS.replace(b"\r\n\r\n", b"\r\ncontent-length: 1000\r\n\r\n") + b'id: 1\ndata: "a"\n\n'
        )
        return False

    server = raw(script)
    with RemoteTactic(server.url) as tactic, pytest.raises(TacticServiceError, match="broke off"):
        stream(tactic, None)
    assert len(server.requests) == 3


def test_a_page_in_an_error_does_not_fill_the_log(raw, run):
    """The text of the error is short; the whole page is in its `detail`."""
    page = b"<p>" * 100_000
    head = b"HTTP/1.1 500 Oops\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n" % len(page)
    with RemoteTactic(raw(sends(head + page)).url) as tactic, pytest.raises(RemoteTacticError) as caught:
        run(tactic, None)
    assert len(str(caught.value)) < 3000
    assert caught.value.message == caught.value.detail == page.decode()


@pytest.mark.parametrize(
    "usage", [b"{", b"[1]", b'{"cost": 1e999, "calls": -5, "total_tokens": "x"}', b"[" * 5000]
)
def test_usage_that_makes_no_sense_counts_nothing(raw, run, usage):
    """A service cannot break a call, or earn money, by what it reports."""
    server = raw(sends(body(b'{"output": 1}', b"x-lllm-usage: " + usage)))
    with RemoteTactic(server.url) as tactic:
        session = tactic.run(1, return_session=True)
    assert (session.state, session.total_cost.cost, session.total_cost.total_tokens) == ("success", 0.0, 0)


@pytest.mark.parametrize("token", ["hush\nx: y", "hush\r\n", " hush", "hüsh", "hush\x00"])
def test_a_malformed_credential_is_refused_without_showing_it(raw, run, token):
    """The HTTP library would repeat the header in its error, and split requests where there are line ends."""
    with pytest.raises(ValueError, match="authorization") as caught:
        RemoteTactic("http://127.0.0.1:1", auth=token)
    assert "sh" not in str(caught.value).replace("should", "")
    server = raw(sends(body(b"1")))
    with (
        RemoteTactic(server.url, auth=lambda: token) as tactic,
        pytest.raises(ValueError, match="authorization"),
    ):
        run(tactic, None)
    with pytest.raises(ValueError, match="X-Tenant") as caught:
        RemoteTactic("http://127.0.0.1:1", headers={"X-Tenant": token})
    assert token not in str(caught.value)
    with RemoteTactic(server.url) as tactic, pytest.raises(ValueError, match="X-Key") as caught:
        tactic.run(1, headers={"X-Key": token})
    assert token not in str(caught.value)
    assert server.requests == []


def test_cookies_of_one_call_are_not_sent_with_the_next(raw, run):
    """The client is shared by all callers of the tactic; a cookie that a caller gives is sent with that call."""

    def script(server, connection):
        connection.sendall(body(b"1", b"set-cookie: session=hush; path=/"))
        return True

    server = raw(script)
    with RemoteTactic(server.url) as tactic:
        run(tactic, None)
        tactic.run(1, headers={"Cookie": "mine=1"})
        run(tactic, None)
    assert [b"cookie" in head.lower() for head, _ in server.requests] == [False, True, False]
    assert b"hush" not in b"".join(head for head, _ in server.requests)


def test_credentials_show_nowhere(raw, run, caplog):
    """Not in what a tactic, an exchange or an error shows, and not in any log, down to the last detail."""
    caplog.set_level(logging.DEBUG)
    server = raw(sends(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"))
    with RemoteTactic(server.url, auth="hush-token", headers={"x-key": "hush-key"}) as tactic:
        with pytest.raises(RemoteTacticError) as caught:
            run(tactic, None)
        shown = (
            repr(tactic) + str(tactic) + repr(tactic.info()) + repr(caught.value) + str(vars(caught.value))
        )
    exchange = Exchange(CallContext(), 1.0, 0, {"authorization": "Bearer hush"}, {"headers": {"x": "hush"}})
    assert "hush" not in shown + caplog.text + repr(exchange)
    assert b"Bearer hush-token" in server.requests[0][0]


def test_a_proxy_of_the_environment_is_used(raw, run, monkeypatch):
    """HTTP_PROXY and NO_PROXY mean what they mean to every HTTP client."""
    proxy = raw(sends(body(b'{"output": "through"}')))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with RemoteTactic("http://service.invalid/tactics/echo") as tactic:
        assert run(tactic, None) == "through"
    assert proxy.requests[0][0].startswith(b"POST http://service.invalid/tactics/echo/run HTTP/1.1")
    direct = raw(sends(body(b'{"output": "direct"}')))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with RemoteTactic(direct.url) as tactic:
        assert run(tactic, None) == "direct"


@pytest.mark.parametrize(
    "proxy", ["what://user:hush@host:1", "http://user:hush@host:port", "socks5://hush@host:1"]
)
def test_a_proxy_that_cannot_be_used_is_reported(run, monkeypatch, proxy):
    """The error says where to look, and not what stands there: that may hold a password."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with RemoteTactic("http://127.0.0.1:1") as tactic, pytest.raises(TacticServiceError) as caught:
        run(tactic, None)
    assert "HTTP_PROXY" in str(caught.value) or "socks" in proxy
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_cannot_be_looked_up(host):
    """What passes the rules of refs and still is no host is refused at once."""
    with pytest.raises(ValueError, match=r"^url must have a host"):
        RemoteTactic(f"http://{host}/tactics/echo")


def test_a_retry_after_date_is_respected(raw):
    """A date in the past means at once; one far away is not waited for; what is neither is ignored."""
    for text, least, most in (
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2199 07:28:00 GMT", 1e9, 1e11),
    ):
        head = f"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\nretry-after: {text}\r\n\r\n".encode()
        with (
            RemoteTactic(raw(sends(head)).url, retries=1) as tactic,
            pytest.raises(RemoteTacticError) as caught,
        ):
            tactic.run(1)
        assert least <= caught.value.retry_after <= most
    head = b"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\nretry-after: soon\r\n\r\n"
    with RemoteTactic(raw(sends(head)).url, retries=0) as tactic, pytest.raises(RemoteTacticError) as caught:
        tactic.run(1)
    assert caught.value.retry_after is None


def test_cancelling_a_call_closes_its_connection(raw):
    """The service learns that nobody waits any more."""
    server = raw(lambda server, connection: server.wait(connection))

    async def main():
        async with RemoteTactic(server.url) as tactic:
            task = asyncio.create_task(tactic.arun(1))
            while not server.requests:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(server.gone.wait, 30)

    assert asyncio.run(main())


@pytest.mark.parametrize("kind", ["stream", "astream", "aevents", "cancelled"])
def test_leaving_a_stream_closes_its_connection(raw, kind):
    """Whether the reader closes it, drops it or is cancelled."""

    def endless(server, connection):
        connection.sendall(EVENTS)
        server.repeat(connection, b"data: 1\n\n")

    server = raw(endless)

    async def read(tactic):
        chunks = getattr(tactic, "astream" if kind == "cancelled" else kind)(1)
        await anext(chunks)
        if kind == "cancelled":
            task = asyncio.create_task(collect(chunks))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await chunks.aclose()
        return await asyncio.to_thread(server.gone.wait, 30)

    with RemoteTactic(server.url) as tactic:
        if kind == "stream":
            chunks = tactic.stream(1)
            next(chunks)
            chunks.close()
            assert server.gone.wait(30)
        else:
            assert asyncio.run(read(tactic))


def test_a_pickled_tactic_does_not_carry_connections(raw):
    """Not even while one is open."""
    server = raw(lambda server, connection: connection.sendall(body(b'{"output": 1}')) or True)
    with RemoteTactic(server.url, auth="t") as tactic:
        assert tactic.run(1) == 1
        with pickle.loads(pickle.dumps(tactic)) as other:
            assert other.run(1) == 1
    assert len(server.requests) == 2


def test_the_error_of_a_call_comes_soon_after_its_timeout(raw):
    """Pauses between tries are within the deadline as well."""
    start = time.monotonic()
    with (
        RemoteTactic("http://127.0.0.1:1", retries=50) as tactic,
        pytest.raises((TacticServiceError, DeadlineExceeded)),
    ):
        tactic.run(1, context=CallContext().limit(0.5))
    assert time.monotonic() - start < 30
