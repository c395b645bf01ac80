"""Waits: who waits for which position of the journal.

Rules:
- All of it is on the loop's thread.
- A wait that nobody can end any more, because the journal is closed, is cancelled.
"""

from __future__ import annotations

import asyncio
import heapq


class Waits:
    """Those who wait until something has come as far as their position."""

    def __init__(self) -> None:
        self.reached = 0
        """How far it has come."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = 0
        self._closed = False

    async def until(self, position: int) -> None:
        """Return once `position` is reached; cancelled when it never will be."""
        if position <= self.reached:
            return
        if self._closed:
            raise asyncio.CancelledError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets += 1
        heapq.heappush(self._waiting, (position, self._tickets, future))
        await future

    def reach(self, position: int) -> None:
        """Let go of everybody who waits for `position` or less."""
        self.reached = position
        while self._waiting and self._waiting[0][0] <= position:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Cancel who waits, now and from now on."""
        self._closed = True
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
