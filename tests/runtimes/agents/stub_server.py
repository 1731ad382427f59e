"""A server on loopback that speaks the OpenAI chat API and answers from a script."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    Attributes:
        text: What the model says.
        tools: Tool calls as `(name, arguments)`; arguments are a map, or a text that is sent as it is.
        status: HTTP status; anything but 200 is an error with `text` as its message.
        headers: Further response headers.
        delay: Seconds before the answer.
        usage: Whether the answer counts tokens.
        model: Model name in the answer; the requested one when None.
    """

    text: str = ""
    tools: tuple[tuple[str, Any], ...] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    usage: bool = True
    model: str | None = None


class StubServer:
    """Answers `POST /v1/chat/completions` with the next scripted reply, as JSON or as a stream.

    Texts are answered on `/v1/responses` too.

    Attributes:
        replies: What is answered next; when it is empty the last user message comes back.
        requests: The bodies of the requests, with their headers under `__headers__`.
    """

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.requests: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def say(self, *replies: Reply | str) -> None:
        self.replies.extend(Reply(reply) if isinstance(reply, str) else reply for reply in replies)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(stub: StubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            return

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stub.requests.append({**body, "__headers__": {k.lower(): v for k, v in self.headers.items()}})
            reply = stub.replies.popleft() if stub.replies else Reply(f"echo:{_last_text(body)}")
            time.sleep(reply.delay)
            try:
                if reply.status != 200:
                    error = {"error": {"message": reply.text, "type": "stub", "code": None}}
                    self._send(reply, json.dumps(error).encode())
                elif body.get("stream"):
                    self._stream(reply, body)
                elif self.path.endswith("/responses"):
                    self._send(reply, json.dumps(_response(reply, body)).encode())
                else:
                    self._send(reply, json.dumps(_completion(reply, body)).encode())
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _send(self, reply: Reply, data: bytes) -> None:
            self.send_response(reply.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, reply: Reply, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in [*_chunks(reply, body), "[DONE]"]:
                text = chunk if isinstance(chunk, str) else json.dumps(chunk)
                data = f"data: {text}\n\n".encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    return Handler


def _last_text(body: dict[str, Any]) -> str:
    content = (body.get("messages") or body["input"])[-1].get("content") or ""
    return content if isinstance(content, str) else str(content[0].get("text", ""))


def _tool_calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(reply.tools)
    ]


def _head(reply: Reply, body: dict[str, Any], kind: str) -> dict[str, Any]:
    model = reply.model or body["model"]
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model}


_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def _completion(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    calls = _tool_calls(reply)
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if calls:
        message["tool_calls"] = calls
    answer = _head(reply, body, "chat.completion")
    reason = "tool_calls" if calls else "stop"
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
    if reply.usage:
        answer["usage"] = _USAGE
    return answer


def _response(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """Return a text in the form of the responses API."""
    text = {"type": "output_text", "text": reply.text, "annotations": []}
    said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    usage = {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"],
        "output": [said],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def _chunks(reply: Reply, body: dict[str, Any]) -> list[dict[str, Any]]:
    calls = _tool_calls(reply)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in reply.text.splitlines(keepends=True)]
    deltas += [{"tool_calls": [{"index": index, **call}]} for index, call in enumerate(calls)]
    chunks = [
        {
            **_head(reply, body, "chat.completion.chunk"),
            "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
        }
        for delta in deltas
    ]
    reason = "tool_calls" if calls else "stop"
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    chunks.append({**_head(reply, body, "chat.completion.chunk"), **end})
    if reply.usage:
        chunks.append({**_head(reply, body, "chat.completion.chunk"), "choices": [], "usage": _USAGE})
    return chunks
