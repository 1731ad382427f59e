"""Who may call a service, from where, and with how much."""

import logging

import pytest
from fastapi import Header
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

import lllm.plugins
from lllm import create_tactic_app, hookimpl
from lllm_serve import BearerToken
from lllm_serve import plugin as serve_plugin


def run(http, **headers):
    """Return the status of a call with some headers."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.post("/run", json={"text": "x"}, headers=given).status_code


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "app.localhost", "LOCALHOST", "127.9.9.9:1"]
)
def test_loopback_names_are_answered(client, echo, host):
    """Whatever they are called."""
    assert run(client(echo), host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", ""]
)
def test_other_names_are_refused_on_loopback(client, echo, error_of, host):
    """A name that somebody points at this machine does not open it."""
    response = client(echo).post("/run", json={"text": "x"}, headers={"host": host})
    assert (response.status_code, error_of(response)["type"]) == (403, "Forbidden")


def test_allowed_hosts_are_the_only_others(client, echo):
    """Exact names and suffixes; loopback names always."""
    http = client(echo, allowed_hosts=["api.example.org", "*.apps.example.org:443"])
    answers = [run(http, host=host) for host in ("api.example.org:8000", "a.apps.example.org", "localhost")]
    assert answers == [200, 200, 200]
    assert run(http, host="example.org") == 403
    assert run(client(echo, allowed_hosts=["*"]), host="anything") == 200


def test_any_name_is_answered_off_loopback(echo):
    """There the network decides who gets here."""
    http = TestClient(create_tactic_app(echo), base_url="http://10.1.2.3")
    assert http.post("/run", json={"text": "x"}, headers={"host": "service.example"}).status_code == 200
    with pytest.raises(TypeError, match="allowed_hosts"):
        create_tactic_app(echo, allowed_hosts="example.org")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 200),
        ({"origin": "https://127.0.0.1"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none"}, 200),
    ],
)
def test_pages_of_other_origins_are_refused(client, echo, headers, status):
    """Also when the body claims to be plain text, which needs no preflight."""
    assert run(client(echo), **headers) == status
    assert run(client(echo), content_type="text/plain", **headers) == status


def test_following_a_link_is_fine(client, echo):
    """A page may lead to the documentation; a picture on it may not ask for anything."""
    http = client(echo)
    site = {"sec-fetch-site": "cross-site"}
    assert http.get("/docs", headers={**site, "sec-fetch-mode": "navigate"}).status_code == 200
    assert http.get("/info", headers={**site, "sec-fetch-mode": "no-cors"}).status_code == 403


def test_cors_lets_origins_in(client, echo):
    """With preflight, and with headers that pages may read."""
    http = client(echo, cors=["https://app.example.org"])
    origin = {"origin": "https://app.example.org"}
    preflight = http.options("/run", headers={**origin, "access-control-request-method": "POST"})
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.org"
    response = http.post("/run", json={"text": "x"}, headers=origin)
    assert response.status_code == 200
    assert "x-request-id" in response.headers["access-control-expose-headers"]
    assert run(http, origin="https://other.example.org") == 403
    wide = client(echo, cors={"allow_origins": ["*"], "allow_methods": ["POST"]})
    assert run(wide, origin="https://anything.example") == 200
    with pytest.raises(TypeError, match="cors"):
        create_tactic_app(echo, cors="https://app.example.org")


@pytest.fixture
def token(monkeypatch):
    """A token in the environment variable SERVE_TOKEN."""
    monkeypatch.setenv("SERVE_TOKEN", "letmein-123")
    return "letmein-123"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer letmein-123", 200),
        ("bearer  letmein-123", 200),
        ("Bearer wrong", 401),
        ("Bearer letmein-1234", 401),
        ("Basic letmein-123", 401),
        ("letmein-123", 401),
        (None, 401),
    ],
)
def test_a_bearer_token_is_required(client, echo, token, error_of, header, status):
    """Compared whole; every scheme but Bearer is refused."""
    http = client(echo, auth="SERVE_TOKEN")
    headers = {} if header is None else {"authorization": header}
    response = http.post("/run", json={"text": "x"}, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert error_of(response)["type"] == "Unauthorized"
        assert response.headers["www-authenticate"] == "Bearer"


def test_health_and_readiness_need_no_token(client, echo, token):
    """Everything else does."""
    http = client(echo, auth="SERVE_TOKEN")
    assert [http.get(path).status_code for path in ("/health", "/ready")] == [200, 200]
    paths = ("/info", "/tactics", "/docs", "/openapi.json", "/nope")
    assert [http.get(path).status_code for path in paths] == [401] * 5


def test_a_missing_token_is_an_error_when_built(echo, monkeypatch):
    """A service that was meant to be closed does not start open."""
    monkeypatch.setenv("SERVE_TOKEN", " ")
    with pytest.raises(ValueError, match="`SERVE_TOKEN` holds no bearer token"):
        create_tactic_app(echo, auth="SERVE_TOKEN")
    with pytest.raises(TypeError, match="auth"):
        create_tactic_app(echo, auth=5)
    with pytest.raises(ValueError, match="printable"):
        BearerToken("a\nb")
    assert "letmein" not in repr(BearerToken("letmein"))


def test_functions_authenticate(client, seen):
    """Synchronous and asynchronous; what they return names the caller."""

    def known(request):
        if request.headers.get("x-key") == "refuse":
            raise HTTPException(402, "pay first", {"X-Why": "money"})
        return request.headers.get("x-key") or False

    async def also(request):
        return known(request)

    for auth in (known, also):
        http = client(seen, auth=auth)
        response = http.post("/run", json=1, headers={"x-key": "alice"})
        assert response.json()["output"]["principal"] == "alice"
        assert http.post("/run", json=1).status_code == 401
        refused = http.post("/run", json=1, headers={"x-key": "refuse"})
        assert (refused.status_code, refused.headers["x-why"]) == (402, "money")


def test_a_broken_authentication_lets_nobody_in(client, echo, caplog):
    """500, with the reason in the log only."""

    def broken(request):
        raise RuntimeError("database is gone")

    with caplog.at_level(logging.ERROR, "lllm.serve"):
        response = client(echo, auth=broken).post("/run", json={"text": "x"})
    assert response.status_code == 500
    assert "database" not in response.text
    assert "database is gone" in caplog.text


def test_fastapi_dependencies_authenticate(client, seen):
    """With whatever parameters FastAPI can fill."""

    async def by_header(x_key: str = Header(), user: str = "nobody"):
        if x_key != "k":
            raise HTTPException(403, "wrong key")
        return user

    http = client(seen, auth=by_header)
    allowed = http.post("/run?user=bob", json=1, headers={"x-key": "k"})
    assert allowed.json()["output"]["principal"] == "bob"
    assert http.post("/run", json=1, headers={"x-key": "no"}).status_code == 403
    assert http.post("/run", json=1).status_code == 422


def test_credentials_never_become_the_name(client, seen):
    """An object with credentials is named by a hash."""
    http = client(seen, auth=HTTPBearer())
    response = http.post("/run", json=1, headers={"authorization": "Bearer hush-hush"})
    assert response.status_code == 200
    assert "hush" not in response.text
    assert http.post("/run", json=1).status_code in {401, 403}


@pytest.fixture
def plugins():
    """A manager with the serve plugin only, in force."""
    manager = lllm.plugins.PluginManager(discover=False)
    manager.register(serve_plugin, name="serve")
    with lllm.plugins.use(manager):
        yield manager


class Keys:
    """A plugin that knows keys."""

    @hookimpl
    def lllm_serve_auth(self, request):
        key = request.headers.get("x-acme")
        if key == "boom":
            raise RuntimeError("plugin failed")
        return {"k1": "carol"}.get(key)


def test_plugins_authenticate(client, seen, plugins):
    """Once a plugin implements the hook, nobody unknown gets in; its failure refuses."""
    plugins.register(Keys(), name="acme-keys")
    http = client(seen)
    allowed = http.post("/run", json=1, headers={"x-acme": "k1"})
    assert allowed.json()["output"]["principal"] == "carol"
    assert http.post("/run", json=1).status_code == 401
    assert http.post("/run", json=1, headers={"x-acme": "boom"}).status_code == 500
    assert http.get("/health").status_code == 200


def test_either_authentication_is_enough(client, seen, plugins, token):
    """A token, or what a plugin knows."""
    plugins.register(Keys(), name="acme-keys")
    http = client(seen, auth="SERVE_TOKEN")
    for headers in ({"authorization": f"Bearer {token}"}, {"x-acme": "k1"}):
        assert http.post("/run", json=1, headers=headers).status_code == 200
    assert http.post("/run", json=1, headers={"authorization": "Bearer no"}).status_code == 401


def test_bodies_are_limited(client, untyped, error_of):
    """413 before anything is read when the length is announced."""
    http = client(untyped, max_body_bytes=100)
    assert http.post("/run", content=b"x" * 100).status_code == 200
    response = http.post("/run", content=b"x" * 101)
    assert (response.status_code, error_of(response)["type"]) == (413, "PayloadTooLarge")
    assert "100 bytes" in error_of(response)["message"]

    def chunks():
        for _ in range(10):
            yield b"x" * 20

    assert http.post("/run", content=chunks()).status_code == 413
    announced = http.post("/run", content=b"x", headers={"content-length": "9" * 30})
    assert announced.status_code == 413


def test_requests_are_logged(client, echo, caplog):
    """One structured line each, with the id of the request, and none of what was sent."""
    http = client(echo)
    with caplog.at_level(logging.INFO, "lllm.serve.access"):
        body = {"input": {"text": "private"}, "context": {"request_id": "r5"}}
        http.post("/run", json=body, headers={"authorization": "Bearer hush"})
        http.get("/nope%0Afake line")
    (call, missing) = [record for record in caplog.records if record.name == "lllm.serve.access"]
    fields = call.fields
    assert fields.pop("duration_ms") > 0
    assert fields == {
        "method": "POST",
        "path": "/run",
        "status": 200,
        "request_id": "r5",
        "tactic": "echo",
        "endpoint": "run",
        "principal": None,
        "client": "testclient",
    }
    assert "private" not in call.getMessage() + str(call.fields)
    assert "\n" not in missing.getMessage()
    assert missing.fields["status"] == 404


def test_every_answer_names_its_request(client, echo):
    """Pages, errors and refusals too."""
    http = client(echo)
    for path in ("/health", "/docs", "/nope", "/info"):
        assert len(http.get(path).headers["x-request-id"]) == 36
    assert len(http.get("/health", headers={"host": "evil.example"}).headers["x-request-id"]) == 36


def test_an_id_that_no_header_can_hold_is_left_out(client, seen):
    """It stays in the body."""
    response = client(seen).post("/run", json={"input": 1, "context": {"request_id": "grün"}})
    assert response.json()["request_id"] == "grün"
    assert "x-request-id" not in response.headers
