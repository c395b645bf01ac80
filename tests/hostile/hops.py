"""How long one message takes from one neighbour to the other, by the wall and by the clock of the node's thread.

The thread's clock stands still while other processes have its core: beside the wall's it tells what the node did from
what the machine did.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
from caxton_core.ports import Guest, Outcome
from caxton_server.bench.beds import Bed
from caxton_server.bench.workloads import percentile
from caxton_server.runtime.cells import Cell

PAIR = ("ping", "pong")


class Hops(msgspec.Struct, frozen=True):
    """The p99 of some hops, in microseconds."""

    number: int
    wall_us: float
    thread_us: float


class _Watched:
    """A guest that notes when it is handed a message, and is otherwise the guest it stands for."""

    def __init__(self, guest: Guest, times: list[tuple[int, int]]) -> None:
        self._guest, self._times = guest, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guest, name)

    def handle(self, wire: bytes) -> Outcome:
        self._times.append((time.perf_counter_ns(), time.thread_time_ns()))
        return self._guest.handle(wire)


class Pair:
    """Two agents that pass one message back and forth, when they are told to."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._times: list[tuple[int, int]] = []
        self._guests: dict[str, Guest] = {}

    async def prepare(self) -> None:
        """Deploy the two, and let them rest."""
        for name, other in (PAIR, PAIR[::-1]):
            await self._bed.deploy(name, "forwarder", {"next": other})
        await self._bed.send(PAIR[0], "inform", "x")
        await self.rest()

    async def talk(self) -> None:
        """Let them go on."""
        await self._bed.node.control(PAIR[0], "resume")

    async def rest(self) -> None:
        """Let them stop."""
        await self._bed.node.control(PAIR[0], "suspend")

    def watch(self) -> None:
        """Begin to note hops."""
        self._times.clear()
        for cell in self._cells():
            if cell.guest is not None:
                self._guests[cell.name] = cell.guest
                cell.guest = _Watched(cell.guest, self._times)

    def take(self) -> Hops:
        """Stop to note hops, and return them."""
        for cell in self._cells():
            cell.guest = self._guests.pop(cell.name)
        wall, thread = (
            percentile([(after[clock] - before[clock]) / 1e3 for before, after in pairwise(self._times)], 0.99)
            for clock in (0, 1)
        )  # fmt: skip
        return Hops(len(self._times) - 1, wall, thread)

    def _cells(self) -> Iterator[Cell]:
        for name in PAIR:
            found = self._bed.node.kernel.find(name)
            assert isinstance(found, Cell)
            yield found
