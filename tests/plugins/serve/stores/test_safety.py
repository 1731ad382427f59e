"""Who may call a served store: web pages, hosts, tokens, sizes."""

import pytest
from starlette.testclient import TestClient

from lllm_serve.stores import create_store_app


def app_client(store, base_url="http://127.0.0.1", **options):
    """Return a client of an application with options."""
    return TestClient(create_store_app(store, **options), base_url=base_url)


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_web_pages_cannot_drain_a_subscription(store, headers):
    """A cross-site request that changes state is refused before anything happens."""
    store.create_channel({"name": "raw"})
    store.create_subscription("raw", subscription_id="w")
    store.append_event({"channel": "raw"})
    client = app_client(store)
    response = client.post("/subscriptions/w/pull", headers=headers)
    assert response.status_code == 403
    assert response.json()["detail"]["error"]["type"] == "Forbidden"
    assert store.get_subscription("w").cursor == 0
    assert client.post("/subscriptions/w/pull", headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_allowed_origins_may_call(store):
    """Those that the application names."""
    client = app_client(store, allowed_origins=["https://app.example"])
    assert (
        client.post("/channels", json={"name": "a"}, headers={"Origin": "https://app.example"}).status_code
        == 200
    )


def test_foreign_hosts_are_refused(store):
    """A name that somebody points at this machine is not answered to, unless it is allowed."""
    assert app_client(store).get("/channels", headers={"Host": "evil.example"}).status_code == 403
    assert app_client(store).get("/channels", headers={"Host": "localhost:7700"}).status_code == 200
    allowing = app_client(store, allowed_hosts=["store.example"])
    assert allowing.get("/channels", headers={"Host": "store.example"}).status_code == 200
    assert allowing.get("/channels", headers={"Host": "other.example"}).status_code == 403


def test_a_token_is_required_everywhere_but_for_health(store):
    """A missing or wrong token is 401, the right one opens."""
    client = app_client(store, token="open-sesame")
    assert client.get("/health").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic open-sesame"}):
        response = client.get("/channels", headers=headers)
        assert response.status_code == 401
        assert response.json()["detail"]["error"]["type"] == "Unauthorized"
    for path in ("/docs", "/openapi.json", "/v1/stats", "/nope"):
        assert client.get(path).status_code == 401
    assert client.get("/channels", headers={"Authorization": "Bearer open-sesame"}).status_code == 200


def test_json_bodies_are_bounded_and_uploads_are_not(store):
    """An oversized JSON body is 413; an artifact goes to disk whatever its size."""
    client = app_client(store, max_body_bytes=1000)
    large = {"name": "a", "description": "x" * 2000}
    response = client.post("/channels", json=large)
    assert response.status_code == 413
    assert response.json()["detail"]["error"]["type"] == "PayloadTooLarge"
    chunked = client.post(
        "/channels", content=iter([b"x" * 600] * 5), headers={"content-type": "application/json"}
    )
    assert chunked.status_code == 413
    assert client.post("/v1/artifacts", content=b"y" * 50_000).json()["size"] == 50_000


def test_active_content_is_not_run(store):
    """Stored pages and pictures with scripts come as attachments, and nothing is sniffed."""
    client = app_client(store)
    for media, attached in (("text/html", True), ("image/svg+xml", True), ("image/png", False)):
        artifact = client.post(
            f"/v1/artifacts?media_type={media.replace('+', '%2B')}", content=b"<script>"
        ).json()
        headers = client.get(f"/artifacts/{artifact['id']}").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert ("content-disposition" in headers) is attached
    refused = client.post("/v1/artifacts?media_type=text/html%0d%0aX-Evil:1", content=b"x")
    assert refused.status_code == 400
