"""The hooks that this plugin adds: routes, middleware and authentication of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lllm

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

__all__ = ["lllm_serve_app", "lllm_serve_auth"]


@lllm.hookspec
def lllm_serve_app(app: FastAPI) -> None:
    """Extend a service; called once for each application, when everything else is mounted.

    Args:
        app: The application. `app.state.lllm_tactics` maps names to tactics, `app.state.lllm_service` runs calls.

    Example:
        >>> import lllm
        >>> @lllm.hookimpl
        ... def lllm_serve_app(app):
        ...     @app.get("/acme/version")
        ...     def version() -> dict[str, str]:
        ...         return {"version": "1"}
        >>> from fastapi import FastAPI
        >>> app = FastAPI()
        >>> lllm_serve_app(app)
        >>> app.url_path_for("version")
        '/acme/version'
    """


@lllm.hookspec
def lllm_serve_auth(request: Request) -> Any:
    """Say who makes a request; asked for every request but those for `/health` and `/ready`.

    As soon as one plugin implements this, a request that nobody recognises is refused with 401. An exception
    refuses it as well: an `HTTPException` with its own status, any other with 500.

    Args:
        request: The request, without its body.

    Returns:
        A text that names who it is, an awaitable of one, or None when the plugin does not recognise the request.

    Example:
        >>> import lllm
        >>> @lllm.hookimpl
        ... def lllm_serve_auth(request):
        ...     return {"letmein": "alice"}.get(request.headers.get("x-acme-key"))
        >>> from starlette.requests import Request
        >>> lllm_serve_auth(Request({"type": "http", "headers": [(b"x-acme-key", b"letmein")]}))
        'alice'
    """
    raise NotImplementedError
