"""Server-sent events: resumed, kept awake, ended by either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from caxton_server.rest import streams
from caxton_server.rest.calls import Edge

from tests.server.rest.fakes import serving


class Counter:
    """A source of numbers that stops at a number, or never; notes that it was closed."""

    def __init__(self, stop: int | None) -> None:
        self.stop, self.closed = stop, asyncio.Event()

    async def run(self) -> AsyncIterator[int]:
        """Yield the numbers, then wait for ever unless there is an end."""
        try:
            for number in range(1, (self.stop or 2) + 1):
                yield number
            if self.stop is None:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


def server_of(edge: Edge, counter: Counter) -> TestServer:
    """Return a server with one stream."""

    async def follow(request: web.Request) -> web.StreamResponse:
        return await streams.stream(
            edge, request, counter.run(), lambda n: streams.entry(n, "number", n)
        )

    app = web.Application()
    app.router.add_get("/", follow)
    return TestServer(app)


async def test_entries_are_written_until_the_source_ends() -> None:
    """Every entry has its id, its kind and its data; the stream ends with its source."""
    counter = Counter(2)
    async with TestClient(server_of(serving(), counter)) as http, http.get("/") as response:
        assert response.content_type == "text/event-stream"
        assert await response.text() == (
            ": stream\n\nid: 1\nevent: number\ndata: 1\n\nid: 2\nevent: number\ndata: 2\n\n"
        )
    assert counter.closed.is_set()


async def test_stopping_ends_every_stream() -> None:
    """A stream whose source waits for ever ends when the node stops."""
    edge, counter = serving(), Counter(None)
    async with TestClient(server_of(edge, counter)) as http, http.get("/") as response:
        await response.content.readuntil(b"data: 2\n\n")
        edge.stop()
        assert await response.read() == b""
    assert counter.closed.is_set()


async def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens the client hears that the server lives."""
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.01)
    counter = Counter(None)
    async with TestClient(server_of(serving(), counter)) as http, http.get("/") as response:
        await response.content.readuntil(b": alive\n\n")


async def test_client_that_leaves_ends_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a client is gone its source is closed."""
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.01)
    counter = Counter(None)
    async with TestClient(server_of(serving(), counter)) as http:
        response = await http.get("/")
        await response.content.readuntil(b"data: 2\n\n")
        response.close()
        await counter.closed.wait()


async def test_source_that_breaks_ends_the_stream() -> None:
    """An exception of the source is logged, and the client sees the stream end."""

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no")

    async def follow(request: web.Request) -> web.StreamResponse:
        return await streams.stream(serving(), request, broken(), lambda n: b"data: 1\n\n")

    app = web.Application()
    app.router.add_get("/", follow)
    with structlog.testing.capture_logs() as logged:
        async with TestClient(TestServer(app)) as http, http.get("/") as response:
            assert await response.text() == ": stream\n\ndata: 1\n\n"
    assert [line["event"] for line in logged] == ["stream failed"]
