"""Connections that break, hang, dawdle and crowd, against a real server."""

import asyncio
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from lllm_serve import TacticPolicy


class Watched:
    """A tactic's work that tells what becomes of it."""

    def __init__(self):
        self.started = threading.Event()
        self.cancelled = None
        self.finished = threading.Event()

    async def wait(self, value, context):
        """Wait for a long time."""
        self.started.set()
        try:
            await asyncio.sleep(0.5 if value == "short" else 30)
        except asyncio.CancelledError:
            self.cancelled = time.monotonic()
            raise
        finally:
            self.finished.set()
        return "done"

    def block(self, value, context):
        """Wait in a thread until the context says that nobody waits for the result."""
        self.started.set()
        while not context.cancelled:
            time.sleep(0.002)
        self.cancelled = time.monotonic()
        self.finished.set()

    async def stream(self, value, context):
        """Stream for a long time."""
        try:
            yield 1
            self.started.set()
            await asyncio.sleep(30)
        finally:
            self.cancelled = time.monotonic()
            self.finished.set()

    def sync_stream(self, value, context):
        """Stream from a thread for a long time."""
        try:
            for number in range(3000):
                yield number
                self.started.set()
                time.sleep(0.01)
        finally:
            self.cancelled = time.monotonic()
            self.finished.set()


@pytest.fixture
def work():
    """Work that tells what becomes of it."""
    return Watched()


@pytest.mark.parametrize(
    ("method", "path"),
    [("wait", "/run"), ("block", "/run"), ("stream", "/stream"), ("sync_stream", "/stream")],
)
def test_work_is_cancelled_when_its_caller_leaves(serve, make, work, method, path):
    """At once, whatever kind of work it is; the benchmark says how soon."""
    server = serve(make(getattr(work, method)))
    connection = server.call(path, 1)
    assert work.started.wait(5)
    time.sleep(0.1)
    assert not work.finished.is_set()
    left = time.monotonic()
    connection.close()
    assert work.finished.wait(5)
    assert work.cancelled - left < 2


def test_the_watch_begins_early(serve, make, work):
    """A caller that leaves at once is noticed as well."""
    server = serve(make(work.wait))
    connection = server.call("/run", 1)
    assert work.started.wait(5)
    connection.close()
    assert work.finished.wait(1)


def test_work_goes_on_when_the_policy_says_so(serve, make, work):
    """For the service, the tactic, or one call."""
    tactic = make(work.wait)
    policy = {"work": TacticPolicy(on_disconnect="continue")}
    for options, headers in (
        ({"on_disconnect": "continue"}, ()),
        ({"policies": policy}, ()),
        ({}, ("X-LLLM-On-Disconnect: continue",)),
    ):
        work.__init__()
        server = serve(tactic, **options)
        from_scratch = raw("/run", "short", *headers)
        connection = server.connect(from_scratch)
        assert work.started.wait(5)
        connection.close()
        assert work.finished.wait(5)
        assert work.cancelled is None


def test_one_call_can_ask_to_be_cancelled(serve, make, work):
    """Against the policy of the service; anything but the two words is refused."""
    server = serve(make(work.wait), on_disconnect="continue")
    connection = server.connect(raw("/run", 1, "X-LLLM-On-Disconnect: cancel"))
    assert work.started.wait(5)
    connection.close()
    assert work.finished.wait(2)
    status, _, _ = server.request("/run", 1, headers={"X-LLLM-On-Disconnect": "shrug"})
    assert status == 400


