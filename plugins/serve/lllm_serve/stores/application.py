"""The FastAPI application of a store, and the routes of a store inside another application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from lllm import __version__
from lllm.store import Store
from lllm_serve.auth import BearerToken
from lllm_serve.guard import Guard, GuardRules
from lllm_serve.hosts import HostRule, OriginRule
from lllm_serve.stores.access import StoreAccess
from lllm_serve.stores.artifacts import add_artifacts
from lllm_serve.stores.channels import add_channels
from lllm_serve.stores.custom import bound_endpoint, summary_of
from lllm_serve.stores.errors import CustomRoute, StoreRoute, refusal_reply
from lllm_serve.stores.events import add_events
from lllm_serve.stores.snapshots import add_snapshots
from lllm_serve.stores.subscriptions import add_subscriptions
from lllm_serve.stores.tail import add_tail
from lllm_serve.stores.upkeep import add_health, add_upkeep
from sssn.server import ErrorResponse, endpoint_specs

__all__ = ["create_store_app", "mount_store"]

_MAX_BODY_BYTES = 16 * 1024 * 1024
_UPLOADS = frozenset({"/v1/artifacts", "/v1/import"})
_UPLOAD_BYTES = 1 << 50
"""Uploads are streamed to disk, whose size is the only limit."""


def create_store_app(
    store: Store,
    *,
    custom_endpoints: Iterable[Callable[..., Any]] = (),
    token: str | None = None,
    allowed_origins: Iterable[str] = (),
    allowed_hosts: Iterable[str] | None = None,
    max_body_bytes: int = _MAX_BODY_BYTES,
    max_limit: int = 10_000,
    max_wait: float = 60.0,
) -> FastAPI:
    """Build the application that serves a store.

    Args:
        store: The store; `app.state.sssn_store`.
        custom_endpoints: Functions decorated with `sssn.endpoint`.
        token: Bearer token that every route but `/health` then requires.
        allowed_origins: Further origins whose web pages may call.
        allowed_hosts: Further values of the `Host` header.
        max_body_bytes: Largest JSON body in bytes.
        max_limit: Most records in one answer.
        max_wait: Longest long poll in seconds.

    Raises:
        ValueError: Custom endpoints clash, or the token is blank.
    """
    app = FastAPI(title="SSSN Store", version=__version__, lifespan=_lifespan)
    rules = GuardRules(
        hosts=HostRule(allowed_hosts),
        origins=OriginRule(allowed_origins),
        authenticators=() if token is None else (BearerToken(token),),
        max_body_bytes=max_body_bytes,
        open_paths=frozenset({"/health"}),
        render=refusal_reply,
    )
    app.add_middleware(_StoreGuard, rules=rules)
    mount_store(app, store, custom_endpoints=custom_endpoints, max_limit=max_limit, max_wait=max_wait)
    health = APIRouter(route_class=StoreRoute)
    add_health(health)
    _add_routes(app, health)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.sssn_store.close()


class _StoreGuard:
    """The guard of all services, which lets uploads be as large as the disk."""

    def __init__(self, app: ASGIApp, rules: GuardRules) -> None:
        self._guard = Guard(app, rules)
        self._uploads = Guard(app, replace(rules, max_body_bytes=_UPLOAD_BYTES))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        upload = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _UPLOADS
        await (self._uploads if upload else self._guard)(scope, receive, send)


def mount_store(
    app: FastAPI,
    store: Store,
    *,
    custom_endpoints: Iterable[Callable[..., Any]] = (),
    max_limit: int = 10_000,
    max_wait: float = 60.0,
) -> None:
    """Add the routes of a store to an application.

    Args:
        app: The application; its `state.sssn_store` becomes the store.
        store: The store.
        custom_endpoints: Functions decorated with `sssn.endpoint`.
        max_limit: Most records in one answer.
        max_wait: Longest long poll in seconds.

    Raises:
        ValueError: Custom endpoints clash with each other or with built-in routes.
    """
    from sssn.endpoints import check_endpoint_specs, check_reserved_routes

    pairs = endpoint_specs(custom_endpoints)
    check_endpoint_specs([spec for _, spec in pairs])
    check_reserved_routes([spec for _, spec in pairs])
    access = StoreAccess(store, store.aio, max_limit, max_wait)
    app.state.sssn_store = store
    own = APIRouter(route_class=CustomRoute)
    for function, spec in pairs:
        own.add_api_route(
            spec.path,
            bound_endpoint(function, spec, access),
            methods=[spec.method],
            name=spec.name,
            summary=summary_of(spec),
            description=spec.description,
            tags=list(spec.tags) or None,
            response_model=None,
        )
    # First, so that a literal custom route wins over a built-in one with a parameter in that place.
    _add_routes(app, own)
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": StoreErrorBody} for status in (400, 401, 403, 404, 409, 413, 503)
    }
    built_in = APIRouter(route_class=StoreRoute, responses=responses)
    # Routes are tried in this order, so those that are called for each event come first.
    for add in (
        add_events,
        add_subscriptions,
        add_channels,
        add_tail,
        add_artifacts,
        add_snapshots,
        add_upkeep,
    ):
        add(built_in, access)
    _add_routes(app, built_in)


def _add_routes(app: FastAPI, router: APIRouter) -> None:
    """Add routes as they are; those of an included router are searched twice for each request."""
    app.router.routes.extend(router.routes)


class StoreErrorBody(BaseModel):
    """What a failed request answers with."""

    detail: ErrorResponse
