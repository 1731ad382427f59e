"""The options of a service, checked when the application is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from lllm_serve.policy import TacticPolicy, check_count, check_on_disconnect, check_seconds

__all__ = ["ServiceOptions", "ServiceOptionsDict"]

DEFAULT_THREADS = 40
MAX_BODY_BYTES = 16 * 1024 * 1024


class ServiceOptionsDict(TypedDict, total=False):
    """The keyword arguments of `create_service_app` and `create_tactic_app`; see `ServiceOptions`."""

    auth: str | Callable[..., Any] | None
    cors: Sequence[str] | Mapping[str, Any] | None
    allowed_hosts: Sequence[str] | None
    max_body_bytes: int
    body_timeout: float | None
    request_timeout: float | None
    max_concurrency: int | None
    max_queue: int
    policies: Mapping[str, TacticPolicy] | None
    on_disconnect: str
    expose_errors: str | None
    allow_nan: bool
    idempotency: str | bool | Any
    heartbeat: float
    drain_timeout: float


@dataclass(slots=True)
class ServiceOptions:
    """How a service behaves.

    Args:
        auth: Who may call: the name of an environment variable that holds a bearer token, or a function
            `(request) -> principal`, which may be a FastAPI dependency. None: everybody.
        cors: Origins whose web pages may call, or keyword arguments of Starlette's `CORSMiddleware`.
        allowed_hosts: Host names that are answered to besides loopback names. None: any, except that what comes in
            on a loopback address must name it.
        max_body_bytes: Largest body of a request.
        body_timeout: Seconds that a body may take to arrive, or None.
        request_timeout: Seconds that a call may take, or None; callers can only shorten it.
        max_concurrency: Calls that run at once, further ones wait. None: 40 that need a thread, and any number of
            others.
        max_queue: Calls that may wait before callers are told to come back later (503).
        policies: Limits of single tactics, by name.
        on_disconnect: `cancel` or `continue` the work when the caller leaves.
        expose_errors: `message` shows callers the texts of failures, `type` only their class. None: `message` to
            callers on this machine, `type` to others.
        allow_nan: Let NaN and infinities in and out, which JSON does not know.
        idempotency: Where answers under an `Idempotency-Key` are kept: True is memory, a text the URL of a store,
            False nowhere; or an object with the methods of `lllm_serve.IdempotencyStore`.
        heartbeat: Seconds of silence after which a stream says that it is alive.
        drain_timeout: Seconds that running calls get to finish when the service stops.

    Raises:
        TypeError: An option has the wrong type.
        ValueError: An option is out of range; the text names it.
    """

    auth: str | Callable[..., Any] | None = None
    cors: Sequence[str] | Mapping[str, Any] | None = None
    allowed_hosts: Sequence[str] | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    body_timeout: float | None = 30.0
    request_timeout: float | None = None
    max_concurrency: int | None = None
    max_queue: int = 1000
    policies: Mapping[str, TacticPolicy] | None = None
    on_disconnect: str = "cancel"
    expose_errors: str | None = None
    allow_nan: bool = False
    idempotency: str | bool | Any = True
    heartbeat: float = 15.0
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        for name in ("max_body_bytes", "max_queue", "heartbeat", "drain_timeout"):
            if getattr(self, name) is None:
                raise ValueError(f"{name} must be a number, not None.")
        check_count(self.max_body_bytes, "max_body_bytes", least=1)
        check_count(self.max_concurrency, "max_concurrency", least=1)
        check_count(self.max_queue, "max_queue", least=0)
        for name in ("body_timeout", "request_timeout", "heartbeat", "drain_timeout"):
            check_seconds(getattr(self, name), name)
        check_on_disconnect(self.on_disconnect)
        if self.on_disconnect is None:
            raise ValueError("on_disconnect must be `cancel` or `continue`, not None.")
        if self.expose_errors not in {None, "message", "type"}:
            raise ValueError(f"expose_errors must be `message`, `type` or None, not {self.expose_errors!r}.")
        if not isinstance(self.allow_nan, bool):
            raise TypeError("allow_nan must be a boolean.")
        for name, policy in (self.policies or {}).items():
            if not isinstance(policy, TacticPolicy):
                raise TypeError(f"policies[{name!r}] must be a TacticPolicy, not {type(policy).__name__}.")

    def policy(self, name: str) -> TacticPolicy | None:
        """Return the limits that were given for a tactic.

        Args:
            name: Name under which it is served.
        """
        return (self.policies or {}).get(name)

    @property
    def threads(self) -> int:
        """How many calls may run in threads at once."""
        return DEFAULT_THREADS if self.max_concurrency is None else self.max_concurrency

    def cors_arguments(self) -> dict[str, Any] | None:
        """Return the keyword arguments of Starlette's `CORSMiddleware`, None when there is no rule.

        Raises:
            TypeError: `cors` is neither a list of origins nor a mapping.
        """
        if self.cors is None:
            return None
        if isinstance(self.cors, Mapping):
            return dict(self.cors)
        if isinstance(self.cors, str) or not isinstance(self.cors, Iterable):
            raise TypeError("cors must be a list of origins or a mapping, not a single value.")
        return {
            "allow_origins": list(self.cors),
            "allow_methods": ["*"],
            "allow_headers": ["*"],
            "expose_headers": ["x-request-id", "x-lllm-usage", "idempotency-replayed", "retry-after"],
        }
