"""How a service starts and stops, and what plugins add to it."""

import asyncio
import doctest
import subprocess
import sys

import pytest
from starlette.testclient import TestClient

import lllm.plugins
from lllm import Tactic, create_service_app, create_tactic_app, hookimpl
from lllm_serve import Refusal, hookspecs
from lllm_serve import plugin as serve_plugin


class Opening(Tactic, register=False):
    """Holds something while the service runs."""

    name = "opening"

    def __init__(self, log, **options):
        super().__init__(**options)
        self.log = log

    async def __aenter__(self):
        self.log.append("open")
        return self

    async def __aexit__(self, *exception):
        self.log.append("close")

    async def _arun(self, input_value, *, context=None):
        return list(self.log)


class PlainOpening(Tactic, register=False):
    """A synchronous context manager."""

    name = "plain"

    def __init__(self, log):
        super().__init__()
        self.log = log

    def __enter__(self):
        self.log.append("open")

    def __exit__(self, *exception):
        self.log.append("close")

    def _run(self, input_value, *, context=None):
        return list(self.log)


@pytest.mark.parametrize("cls", [Opening, PlainOpening])
def test_tactics_are_opened_and_closed_with_the_service(cls):
    """Once each, however many names they have; before the first call and after the last."""
    log = []
    tactic = cls(log)
    with TestClient(create_service_app({"a": tactic, "b": tactic}), base_url="http://127.0.0.1") as client:
        assert client.post("/tactics/b/run", json=1).json()["output"] == ["open"]
    assert log == ["open", "close"]


def test_a_tactic_that_cannot_be_opened_stops_the_start():
    """The error names it; what was opened before is closed."""
    log = []

    class Broken(Opening, register=False):
        name = "broken"

        async def __aenter__(self):
            raise OSError("no such database")

    app = create_service_app([Opening(log), Broken(log)])
    with pytest.raises(RuntimeError, match="`broken` could not be opened: no such database"), TestClient(app):
        raise AssertionError
    assert log == ["open", "close"]


def test_a_service_can_start_again(echo):
    """One application, several lives."""
    app = create_tactic_app(echo)
    for _ in range(2):
        with TestClient(app, base_url="http://127.0.0.1") as client:
            assert client.post("/run", json={"text": "x"}).status_code == 200
            assert client.get("/ready").status_code == 200
    assert app.state.lllm_service.draining


def test_it_works_without_a_lifespan(echo):
    """As servers that do not know it run applications."""
    client = TestClient(create_tactic_app(echo), base_url="http://127.0.0.1")
    assert client.post("/run", json={"text": "x"}).status_code == 200
    assert client.get("/ready").status_code == 200


def test_a_draining_service_sends_calls_away(client, echo, error_of):
    """503 with Retry-After; health goes on."""
    http = client(echo)
    service = http.app.state.lllm_service
    service.draining = True
    assert http.get("/ready").status_code == 503
    assert http.get("/ready").json() == {"ready": False}
    assert http.get("/health").status_code == 200
    for path in ("/run", "/tactics/echo/run"):
        response = http.post(path, json={"text": "x"})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert error_of(response)["type"] == "ServiceUnavailable"


@pytest.fixture
def plugins():
    """A manager with the serve plugin only, in force."""
    manager = lllm.plugins.PluginManager(discover=False, report=lambda line: None)
    manager.register(serve_plugin, name="serve")
    with lllm.plugins.use(manager):
        yield manager


class Extension:
    """A plugin that adds a route, a middleware, a refusal and something to open."""

    log: list = []

    @hookimpl
    def lllm_serve_app(self, app):
        @app.get("/acme/tactics")
        def tactics() -> list[str]:
            return sorted(app.state.lllm_tactics)

        @app.get("/acme/no")
        def no() -> None:
            raise Refusal(429, "TooManyRequests", "not now", retry_after=3)

        class Stamp:
            def __init__(self, inner):
                self.inner = inner

            async def __call__(self, scope, receive, send):
                async def stamped(message):
                    if message["type"] == "http.response.start":
                        message["headers"] = [*message["headers"], (b"x-acme", b"1")]
                    await send(message)

                await self.inner(scope, receive, stamped if scope["type"] == "http" else send)

        app.add_middleware(Stamp)

        class Resource:
            async def __aenter__(this):
                self.log.append("open")

            async def __aexit__(this, *exception):
                self.log.append("close")

        app.state.lllm_service.add_lifespan(Resource)


class Broken:
    """A plugin whose hook fails."""

    @hookimpl
    def lllm_serve_app(self, app):
        raise RuntimeError("broken plugin")


