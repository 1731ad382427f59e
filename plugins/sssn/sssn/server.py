"""What a served store and its callers share: request models, error bodies and `create_app`.

Needs pydantic only; the application itself comes from the distribution `lllm-serve`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, field_validator

from lllm.errors import InvalidPayloadError
from lllm.names import check_token, copy_boundary
from sssn.endpoints import (
    EndpointScope,
    HttpMethod,
    StoreEndpointSpec,
    endpoint,
    endpoint_path_key,
    endpoint_route_key,
    endpoint_spec,
    endpoint_specs,
)

if TYPE_CHECKING:
    from fastapi import FastAPI

    from lllm.store import Store

__all__ = [
    "ArtifactWriteRequest",
    "EndpointScope",
    "ErrorDetail",
    "ErrorResponse",
    "HttpMethod",
    "SnapshotWriteRequest",
    "StoreEndpointSpec",
    "SubscriptionRequest",
    "create_app",
    "endpoint",
    "endpoint_path_key",
    "endpoint_route_key",
    "endpoint_spec",
    "endpoint_specs",
]

DEFAULT_MAX_BODY_BYTES = 16 * 1024 * 1024
DEFAULT_MAX_LIMIT = 10_000
DEFAULT_MAX_WAIT = 60.0


def _integer(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be an integer, not a boolean.")  # noqa: TRY004 - pydantic wants it
    return value


Copied = BeforeValidator(copy_boundary)
Metadata = Annotated[dict[str, Any], Copied]
LaxInt = Annotated[int, BeforeValidator(_integer)]


class SubscriptionRequest(BaseModel):
    """Body of `POST /subscriptions`; the store checks names and limits."""

    id: StrictStr | None = None
    channel: StrictStr
    consumer: StrictStr | None = None
    batch_size: LaxInt = 100
    filters: Metadata = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    start: Literal["beginning", "end"] | LaxInt = "beginning"
    lease_seconds: float | None = None
    max_deliveries: LaxInt | None = None
    dead_letter: StrictStr | None = None


class ArtifactWriteRequest(BaseModel):
    """Body of `POST /artifacts`: the bytes as text or as base64."""

    data: StrictStr
    encoding: Literal["text", "base64"] = "text"
    channel: StrictStr | None = None
    media_type: StrictStr = "application/octet-stream"
    metadata: Metadata = Field(default_factory=dict)
    event_ids: Annotated[tuple[StrictStr, ...], Copied] = ()

    def bytes(self) -> bytes:
        """Return the bytes that `data` stands for.

        Raises:
            InvalidPayloadError: `data` is not base64 although `encoding` says so, or not encodable text.
        """
        if self.encoding == "text":
            try:
                return self.data.encode()
            except UnicodeEncodeError as error:
                raise InvalidPayloadError(f"Invalid text artifact data: {error.reason}.") from error
        try:
            return base64.b64decode(self.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidPayloadError("Invalid base64 artifact data.") from error


class SnapshotWriteRequest(BaseModel):
    """Body of `PUT /snapshots/{name}`; a name in the body is ignored."""

    model_config = ConfigDict(populate_by_name=True)

    channel: StrictStr | None = None
    timestamp: float | None = None
    value: Annotated[Any, Copied] = None
    schema_ref: StrictStr | None = Field(default=None, alias="schema")
    source_event_id: StrictStr | None = None
    metadata: Metadata = Field(default_factory=dict)
    expected_revision: LaxInt | None = None


class ErrorDetail(BaseModel):
    """What went wrong: the name of the error class, a token, and its text."""

    type: StrictStr
    message: StrictStr

    @field_validator("type")
    @classmethod
    def _token(cls, value: str) -> str:
        return check_token(value, "error.type")


class ErrorResponse(BaseModel):
    """The value under `detail` in the body of a failed request."""

    error: ErrorDetail


def create_app(
    store: Store | None = None,
    *,
    custom_endpoints: Iterable[Callable[..., Any]] = (),
    token: str | None = None,
    allowed_origins: Iterable[str] = (),
    allowed_hosts: Iterable[str] | None = None,
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    max_limit: int = DEFAULT_MAX_LIMIT,
    max_wait: float = DEFAULT_MAX_WAIT,
) -> FastAPI:
    """Build the FastAPI application that serves a store.

    Args:
        store: The store to serve; None means `LocalStore()`, that is `.sssn`.
        custom_endpoints: Functions decorated with `sssn.endpoint`.
        token: Bearer token that every route but `/health` then requires.
        allowed_origins: Further origins whose web pages may change state.
        allowed_hosts: Further values of the `Host` header.
        max_body_bytes: Largest JSON body, in bytes.
        max_limit: Largest `limit` of one request.
        max_wait: Longest wait of one long poll, in seconds.

    Returns:
        The application; `app.state.sssn_store` is the store.

    Raises:
        RuntimeError: FastAPI or the distribution `lllm-serve` is not installed.
        ValueError: Custom endpoints clash with each other or with built-in routes.
    """
    try:
        import fastapi  # noqa: F401

        from lllm_serve import create_store_app
    except ImportError as error:
        raise RuntimeError("Install sssn[server] to use the FastAPI server.") from error
    if store is None:
        from lllm_store_sqlite import SQLiteStore

        store = SQLiteStore()
    return create_store_app(
        store,
        custom_endpoints=tuple(custom_endpoints),
        token=token,
        allowed_origins=tuple(allowed_origins),
        allowed_hosts=None if allowed_hosts is None else tuple(allowed_hosts),
        max_body_bytes=max_body_bytes,
        max_limit=max_limit,
        max_wait=max_wait,
    )
