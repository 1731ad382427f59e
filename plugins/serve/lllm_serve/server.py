"""A uvicorn server that lets calls finish before it stops."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from lllm_serve.service import running_services

__all__ = ["DrainingServer"]


class DrainingServer(uvicorn.Server):
    """Stops in order: `/ready` says no, new calls are sent away, those under way finish or are told to, then it ends.

    The plain server only tells an application that it stops when every connection is already closed.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain every service of this process, then stop.

        Args:
            sockets: Sockets that the server was given.
        """
        await asyncio.gather(*(service.drain() for service in running_services()))
        await super().shutdown(sockets)