def raw(path, body, *headers):
    """Return the bytes of a request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def test_a_caller_that_leaves_before_its_body_is_complete(serve, echo, wait_for):
    """Nothing runs, nothing is logged as a failure, and the service goes on."""
    server = serve(echo)
    request = raw("/run", {"text": "x" * 100})
    with server.connect(request[:-50]):
        wait_for(lambda: server.service.active == 1)
    wait_for(lambda: server.service.active == 0)
    assert server.request("/run", {"text": "x"})[0] == 200


def test_slow_bodies_are_given_up(serve, echo):
    """408 once the body has taken too long; other callers do not notice."""
    server = serve(echo, body_timeout=0.3)
    with server.connect(raw("/run", {"text": "x"})[:-3]) as connection:
        begun = time.monotonic()
        assert server.request("/run", {"text": "x"})[0] == 200
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"RequestTimeout" in answer
        assert 0.2 < time.monotonic() - begun < 2


def test_a_deadline_holds_for_the_body_too(serve, echo):
    """The caller's time is up whatever it is doing."""
    server = serve(echo)
    request = raw("/run", {"text": "x"}, "X-LLLM-Timeout-Ms: 200")
    with server.connect(request[:-3]) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 504")


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{bad", "application/json", 400),
        (b'{"text": "trunc', "application/json", 400),
        (b'{"text": "\xff"}', "application/json", 400),
        (b'{"text": "hi"}', "text/plain", 200),
        (b"text=hi", "application/x-www-form-urlencoded", 400),
        (b"\x1f\x8b\x08", "application/json", 400),
        (b"[" * 1_000_000, "application/json", 400),
        (b'{"text":' * 100_000, "text/plain", 400),
        (b"9" * 1_000_000, "application/json", 400),
        (b'{"text": NaN}', "application/json", 400),
        (b'{"text": 1e999}', "application/json", 400),
        (b'{"input": {"text": "hi"}, "context": {"request_id": "a\\nb"}}', "application/json", 400),
    ],
)
def test_poison_bodies(serve, echo, body, media_type, status):
    """Each is answered in the envelope, and the next request on the connection is served."""
    server = serve(echo)
    answer = server.request("/run", body, headers={"Content-Type": media_type})
    assert answer[0] == status, answer[2]
    if status == 400:
        assert json.loads(answer[2])["detail"]["error"]["type"] == "SchemaError"
    with server.connect(raw("/run", body)) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 ")
        connection.sendall(raw("/run", {"text": "next"}))
        assert b'"NEXT"' in connection.recv(65_536)


def looped():
    """Return a list that holds itself."""
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda value, context: 1 / 0, "ZeroDivisionError"),
        (lambda value, context: object(), "OutputEncodingError"),
        (lambda value, context: looped(), "OutputEncodingError"),
        (lambda value, context: float("nan"), "OutputEncodingError"),
        (lambda value, context: "\ud800", "OutputEncodingError"),
        (lambda value, context: b"\xff", "OutputEncodingError"),
        (lambda value, context: sys.exit(3), "SystemExit"),
    ],
)
def test_work_that_gives_no_answer(serve, make, work, kind):
    """It raises, exits, or returns what JSON cannot say: 500, and the service goes on."""
    server = serve(make(work))
    for _ in range(2):
        status, _, body = server.request("/run", 1)
        assert (status, json.loads(body)["detail"]["error"]["type"]) == (500, kind)


def test_a_caller_that_leaves_after_its_answer(serve, make, caplog, wait_for):
    """With or without reading it, after a run and after a stream: nothing is cancelled, nothing is logged."""
    finished = []

    async def work(value, context):
        for number in range(3):
            yield number
        finished.append(context.cancelled)

    server = serve(make(work, _run=lambda self, input_value, *, context=None: input_value))
    for path in ("/run", "/stream"):
        with server.call(path, 1) as connection:
            assert connection.recv(10) == b"HTTP/1.1 2"
        server.call(path, 1).close()
    wait_for(lambda: server.service.active == 0 and finished)
    assert server.request("/run", 1)[0] == 200
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


def test_a_large_body_is_refused_before_it_is_sent(serve, untyped):
    """The announcement is enough; chunks are counted."""
    server = serve(untyped, max_body_bytes=1000)
    head = b"POST /run HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with server.connect(head + b"Content-Length: 100000\r\n\r\n") as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    with server.connect(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Host: evil.example\r\n", b"403"),
        (b"Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n", b"403"),
        (b"Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n", b"403"),
        (b"Host: 127.0.0.1\r\nSec-Fetch-Site: same-site\r\n", b"403"),
        (b"Host: 127.0.0.1\r\n", b"200"),
    ],
)
def test_forged_requests(serve, untyped, head, status):
    """A cross-site form needs no preflight, and a rebound name no origin."""
    server = serve(untyped)
    text = b"POST /run HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" + head + b"\r\nhi"
    with server.connect(text) as connection:
        assert connection.recv(65_536).split(b" ")[1] == status


