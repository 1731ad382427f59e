"""What the tests of the data-plane face share."""

from __future__ import annotations

import json

import httpx
import pytest

EVENT = {
    "id": "e1",
    "cursor": 1,
    "channel": "a",
    "timestamp": 1.5,
    "source": None,
    "kind": "event",
    "payload": 1,
    "schema": None,
    "metadata": {},
    "correlation_id": None,
    "parent_ids": [],
}
CHANNEL = {"name": "a", "schema": None, "form": "log", "description": "", "metadata": {}}
SUBSCRIPTION = {
    "id": "s",
    "channel": "a",
    "cursor": 0,
    "consumer": None,
    "batch_size": 100,
    "filters": {},
    "metadata": {},
}
ARTIFACT = {
    "id": "r",
    "channel": None,
    "path": "artifacts/x",
    "media_type": "text/plain",
    "size": 1,
    "sha256": None,
    "metadata": {},
    "event_ids": [],
}
SNAPSHOT = {
    "name": "n",
    "channel": None,
    "timestamp": 2.0,
    "value": 1,
    "schema": None,
    "source_event_id": None,
    "metadata": {},
}


class Server:
    """A stand-in for a server that keeps the requests and gives prepared answers.

    `requests` holds (method, path with query, parsed JSON body or None); answers are taken from `answers`
    by method and path, then from the defaults.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, object]] = []
        self.headers: list[httpx.Headers] = []
        self.answers: dict[tuple[str, str], httpx.Response] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        content = request.read()
        is_json = request.headers.get("content-type") == "application/json"
        self.requests.append((request.method, path, json.loads(content) if is_json else content or None))
        self.headers.append(request.headers)
        key = (request.method, path.partition("?")[0])
        if key in self.answers:
            return self.answers[key]
        return httpx.Response(200, json=self.default(*key))

    def default(self, method: str, path: str) -> object:
        listed = {"/channels": [CHANNEL], "/events": [EVENT]}
        if method == "GET" and path in listed:
            return listed[path]
        if path.endswith("/pull"):
            return [EVENT]
        kinds = {
            "channels": CHANNEL,
            "events": EVENT,
            "subscriptions": SUBSCRIPTION,
            "artifacts": ARTIFACT,
            "snapshots": SNAPSHOT,
        }
        return kinds[path.split("/")[1]]

    @property
    def last(self) -> tuple[str, str, object]:
        return self.requests[-1]

    @property
    def body(self) -> object:
        return self.requests[-1][2]


@pytest.fixture
def server():
    return Server()