def test_plugins_add_routes_middleware_and_resources(client, echo, plugins, error_of):
    """Middleware stands around calls as well; the guard stands around everything."""
    extension = Extension()
    extension.log = []
    plugins.register(extension, name="acme")
    plugins.register(Broken(), name="broken")
    http = client(echo)
    assert http.get("/acme/tactics").json() == ["echo"]
    response = http.post("/run", json={"text": "x"})
    assert (response.status_code, response.headers["x-acme"]) == (200, "1")
    refused = http.get("/acme/no")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert error_of(refused)["type"] == "TooManyRequests"
    assert http.get("/acme/tactics", headers={"host": "evil.example"}).status_code == 403
    assert "/acme/tactics" in http.get("/openapi.json").json()["paths"]
    assert extension.log == ["open"]
    http.__exit__(None, None, None)
    assert extension.log == ["open", "close"]


def test_the_hooks_are_specified(plugins):
    """With arguments, documentation and examples that run."""
    hooks = {hook.name: hook.signature for hook in plugins.hooks() if hook.specified_by == "serve"}
    assert hooks == {
        "lllm_serve_app": "lllm_serve_app(app)",
        "lllm_serve_auth": "lllm_serve_auth(request)",
    }
    result = doctest.testmod(hookspecs)
    assert result.attempted >= 8
    assert result.failed == 0


def test_loading_the_plugin_is_cheap():
    """No framework is imported before a command runs."""
    code = (
        "import sys, lllm_serve.plugin\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'pydantic', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import lllm_serve\n"
        "assert lllm_serve.TacticPolicy is not None\n"
        "assert sorted(lllm_serve.__all__) == lllm_serve.__all__\n"
        "assert all(getattr(lllm_serve, name) for name in lllm_serve.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_models_are_those_of_the_contract():
    """`value` prefers an input that is not null; ids and names are checked."""
    from pydantic import ValidationError

    from lllm_serve import ErrorResponse, RunRequest, RunResponse

    assert RunRequest(input=0, task=7).value == 0
    assert RunRequest(task=5).value == 5
    assert RunResponse(output=1, request_id="r", tactic="t").model_dump_json() == (
        '{"output":1,"request_id":"r","tactic":"t"}'
    )
    error = ErrorResponse.model_validate({"error": {"type": "E", "message": "m"}}).error
    assert list(error.model_dump()) == ["type", "message", "tactic", "endpoint", "request_id", "metadata"]
    with pytest.raises(ValidationError):
        RunResponse(request_id="a b", tactic="t")


def test_spans_are_opened_when_somebody_records_them(make, monkeypatch):
    """Around the call, with the caller's trace as parent; calls made inside carry the span on."""
    trace = pytest.importorskip("opentelemetry.trace")
    from lllm.propagation import outgoing_headers
    from lllm_serve import tracing

    started = []

    class Span(trace.NonRecordingSpan):
        def __init__(self, context, name, attributes):
            super().__init__(context)
            started.append((name, dict(attributes or {}), context.trace_id))
            self.errors = []
            started.append(self)

        def is_recording(self):
            return True

        def record_exception(self, exception, *rest, **more):
            self.errors.append(type(exception).__name__)

    class Tracer(trace.NoOpTracer):
        def start_span(self, name, context=None, kind=None, attributes=None, **rest):
            parent = trace.get_current_span(context).get_span_context()
            own = trace.SpanContext(parent.trace_id or 7, 0xABC, False, trace.TraceFlags(1))
            return Span(own, name, attributes)

        def start_as_current_span(self, name, context=None, kind=None, attributes=None, **rest):
            span = self.start_span(name, context, kind, attributes)
            return trace.use_span(span, end_on_exit=True, record_exception=True)

    class Provider(trace.TracerProvider):
        def get_tracer(self, *arguments, **options):
            return Tracer()

    spans = tracing.Spans()
    monkeypatch.setattr(spans._trace, "get_tracer_provider", Provider)
    monkeypatch.setattr(spans._trace, "get_tracer", Provider().get_tracer)
    for module in ("lllm_serve.observation", "lllm_serve.service_app"):
        monkeypatch.setattr(f"{module}.SPANS", spans)

    async def work(value, context):
        await asyncio.sleep(0)
        if value == "fail":
            raise ValueError("x")
        return outgoing_headers()["traceparent"]

    http = TestClient(
        create_tactic_app(make(work)), base_url="http://127.0.0.1", raise_server_exceptions=False
    )
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = http.post("/run", json=1, headers={"traceparent": parent}).json()["output"]
    assert sent == "00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01"
    (_name, attributes, trace_id) = next(
        each for each in started if isinstance(each, tuple) and each[0] == "run work"
    )
    assert attributes == {"lllm.tactic": "work", "lllm.endpoint": "run"}
    assert trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert http.post("/run", json="fail").status_code == 500
    assert started[-1].errors == ["ValueError"]
