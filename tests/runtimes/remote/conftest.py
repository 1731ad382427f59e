"""A service for the tests of its client: real HTTP on loopback, written by hand so that every byte is ours."""

import json
import re
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Service:
    """Answers requests from a script and remembers what it was asked."""

    def __init__(self):
        self.requests = []
        self.answers = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                service.requests.append((self.command, self.path, dict(self.headers.items()), body))
                answer = service.answers.pop(0) if service.answers else service.echo(body)
                answer(self) if callable(answer) else self.reply(*answer)

            do_GET = do_POST

            def reply(self, status, body, headers=()):
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def stream(self, raw, broken=False):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream; charset=utf-8")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for part in raw if isinstance(raw, list) else [raw]:
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    self.wfile.flush()
                    time.sleep(0.01)
                if not broken:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @staticmethod
    def echo(body):
        value = json.loads(body)["input"] if body else None
        return 200, {"output": value, "request_id": "r", "tactic": "echo"}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service():
    """A scripted service on loopback."""
    service = Service()
    yield service
    service.stop()


class RawServer:
    """Hands every connection to a script that may answer any bytes, or none, and never hangs itself."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.gone = threading.Event()
        self._stopping = threading.Event()
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection:
            try:
                while (request := self._request(connection)) is not None:
                    self.requests.append(request)
                    if self.script(self, connection) is not True:
                        return
            except OSError:
                self.gone.set()

    @staticmethod
    def _request(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        while length is not None and len(body) < int(length[1]):
            body += connection.recv(65536)
        return head, body

    def repeat(self, connection, part):
        """Send a part again and again until the client has gone or the test ends."""
        while not self._stopping.wait(0.01):
            connection.sendall(part)

    def wait(self, connection):
        """Send nothing until the client has gone or the test ends."""
        connection.settimeout(0.01)
        while not self._stopping.is_set():
            try:
                if not connection.recv(1):
                    self.gone.set()
                    return
            except TimeoutError:
                continue

    def stop(self):
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def raw():
    """Start a server that does what `script(server, connection)` says with every request."""
    servers = []

    def start(script):
        servers.append(RawServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
