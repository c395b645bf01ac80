"""What runs the journal's writer in a simulation: a task of the simulated loop.

Rules:
- A call of the storage takes time before it has happened and after, so that a crash may come at either moment.
- Every turn is noted in the ledger when it is handed over, and again when the writer takes it.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from caxton_server.runtime.journal_groups import Turn
    from caxton_server.simulation.ledgers import Ledger

T = TypeVar("T")


class SimulatedDriver:
    """A driver (`runtime.journal_drivers.Driver`) in virtual time."""

    def __init__(
        self, ledger: Ledger, *, chance: Random, commit_seconds: float, slow: float
    ) -> None:
        self._ledger, self._chance = ledger, chance
        self._commit_seconds, self._slow = commit_seconds, slow
        self._turns: deque[Turn | None] = deque()
        self._filled = asyncio.Event()
        self._giving_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start the task."""
        self._task = asyncio.get_running_loop().create_task(work)

    def put(self, turn: Turn | None) -> None:
        """Queue a turn."""
        self._turns.append(turn)
        if turn is not None:
            self._ledger.note(turn)
        self._filled.set()

    def get_nowait(self) -> Turn | None:
        """Return the next of the queue."""
        if not self._turns:
            self._filled.clear()
            raise queue.Empty
        turn = self._turns.popleft()
        if turn is not None:
            self._ledger.take()
        return turn

    async def get(self, seconds: float | None) -> Turn | None:
        """Wait for something in the queue."""
        while True:
            try:
                return self.get_nowait()
            except queue.Empty:
                if not await _within(self._filled, seconds):
                    raise

    async def call(self, call: Callable[[], T]) -> T:
        """Make a call of the storage, some time from now, and hear of it some time later."""
        await asyncio.sleep(self._wait())
        result = call()
        await asyncio.sleep(self._wait())
        return result

    def _wait(self) -> float:
        """Return how long half of a call takes: rarely very long."""
        chance = self._chance
        if chance.random() < self._slow:
            return chance.uniform(0.2, 3.0)
        return chance.expovariate(2 / self._commit_seconds)

    async def given_up(self, seconds: float) -> bool:
        """Wait, unless it is to give up."""
        return await _within(self._giving_up, seconds)

    async def finish(self, patience: float) -> None:
        """Wait for the task."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=patience)
            self._giving_up.set()
            await asyncio.wait({self._task}, timeout=patience)

    @property
    def alive(self) -> bool:
        """Whether the task runs."""
        return self._task is not None and not self._task.done()


async def _within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event; false when it did not come in time. Unlike `asyncio.wait_for`, it can always be cancelled."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
