"""A node of the demo's own, in this process: a server on free ports, its loop in a thread.

In this process, so that whatever ends the demo ends the node too.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from returns.result import Failure, Result

from caxton_server.app import Server, StartError
from caxton_server.config import Config, data_url
from caxton_server.config_sections import ServerConfig, StorageConfig
from caxton_server.telemetry import logs


def configuration(folder: Path) -> Config:
    """Return the configuration of the demo's node: every port a free one, all data in a folder."""
    return Config(
        server=ServerConfig(port=0, metrics_port=0),
        storage=StorageConfig(url=data_url(folder.absolute())),
    )


class Host:
    """A server whose loop runs in a thread of its own."""

    def __init__(self, config: Config) -> None:
        self._server = Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="node", daemon=True)

    def start(self) -> Result[Server, StartError]:
        """Start the loop, and the server on it."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result()

    def stop(self) -> None:
        """Stop the server and end the thread."""
        with contextlib.suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class NotStarted(Exception):
    """The node could not be started; says why."""


@contextlib.contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Run a node as long as the context lasts, and give its address."""
    close_logs = logs.setup("error")
    host = Host(configuration(folder))
    try:
        started = host.start()
        if isinstance(started, Failure):
            raise NotStarted(str(started.failure()))
        yield started.unwrap().url
    finally:
        host.stop()
        close_logs()
