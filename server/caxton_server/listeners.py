"""The open ports: the API on one, the metrics on another in a thread of their own."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from typing import TYPE_CHECKING, ClassVar
from wsgiref.simple_server import WSGIServer

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from caxton_core.errors import Problem
from prometheus_client import start_http_server
from returns.result import Failure, Result, Success

from caxton_server.rest.calls import Phase
from caxton_server.rest.edge import application
from caxton_server.rest.openapi import describe
from caxton_server.rest.routes import ROUTES
from caxton_server.telemetry import metrics
from caxton_server.telemetry.samples import LoopWatch, NodeSample, Sample, on_loop

if TYPE_CHECKING:
    from caxton_server.config_sections import ServerConfig
    from caxton_server.rest.calls import Edge

STOP_SECONDS = 2.0
KEEPALIVE_SECONDS = 75.0


class CantListen(Problem, frozen=True):
    """An address that can't be bound."""

    setting: str
    address: str
    detail: str
    code: ClassVar[str] = "cant_listen"
    SENTENCE: ClassVar[str] = "Can't listen on {address} ({setting}): {detail}."


class Listeners:
    """The ports of one server."""

    def __init__(self, edge: Edge, config: ServerConfig) -> None:
        self.edge, self.config = edge, config
        self.url = ""
        self.metrics_url: str | None = None
        self._runner: web.AppRunner | None = None
        self._scraped: tuple[WSGIServer, threading.Thread] | None = None
        self._watch = LoopWatch()

    async def open(self) -> Result[None, CantListen]:
        """Bind both ports and begin to answer."""
        self.edge.description = describe(ROUTES)
        logging.getLogger("aiohttp.server").addFilter(_in_one_line)
        self._runner = web.AppRunner(
            application(self.edge, ROUTES),
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
        )
        await self._runner.setup()
        host, port = self.config.host, self.config.port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            return Failure(_refused("server.port", host, port, error))
        self.url = _url(host, self._runner.addresses[0][1])
        self._watch.start()
        return self._open_metrics()

    def _open_metrics(self) -> Result[None, CantListen]:
        host, port = self.config.host, self.config.metrics_port
        if port is None:
            return Success(None)
        sample = on_loop(asyncio.get_running_loop(), self.sample)
        try:
            self._scraped = start_http_server(port, host, metrics.registry(sample))
        except OSError as error:
            return Failure(_refused("server.metrics_port", host, port, error))
        self.metrics_url = f"{_url(host, self._scraped[0].server_port)}/metrics"
        return Success(None)

    def sample(self) -> Sample:
        """Look at everything that is counted; on the loop."""
        starting = self.edge.phase is Phase.STARTING
        node = NodeSample() if starting else self.edge.node.sample()
        return Sample(node, dict(self.edge.requests), self._watch.take())

    async def close(self) -> None:
        """Close the ports; requests under way get a moment to end."""
        if self._scraped is not None:
            server, thread = self._scraped
            self._scraped = None
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join(STOP_SECONDS)
        await self._watch.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _in_one_line(record: logging.LogRecord) -> bool:
    """Make a line of what a client got wrong: whoever sends nonsense must not fill the log with tracebacks."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | ConnectionResetError):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.args = "a request broke off: %s", (" ".join(str(error).split())[:200],)
        record.exc_info = None
    return True


def _refused(setting: str, host: str, port: int, error: OSError) -> CantListen:
    busy = "another process uses this port" if error.errno == errno.EADDRINUSE else None
    detail = busy or (os.strerror(error.errno) if error.errno and error.errno > 0 else str(error))
    return CantListen(setting, f"{host}:{port}", detail)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
