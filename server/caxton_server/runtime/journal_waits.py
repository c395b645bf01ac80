"""Waits: who waits for which position of the journal.

Rules:
- All of it is on the loop's thread.
- A wait that nobody can end any more, because the journal is closed, is cancelled.
- One that is not patient ends with an error when the storage has failed for long.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caxton_core.errors import StorageFault


class Waits:
    """Those who wait until something has come as far as their position."""

    def __init__(self) -> None:
        self.reached = 0
        """How far it has come."""
        self._waiting: list[tuple[int, int, asyncio.Future[None], bool]] = []
        self._tickets = 0
        self._closed = False

    async def until(self, position: int, *, patient: bool = True) -> None:
        """Return once `position` is reached; cancelled when it never will be."""
        if position <= self.reached:
            return
        if self._closed:
            raise asyncio.CancelledError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets += 1
        heapq.heappush(self._waiting, (position, self._tickets, future, patient))
        await future

    def reach(self, position: int) -> None:
        """Let go of everybody who waits for `position` or less."""
        self.reached = position
        while self._waiting and self._waiting[0][0] <= position:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    def give_up(self, fault: StorageFault) -> None:
        """End the waits that are not patient."""
        left = []
        for each in self._waiting:
            if each[3]:
                left.append(each)
            elif not each[2].done():
                each[2].set_exception(fault)
        heapq.heapify(left)
        self._waiting = left

    def close(self) -> None:
        """Cancel who waits, now and from now on."""
        self._closed = True
        for _, _, future, _ in self._waiting:
            future.cancel()
        self._waiting.clear()
