"""Server-sent events: a source of values written to a client until either end has enough.

Rules:
- An entry's `id` is its sequence number; a client resumes by sending it back as `Last-Event-ID`.
- A comment every 15 s keeps proxies awake and finds out that a client is gone.
- A client that does not read is cut off: nothing is kept for it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from aiohttp import web
from caxton_core.errors import FieldError, StorageFault
from returns.result import Failure, Result, Success

from caxton_server.rest.calls import Edge
from caxton_server.rest.problems import InvalidRequest
from caxton_server.telemetry import traces

T = TypeVar("T")

HEARTBEAT_SECONDS = 15.0
SLOW_READER_SECONDS = 30.0
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
_LOG: Any = structlog.get_logger("caxton.http")
_encode = msgspec.json.Encoder().encode


def entry(seq: int, kind: str, value: Any) -> bytes:
    """Return one event as it goes over the wire.

    >>> entry(7, "log", {"text": "hi"})
    b'id: 7\\nevent: log\\ndata: {"text":"hi"}\\n\\n'
    """
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), _encode(value))


def resume_point(request: web.Request) -> Result[int | None, InvalidRequest]:
    """Return the sequence number a client has seen last, None when it sends none."""
    given = request.headers.get("Last-Event-ID")
    if given is None or given == "":
        return Success(None)
    if given.isascii() and given.isdigit() and len(given) <= 18:
        return Success(int(given))
    wrong = FieldError("", "Last-Event-ID is no sequence number")
    return Failure(InvalidRequest("The header Last-Event-ID is not valid.", (wrong,)))


async def stream(
    edge: Edge,
    request: web.Request,
    source: AsyncIterator[T],
    render: Callable[[T], bytes],
) -> web.StreamResponse:
    """Write what a source yields until it ends, the client leaves or the node stops."""
    response = web.StreamResponse(headers={**_HEADERS, "X-Trace-Id": traces.current()})
    await response.prepare(request)
    stopping = asyncio.ensure_future(edge.stopping.wait())
    # Asked for before the client hears of the stream, so that it misses nothing it causes next.
    following: asyncio.Future[T] | None = asyncio.ensure_future(anext(source))
    try:
        await _write(response, b": stream\n\n")
        while True:
            following = following or asyncio.ensure_future(anext(source))
            waiting: set[asyncio.Future[Any]] = {following, stopping}
            await asyncio.wait(
                waiting,
                timeout=HEARTBEAT_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if following.done():
                value = following.result()
                following = None
                await _write(response, render(value))
            elif stopping.done():
                break
            else:
                await _write(response, b": alive\n\n")
    except (StopAsyncIteration, ConnectionError, TimeoutError):
        pass
    except StorageFault as fault:
        _LOG.warning("stream ended", path=request.path, error=str(fault))
    except Exception as error:  # noqa: BLE001 - the answer has begun, so nothing can be said but in the log
        _LOG.error("stream failed", path=request.path, exc_info=error)
    finally:
        await _release(source, following, stopping)
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SLOW_READER_SECONDS):
        await response.write(data)


async def _release(source: AsyncIterator[Any], *pending: asyncio.Future[Any] | None) -> None:
    """End what waits for the source, then the source itself."""
    waiting = [future for future in pending if future is not None]
    for future in waiting:
        future.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
