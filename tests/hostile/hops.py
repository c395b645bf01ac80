"""How long one message takes from one neighbour to the other, by the wall and by the clock of the node's thread.

The thread's clock stands still while other processes have its core: beside the wall's it tells what the node did from
what the machine did.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec
from caxton_core.ports import Guest, Outcome
from caxton_server.bench.beds import Bed
from caxton_server.bench.workloads import percentile
from caxton_server.runtime.cells import Cell

PAIR = ("ping", "pong")
Moment: TypeAlias = tuple[int, int]
"""Nanoseconds of the wall's clock and of the thread's."""


class Hops(msgspec.Struct, frozen=True):
    """The p99 of some hops, in microseconds."""

    number: int
    wall_us: float
    thread_us: float


class _Watched:
    """A guest that notes when it is handed a message, and is otherwise the guest it stands for."""

    def __init__(self, guest: Guest, times: list[Moment]) -> None:
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
        self._times: list[Moment] = []
        self._hops: list[tuple[Moment, Moment]] = []
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
        """Begin to note hops, if that was not done before."""
        for cell in self._cells():
            if cell.guest is not None and cell.name not in self._guests:
                self._guests[cell.name] = cell.guest
                cell.guest = _Watched(cell.guest, self._times)

    def pause(self) -> None:
        """Stop to note hops."""
        for cell in self._cells():
            if cell.name in self._guests:
                cell.guest = self._guests.pop(cell.name)
        self._hops += pairwise(self._times)
        self._times.clear()

    def take(self) -> Hops:
        """Return the hops that were noted since the last time."""
        self.pause()
        hops, self._hops = self._hops or [((0, 0), (0, 0))], []
        wall, thread = (
            percentile([(after[clock] - before[clock]) / 1e3 for before, after in hops], 0.99)
            for clock in (0, 1)
        )
        return Hops(len(hops), wall, thread)

    def _cells(self) -> Iterator[Cell]:
        for name in PAIR:
            found = self._bed.node.kernel.find(name)
            assert isinstance(found, Cell)
            yield found
