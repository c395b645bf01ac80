"""A whole server in a thread of its own, and a client of it."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from caxton_plugins.protocols import auctions, contract_net, query, request, subscribe
from caxton_plugins.sandboxes import wasm
from caxton_plugins.storages import memory, sqlite
from caxton_plugins.strategies import direct
from caxton_server.app import Server
from caxton_server.client import Client
from caxton_server.config import Config
from caxton_server.config_sections import ServerConfig, StorageConfig
from returns.result import Result

PLUGINS: dict[str, object] = {
    "memory": memory,
    "sqlite": sqlite,
    "wasm": wasm,
    "auctions": auctions,
    "contract_net": contract_net,
    "query": query,
    "subscribe": subscribe,
    "request": request,
    "direct": direct,
}


class Hosted:
    """A server that runs on the loop of another thread."""

    def __init__(self, config: Config) -> None:
        self.server = Server(config, plugins=PLUGINS)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine: Any) -> Any:
        """Run something on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def start(self) -> Result[Server, Any]:
        """Start the server."""
        started: Result[Server, Any] = self.run(self.server.start())
        return started

    def stop(self) -> None:
        """Stop the server and its loop."""
        self.run(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def hosted() -> Iterator[Hosted]:
    """A running server with its storage in memory."""
    listen = ServerConfig(port=0, metrics_port=0)
    host = Hosted(Config(server=listen, storage=StorageConfig(url="memory:", durability="memory")))
    host.start().unwrap()
    yield host
    host.stop()


@pytest.fixture
def client(hosted: Hosted) -> Iterator[Client]:
    """A client of the server."""
    client = Client(hosted.server.url)
    yield client
    client.close()


Asked = tuple[int, dict[str, str], Any]
Ask = Callable[..., Asked]


@pytest.fixture
def ask(hosted: Hosted) -> Ask:
    """Make a raw request: method, path below /api/v1, and what urllib's Request takes."""

    def ask(method: str, path: str, *, body: Any = None, **headers: str) -> Asked:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        made = urllib.request.Request(
            f"{hosted.server.url}/api/v1{path}", data, names, method=method
        )
        try:
            with urllib.request.urlopen(made, timeout=30) as answer:
                status, given, text = answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, given, text = error.code, dict(error.headers), error.read()
        return status, given, json.loads(text) if text else None

    return ask
