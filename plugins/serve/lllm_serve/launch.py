"""From the options of `lllm serve` to a running server, in this process or in several."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import uvicorn
from fastapi import FastAPI

from lllm.cli.targets import load_named_tactic
from lllm.store import open_store
from lllm_serve.access_log import logger
from lllm_serve.app import create_service_app, create_tactic_app
from lllm_serve.auth import BearerToken
from lllm_serve.draining import drain_on_signals
from lllm_serve.log_setup import log_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lllm.store import Store

__all__ = ["ServePlan", "app_of_environment", "build_app", "launch"]

_VARIABLE = "LLLM_SERVE_PLAN"
"""Tells the processes that a reloading or multiplying server starts what to serve."""

_GRACE_SECONDS = 5
_LAST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServePlan:
    """What to serve.

    Attributes:
        entries: Entry points, refs or URLs of tactics.
        store: URL of a store, or None.
        token_env: Environment variable with a bearer token, or None.
        allowed_hosts: Further Host headers.
        cors: Origins whose web pages may call.
        loopback: Whether only this machine can reach the service.
    """

    entries: tuple[str, ...]
    store: str | None = None
    token_env: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    loopback: bool = True

    @property
    def hosts(self) -> tuple[str, ...] | None:
        """Which Host headers are answered to; on an open address whatever leads there."""
        return self.allowed_hosts or (None if self.loopback else ("*",))


def build_app(plan: ServePlan) -> FastAPI:
    """Return the application of a plan.

    Args:
        plan: What to serve.

    Raises:
        ValueError: An entry cannot be loaded, or the token is not set.
    """
    token = None if plan.token_env is None else BearerToken.from_environment(plan.token_env)
    if not plan.entries:
        return _store_app(plan)
    options: dict[str, Any] = {
        "auth": token,
        "cors": plan.cors or None,
        "allowed_hosts": plan.hosts,
        "expose_errors": "message" if plan.loopback else "type",
    }
    tactics = [load_named_tactic(entry).tactic for entry in plan.entries]
    app = (
        create_tactic_app(tactics[0], **options)
        if len(tactics) == 1
        else create_service_app(tactics, **options)
    )
    drain_on_signals(app.state.lllm_service, overdue=_leave_now)
    if plan.store is not None:
        _add_store(app, open_store(plan.store))
    return app


def _store_app(plan: ServePlan) -> FastAPI:
    from lllm_serve.stores import create_store_app

    assert plan.store is not None
    return create_store_app(
        open_store(plan.store),
        token=None if plan.token_env is None else os.environ[plan.token_env].strip(),
        allowed_origins=plan.cors,
        allowed_hosts=plan.hosts,
    )


def _add_store(app: FastAPI, store: Store) -> None:
    """Mount a store beside tactics, and close it when the service stops."""
    from lllm_serve.stores import mount_store

    mount_store(app, store)

    @asynccontextmanager
    async def closing() -> AsyncIterator[None]:
        yield
        store.close()

    app.state.lllm_service.add_lifespan(closing)


def app_of_environment() -> FastAPI:
    """Return the application of the plan that the starting process left in the environment."""
    fields = json.loads(os.environ[_VARIABLE])
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return build_app(ServePlan(**{**fields, **lists}))


def launch(
    plan: ServePlan, *, host: str, port: int, log_level: str, reload: bool = False, workers: int = 1
) -> None:
    """Serve until a signal ends it.

    Args:
        plan: What to serve.
        host: Address to listen on.
        port: Port to listen on.
        log_level: Least important messages that are shown.
        reload: Start again when files change.
        workers: Processes that serve.

    Raises:
        SystemExit: The server could not start.
    """
    several = reload or workers > 1
    # A mistake in an entry shows here, in one line, and not in processes that start again and again.
    app = None if reload else build_app(plan)
    if plan.token_env is None and not plan.loopback:
        logger.warning("serving on %s without a token: anyone who reaches it can call", host)
    if several:
        os.environ[_VARIABLE] = json.dumps(asdict(plan))
    uvicorn.run(
        "lllm_serve.launch:app_of_environment" if several or app is None else app,
        factory=several,
        host=host,
        port=port,
        log_level=log_level,
        log_config=log_config(log_level),
        access_log=False,
        reload=reload,
        workers=workers,
        loop="lllm_serve.steady_loop:new_loop",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
    )
    # Python waits for threads before it ends, and a synchronous call that hangs would keep it waiting for ever.
    last = threading.Timer(_LAST_SECONDS, _leave_now)
    last.daemon = True
    last.start()


def _leave_now() -> NoReturn:
    logger.warning("calls are still at work and do not end; leaving without them")
    sys.stderr.flush()
    os._exit(1)
