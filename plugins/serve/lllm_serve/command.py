"""`lllm serve`: tactics, and a store beside them, as a service."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["serve"]

_LOG_LEVELS = ("critical", "debug", "error", "info", "trace", "warning")


@click.command()
@click.argument("entries", metavar="ENTRY...", nargs=-1)
@click.option("--store", metavar="URL", help="Serve the routes of a store as well, or a store alone.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default="8000", show_default=True, help="Port to listen on, 1 to 65535.")
@click.option(
    "--log-level", default="info", show_default=True, help="Least important messages that are shown."
)
@click.option("--reload", is_flag=True, help="Start again when a file of the working directory changes.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that serve.")
@click.option("--token-env", metavar="NAME", help="Environment variable with a bearer token to require.")
@click.option(
    "--allow-host", "allowed_hosts", multiple=True, metavar="NAME", help="Further Host header; repeatable."
)
@click.option(
    "--cors", multiple=True, metavar="ORIGIN", help="Web pages of this origin may call; repeatable."
)
def serve(
    entries: tuple[str, ...],
    store: str | None,
    host: str,
    port: str,
    log_level: str,
    reload: bool,
    workers: int,
    token_env: str | None,
    allowed_hosts: tuple[str, ...],
    cors: tuple[str, ...],
) -> None:
    """Serve tactics, and a store, over HTTP.

    ENTRY is module:attribute, a psi:// ref or the URL of another service. One ENTRY is served at /run, /stream and
    /info as well as below /tactics; several only below /tactics.
    """
    if not entries and store is None:
        raise click.UsageError("serve needs an ENTRY, or --store URL.")
    if reload and workers > 1:
        raise click.UsageError("--reload and --workers exclude each other.")
    address, number, level = check_host(host), check_port(port), check_log_level(log_level)
    from lllm_serve.launch import ServePlan, launch

    plan = ServePlan(entries, store, token_env, allowed_hosts, cors, loopback=_is_loopback(address))
    launch(plan, host=address, port=number, log_level=level, reload=reload, workers=workers)


def check_host(text: Any) -> str:
    """Return a host without the brackets of an IPv6 literal.

    Args:
        text: What was given as `--host`.

    Raises:
        ValueError: It is blank, a URL, a path, or carries a port.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError("serve host must be a non-empty string.")
    plain = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _is_address(plain):
        return plain
    if any(mark in text for mark in "/\\:?#@[]%") or any(character.isspace() for character in text):
        raise ValueError("serve host must be a host name or address, without scheme, path or port.")
    return text


def check_port(text: Any) -> int:
    """Return a port.

    Args:
        text: What was given as `--port`.

    Raises:
        ValueError: It is no integer from 1 to 65535.
    """
    digits = str(text)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
        raise ValueError("serve port must be an integer between 1 and 65535.")
    return int(digits)


def check_log_level(text: Any) -> str:
    """Return a log level in lower case.

    Args:
        text: What was given as `--log-level`.

    Raises:
        ValueError: There is no such level.
    """
    level = str(text).lower()
    if level not in _LOG_LEVELS:
        raise ValueError(f"serve log level must be one of: {', '.join(_LOG_LEVELS)}.")
    return level


def _is_address(text: str) -> bool:
    import ipaddress  # `lllm --help` imports this module and needs none of it

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    from lllm_serve.hosts import is_loopback

    return is_loopback(host)
