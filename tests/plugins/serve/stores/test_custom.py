"""Custom endpoints of a served store."""

import threading

import pytest
from fastapi import HTTPException, Request
from starlette.testclient import TestClient

from lllm.errors import ChannelNotFoundError
from lllm_serve.stores import create_store_app
from sssn import endpoint


@endpoint.get("/channels/{name}/count", scope="channel", tags=["figures"])
def count_events(store, name: str, kind: str = "raw", factor: int = 1):
    """Count events of one kind."""
    events = store.query_events(name, kind=kind)
    return {"count": len(events) * factor, "thread": threading.current_thread().name}


@endpoint.post("/echo")
async def echo(body, request: Request):
    return {"body": body, "agent": request.headers.get("x-agent")}


@endpoint.get("/needs")
def needs(number: int, items: list[int]):
    return [number, items]


@endpoint.get("/snapshots/latest-analysis", scope="snapshot")
def literal():
    return "literal"


@endpoint.get("/teapot")
def teapot():
    raise HTTPException(418, "short and stout")


@endpoint.get("/missing")
def missing():
    raise ChannelNotFoundError("Channel not found: x")


@endpoint.get("/broken")
def broken():
    raise RuntimeError("hush")


ENDPOINTS = [count_events, echo, needs, literal, teapot, missing, broken]


@pytest.fixture
def custom(store):
    """A client of an application with custom endpoints."""
    with TestClient(
        create_store_app(store, custom_endpoints=ENDPOINTS), base_url="http://127.0.0.1"
    ) as client:
        yield client


def test_parameters_are_bound_by_name(custom, store):
    """Path, query with conversion and defaults, body, request and store; sync functions leave the loop."""
    store.create_channel({"name": "a"})
    store.append_event({"channel": "a", "kind": "raw"})
    answer = custom.get("/channels/a/count?factor=3").json()
    assert answer["count"] == 3
    assert answer["thread"] != threading.main_thread().name
    assert custom.get("/channels/a/count?kind=none").json()["count"] == 0
    assert custom.post("/echo", json=[1], headers={"x-agent": "me"}).json() == {"body": [1], "agent": "me"}
    assert custom.post("/echo", content=b"{").json()["body"] is None
    assert custom.get("/needs?number=1&items=2&items=3").json() == [1, [2, 3]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/needs?items=1", "query.number: Field required"),
        ("/needs?number=x&items=1", "query.number: Input should"),
    ],
)
def test_bad_parameters_are_400(custom, path, message):
    """Missing and malformed query values name their place."""
    response = custom.get(path)
    assert response.status_code == 400
    assert response.json()["detail"]["error"]["message"].startswith(message)


def test_literal_routes_win_and_errors_keep_their_status(custom):
    """A custom literal path beats a built-in parameter; errors are mapped as everywhere."""
    assert custom.get("/snapshots/latest-analysis").json() == "literal"
    assert custom.get("/snapshots/other").status_code == 404
    assert (custom.get("/teapot").status_code, custom.get("/teapot").json()) == (
        418,
        {"detail": "short and stout"},
    )
    assert custom.get("/missing").status_code == 404
    failed = custom.get("/broken")
    assert failed.status_code == 500
    assert "hush" not in failed.text


def test_openapi_describes_them(custom):
    """Summary, description and tags come from the endpoint."""
    operation = custom.get("/openapi.json").json()["paths"]["/channels/{name}/count"]["get"]
    assert operation["summary"] == "Count Events"
    assert operation["description"] == "Count events of one kind."
    assert operation["tags"] == ["figures"]


def test_clashes_are_refused_when_the_application_is_built(store):
    """Duplicate names and routes, and routes that the store keeps for itself."""

    @endpoint.get("/echo2", name="echo")
    def same_name():
        pass

    @endpoint.get("/v1/mine")
    def reserved():
        pass

    with pytest.raises(ValueError, match="duplicate custom endpoint name: 'echo'"):
        create_store_app(store, custom_endpoints=[echo, same_name])
    with pytest.raises(ValueError, match="duplicate custom endpoint"):
        create_store_app(store, custom_endpoints=[teapot, teapot])
    with pytest.raises(
        ValueError, match="custom endpoint route conflicts with reserved SSSN service route: GET"
    ):
        create_store_app(store, custom_endpoints=[reserved])
