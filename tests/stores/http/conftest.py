"""A server without a network: the routes of the served API over any store, as an httpx transport."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from urllib.parse import parse_qs, unquote

import httpx
import pytest
from pydantic import BaseModel

from lllm.errors import SSSNError
from lllm.store import Channel, Event, MemoryStore
from lllm_store_http import HTTPStore

CONFLICTS = {
    "ChannelExistsError",
    "EventConflictError",
    "LeaseLostError",
    "SnapshotConflictError",
    "SubscriptionExistsError",
}
ROUTES = []


def route(method, template):
    """Register a handler: it gets the store, the names of the path, the query and the parsed body."""
    pattern = re.compile(re.sub(r"\{\w+\}", "([^/]+)", template))

    def register(handler):
        ROUTES.append((method, pattern, handler))
        return handler

    return register


class Query(dict):
    """The query of a request; the first value of each key."""

    def number(self, key, default=None):
        return int(self[key]) if key in self else default


def jsonable(value):
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, (list, tuple)) else value


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Serves one store.

    Attributes:
        seen: Method and path of every request.
        headers: Headers of every request.
        faults: What happens to the next requests: an exception is raised before the store sees the request, a
            pair of "after" and an exception once it has answered, None lets the request pass.
        base_only: Whether the routes under /v1 are missing.
    """

    def __init__(self, store):
        self.store = store
        self.seen = []
        self.headers = []
        self.faults = []
        self.base_only = False

    def handle_request(self, request):
        request.read()
        return self.respond(request)

    async def handle_async_request(self, request):
        await request.aread()
        return await asyncio.to_thread(self.respond, request)

    def respond(self, request):
        self.seen.append((request.method, request.url.raw_path.decode()))
        self.headers.append(request.headers)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        response = self.answer(request)
        if fault is not None:
            raise fault[1]
        return response

    def answer(self, request):
        path = request.url.raw_path.decode().partition("?")[0]
        for method, pattern, handler in ROUTES:
            match = pattern.fullmatch(path)
            if match and method == request.method and not (self.base_only and path.startswith("/v1")):
                return self.call(handler, [unquote(name) for name in match.groups()], request)
        return httpx.Response(404, json={"detail": "Not Found"})

    def call(self, handler, names, request):
        values = parse_qs(request.url.query.decode(), keep_blank_values=True)
        query = Query({key: found[0] for key, found in values.items()})
        query.all = values
        is_json = request.headers.get("content-type") == "application/json"
        body = json.loads(request.content) if is_json else request.content
        try:
            result = handler(self.store, *names, query, body)
        except SSSNError as error:
            return error_response(error)
        return result if isinstance(result, httpx.Response) else httpx.Response(200, json=jsonable(result))


def error_response(error):
    kind = type(error).__name__
    status = 404 if kind.endswith("NotFoundError") else 409 if kind in CONFLICTS else 400
    return httpx.Response(status, json={"detail": {"error": {"type": kind, "message": str(error)}}})


def options(body, *names):
    return {name: body[name] for name in names if name in body}


@route("GET", "/health")
def health(store, query, body):
    return {"ok": True}


@route("POST", "/channels")
def create_channel(store, query, body):
    return store.create_channel(body)


@route("GET", "/channels")
def list_channels(store, query, body):
    return store.list_channels()


@route("GET", "/channels/{name}")
def get_channel(store, name, query, body):
    return store.get_channel(name)


@route("GET", "/v1/channels/{name}/head")
def head(store, name, query, body):
    return {"channel": name, "head": store.head(name), "first_cursor": store.first_cursor(name)}


@route("PATCH", "/v1/channels/{name}")
def update_channel(store, name, query, body):
    return store.update_channel(name, **options(body, "schema", "description", "metadata"))


@route("DELETE", "/v1/channels/{name}")
def delete_channel(store, name, query, body):
    return store.delete_channel(name, force=query.get("force") == "true")


@route("GET", "/v1/channels/{name}/retention")
def get_retention(store, name, query, body):
    return store.get_retention(name)


@route("PUT", "/v1/channels/{name}/retention")
def set_retention(store, name, query, body):
    return store.set_retention(name, **body)


