"""From the options of `lllm serve` to a running server, in this process or in several."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from lllm.cli.targets import load_named_tactic
from lllm.store import open_store
from lllm_serve.app import create_service_app, create_tactic_app
from lllm_serve.auth import BearerToken
from lllm_serve.server import DrainingServer
from lllm_serve.stores import create_store_app, mount_store

__all__ = ["ServePlan", "build_app", "launch"]

logger = logging.getLogger("lllm.serve")

_VARIABLE = "LLLM_SERVE_PLAN"
"""Tells the processes that a reloading or multiplying server starts what to serve."""


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
    store: str | None
    token_env: str | None
    allowed_hosts: tuple[str, ...]
    cors: tuple[str, ...]
    loopback: bool


def build_app(plan: ServePlan) -> FastAPI:
    """Return the application of a plan.

    Args:
        plan: What to serve.

    Raises:
        ValueError: An entry cannot be loaded, or the token is not set.
    """
    token = None if plan.token_env is None else BearerToken.from_environment(plan.token_env)
    if not plan.entries:
        assert plan.store is not None
        value = None if plan.token_env is None else os.environ[plan.token_env].strip()
        return create_store_app(
            open_store(plan.store),
            token=value,
            allowed_origins=plan.cors,
            allowed_hosts=plan.allowed_hosts or None,
        )
    options: dict[str, Any] = {
        "auth": token,
        "cors": plan.cors or None,
        "allowed_hosts": plan.allowed_hosts or None,
        "expose_errors": "message" if plan.loopback else "type",
    }
    tactics = [load_named_tactic(entry).tactic for entry in plan.entries]
    app = (
        create_tactic_app(tactics[0], **options)
        if len(tactics) == 1
        else create_service_app(tactics, **options)
    )
    if plan.store is not None:
        mount_store(app, open_store(plan.store))
    return app


def app_of_environment() -> FastAPI:
    """Return the application of the plan that the starting process left in the environment."""
    fields = json.loads(os.environ[_VARIABLE])
    return build_app(ServePlan(**{name: _tuple(value) for name, value in fields.items()}))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def launch(plan: ServePlan, *, host: str, port: int, log_level: str, reload: bool, workers: int) -> None:
    """Serve until a signal ends it.

    Args:
        plan: What to serve.
        host: Address to listen on.
        port: Port to listen on.
        log_level: Least important messages that are shown.
        reload: Start again when files change.
        workers: Processes that serve.
    """
    if plan.token_env is None and not plan.loopback:
        logging.basicConfig()
        logger.warning("serving on %s without a token: anyone who reaches it can call", host)
    common: dict[str, Any] = {"host": host, "port": port, "log_level": log_level, "access_log": False}
    if reload or workers > 1:
        os.environ[_VARIABLE] = json.dumps(asdict(plan))
        target = "lllm_serve.launch:app_of_environment"
        uvicorn.run(target, factory=True, reload=reload, workers=workers, **common)
        return
    DrainingServer(uvicorn.Config(build_app(plan), **common)).run()
