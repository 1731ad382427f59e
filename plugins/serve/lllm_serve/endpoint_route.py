"""Custom endpoints: methods of tactics as routes of their own."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lllm import EndpointSpec
from lllm.background import iterate_in_thread
from lllm_serve.endpoint_binding import Binding, binding_of
from lllm_serve.exchange import Exchange
from lllm_serve.replies import Reply
from lllm_serve.request_body import ParsedBody
from lllm_serve.run_route import encoded
from lllm_serve.served import Served
from lllm_serve.service import Service, leave_all
from lllm_serve.stream_route import send_stream

__all__ = ["CustomEndpoint", "prepare_endpoint"]


@dataclass(slots=True)
class CustomEndpoint:
    """One custom endpoint of one tactic; an ASGI application.

    Attributes:
        service: The service.
        served: The tactic.
        spec: What the tactic says about the endpoint.
        method: The bound method.
        binding: How the method is called.
    """

    service: Service
    served: Served
    spec: EndpointSpec
    method: Callable[..., Any]
    binding: Binding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(self.service, self.served, self.spec.name, scope, receive, send)
        await exchange.serve(self._answer)

    async def _answer(self, exchange: Exchange) -> Reply | None:
        query = _query(exchange.scope)
        body = await exchange.read_bytes()
        if body or self.spec.method not in {"GET", "DELETE"}:
            await exchange.decode(body)
        else:
            exchange.parsed = ParsedBody(self._input_from(query))
            exchange.take_context(None)
        call = self._bound(exchange, query)
        if self.spec.mode != "run":
            await self._stream(exchange, call)
            return None

        async def perform(exchange: Exchange) -> Reply | None:
            return await self._run(exchange, call)

        if self.spec.method == "GET":
            return await perform(exchange)
        return await self.service.idempotency.once(exchange, perform)

    def _bound(self, exchange: Exchange, query: Mapping[str, list[str]]) -> Callable[[], Any]:
        """Return the method with everything that this request calls it with."""
        path = exchange.scope.get("path_params", {})
        arguments = self.binding.arguments(path, query, lambda: Request(exchange.scope))
        if self.binding.takes_context:
            arguments["context"] = exchange.context
        if not self.binding.takes_value:
            return partial(self.method, **arguments)
        parsed = exchange.parsed
        value = parsed.value if parsed.checked else self.served.tactic.validate_input(parsed.value)
        # From here on a refused input is one that the method passed on to another tactic.
        exchange.parsed = replace(parsed, value=value, checked=True)
        return partial(self.method, value, **arguments)

    def _input_from(self, query: Mapping[str, list[str]]) -> Any:
        """Return the input that a query stands for; None when it says nothing and nothing is expected."""
        schema = self.served.info.input_schema
        properties = (schema or {}).get("properties")
        named = self.binding.named
        found: dict[str, Any] = {}
        for name, values in query.items():
            if name in named:
                continue
            field = properties.get(name) if isinstance(properties, Mapping) else None
            many = len(values) > 1 or (isinstance(field, Mapping) and field.get("type") == "array")
            found[name] = values if many else values[0]
        return found if found or properties is not None else None

    async def _run(self, exchange: Exchange, call: Callable[[], Any]) -> Reply | None:
        places = await self.service.admit(self.served)
        try:
            result = await self._call(call)
            if isinstance(result, Response):
                return await _passed_on(result, exchange)
            return Reply(200, (await encoded(exchange, result, bare=True),))
        finally:
            leave_all(places)

    async def _call(self, call: Callable[[], Any]) -> Any:
        if inspect.iscoroutinefunction(self.method):
            return await call()
        result = await self.service.in_thread(self.served, call)
        return await result if inspect.isawaitable(result) else result

    async def _stream(self, exchange: Exchange, call: Callable[[], Any]) -> None:
        in_thread = inspect.isgeneratorfunction(self.method)
        places = await self.service.admit(self.served, needs_thread=in_thread)
        try:
            if in_thread:
                items = iterate_in_thread(call)
            elif inspect.isasyncgenfunction(self.method):
                items = call()
            else:
                items = items_of(await self._call(call))
            await send_stream(exchange, items)
        finally:
            leave_all(places)


def prepare_endpoint(
    service: Service, served: Served, spec: EndpointSpec, method: Callable[..., Any]
) -> CustomEndpoint:
    """Prepare a custom endpoint.

    Args:
        service: The service.
        served: The tactic.
        spec: What the tactic says about the endpoint.
        method: The bound method.

    Raises:
        ValueError: Its path has a parameter that the method does not take.
    """
    return CustomEndpoint(service, served, spec, method, binding_of(method, spec, served.tactic.input_type))


def items_of(result: Any) -> AsyncIterator[Any]:
    """Return what a method returned as a stream: the items of an iterable, or the one thing that it is.

    Args:
        result: What the method returned.
    """
    if hasattr(result, "__aiter__"):
        found: AsyncIterator[Any] = result.__aiter__()
        return found
    if hasattr(result, "__iter__") and not isinstance(result, (str, bytes, bytearray, Mapping)):
        return iterate_in_thread(lambda: iter(result))
    return _only(result)


async def _only(item: Any) -> AsyncIterator[Any]:
    yield item


def _query(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    text = scope.get("query_string", b"").decode("latin-1")
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace") if text else ():
        found.setdefault(name, []).append(value)
    return found


async def _passed_on(response: Response, exchange: Exchange) -> Reply | None:
    """Return a response that a method made itself, or send it when its body is not there yet."""
    body = getattr(response, "body", None)
    if not isinstance(body, bytes):
        await response(exchange.scope, exchange.receive, exchange.send)
        return None
    framing = {b"content-length", b"content-type"}
    headers = [(name, value) for name, value in response.raw_headers if name not in framing]
    media_type = response.headers.get("content-type", "application/octet-stream").encode("latin-1")
    return Reply(response.status_code, (body,), media_type, headers)