@route("POST", "/v1/retention/apply")
def apply_retention(store, query, body):
    return store.apply_retention(body.get("channel"), dry_run=body["dry_run"])


@route("POST", "/events")
def append_event(store, query, body):
    return store.append_event(body)


@route("POST", "/v1/events/batch")
def append_events(store, query, body):
    return {"events": store.append_events(body["events"])}


@route("GET", "/events")
def query_events(store, query, body):
    return store.query_events(
        query["channel"],
        after_cursor=query.number("after_cursor"),
        limit=query.number("limit"),
        kind=query.get("kind"),
    )


@route("GET", "/v1/events")
def search_events(store, query, body):
    after, limit, kind = query.number("after_cursor"), query.number("limit"), query.get("kind")
    if "wait" in query:
        events = store.wait_events(
            query["channel"], after_cursor=after, limit=limit, kind=kind, timeout=float(query["wait"])
        )
    else:
        events = store.query_events(
            query["channel"],
            after_cursor=after,
            limit=limit,
            kind=kind,
            source=query.get("source"),
            correlation_id=query.get("correlation_id"),
            reverse=query.get("reverse") == "true",
            before_cursor=query.number("before_cursor"),
        )
    return {"events": events, "next_cursor": 0, "head": store.head(query["channel"])}


@route("GET", "/events/{id}")
def get_event(store, event_id, query, body):
    return store.get_event(event_id)


@route("GET", "/v1/events/{id}/parents")
def parents(store, event_id, query, body):
    return {"events": store.parents(event_id), "next": None}


@route("GET", "/v1/events/{id}/children")
def children(store, event_id, query, body):
    after = query.get("after", 0)
    return {"events": store.children(event_id, limit=query.number("limit"), after=after), "next": None}


@route("GET", "/v1/events/{id}/ancestors")
def ancestors(store, event_id, query, body):
    found = store.ancestors(event_id, depth=query.number("depth"), limit=query.number("limit"))
    return {"events": found, "next": None}


@route("GET", "/v1/events/{id}/descendants")
def descendants(store, event_id, query, body):
    found = store.descendants(event_id, depth=query.number("depth"), limit=query.number("limit"))
    return {"events": found, "next": None}


@route("GET", "/v1/events/{id}/artifacts")
def artifacts_for(store, event_id, query, body):
    return {"artifacts": store.artifacts_for(event_id)}


@route("GET", "/v1/trace/{id}")
def trace(store, correlation_id, query, body):
    found = store.trace(correlation_id, limit=query.number("limit"), after=query.get("after", 0))
    return {"events": found, "next": None}


@route("POST", "/subscriptions")
def create_subscription(store, query, body):
    fields = {key: value for key, value in body.items() if key not in {"id", "channel"}}
    return store.create_subscription(body["channel"], subscription_id=body["id"], **fields)


@route("GET", "/subscriptions/{id}")
def get_subscription(store, subscription_id, query, body):
    return store.get_subscription(subscription_id)


@route("POST", "/subscriptions/{id}/pull")
def pull_subscription(store, subscription_id, query, body):
    return store.pull_subscription(subscription_id, limit=query.number("limit"))


@route("GET", "/v1/subscriptions")
def list_subscriptions(store, query, body):
    return {"subscriptions": store.list_subscriptions(query.get("channel"))}


@route("PATCH", "/v1/subscriptions/{id}")
def update_subscription(store, subscription_id, query, body):
    return store.update_subscription(subscription_id, **body)


@route("DELETE", "/v1/subscriptions/{id}")
def delete_subscription(store, subscription_id, query, body):
    return store.delete_subscription(subscription_id)


@route("POST", "/v1/subscriptions/{id}/lease")
def lease(store, subscription_id, query, body):
    return {"deliveries": store.lease(subscription_id, **body)}


@route("POST", "/v1/subscriptions/{id}/seek")
def seek(store, subscription_id, query, body):
    return store.seek(subscription_id, **body)


@route("GET", "/v1/subscriptions/{id}/lag")
def lag(store, subscription_id, query, body):
    return store.lag(subscription_id)


