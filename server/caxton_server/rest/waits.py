"""Requests that wait for agents: they end with the node at the latest."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from caxton_core.errors import Timeout
from returns.result import Failure, Result

from caxton_server.rest.calls import Edge

T = TypeVar("T")
E = TypeVar("E")


async def until_stopped(
    edge: Edge, waiting: Coroutine[Any, Any, Result[T, E]], what: str
) -> Result[T, E | Timeout]:
    """Wait for an answer, or for the node to stop, which leaves what was accepted to the next start."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    task = asyncio.ensure_future(waiting)
    stopping = asyncio.ensure_future(edge.stopping.wait())
    pending: set[asyncio.Future[Any]] = {task, stopping}
    try:
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return Failure(Timeout(f"{what} before the node stopped", round(loop.time() - began, 3)))
    finally:
        for future in pending:
            future.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
