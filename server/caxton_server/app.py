"""A whole server: configuration in, listeners out, as a list of steps each of which may refuse.

Rules:
- A step that fails undoes nothing itself: `Server.stop` closes whatever had been opened by then.
- The ports are bound before the journal is read, so that a busy one costs nothing and probes answer meanwhile.
- SIGTERM: readiness off, no new work, the node commits and stops, then the listeners close; exit 0, or 1 when what
  was done last could not be stored.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import structlog
from caxton_core import registry
from caxton_core.budgets import Budget
from caxton_core.errors import InvalidSetting, Problem, StorageError
from caxton_core.hookspecs import SandboxOptions
from caxton_core.ports import Sandbox, Storage
from returns.result import Failure, Result, Success

from caxton_server import machine
from caxton_server.config import Config, is_loopback
from caxton_server.databases.places import storage_of
from caxton_server.listeners import CantListen, Listeners
from caxton_server.rest.calls import Edge, Phase
from caxton_server.runtime.folders import Folder
from caxton_server.runtime.node import Node
from caxton_server.telemetry import logs

Step: TypeAlias = "Callable[[Server], Awaitable[Result[None, StartError]]]"
USAGE, FAILED, INTERRUPTED = 2, 1, 130
UNSTORED = "The node stopped, but what it did last is not stored; nobody was told that it is. {}"
_LOG: Any = structlog.get_logger("caxton.app")


class BrokenPlugins(Problem, frozen=True):
    """Plugins that keep the node from starting."""

    problems: tuple[Problem, ...]
    code: ClassVar[str] = "plugin_error"

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


StartError: TypeAlias = CantListen | BrokenPlugins | InvalidSetting | StorageError


class Server:
    """One server: what its steps have opened so far, and how to close it.

    `plugins` are objects with hooks that need no entry point, by name (for embedding and tests).
    """

    def __init__(self, config: Config, *, plugins: Mapping[str, object] | None = None) -> None:
        self.config = config
        self.more_plugins = plugins
        self.registry: registry.Registry
        self.budget = Budget(machine.node_memory(config.runtime.node_memory))
        self.folder: Folder | None = None
        self.storage: Storage
        self.sandboxes: dict[str, Sandbox] = {}
        self.node: Node
        self.edge: Edge
        self.url = ""
        self.metrics_url: str | None = None
        self._closing: list[Callable[[], Awaitable[object]]] = []

    def on_stop(self, close: Callable[[], Awaitable[object]]) -> None:
        """Have something closed by `stop`, before what was opened earlier."""
        self._closing.append(close)

    async def start(self) -> Result[Server, StartError]:
        """Take every step; stop again at the first that fails."""
        for step in STEPS:
            done = await step(self)
            if isinstance(done, Failure):
                await self.stop()
                return Failure(done.failure())
        return Success(self)

    async def stop(self) -> Result[None, StorageError]:
        """Close what was opened, last things first; may be called twice. Fails when the node could not store everything."""
        stopped: Result[None, StorageError] = Success(None)
        while self._closing:
            closed = await self._closing.pop()()
            if isinstance(closed, Failure):
                stopped = closed
        return stopped


async def check_exposure(server: Server) -> Result[None, StartError]:
    """Refuse an address that other machines reach while nobody is asked for a token."""
    host = server.config.server.host
    if is_loopback(host) or server.config.auth.token is not None:
        return Success(None)
    reason = (
        f"{host} can be reached from other machines; set auth.token_file, or listen on 127.0.0.1"
    )
    return Failure(_setting(server, "server.host", reason))


async def load_plugins(server: Server) -> Result[None, StartError]:
    """Find, check and ask the plugins."""
    trace = (
        (lambda text: _LOG.info("plugin", text=text.strip()))
        if os.environ.get("CAXTON_TRACE_PLUGINS")
        else None
    )
    found = registry.load(block=server.config.plugins.block, more=server.more_plugins, trace=trace)
    if isinstance(found, Failure):
        return Failure(BrokenPlugins(tuple(found.failure())))
    server.registry = found.unwrap()
    return Success(None)


async def lock_folder(server: Server) -> Result[None, StartError]:
    """Take the data folder for ourselves, where there is one."""
    path = server.config.storage.folder()
    if path is None:
        return Success(None)
    folder = Folder.open(path)
    if isinstance(folder, Failure):
        return Failure(folder.failure())
    server.folder = folder.unwrap()
    server.on_stop(_later(server.folder.close))
    return Success(None)


async def make_storage(server: Server) -> Result[None, StartError]:
    """Make the storage that the scheme of `storage.url` chooses."""
    made = storage_of(server.config, server.registry)
    if isinstance(made, Failure):
        return Failure(made.failure())
    server.storage = made.unwrap()
    return Success(None)


async def make_sandboxes(server: Server) -> Result[None, StartError]:
    """Make every sandbox there is."""
    cache = str(server.folder.modules) if server.folder is not None else ""
    for kind in server.registry.sandboxes():
        made = kind.make(SandboxOptions(cache, _settings(server, kind.name), server.budget))
        if isinstance(made, Failure):
            return Failure(made.failure())
        sandbox = server.sandboxes[kind.name] = made.unwrap()
        server.on_stop(_later(sandbox.close))
    return Success(None)


async def make_node(server: Server) -> Result[None, StartError]:
    """Put the node together, without starting it."""
    server.node = Node(
        server.config,
        registry=server.registry,
        storage=server.storage,
        sandboxes=server.sandboxes,
        folder=server.folder,
        budget=server.budget,
    )
    token = server.config.auth.token
    server.edge = Edge(server.node, token=None if token is None else token.reveal())
    return Success(None)


async def listen(server: Server) -> Result[None, StartError]:
    """Bind the ports of the API and of the metrics; until the node runs only probes answer."""
    listeners = Listeners(server.edge, server.config.server)
    server.on_stop(listeners.close)
    opened = await listeners.open()
    if isinstance(opened, Failure):
        return Failure(opened.failure())
    server.url, server.metrics_url = listeners.url, listeners.metrics_url
    return Success(None)


async def start_node(server: Server) -> Result[None, StartError]:
    """Recover what the journal holds and begin to work."""
    started = await server.node.start()
    if isinstance(started, Failure):
        return Failure(started.failure())
    server.on_stop(server.node.stop)
    server.on_stop(_later(server.edge.stop))
    server.edge.phase = Phase.SERVING
    return Success(None)


STEPS: tuple[Step, ...] = (
    check_exposure,
    load_plugins,
    lock_folder,
    make_storage,
    make_sandboxes,
    make_node,
    listen,
    start_node,
)


def relax_collector() -> None:
    """Let the cycle collector run rarely: what a message makes holds no cycles, so it finds nothing to free.

    For a process that is a node; embedders decide for theirs.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def serve(config: Config) -> int:
    """Run a server until SIGTERM or Ctrl-C; returns the exit code."""
    relax_collector()
    close_logs = logs.setup(config.telemetry.log_level, config.telemetry.log_format)
    try:
        return asyncio.run(_serve(config))
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        close_logs()


