"""A test bed: a whole node without listeners, and what the workloads read off it."""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from caxton_core.ports import Guest, Outcome
from caxton_core.resources import Manifest
from returns.result import Failure, Result, Success

from caxton_server.app import STEPS, Server, StartError, listen
from caxton_server.config import Config, data_url
from caxton_server.config_sections import ServerConfig, StorageConfig
from caxton_server.runtime.cells import Cell
from caxton_server.telemetry import logs

_MODULES = files("caxton_server.bench") / "guests"


class _Watched:
    """A guest that notes when it is handed a message, and is otherwise the guest it stands for."""

    def __init__(self, guest: Guest, times: list[int]) -> None:
        self._guest = guest
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guest, name)

    def handle(self, wire: bytes) -> Outcome:
        self._times.append(time.perf_counter_ns())
        return self._guest.handle(wire)


class Bed:
    """A running node with agents of the benchmark."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.node = server.node
        self.url = server.url
        """Where it listens; empty when it does not."""
        self._close_logs = logs.setup("error")
        self._modules: dict[str, bytes] = {}
        self._digests: dict[str | bytes, str] = {}
        self._watched: dict[str, Guest] = {}
        self._times: list[int] = []

    async def close(self) -> None:
        """Stop the node."""
        await self._server.stop()
        self._close_logs()

    async def deploy(
        self, name: str, guest: str | bytes, config: dict[str, Any], *, mark: str = "", **more: Any
    ) -> str:
        """Deploy an agent and return its name; a `mark` makes its module one that the node has not seen.

        Args:
            guest: the name of a guest of the benchmark, or a module.
        """
        document = {"name": name, "version": "1.0.0", "codec": "msgpack", "config": config, **more}
        digest = None if mark else self._digests.get(guest)
        module = None
        if digest is None:
            module = self._module(guest) + (_custom_section(mark) if mark else b"")
        else:
            document["module"] = digest
        deployed = await self.node.deploy(Manifest.parse(document).unwrap(), module)
        if isinstance(deployed, Failure):
            raise SystemExit(f"{name} was not deployed: {deployed.failure()}")
        if not mark:
            self._digests[guest] = deployed.unwrap().agent.module
        return name

    def _module(self, guest: str | bytes) -> bytes:
        if isinstance(guest, bytes):
            return guest
        if guest not in self._modules:
            self._modules[guest] = (_MODULES / f"{guest}.wasm").read_bytes()
        return self._modules[guest]

    async def send(self, receiver: str, performative: str, content: Any) -> None:
        """Send one message from outside."""
        message = {"performative": performative, "receiver": receiver, "content": content}
        sent = await self.node.send(msgspec.json.encode(message))
        if isinstance(sent, Failure):
            raise SystemExit(f"{receiver} got no message: {sent.failure()}")

    async def committed(self) -> None:
        """Wait until everything done so far is as durable as the node makes it."""
        journal = self.node.kernel.journal
        journal.flush()
        await journal.wait(journal.position)

    async def quiet(self) -> None:
        """Wait until nobody has anything to do."""
        while not self.node.scheduler.idle:  # noqa: ASYNC110 - nothing announces it, and nothing is measured here
            await asyncio.sleep(0.01)

    def handled(self) -> int:
        """Return how many messages guests have been handed."""
        return self.node.scheduler.handled

    def handled_by(self, name: str) -> int:
        """Return how many messages one agent has handled."""
        return self._cell(name).messages_in

    def closed(self) -> int:
        """Return how many conversations have come to their end."""
        return sum(self.node.kernel.counters.conversations_closed.values())

    def mishaps(self) -> dict[str, int]:
        """Return what went wrong, by reason; a figure counts only when this is empty."""
        counters = self.node.kernel.counters
        return dict(counters.dead_letters + counters.rejections + counters.traps)

    def watch(self) -> None:
        """Begin to note when the two agents of a ping-pong are handed messages."""
        self._times.clear()
        for name in ("ping", "pong"):
            cell = self._cell(name)
            if name not in self._watched and cell.guest is not None:
                self._watched[name] = cell.guest
                cell.guest = _Watched(cell.guest, self._times)

    def hops(self) -> list[float]:
        """Return the microseconds from one message to the next, and stop noting."""
        times = self._times[:]
        for name, guest in self._watched.items():
            self._cell(name).guest = guest
        self._watched.clear()
        return [(after - before) / 1e3 for before, after in pairwise(times)]

    def _cell(self, name: str) -> Cell:
        found = self.node.kernel.find(name)
        assert isinstance(found, Cell)
        return found


async def make_bed(
    folder: Path, durability: str, *, storage: str = "", listens: bool = False
) -> Result[Bed, StartError]:
    """Start a node: in memory, or on a storage when it shall be durable, which is SQLite in a folder if none is named."""
    url = "memory:" if durability == "memory" else storage or data_url(folder)
    stored = msgspec.convert({"url": url, "durability": durability}, StorageConfig)
    server = Server(Config(server=ServerConfig(port=0, metrics_port=None), storage=stored))
    for step in STEPS:
        if step is listen and not listens:
            continue
        done = await step(server)
        if isinstance(done, Failure):
            await server.stop()
            return Failure(done.failure())
    return Success(Bed(server))


def _custom_section(text: str) -> bytes:
    """Return a section that changes nothing but the module's digest."""
    name = text.encode()
    assert len(name) < 120
    return bytes((0, len(name) + 1, len(name))) + name
