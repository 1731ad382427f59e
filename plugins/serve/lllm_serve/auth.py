"""Who makes a request: bearer tokens, functions of the user's, and the hook `lllm_serve_auth`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from lllm_serve.failures import Refusal
from lllm_serve.request_state import RequestState

__all__ = ["Authenticator", "BearerToken", "authenticator_of", "hook_authenticator"]

Authenticator = Callable[[Scope, RequestState], Awaitable[str | None]]
"""Returns the name of whoever makes a request, or None when it does not know; raises to refuse."""


class BearerToken:
    """The rule that a request must carry one token.

    Args:
        token: The token.

    Raises:
        ValueError: The token is blank, or has characters that no header may hold.
    """

    principal = "bearer"
    """Who makes a request that carries the token."""

    def __init__(self, token: str) -> None:
        given: object = token
        if not isinstance(given, str) or not token.strip() or not token.isascii() or not token.isprintable():
            raise ValueError("the bearer token must be non-empty printable ASCII text.")
        self._expected = token.strip().encode()

    @classmethod
    def from_environment(cls, name: str) -> BearerToken:
        """Read the token from an environment variable.

        Args:
            name: Name of the variable.

        Raises:
            ValueError: The variable is not set, or empty.
        """
        token = os.environ.get(name, "")
        if not token.strip():
            raise ValueError(
                f"the environment variable `{name}` holds no bearer token; set it, or choose another."
            )
        return cls(token)

    def __repr__(self) -> str:
        return "<BearerToken ***>"

    def recognises(self, state: RequestState) -> bool:
        """Tell whether a request carries the token.

        Args:
            state: The notes on the request.
        """
        scheme, _, given = state.headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and compare_digest(given.strip(), self._expected)

    async def __call__(self, scope: Scope, state: RequestState) -> str | None:
        """Return `bearer` when the request carries the token."""
        return self.principal if self.recognises(state) else None


def authenticator_of(auth: Any) -> Authenticator | None:
    """Return the rule that the option `auth` of a service stands for.

    Args:
        auth: None; the name of an environment variable that holds a bearer token; a `BearerToken`; or a function
            `(request) -> principal`, which may be asynchronous or a FastAPI dependency. It refuses by raising
            an `HTTPException` or returning False; whatever else it returns names who makes the request.

    Raises:
        TypeError: `auth` is none of these.
        ValueError: The variable holds no token.
    """
    if auth is None or isinstance(auth, BearerToken):
        return auth
    if isinstance(auth, str):
        return BearerToken.from_environment(auth)
    dependency = getattr(auth, "dependency", None)
    function = dependency if dependency is not None else auth
    if not callable(function):
        raise TypeError(
            f"auth must be the name of an environment variable, a function or None, not {type(auth).__name__}."
        )
    if _takes_request(function):
        return _of_function(function)
    from lllm_serve.auth_dependency import dependency_authenticator

    return dependency_authenticator(function)


def _takes_request(function: Callable[..., Any]) -> bool:
    """Tell whether a function wants the request and nothing that FastAPI would have to find out for it."""
    try:
        parameters = [
            parameter
            for parameter in inspect.signature(function, eval_str=True).parameters.values()
            if parameter.default is parameter.empty
        ]
    except (TypeError, ValueError, NameError):
        return True
    if len(parameters) != 1 or len(inspect.signature(function).parameters) != 1:
        return False
    annotation = parameters[0].annotation
    if annotation is parameters[0].empty:
        return True
    return isinstance(annotation, type) and issubclass(Request, annotation)


def _of_function(function: Callable[..., Any]) -> Authenticator:
    async def authenticate(scope: Scope, state: RequestState) -> str | None:
        answer = function(Request(scope))
        if inspect.isawaitable(answer):
            answer = await answer
        return None if answer is False else principal_name(answer)

    return authenticate


def principal_name(answer: Any) -> str:
    """Return what an authentication returned as a name.

    Args:
        answer: A text, or any object; None and True mean somebody who is allowed and has no name.
    """
    if isinstance(answer, str) and answer:
        return answer
    if answer is None or answer is True:
        return "allowed"
    for attribute in ("username", "name", "id"):
        value = getattr(answer, attribute, None)
        if isinstance(value, str) and value:
            return value
    # Never the credentials themselves: the name stands in logs and in the context of the call.
    return f"{type(answer).__name__}-{sha256(str(answer).encode('utf-8', 'replace')).hexdigest()[:16]}"


def hook_authenticator(manager: Any) -> Authenticator | None:
    """Return the rule that plugins add with `lllm_serve_auth`, or None when no plugin does.

    Args:
        manager: The plugin manager in force.
    """
    if not any(hook.name == "lllm_serve_auth" and hook.implemented_by for hook in manager.hooks()):
        return None

    async def authenticate(scope: Scope, state: RequestState) -> str | None:
        for answer in manager.hook.lllm_serve_auth(request=Request(scope)):
            name = await answer if inspect.isawaitable(answer) else answer
            if name:
                return principal_name(name)
        return None

    return authenticate


async def authenticate(rules: Sequence[Authenticator], scope: Scope, state: RequestState) -> str:
    """Return who makes a request.

    Args:
        rules: At least one rule; the first that recognises the request decides.
        scope: The ASGI scope.
        state: The notes on the request.

    Raises:
        Refusal: No rule recognises it (401).
        HTTPException: A rule refuses it.
    """
    for rule in rules:
        principal = await rule(scope, state)
        if principal is not None:
            return principal
    raise Refusal(
        401,
        "Unauthorized",
        "This service wants to know who calls; send `Authorization: Bearer <token>`.",
        headers={"WWW-Authenticate": "Bearer"},
    )