async def _serve(config: Config) -> int:
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _catch_signals(ended)
    server = Server(config)
    started = await server.start()
    if isinstance(started, Failure):
        error = started.failure()
        sys.stderr.write(f"Error: {logs.printable_lines(str(error))}\n")
        return FAILED if error.code == "storage_full" else USAGE
    _LOG.info("serving", url=server.url, metrics=server.metrics_url, pid=os.getpid())
    try:
        code = await ended
        _LOG.info("stopping")
    finally:
        stopped = await server.stop()
    if isinstance(stopped, Failure):
        _LOG.error("stopped", unstored=str(stopped.failure()))
        sys.stderr.write(f"Error: {logs.printable_lines(UNSTORED.format(stopped.failure()))}\n")
        return FAILED
    _LOG.info("stopped")
    return code


def _catch_signals(ended: asyncio.Future[int]) -> None:
    """Let the first signal end the server in order; the second one ends it at once."""
    loop = asyncio.get_running_loop()
    codes = {signal.SIGTERM: 0, signal.SIGINT: INTERRUPTED}

    def caught(number: signal.Signals) -> None:
        for each in codes:
            loop.remove_signal_handler(each)
        if not ended.done():
            ended.set_result(codes[number])

    for each in codes:
        loop.add_signal_handler(each, caught, each)


def _setting(server: Server, name: str, reason: str) -> InvalidSetting:
    return InvalidSetting(str(server.config.origin(name)), name, reason)


def _settings(server: Server, plugin: str) -> Mapping[str, Any]:
    found = server.config.plugins.settings.get(plugin, {})
    return found if isinstance(found, Mapping) else {}


def _later(close: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """Make a plain function one that can be awaited."""

    async def run() -> object:
        return close()

    return run