def test_a_large_body_that_is_sent_anyway_is_answered(serve, untyped):
    """The connection is not reset under a caller that is still sending, and stays usable."""
    server = serve(untyped, max_body_bytes=1000)
    with server.connect(raw("/run", "x" * 20_000_000)) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
        connection.sendall(raw("/run", "next"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_refused_caller_that_closes_afterwards_reads_why(serve, untyped):
    """It sends all of its body first, and asks for the connection to be closed."""
    server = serve(untyped, max_body_bytes=1000, auth=lambda request: request.headers.get("x-key") == "k")
    with server.connect(raw("/run", "x" * 20_000_000, "Connection: close", "X-Key: k")) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
    with server.connect(raw("/run", "x" * 900, "Connection: close")) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 401")
    assert server.request("/run", "x" * 20_000_000, headers={"X-Key": "k"})[0] == 413


def test_a_stream_that_does_not_listen_ends_with_the_reason(serve, make):
    """What comes after the deadline is not sent as if nothing had happened."""

    async def work(value, context):
        yield 1
        while not context.cancelled:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
        yield 2

    server = serve(make(work), request_timeout=0.3)
    text = server.request("/stream", 1)[2].decode()
    assert '"error_type":"DeadlineExceeded"' in text
    assert '"data":2' not in text
    assert text.endswith("event: end\n\n")


def test_a_tactic_knows_how_large_its_input_may_be(serve, make):
    """Less than what the service takes; nothing of a larger body is parsed."""

    async def work(value, context):
        return len(value)

    server = serve([make(work, name="small", max_body_bytes=1000), make(work, name="large")])
    body = json.dumps("x" * 2000).encode()
    status, _, answer = server.request("/tactics/small/run", body)
    assert (status, json.loads(answer)["detail"]["error"]["type"]) == (413, "PayloadTooLarge")
    assert server.request("/tactics/small/run", b"{" * 2000)[0] == 413
    assert server.request("/tactics/large/run", body)[0] == 200


def test_a_long_request_id_is_told_in_the_body_only(serve, untyped, caplog):
    """No client reads headers of any length, and no log line should be that long."""
    server = serve(untyped)
    with caplog.at_level("INFO", "lllm.serve.access"):
        status, headers, body = server.request("/run", {"input": 1, "context": {"request_id": "r" * 100_000}})
    assert (status, json.loads(body)["request_id"]) == (200, "r" * 100_000)
    assert "x-request-id" not in headers
    assert all(len(record.getMessage()) < 2000 for record in caplog.records)


def test_a_tactic_that_does_not_listen_is_answered_for(serve, make):
    """It was cancelled and goes on; its caller does not wait, and its place stays taken until it ends."""
    done = threading.Event()

    async def work(value, context):
        while not done.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
        return value

    server = serve(make(work), request_timeout=0.2)
    status, _, body = server.request("/run", 1)
    assert (status, json.loads(body)["detail"]["error"]["type"]) == (504, "DeadlineExceeded")
    assert server.service.active == 1
    done.set()


def test_a_tactic_that_hangs_is_answered_for(serve, make):
    """By the service's own limit; the next call is served."""

    async def work(value, context):
        if value == "hang":
            await asyncio.sleep(60)
        return value

    server = serve(make(work), request_timeout=0.2)
    status, _, body = server.request("/run", "hang")
    assert (status, json.loads(body)["detail"]["error"]["type"]) == (504, "DeadlineExceeded")
    assert server.request("/run", "ok")[0] == 200


def test_health_answers_while_threads_and_streams_work(serve, make, wait_for):
    """Synchronous calls and streams leave the loop alone."""

    release = threading.Event()

    def block(value, context):
        release.wait(20)

    def stream(value, context):
        yield 1
        release.wait(20)

    server = serve([make(block, name="block"), make(stream, name="stream")])
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(server.request, "/tactics/block/run", 1) for _ in range(10)]
        calls += [pool.submit(server.request, "/tactics/stream/stream", 1) for _ in range(10)]
        try:
            wait_for(lambda: server.service.active == 20)
            assert server.request("/health", method="GET")[0] == 200
            assert server.service.active == 20
        finally:
            release.set()
        assert {call.result()[0] for call in calls} == {200}


def test_twenty_synchronous_calls_run_at_once(serve, make):
    """They do not wait for each other."""
    together = threading.Barrier(20)
    server = serve(make(lambda value, context: together.wait(20)))
    with ThreadPoolExecutor(20) as pool:
        statuses = set(pool.map(lambda _: server.request("/run", 1)[0], range(20)))
    assert statuses == {200}


def test_a_service_that_stops_lets_calls_finish(serve, make, wait_for):
    """New calls are sent away, running ones answered, streams ended with a reason."""

    async def work(value, context):
        await asyncio.sleep(0.4)
        return "finished"

    async def endless(value, context):
        while True:
            yield "tick"
            await asyncio.sleep(0.05)

    server = serve([make(work), make(endless, name="endless")], drain_timeout=1.0)
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(server.request, "/tactics/work/run", 1)
        stream = pool.submit(server.request, "/tactics/endless/stream", 1)
        wait_for(lambda: server.service.active == 2)
        thread = threading.Thread(target=server.drain)
        thread.start()
        wait_for(lambda: server.service.draining)
        assert server.request("/ready", method="GET")[0] == 503
        status, headers, _ = server.request("/tactics/work/run", 1)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert json.loads(call.result()[2])["output"] == "finished"
        text = stream.result()[2].decode()
        thread.join(10)
    assert '"error_type":"ServiceUnavailable"' in text
    assert text.endswith("event: end\n\n")


def test_a_call_that_does_not_finish_is_told(serve, make, wait_for):
    """503, once the time for leaving is up."""

    async def work(value, context):
        await asyncio.sleep(30)

    server = serve(make(work), drain_timeout=0.2)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.request, "/run", 1)
        wait_for(lambda: server.service.active == 1)
        server.drain()
        status, headers, body = call.result()
    assert (status, headers["Retry-After"]) == (503, "1")
    assert json.loads(body)["detail"]["error"]["type"] == "ServiceUnavailable"


