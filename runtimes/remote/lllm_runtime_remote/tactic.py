"""`RemoteTactic`: a tactic that another process does."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from math import isfinite
from typing import Any, Self

from pydantic import ValidationError

from lllm import CallContext, Tactic, TacticEvent, TacticInfo, current_call
from lllm.names import check_metadata, check_text
from lllm_runtime_remote.clients import Clients, is_transport_error
from lllm_runtime_remote.errors import RemoteTacticError, StreamTruncated, error_from_body, error_from_event
from lllm_runtime_remote.exchange import (
    Exchange,
    encode,
    parse_answer,
    parse_body,
    retry_after_of,
    usage_of,
)
from lllm_runtime_remote.sse import DONE, Frame, FrameReader, event_of
from lllm_runtime_remote.urls import default_name, service_urls

__all__ = ["RemoteTactic"]

_JSON = "application/json"
_EVENTS = "text/event-stream"


class RemoteTactic(Tactic[Any, Any], register=False):
    """A tactic behind HTTP, called like a local one.

    Connections are pooled and kept: one client for synchronous calls, one for each event loop. `close()`, `aclose()`
    or a `with` block release them. The deadline of the context and the usage of the models cross the connection.

    A call is repeated only when that is safe: when the service was not reached, or answered 429 or 503. With
    `idempotent=True` every try carries one idempotency key, and broken connections, 502 and 504 are repeated too.

    Args:
        url: Absolute HTTP(S) URL of the tactic, of its service, or of its `run`, `stream` or `info` route.
        name: Name; default the last usable path segment, else the host.
        input_type: Schema that inputs are checked against before they are sent.
        output_type: Schema that outputs are checked against.
        timeout: Seconds that a try may take, or None.
        transport: An httpx transport for synchronous calls.
        async_transport: An httpx transport for asynchronous calls.
        metadata: Metadata; `url` is added to it.
        client: A ready client of httpx or httpx2, synchronous or asynchronous.
        headers: Headers of every request.
        auth: A bearer token, a pair of user and password, or a function that returns a bearer token.
        retries: Further tries after the first.
        idempotent: Send an idempotency key with every try.
        allow_nan: Send and accept NaN and infinities.

    Raises:
        ValueError: `url`, `timeout` or `retries` is malformed.
        TypeError: `metadata` is not a mapping.
    """

    runtime_kind = "http"

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        input_type: Any = None,
        output_type: Any = None,
        timeout: float | None = 30.0,
        transport: Any = None,
        async_transport: Any = None,
        metadata: Mapping[str, Any] | None = None,
        client: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: str | tuple[str, str] | Callable[[], str] | None = None,
        retries: int = 2,
        idempotent: bool = False,
        allow_nan: bool = False,
    ) -> None:
        urls = service_urls(url)
        self.url, self.stream_url, self.info_url, self.health_url = (
            urls.run,
            urls.stream,
            urls.info,
            urls.health,
        )
        self.timeout = _check_timeout(timeout)
        self.retries = _check_retries(retries)
        self.transport = transport
        self.async_transport = async_transport
        self.input_type = input_type
        self.output_type = output_type
        self.idempotent = idempotent
        self.allow_nan = allow_nan
        self._clients = Clients(transport, async_transport, client)
        self._headers = {
            name.lower(): check_text(value, "headers") for name, value in (headers or {}).items()
        }
        self._auth = auth
        self._info: TacticInfo | None = None
        super().__init__(
            name=default_name(url) if name is None else name,
            service_ref=url,
            metadata={**check_metadata(metadata), "url": self.url},
        )

    def capabilities(self) -> set[str]:
        """Return what the service said it can do, or all four as long as nobody has asked it."""
        if self._info is None:
            return {"run", "arun", "stream", "events"}
        return set(self._info.capabilities)

    def _export_input_schema(self) -> dict[str, Any] | None:
        if self.input_type is not None or self._info is None:
            return super()._export_input_schema()
        return self._info.input_schema

    def _export_output_schema(self) -> dict[str, Any] | None:
        if self.output_type is not None or self._info is None:
            return super()._export_output_schema()
        return self._info.output_schema

    # Description of the service

    def fetch_info(self, **options: Any) -> TacticInfo:
        """Ask the service what the tactic is; capabilities and schemas are then known here.

        Args:
            **options: Keyword arguments of the HTTP library, such as `headers`.

        Raises:
            RemoteTacticError: The answer is an error or no description.
            TacticServiceError: The service cannot be reached.
        """
        exchange = self._exchange(CallContext.fresh(), options)
        return self._learnt(self._send("GET", self.info_url, None, exchange))

    async def afetch_info(self, **options: Any) -> TacticInfo:
        """Ask the service what the tactic is; the same as `fetch_info`."""
        exchange = self._exchange(CallContext.fresh(), options)
        return self._learnt(await self._asend("GET", self.info_url, None, exchange))

    def _learnt(self, response: Any) -> TacticInfo:
        if response.status_code >= 400:
            raise error_from_body(
                response.status_code, parse_body(response), retry_after=retry_after_of(response)
            )
        try:
            self._info = TacticInfo.model_validate_json(response.content)
        except (ValidationError, TypeError) as error:
            raise RemoteTacticError(
                response.status_code,
                error_type="InvalidResponse",
                message=f"The response does not match the TacticInfo schema: {error}",
                endpoint="info",
                detail=response.text,
            ) from error
        return self._info

    # What the boundary calls

    def _run(self, input_value: Any, *, context: CallContext, **options: Any) -> Any:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        while True:
            response = self._send("POST", self.url, body, exchange)
            try:
                return self._answer(response)
            except RemoteTacticError as error:
                time.sleep(exchange.pause_after_status(error))

    async def _arun(self, input_value: Any, *, context: CallContext, **options: Any) -> Any:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        while True:
            response = await self._asend("POST", self.url, body, exchange)
            try:
                return self._answer(response)
            except RemoteTacticError as error:
                await asyncio.sleep(exchange.pause_after_status(error))

    def _answer(self, response: Any) -> Any:
        self._fold(usage_of(response))
        return parse_answer(response, allow_nan=self.allow_nan)

    def _stream(self, input_value: Any, *, context: CallContext, **options: Any) -> Iterator[Any]:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        reader = _StreamReader(self)
        try:
            with self._clients.sync().stream(
                "POST", self.stream_url, content=body, **exchange.request(_EVENTS)
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise error_from_body(
                        response.status_code, parse_body(response), retry_after=retry_after_of(response)
                    )
                for chunk in response.iter_bytes():
                    for event in reader.feed(chunk):
                        yield reader.data_of(self, event, response.status_code)
                for event in reader.end():
                    yield reader.data_of(self, event, response.status_code)
        except Exception as error:
            if not is_transport_error(error):
                raise
            raise self._stream_failure(error, exchange, reader) from error

    async def _astream(self, input_value: Any, *, context: CallContext, **options: Any) -> AsyncIterator[Any]:
        events = self._read_events(input_value, context, options)
        try:
            async for status, event in events:
                yield _StreamReader.data_of(self, event, status)
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    async def _aevents(
        self, input_value: Any, *, context: CallContext, **options: Any
    ) -> AsyncIterator[TacticEvent]:
        events = self._read_events(input_value, context, options)
        try:
            async for _, event in events:
                yield event
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    async def _read_events(
        self, input_value: Any, context: CallContext, options: dict[str, Any]
    ) -> AsyncIterator[tuple[int, TacticEvent]]:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        reader = _StreamReader(self)
        try:
            async with self._clients.asynchronous().stream(
                "POST", self.stream_url, content=body, **exchange.request(_EVENTS)
            ) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise error_from_body(
                        response.status_code, parse_body(response), retry_after=retry_after_of(response)
                    )
                async for chunk in response.aiter_bytes():
                    for event in reader.feed(chunk):
                        yield response.status_code, event
                for event in reader.end():
                    yield response.status_code, event
        except Exception as error:
            if not is_transport_error(error):
                raise
            raise self._stream_failure(error, exchange, reader) from error

    def _stream_failure(self, error: Exception, exchange: Exchange, reader: _StreamReader) -> Exception:
        """Return what a caller sees of a failed stream; a stream that has begun is never repeated."""
        if reader.promises_end and not exchange.context.cancelled:
            return StreamTruncated(f"The stream of `{self.tactic_name}` broke off before its end: {error}")
        return exchange.failure(error, self.stream_url)

    # Requests

    def _exchange(self, context: CallContext, options: dict[str, Any]) -> Exchange:
        headers = self._headers
        if self._auth is not None:
            headers = {**headers, "authorization": _authorization(self._auth)}
        return Exchange(context, self.timeout, self.retries, headers, options, self.idempotent)

    def _send(self, method: str, url: str, body: bytes | None, exchange: Exchange) -> Any:
        while True:
            try:
                return self._clients.sync().request(method, url, content=body, **exchange.request(_JSON))
            except Exception as error:
                if not is_transport_error(error):
                    raise
                time.sleep(exchange.pause_after_failure(error, url))

    async def _asend(self, method: str, url: str, body: bytes | None, exchange: Exchange) -> Any:
        while True:
            try:
                client = self._clients.asynchronous()
                return await client.request(method, url, content=body, **exchange.request(_JSON))
            except Exception as error:
                if not is_transport_error(error):
                    raise
                await asyncio.sleep(exchange.pause_after_failure(error, url))

    def _fold(self, usage: Mapping[str, Any] | None) -> None:
        """Add what the models behind the service cost to the session of this call."""
        call = current_call()
        if usage is not None and call is not None:
            call.session.fold_usage(self.tactic_name, usage)

    # Connections

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop and of synchronous calls."""
        await self._clients.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class _StreamReader:
    """Turns the bytes of one stream into events, and notices when it breaks off."""

    def __init__(self, tactic: RemoteTactic) -> None:
        self._tactic = tactic
        self._frames = FrameReader()
        self.promises_end = False
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[TacticEvent]:
        """Yield the events that a chunk completes."""
        for frame in self._frames.feed(chunk):
            yield from self._events(frame)

    def end(self) -> Iterator[TacticEvent]:
        """Yield what is left when the connection ends, and check that the service meant it to end.

        Raises:
            StreamTruncated: The service numbers its frames, as those do that mark the end, and there was no mark.
        """
        for frame in self._frames.end():
            yield from self._events(frame)
        if self.promises_end and not self._ended:
            raise StreamTruncated(f"The stream of `{self._tactic.tactic_name}` broke off before its end.")

    def _events(self, frame: Frame) -> Iterator[TacticEvent]:
        if isinstance(frame.usage, Mapping):
            self._tactic._fold(frame.usage)
        if frame.id is not None:
            self.promises_end = True
        if frame.event == "end" or frame.data == DONE:
            self._ended = True
        if self._ended:
            return
        event = event_of(frame, allow_nan=self._tactic.allow_nan)
        if event is not None:
            yield event

    @staticmethod
    def data_of(tactic: RemoteTactic, event: TacticEvent, status_code: int) -> Any:
        """Return the data of an event; that of a result is validated, and an error event raises."""
        if event.kind == "error":
            raise error_from_event(status_code, event.data, event.metadata)
        return tactic.validate_output(event.data) if event.kind == "result" else event.data


def _authorization(auth: str | tuple[str, str] | Callable[[], str]) -> str:
    if isinstance(auth, tuple):
        user, password = auth
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    return f"Bearer {auth() if callable(auth) else auth}"


def _check_timeout(timeout: Any) -> float | None:
    if timeout is None:
        return None
    number = not isinstance(timeout, bool) and isinstance(timeout, (int, float))
    if not number or not isfinite(timeout) or timeout <= 0:
        raise ValueError("timeout must be a positive number or None.")
    return float(timeout)


def _check_retries(retries: Any) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries must be an integer of at least 0, not {retries!r}.")
    return retries
