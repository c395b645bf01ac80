"""Timers: what is due when, for agents, conversations, restarts and redeliveries.

Rules:
- The queue holds times only; who is due decides, when called, whether the time still means anything.
- Equal times fire in the order they were set.
- What is taken back lets go of its callback at once, and of its place in the queue before half of it is such places.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

SLACK = 1_000


class Timers:
    """A queue of callbacks ordered by wall-clock milliseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._count = 0
        self.on_change: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._callbacks)

    def at(self, due_ms: int, callback: Callable[[int], None]) -> int:
        """Call `callback(now)` once the clock has reached `due_ms`; return a ticket for `cancel`."""
        heap = self._heap
        self._count = ticket = self._count + 1
        self._callbacks[ticket] = callback
        earlier = not heap or due_ms < heap[0][0]
        heapq.heappush(heap, (due_ms, ticket))
        if earlier:
            self.on_change()
        return ticket

    def cancel(self, ticket: int) -> None:
        """Take a callback back; one that was called or cancelled before is passed over."""
        callbacks = self._callbacks
        if callbacks.pop(ticket, None) is not None and len(self._heap) > 2 * len(callbacks) + SLACK:
            self._heap = [entry for entry in self._heap if entry[1] in callbacks]
            heapq.heapify(self._heap)

    @property
    def next_due(self) -> int | None:
        """Return the earliest due time."""
        heap = self._heap
        while heap and heap[0][1] not in self._callbacks:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def fire(self, now_ms: int, *, limit: int = 1000) -> int:
        """Call what is due, at most `limit` of it, and say how many were called."""
        fired = 0
        while self._heap and self._heap[0][0] <= now_ms and fired < limit:
            callback = self._callbacks.pop(heapq.heappop(self._heap)[1], None)
            if callback is not None:
                callback(now_ms)
                fired += 1
        return fired