def test_a_slow_reader_slows_its_stream_down(serve, make):
    """The stream waits; it is not collected in memory."""
    produced = []

    async def work(value, context):
        for number in range(5000):
            produced.append(number)
            yield "x" * 10_000

    server = serve(make(work))
    with server.call("/stream", 1) as connection:
        connection.recv(1000)
        time.sleep(0.5)
        assert len(produced) < 4000
        received = bytearray()
        while b"event: end" not in received[-100:]:
            received += connection.recv(1 << 20)
    assert len(produced) == 5000
    assert len(received) > 5000 * 10_000


def test_many_requests_on_one_connection(serve, echo):
    """Keep-alive works across successes and refusals."""
    server = serve(echo)
    with server.connect() as connection:
        for body, status in (({"text": "a"}, b"200"), ({"text": 1}, b"400"), ({"text": "b"}, b"200")):
            connection.sendall(raw("/run", body))
            assert connection.recv(65_536).split(b" ")[1] == status


def test_large_bodies_come_back_whole(serve, untyped):
    """In parts, off the loop, with the right length."""
    server = serve(untyped, max_body_bytes=1 << 26)
    value = {"text": "ü" * 1_000_000, "list": list(range(50_000))}
    for _ in range(2):
        status, headers, body = server.request("/run", {"input": value})
        assert (status, int(headers["Content-Length"])) == (200, len(body))
        assert json.loads(body)["output"] == value


def test_usage_and_errors_survive_a_crowd(serve, make):
    """Two hundred calls at once each get their own answer."""

    async def work(value, context):
        await asyncio.sleep(0.001 * (value % 7))
        if value % 5 == 0:
            raise ValueError(str(value))
        return [value, context.request_id]

    server = serve(make(work))

    def call(number):
        body = {"input": number, "context": {"request_id": f"r{number}"}}
        return number, *server.request("/run", body)

    with ThreadPoolExecutor(16) as pool:
        for number, status, headers, body in pool.map(call, range(200)):
            assert headers["x-request-id"] == f"r{number}"
            answer = json.loads(body)
            if number % 5:
                assert (status, answer["output"]) == (200, [number, f"r{number}"])
            else:
                assert (status, answer["detail"]["error"]["message"]) == (500, str(number))
    assert server.service.active == 0
