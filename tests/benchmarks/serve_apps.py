"""What `bench_serve.py` measures: services written by hand, and ours. Run as a program it serves one of them.

    python tests/benchmarks/serve_apps.py NAME

prints the port it chose and serves until its standard input is closed. Every application answers `GET /cpu` with
the seconds of processor time that its process has used.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from hmac import compare_digest
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, TypeAdapter
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lllm import Tactic, TacticEvent, create_tactic_app
from lllm_serve import TacticPolicy

EVENTS = 10_000
TOKEN = "t" * 40


class Text(BaseModel):
    text: str


class Envelope(BaseModel):
    input: Text


class Answer(BaseModel):
    output: Text
    request_id: str
    tactic: str


class AsyncEcho(Tactic[Text, Text], register=False):
    name = "echo"

    async def _arun(self, input_value, *, context=None):
        return Text(text=input_value.text)

    async def _astream(self, input_value, *, context=None):
        for number in range(EVENTS):
            yield number


class SyncEcho(Tactic[Text, Text], register=False):
    name = "echo"

    def _run(self, input_value, *, context=None):
        return Text(text=input_value.text)


class Waiting(Tactic[Text, Text], register=False):
    name = "waiting"
    left = 0.0

    async def _arun(self, input_value, *, context=None):
        try:
            await asyncio.sleep(60)
        finally:
            Waiting.left = time.time()


class Slow(Tactic[Text, Text], register=False):
    name = "slow"

    def _run(self, input_value, *, context=None):
        time.sleep(1.0)
        return input_value

    def _stream(self, input_value, *, context=None):
        for number in range(10):
            time.sleep(0.2)
            yield number


def _fastapi() -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    return app


def typed_async() -> FastAPI:
    """A typed `async def` endpoint, as people write it."""
    app = _fastapi()

    @app.post("/run", response_model=Answer)
    async def run(body: Envelope) -> Answer:
        return Answer(output=Text(text=body.input.text), request_id="r" * 36, tactic="echo")

    return app


def typed_sync() -> FastAPI:
    """A typed `def` endpoint."""
    app = _fastapi()

    @app.post("/run", response_model=Answer)
    def run(body: Envelope) -> Answer:
        return Answer(output=Text(text=body.input.text), request_id="r" * 36, tactic="echo")

    return app


def _check(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
    if not compare_digest(given.credentials, TOKEN):
        raise HTTPException(401)


def typed_guarded() -> FastAPI:
    """The same with what FastAPI brings along: a token, hosts and origins."""
    app = _fastapi()
    app.add_middleware(CORSMiddleware, allow_origins=["https://app.example"])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "bench.example"])

    @app.post("/run", response_model=Answer, dependencies=[Depends(_check)])
    async def run(body: Envelope) -> Answer:
        return Answer(output=Text(text=body.input.text), request_id="r" * 36, tactic="echo")

    return app


def by_hand() -> Starlette:
    """Starlette with cached pydantic adapters; a stream of events as one would write it."""
    take, give = TypeAdapter(Envelope), TypeAdapter(Answer)

    async def run(request: Request) -> Response:
        body = take.validate_json(await request.body())
        answer = Answer(output=Text(text=body.input.text), request_id="r" * 36, tactic="echo")
        return Response(give.dump_json(answer), media_type="application/json")

    async def events() -> AsyncIterator[str]:
        for number in range(EVENTS):
            event = {
                "id": str(number),
                "timestamp": time.time(),
                "kind": "message",
                "data": number,
                "metadata": {},
            }
            yield f"id: {number}\nevent: message\ndata: {json.dumps(event)}\n\n"

    async def stream(request: Request) -> StreamingResponse:
        take.validate_json(await request.body())
        return StreamingResponse(events(), media_type="text/event-stream")

    async def model_events() -> AsyncIterator[bytes]:
        for number in range(EVENTS):
            yield b"id: %d\ndata: %b\n\n" % (number, TacticEvent(data=number).model_dump_json().encode())

    async def model_stream(request: Request) -> StreamingResponse:
        take.validate_json(await request.body())
        return StreamingResponse(model_events(), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/run", run, methods=["POST"]),
            Route("/stream", stream, methods=["POST"]),
            Route("/model-stream", model_stream, methods=["POST"]),
        ]
    )


def guarded() -> FastAPI:
    """Ours with a token, hosts, origins, limits of the service and of the tactic, and a deadline."""
    os.environ["BENCH_TOKEN"] = TOKEN
    return create_tactic_app(
        AsyncEcho(),
        auth="BENCH_TOKEN",
        allowed_hosts=["bench.example"],
        cors=["https://app.example"],
        max_concurrency=100,
        request_timeout=30.0,
        policies={"echo": TacticPolicy(max_concurrency=50, max_queue=50)},
    )


def make(name: str) -> Starlette:
    """Return the application of a name, with the route that tells its processor time."""
    apps = {
        "typed-async": typed_async,
        "typed-guarded": typed_guarded,
        "typed-sync": typed_sync,
        "by-hand": by_hand,
        "lllm-async": lambda: create_tactic_app(AsyncEcho(), max_body_bytes=1 << 30),
        "lllm-guarded": guarded,
        "lllm-waiting": lambda: create_tactic_app(Waiting()),
        "lllm-sync": lambda: create_tactic_app(SyncEcho()),
        "lllm-slow": lambda: create_tactic_app(Slow()),
    }
    app = apps[name]()

    async def cpu(request: Request) -> Response:
        return JSONResponse(time.process_time())

    async def memory(request: Request) -> Response:
        status = Path("/proc/self/status").read_text()
        return JSONResponse(int(status.partition("VmHWM:")[2].split()[0]) * 1024)

    async def left(request: Request) -> Response:
        return JSONResponse(Waiting.left)

    app.router.routes += [Route("/cpu", cpu), Route("/memory", memory), Route("/left", left)]
    return app


async def serve(name: str) -> None:
    """Serve an application until standard input is closed."""
    config = uvicorn.Config(make(name), port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)

    async def announce() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True

    await asyncio.gather(server.serve(), announce())


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1]))
