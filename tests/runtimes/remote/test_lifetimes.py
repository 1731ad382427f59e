"""Clients in threads, event loops and processes: nothing is shared that cannot be, and nothing is left open."""

import asyncio
import gc
import json
import os
import socket
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from lllm import RemoteTactic, TacticServiceError
from lllm.background import drive

LOOPS = 3


def echo(server, connection):
    """Answer with what was sent, and keep the connection."""
    value = json.loads(server.requests[-1][1] or b'{"input": null}')["input"]
    content = json.dumps({"output": value}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
    return True


def waiting_echo(server, connection):
    """The same, a little later, so that calls overlap; the value is a constant."""
    threading.Event().wait(0.02)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7")
    return True


def test_one_tactic_serves_threads_and_loops_at_once(raw):
    """Ten threads and three event loops, each with overlapping calls."""
    server = raw(waiting_echo)
    tactic = RemoteTactic(server.url)

    def loop(_):
        async def main():
            return await asyncio.gather(*(tactic.arun(1) for _ in range(10)))

        return asyncio.run(main())

    with tactic, ThreadPoolExecutor(10 + LOOPS) as pool:
        loops = [pool.submit(loop, number) for number in range(LOOPS)]
        threads = list(pool.map(tactic.run, range(30)))
        assert threads == [7] * 30
        assert [each.result() for each in loops] == [[7] * 10] * LOOPS


def test_the_end_of_a_loop_closes_its_connections(raw):
    """`asyncio.run` again and again, without closing the tactic: no loop, client or socket stays behind."""
    server = raw(echo)
    tactic = RemoteTactic(server.url)
    loops = []

    async def main():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        return await tactic.arun("a")

    for _ in range(LOOPS):
        assert asyncio.run(main()) == "a"
    gc.collect()
    assert [loop() for loop in loops] == [None] * LOOPS
    assert len(server.requests) == LOOPS


def test_a_loop_that_was_never_ended_properly_is_let_go(raw):
    """Its entry goes when the next loop comes, or it would keep the loop for ever."""
    server = raw(echo)
    tactic = RemoteTactic(server.url)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(tactic.arun(1)) == 1
    loop.run_until_complete(tactic.aclose())
    assert loop.run_until_complete(tactic.arun(2)) == 2
    client = tactic._clients._by_loop[loop][0]
    loop.run_until_complete(client.aclose())
    loop.close()
    assert asyncio.run(tactic.arun(3)) == 3
    assert loop not in tactic._clients._by_loop


def test_a_dropped_tactic_closes_its_connections(raw):
    """Nobody has to remember to close: no ResourceWarning, and the service sees the end."""
    ended = threading.Event()

    def script(server, connection):
        echo(server, connection)
        if not connection.recv(1):
            ended.set()

    server = raw(script)
    tactic = RemoteTactic(server.url)
    assert tactic.run("a") == "a"
    del tactic
    gc.collect()
    assert ended.wait(30)


def test_a_dropped_tactic_closes_what_it_opened_on_a_loop_that_goes_on(raw):
    """Without a warning, and also when the service has closed its side before."""
    ended = threading.Event()

    def script(server, connection):
        echo(server, connection)
        connection.shutdown(socket.SHUT_WR)
        if not connection.recv(1):
            ended.set()

    tactic = RemoteTactic(raw(script).url)
    assert drive(tactic.arun("a")) == "a"
    del tactic
    gc.collect()
    assert ended.wait(30)


def test_closing_during_a_call_ends_it(raw):
    """Another thread closes the tactic: the call returns or says why not, and the next one opens a new connection."""
    server = raw(waiting_echo)
    tactic = RemoteTactic(server.url)
    outcomes = []

    def calls():
        for _ in range(20):
            try:
                outcomes.append(tactic.run(1))
            except TacticServiceError as error:
                outcomes.append(str(error))

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tactic.close()
        threading.Event().wait(0.005)
    for thread in threads:
        thread.join()
    assert len(outcomes) == 80
    assert {outcome for outcome in outcomes if not isinstance(outcome, str)} <= {7}
    assert tactic.run(1) == 7
    tactic.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_with_an_open_connection(raw):
    """Parent and child go on calling, each over a connection of its own, and the child's end disturbs nobody."""
    server = raw(echo)
    tactic = RemoteTactic(server.url)
    assert tactic.run("before") == "before"
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            both = [tactic.run("child"), asyncio.run(tactic.arun("child"))]
            tactic.close()
            code = 0 if both == ["child", "child"] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert tactic.run("after") == "after"
    tactic.close()
