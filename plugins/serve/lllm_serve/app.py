"""The FastAPI application of one or several tactics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import lllm.plugins
from lllm import Tactic, __version__
from lllm.names import check_flag, check_token
from lllm.tactic import custom_endpoints, endpoint_route_key
from lllm_serve.auth import authenticator_of, hook_authenticator
from lllm_serve.endpoint_route import prepare_endpoint
from lllm_serve.failures import Refusal
from lllm_serve.guard import GuardRules
from lllm_serve.hosts import HostRule, OriginRule
from lllm_serve.openapi import describe
from lllm_serve.options import ServiceOptions, ServiceOptionsDict
from lllm_serve.origin_rules import OriginRules
from lllm_serve.replies import failure_reply
from lllm_serve.request_state import state_of
from lllm_serve.routes import call_table, is_reserved, tactic_routes
from lllm_serve.served import serve_tactic
from lllm_serve.service import Service
from lllm_serve.service_app import ServiceApp

__all__ = ["create_service_app", "create_tactic_app"]


def create_tactic_app(
    tactic: Tactic[Any, Any],
    *,
    title: str | None = None,
    description: str | None = None,
    **options: Unpack[ServiceOptionsDict],
) -> FastAPI:
    """Build the application that serves one tactic, at `/run`, `/stream` and `/info` as well.

    Args:
        tactic: The tactic.
        title: Title of the documentation; the tactic's name when None.
        description: Text of the documentation; the tactic's description when None.
        **options: As for `create_service_app`.

    Raises:
        ValueError: As for `create_service_app`.
    """
    if not isinstance(tactic, Tactic):
        raise ValueError("create_tactic_app: tactics must be Tactic instances.")  # noqa: TRY004  # as for many
    return _build({tactic.tactic_name: tactic}, title, description, True, ServiceOptions(**options))


def create_service_app(
    tactics: Mapping[str, Tactic[Any, Any]] | Sequence[Tactic[Any, Any]],
    *,
    title: str = "LLLM Tactic Service",
    description: str = "",
    expose_single_tactic_routes: bool = False,
    **options: Unpack[ServiceOptionsDict],
) -> FastAPI:
    """Build the application that serves tactics, at `/tactics/{name}/run`, `/stream` and `/info`.

    Args:
        tactics: The tactics, by the name they have in URLs, or in a list under their own names.
        title: Title of the documentation.
        description: Text of the documentation.
        expose_single_tactic_routes: Serve a single tactic at `/run`, `/stream` and `/info` as well.
        **options: See `ServiceOptions`: authentication, limits, timeouts, and how errors are shown.

    Returns:
        The application. `app.state.lllm_tactics` maps names to tactics, `app.state.lllm_service` runs calls.

    Raises:
        ValueError: There is no tactic, a name cannot be part of a URL or is there twice, a custom endpoint clashes
            with another route, or an option is out of range.
        TypeError: A flag or an option has the wrong type.
    """
    check_flag(expose_single_tactic_routes, "expose_single_tactic_routes")
    return _build(tactics, title, description, expose_single_tactic_routes, ServiceOptions(**options))


def _build(
    tactics: Any, title: str | None, description: str | None, expose_single: bool, options: ServiceOptions
) -> FastAPI:
    named = _named(tactics)
    served = {name: serve_tactic(name, tactic, options) for name, tactic in named.items()}
    first = next(iter(served.values()))
    only = first if expose_single and len(served) == 1 else None
    service = Service(served, options, _rules(options))
    app = ServiceApp(
        service.rules,
        title=title or first.name,
        description=first.info.document()["description"] if description is None else description,
        version=__version__,
        lifespan=service.lifespan,
    )
    app.state.lllm_tactics = named
    app.state.lllm_service = service
    literal, open_ended = _endpoint_routes(service, single=only is not None)
    # A path with parameters must not stand in front of the documentation.
    app.router.routes[:] = [*tactic_routes(service, only), *literal, *app.router.routes, *open_ended]
    describe(app, service, only)
    app.add_exception_handler(Refusal, _refused)
    cors = options.cors_arguments()
    app.begin_with(
        call_table(service, only), None if cors is None else lambda inner: OriginRules(inner, cors)
    )
    lllm.plugins.manager().hook.lllm_serve_app(app=app)
    return app


def _named(tactics: Any) -> dict[str, Tactic[Any, Any]]:
    """Return the tactics by their names in URLs."""
    if isinstance(tactics, Mapping):
        pairs = list(tactics.items())
    elif isinstance(tactics, (Sequence, set, frozenset)):
        pairs = [(getattr(tactic, "tactic_name", None), tactic) for tactic in tactics]
    else:
        raise ValueError(  # noqa: TRY004  # the contract says ValueError
            "create_service_app: tactics must be Tactic instances, in a list or a mapping."
        )
    if not pairs:
        raise ValueError("create_service_app requires at least one tactic.")
    named: dict[str, Tactic[Any, Any]] = {}
    for name, tactic in pairs:
        if not isinstance(tactic, Tactic):
            raise ValueError(  # noqa: TRY004  # the contract says ValueError
                f"create_service_app: tactics must be Tactic instances, not {type(tactic).__name__}; turn functions "
                "into one with lllm.as_tactic()."
            )
        try:
            check_token(name, "tactic.name")
        except (TypeError, ValueError):
            raise ValueError("tactic.name must be a non-empty path segment.") from None
        if name in named:
            raise ValueError(f"Duplicate tactic.name route: {name}")
        named[name] = tactic
    return named


def _rules(options: ServiceOptions) -> GuardRules:
    cors = options.cors_arguments() or {}
    rules = [authenticator_of(options.auth), hook_authenticator(lllm.plugins.manager())]
    return GuardRules(
        hosts=HostRule(options.allowed_hosts),
        origins=OriginRule(cors.get("allow_origins", ())),
        authenticators=tuple(rule for rule in rules if rule is not None),
        max_body_bytes=options.max_body_bytes,
    )


def _endpoint_routes(service: Service, *, single: bool) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """Return the routes of all custom endpoints: those with literal paths, and those with parameters."""
    routes: dict[tuple[str, str], Route] = {}
    for served in service.served.values():
        for spec, method in custom_endpoints(served.tactic):
            key = endpoint_route_key(spec)
            if is_reserved(spec.path, single=single):
                raise ValueError(
                    f"Endpoint `{spec.name}` at {spec.method} {spec.path} conflicts with a reserved "
                    "LLLM service route."
                )
            if key in routes:
                raise ValueError(f"Duplicate custom endpoint route: {spec.method} {spec.path}")
            endpoint = prepare_endpoint(service, served, spec, method)
            routes[key] = Route(spec.path, endpoint, methods=[spec.method], name=spec.name)
    return (
        [route for route in routes.values() if "{" not in route.path],
        [route for route in routes.values() if "{" in route.path],
    )


async def _refused(request: Request, refusal: Exception) -> Response:
    """Answer a refusal that a route of a plugin raised."""
    assert isinstance(refusal, Refusal)
    reply = failure_reply(refusal.failure, state_of(request.scope))
    response = Response(reply.body, reply.status, media_type=None)
    response.raw_headers += [(b"content-type", reply.media_type), *reply.headers]
    return response
