"""Timers: what is due when, for agents, conversations, restarts and redeliveries.

Rules:
- The queue holds times only; who is due decides, when called, whether the time still means anything.
- Equal times fire in the order they were set.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timers:
    """A queue of callbacks ordered by wall-clock milliseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0
        self.on_change: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due_ms: int, callback: Callable[[int], None]) -> None:
        """Call `callback(now)` once the clock has reached `due_ms`."""
        self._count += 1
        earliest = self.next_due
        heapq.heappush(self._heap, (due_ms, self._count, callback))
        if earliest is None or due_ms < earliest:
            self.on_change()

    @property
    def next_due(self) -> int | None:
        """Return the earliest due time."""
        return self._heap[0][0] if self._heap else None

    def fire(self, now_ms: int, *, limit: int = 1000) -> int:
        """Call what is due, at most `limit` of it, and say how many were called."""
        fired = 0
        while self._heap and self._heap[0][0] <= now_ms and fired < limit:
            _, _, callback = heapq.heappop(self._heap)
            callback(now_ms)
            fired += 1
        return fired
