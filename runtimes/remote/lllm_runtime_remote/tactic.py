"""`RemoteTactic`: a tactic that another process does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from math import isfinite
from typing import Any, Self

from pydantic import ValidationError

from lllm import CallContext, Tactic, TacticEvent, TacticInfo, current_call
from lllm.background import running_loop
from lllm.names import check_metadata
from lllm_runtime_remote.answers import Answer, TooLargeError, aread_answer, read_answer
from lllm_runtime_remote.clients import Clients, is_transport_error
from lllm_runtime_remote.errors import RemoteTacticError, StreamTruncated, error_from_event
from lllm_runtime_remote.exchange import Exchange, encode, invalid, parse_answer, refusal_of, usage_of
from lllm_runtime_remote.headers import authorization, check_header
from lllm_runtime_remote.reading import StreamReader, is_stream, no_stream
from lllm_runtime_remote.urls import default_name, service_urls

__all__ = ["RemoteTactic"]

logger = logging.getLogger("lllm.remote")

_JSON = "application/json"
_EVENTS = "text/event-stream"
_LONGEST_LOOK = 5.0
_NEXT_LOOK = 30.0


class RemoteTactic(Tactic[Any, Any], register=False):
    """A tactic behind HTTP, called like a local one.

    Connections are pooled and kept: one client for synchronous calls, one for each event loop. `close()`, `aclose()`
    or a `with` block release them. The deadline of the context and the usage of the models cross the connection.

    A call is repeated only when that is safe: when the service was not reached, or answered 429 or 503, or a gateway
    answered 502 or 504 in its place. With `idempotent=True` every try carries one idempotency key, and broken
    connections and every 502 and 504 are repeated too.

    What the service says of the tactic is asked at the first `info()`, where no event loop is running.

    Args:
        url: Absolute HTTP(S) URL of the tactic, of its service, or of its `run`, `stream` or `info` route.
        name: Name; default the last usable path segment, else the host.
        input_type: Schema that inputs are checked against before they are sent.
        output_type: Schema that outputs are checked against.
        timeout: Seconds that a try may take, or None; of a stream, seconds between its parts.
        transport: An httpx transport for synchronous calls.
        async_transport: An httpx transport for asynchronous calls.
        metadata: Metadata; `url` is added to it.
        client: A ready client of httpx or httpx2, synchronous or asynchronous.
        headers: Headers of every request.
        auth: A bearer token, a pair of user and password, or a function that returns a bearer token.
        retries: Further tries after the first.
        idempotent: Send an idempotency key with every try.
        allow_nan: Send and accept NaN and infinities.
        max_response_bytes: Most bytes of a response, or of one frame of a stream.

    Raises:
        ValueError: `url`, `timeout`, `retries`, a header or the credential is malformed.
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
        max_response_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        urls = service_urls(url)
        self.url, self.stream_url, self.info_url, self.health_url = (
            urls.run,
            urls.stream,
            urls.info,
            urls.health,
        )
        self.timeout = _check_timeout(timeout)
        self.retries = _check_count(retries, "retries", 0)
        self.max_response_bytes = _check_count(max_response_bytes, "max_response_bytes", 1)
        self.transport = transport
        self.async_transport = async_transport
        self.input_type = input_type
        self.output_type = output_type
        self.idempotent = idempotent
        self.allow_nan = allow_nan
        self._clients = Clients(transport, async_transport, client)
        self._headers = {name.lower(): check_header(value, name) for name, value in (headers or {}).items()}
        self._auth = auth
        if auth is not None and not callable(auth):
            authorization(auth)
        self._info: TacticInfo | None = None
        self._next_look = 0.0
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

    def _described(self) -> str:
        self._look()
        return "" if self._info is None else self._info.description

    def _export_input_schema(self) -> dict[str, Any] | None:
        self._look()
        if self.input_type is not None or self._info is None:
            return super()._export_input_schema()
        return self._info.input_schema

    def _export_output_schema(self) -> dict[str, Any] | None:
        self._look()
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

    def _look(self) -> None:
        """Learn what the service says of the tactic, unless that is known, would block a loop, or just failed."""
        if self._info is not None or time.monotonic() < self._next_look or running_loop() is not None:
            return
        self._next_look = time.monotonic() + _NEXT_LOOK
        try:
            exchange = self._exchange(CallContext.fresh().limit(_LONGEST_LOOK), {})
            exchange.retries = 0
            self._learnt(self._send("GET", self.info_url, None, exchange))
        except Exception as error:
            logger.debug("%s does not describe tactic %r: %s", self.info_url, self.tactic_name, error)

    def _learnt(self, answer: Answer) -> TacticInfo:
        refusal = refusal_of(answer, "info")
        if refusal is not None:
            raise refusal
        try:
            self._info = TacticInfo.model_validate_json(answer.content)
        except (ValidationError, TypeError) as error:
            text = f"The response does not match the TacticInfo schema: {error}"
            raise invalid(answer, "info", text) from error
        return self._info

    # What the boundary calls

    def _run(self, input_value: Any, *, context: CallContext, **options: Any) -> Any:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        while True:
            answer = self._send("POST", self.url, body, exchange)
            try:
                return self._output_of(answer)
            except RemoteTacticError as error:
                time.sleep(exchange.pause_after_status(error))

    async def _arun(self, input_value: Any, *, context: CallContext, **options: Any) -> Any:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        while True:
            answer = await self._asend("POST", self.url, body, exchange)
            try:
                return self._output_of(answer)
            except RemoteTacticError as error:
                await asyncio.sleep(exchange.pause_after_status(error))

    def _output_of(self, answer: Answer) -> Any:
        self._fold(usage_of(answer))
        return parse_answer(answer, allow_nan=self.allow_nan)

    def _stream(self, input_value: Any, *, context: CallContext, **options: Any) -> Iterator[Any]:
        body = encode(input_value, context, allow_nan=self.allow_nan)
        exchange = self._exchange(context, options)
        reader = self._reader()
        with ExitStack() as stack:
            response = self._open_stream(body, exchange, stack)
            try:
                for chunk in response.iter_bytes():
                    exchange.remaining()
                    for event in reader.feed(chunk):
                        yield self._data_of(event, response.status_code)
                for event in reader.end():
                    yield self._data_of(event, response.status_code)
            except Exception as error:
                if not is_transport_error(error):
                    raise
                raise self._stream_failure(error, exchange, reader) from error

    def _open_stream(self, body: bytes, exchange: Exchange, stack: ExitStack) -> Any:
        """Return the response that a stream is read from; until it is there, a failure may pass."""
        while True:
            try:
                client = stack.enter_context(self._clients.using())
                response = stack.enter_context(
                    client.stream(
                        "POST",
                        self._clients.parsed(self.stream_url),
                        content=body,
                        **exchange.request(_EVENTS),
                    )
                )
                if is_stream(response):
                    return response
                answer = read_answer(response, until=exchange.until, limit=self.max_response_bytes)
            except Exception as error:
                pause = self._pause_after(error, exchange, self.stream_url, "stream")
            else:
                pause = exchange.pause_after_status(no_stream(answer))
            stack.close()
            time.sleep(pause)

    async def _astream(self, input_value: Any, *, context: CallContext, **options: Any) -> AsyncIterator[Any]:
        events = self._read_events(input_value, context, options)
        try:
            async for status, event in events:
                yield self._data_of(event, status)
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
        reader = self._reader()
        async with AsyncExitStack() as stack:
            response = await self._aopen_stream(body, exchange, stack)
            try:
                async for chunk in response.aiter_bytes():
                    for event in reader.feed(chunk):
                        yield response.status_code, event
                for event in reader.end():
                    yield response.status_code, event
            except Exception as error:
                if not is_transport_error(error):
                    raise
                raise self._stream_failure(error, exchange, reader) from error

    async def _aopen_stream(self, body: bytes, exchange: Exchange, stack: AsyncExitStack) -> Any:
        """The asynchronous form of `_open_stream`."""
        while True:
            try:
                client = self._clients.asynchronous()
                request = exchange.request(_EVENTS)
                async with asyncio.timeout(exchange.seconds()):
                    response = await stack.enter_async_context(
                        client.stream("POST", self._clients.parsed(self.stream_url), content=body, **request)
                    )
                    if is_stream(response):
                        return response
                    answer = await aread_answer(response, limit=self.max_response_bytes)
            except Exception as error:
                pause = self._pause_after(error, exchange, self.stream_url, "stream")
            else:
                pause = exchange.pause_after_status(no_stream(answer))
            await stack.aclose()
            await asyncio.sleep(pause)

    def _reader(self) -> StreamReader:
        return StreamReader(
            self.tactic_name, self._fold, allow_nan=self.allow_nan, limit=self.max_response_bytes
        )

    def _data_of(self, event: TacticEvent, status_code: int) -> Any:
        """Return the data of an event; that of a result is validated, and an error event raises."""
        if event.kind == "error":
            raise error_from_event(status_code, event.data, event.metadata)
        return self.validate_output(event.data) if event.kind == "result" else event.data

    def _stream_failure(self, error: Exception, exchange: Exchange, reader: StreamReader) -> Exception:
        """Return what a caller sees of a failed stream; a stream that has begun is never repeated."""
        if reader.promises_end and not exchange.context.cancelled:
            return StreamTruncated(f"The stream of `{self.tactic_name}` broke off before its end: {error}")
        return exchange.failure(error, self.stream_url)

    # Requests

    def _exchange(self, context: CallContext, options: dict[str, Any]) -> Exchange:
        headers = self._headers
        if self._auth is not None:
            headers = {**headers, "authorization": authorization(self._auth)}
        return Exchange(context, self.timeout, self.retries, headers, options, self.idempotent)

    def _send(self, method: str, url: str, body: bytes | None, exchange: Exchange) -> Answer:
        while True:
            try:
                request = exchange.request(_JSON)
                with (
                    self._clients.using() as client,
                    client.stream(method, self._clients.parsed(url), content=body, **request) as response,
                ):
                    return read_answer(response, until=exchange.until, limit=self.max_response_bytes)
            except Exception as error:
                pause = self._pause_after(error, exchange, url, "info" if body is None else "run")
            time.sleep(pause)

    async def _asend(self, method: str, url: str, body: bytes | None, exchange: Exchange) -> Answer:
        while True:
            try:
                client = self._clients.asynchronous()
                request = exchange.request(_JSON)
                async with (
                    asyncio.timeout(exchange.seconds()),
                    client.stream(method, self._clients.parsed(url), content=body, **request) as response,
                ):
                    return await aread_answer(response, limit=self.max_response_bytes)
            except Exception as error:
                pause = self._pause_after(error, exchange, url, "info" if body is None else "run")
            await asyncio.sleep(pause)

    def _pause_after(self, error: Exception, exchange: Exchange, url: str, endpoint: str) -> float:
        """Return the seconds before a failed request is sent again, or raise what the caller sees."""
        if isinstance(error, TooLargeError):
            raise invalid(Answer(error.status_code, {}, b""), endpoint, str(error)) from error
        if not is_transport_error(error):
            raise error
        return exchange.pause_after_failure(error, url)

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


def _check_timeout(timeout: Any) -> float | None:
    if timeout is None:
        return None
    number = not isinstance(timeout, bool) and isinstance(timeout, (int, float))
    if not number or not isfinite(timeout) or timeout <= 0:
        raise ValueError("timeout must be a positive number or None.")
    return float(timeout)


def _check_count(value: Any, label: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{label} must be an integer of at least {least}, not {value!r}.")
    return value