@route("POST", "/v1/leases/{verb}")
def finish(store, verb, query, body):
    result = getattr(store, verb)(body.pop("tokens"), **body)
    return {"deliveries": result} if verb == "extend" else {"count": result}


@route("POST", "/v1/commit")
def commit(store, query, body):
    return store.commit(acks=body["acks"], events=body["events"], snapshots=body["snapshots"])


@route("POST", "/artifacts")
def write_artifact(store, query, body):
    text, encoding = body.pop("data"), body.pop("encoding")
    return store.write_artifact(base64.b64decode(text) if encoding == "base64" else text.encode(), **body)


@route("POST", "/v1/artifacts")
def upload_artifact(store, query, body):
    return store.write_artifact_stream(
        io.BytesIO(body),
        channel=query.get("channel"),
        media_type=query["media_type"],
        metadata=json.loads(query.get("metadata", "{}")),
        event_ids=query.all.get("event_id", ()),
        sha256=query.get("sha256"),
        artifact_id=query.get("id"),
    )


@route("GET", "/v1/artifacts")
def list_artifacts(store, query, body):
    found = store.list_artifacts(
        channel=query.get("channel"), event_id=query.get("event_id"), limit=query.number("limit")
    )
    return {"artifacts": found}


@route("GET", "/artifacts/{id}/metadata")
def get_artifact(store, artifact_id, query, body):
    return store.get_artifact(artifact_id)


@route("GET", "/artifacts/{id}")
def read_artifact(store, artifact_id, query, body):
    record, content = store.get_artifact(artifact_id), store.read_artifact(artifact_id)
    return httpx.Response(200, content=content, headers={"ETag": f'"{record.sha256}"'})


@route("DELETE", "/v1/artifacts/{id}")
def delete_artifact(store, artifact_id, query, body):
    return store.delete_artifact(artifact_id)


@route("POST", "/v1/garbage")
def collect_garbage(store, query, body):
    return store.collect_garbage(**body)


@route("PUT", "/snapshots/{name}")
def put_snapshot(store, name, query, body):
    expected = body.pop("expected_revision", None)
    return store.put_snapshot({**body, "name": name}, expected_revision=expected)


@route("GET", "/snapshots/{name}")
def get_snapshot(store, name, query, body):
    return store.get_snapshot(name)


@route("GET", "/v1/snapshots/{name}")
def get_revision(store, name, query, body):
    return store.get_snapshot(name, revision=query.number("revision"))


@route("GET", "/v1/snapshots/{name}/history")
def snapshot_history(store, name, query, body):
    return {"snapshots": store.snapshot_history(name, limit=query.number("limit"))}


@route("GET", "/v1/snapshots")
def list_snapshots(store, query, body):
    return {"snapshots": store.list_snapshots(query.get("channel"))}


@route("DELETE", "/v1/snapshots/{name}")
def delete_snapshot(store, name, query, body):
    return store.delete_snapshot(name, expected_revision=query.number("expected_revision"))


@route("GET", "/v1/stats")
def stats(store, query, body):
    return store.stats()


@route("GET", "/v1/capabilities")
def capabilities(store, query, body):
    return store.capabilities()


@route("POST", "/v1/check")
def check(store, query, body):
    return store.check(deep=body["deep"])


@route("GET", "/v1/export")
def export(store, query, body):
    file = io.StringIO()
    store.export(file, artifacts=query["artifacts"] == "true")
    return httpx.Response(200, content=file.getvalue().encode())


@route("POST", "/v1/import")
def import_lines(store, query, body):
    return {"count": store.import_(io.StringIO(body.decode()), on_conflict=query["on_conflict"])}


@pytest.fixture
def served():
    """The store behind the server, with one channel."""
    with MemoryStore() as store:
        store.create_channel(Channel(name="raw"))
        yield store


@pytest.fixture
def wire(served):
    """The server."""
    return Wire(served)


@pytest.fixture
def store(wire):
    """A store behind that server."""
    with HTTPStore("http://server", transport=wire) as opened:
        yield opened


@pytest.fixture
def event():
    """An event whose timestamp nobody named."""
    return Event(id="e", channel="raw", payload={"n": 1})


@pytest.fixture
def make_wire():
    """The class of the server, for stores of a test's own."""
    return Wire
