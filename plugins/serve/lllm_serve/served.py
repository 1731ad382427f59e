"""A tactic as a service serves it: everything that is worked out once and used for each request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from lllm import SchemaError, Tactic
from lllm_serve.encoding import OutputEncoder
from lllm_serve.limiter import Limiter
from lllm_serve.options import ServiceOptions
from lllm_serve.policy import ON_DISCONNECT, policy_of
from lllm_serve.public_info import PublicInfo
from lllm_serve.request_body import BodyReader
from lllm_serve.request_state import RequestState

__all__ = ["Served", "serve_tactic"]


@dataclass(slots=True)
class Served:
    """One tactic of a service.

    Attributes:
        route_name: Name in URLs.
        tactic: The tactic.
        name: Name in bodies.
        info: What is published about it.
        reader: Reads request bodies.
        encoder: Writes outputs.
        bare_encoder: Writes what custom endpoints return.
        limiter: How many calls run and wait.
        cancels: Whether the work is cancelled when the caller leaves.
        request_timeout: Seconds that a call may take, or None.
        max_body_bytes: Largest body, checked before any of it is parsed; None: what the service takes.
        blocking: Whether calls need a thread.
        streams_in_thread: Whether a stream occupies a thread as long as it lasts.
        checks_streams: Whether the service must validate what streams take and give.
        tail: End of the body of a `RunResponse`.
        output_bytes: Size of the newest output, which tells where to encode the next one.
    """

    route_name: str
    tactic: Tactic[Any, Any]
    name: str
    info: PublicInfo
    reader: BodyReader
    encoder: OutputEncoder
    bare_encoder: OutputEncoder
    limiter: Limiter
    cancels: bool
    request_timeout: float | None
    max_body_bytes: int | None
    blocking: bool
    streams_in_thread: bool
    checks_streams: bool
    tail: bytes
    output_bytes: int = 0

    @property
    def streams(self) -> bool:
        """Whether the tactic streams; asked each time, since a remote one may learn it."""
        return not self.tactic.capabilities().isdisjoint({"stream", "events"})

    def cancels_for(self, state: RequestState) -> bool:
        """Tell whether the work is cancelled when the caller of a request leaves.

        Args:
            state: The notes on the request; its header `X-LLLM-On-Disconnect` says `cancel` or `continue`.

        Raises:
            SchemaError: The header says something else.
        """
        given = state.headers.get(b"x-lllm-on-disconnect")
        if given is None:
            return self.cancels
        wanted = given.decode("latin-1").strip()
        if wanted not in ON_DISCONNECT:
            raise SchemaError("The header X-LLLM-On-Disconnect must be `cancel` or `continue`.")
        return wanted == "cancel"


def serve_tactic(route_name: str, tactic: Tactic[Any, Any], options: ServiceOptions) -> Served:
    """Prepare a tactic.

    Args:
        route_name: Name in URLs.
        tactic: The tactic.
        options: How the service behaves.

    Raises:
        ValueError: What the tactic says about its limits is out of range.
    """
    policy = policy_of(tactic, options.policy(route_name))
    info = PublicInfo(tactic)
    own_streams = _overrides_streams(type(tactic))
    timeouts = [value for value in (policy.request_timeout, options.request_timeout) if value is not None]
    on_disconnect = policy.on_disconnect or options.on_disconnect
    waiting = options.max_queue if policy.max_queue is None else policy.max_queue
    return Served(
        route_name=route_name,
        tactic=tactic,
        name=tactic.tactic_name,
        info=info,
        reader=BodyReader(tactic, info.input_schema, options.allow_nan),
        encoder=OutputEncoder(tactic.output_type, options.allow_nan),
        bare_encoder=OutputEncoder(None, options.allow_nan),
        limiter=Limiter(policy.max_concurrency, waiting),
        cancels=on_disconnect == "cancel",
        request_timeout=min(timeouts, default=None),
        max_body_bytes=policy.max_body_bytes,
        blocking=tactic.blocking,
        streams_in_thread=not own_streams
        and not any(hasattr(tactic, name) for name in ("_astream", "_aevents")),
        # What a class overrides of the public methods is used as it is: the core validates nothing for it.
        checks_streams=own_streams,
        tail=b',"tactic":' + to_json(tactic.tactic_name) + b"}",
    )


def _overrides_streams(cls: type[Tactic[Any, Any]]) -> bool:
    return cls.aevents is not Tactic.aevents or cls.astream is not Tactic.astream
