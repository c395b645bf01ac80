"""The memory that all guests of a node share: what they have, and how far each may still grow.

Rules:
- Counted is what guests may touch without asking again: their whole linear memory, and `OVERHEAD` for each instance.
- No guest may ever grow by more than is free. A sandbox can only be told a limit in advance, one for each guest, and
  learns of a growth after the fact; so each guest may grow by at most `room`, which is never more than what is free.
- One guest runs at a time; whoever notices that it has grown says so before another one runs.
"""

from __future__ import annotations

import weakref
from typing import Final, Protocol

from caxton_core.errors import LimitExceeded

OVERHEAD: Final = 32 << 10
"""What an agent costs beside its linear memory: store, stack, tables, mailbox, the node's own notes on it."""

STEP: Final = 64 << 10
FACTOR: Final = 16
"""The room is a power of 16 pages: few steps, because each is told to every guest, at 2 to 7 microseconds each."""

UNLIMITED: Final = 1 << 62
NAME: Final = "runtime.node_memory"


class Growing(Protocol):
    """A guest whose memory may grow."""

    def fit(self) -> None:
        """Take over `Budget.room` as the most by which it may grow."""


class Budget:
    """What guests have of the node's memory; without a limit it only counts.

    >>> budget = Budget(1 << 20)
    >>> budget.room
    65536
    >>> budget.enter(None); budget.grew(1_000_000)
    >>> budget.room, str(budget.refusal(900_000))
    (0, 'The limit runtime.node_memory of 1048576 is exceeded (1965536 attempted).')
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.linear = 0
        self.instances = 0
        self.room = UNLIMITED if limit is None else _step(limit // 2)
        self._growing: weakref.WeakSet[Growing] = weakref.WeakSet()

    @property
    def used(self) -> int:
        """Return what all guests have together."""
        return self.linear + self.instances * OVERHEAD

    @property
    def free(self) -> int:
        """Return what is left; less than nothing when guests were started again that fit once."""
        return (UNLIMITED if self.limit is None else self.limit) - self.used

    def refusal(self, minimum: int, *, instead: int = 0) -> LimitExceeded | None:
        """Say why an instance with this much memory may not be made; `instead` is what ends before it begins."""
        needed = minimum + OVERHEAD - instead
        if self.limit is None or needed <= self.free:
            return None
        return LimitExceeded(NAME, self.limit, self.used + needed)

    def enter(self, guest: Growing | None, minimum: int = 0) -> None:
        """Count a new instance with the memory it begins with; `guest` is given when it can grow."""
        self.instances += 1
        self.linear += minimum
        if guest is not None and self.limit is not None:
            self._growing.add(guest)
        self._settle(None)

    def grew(self, by: int, guest: Growing | None = None) -> None:
        """Count memory that an instance has got; the `guest` that runs takes the new room over by itself."""
        self.linear += by
        self._settle(guest)

    def leave(self, guest: Growing | None, size: int) -> None:
        """Count an instance no more."""
        self.instances -= 1
        self.linear -= size
        if guest is not None:
            self._growing.discard(guest)
        self._settle(guest)

    def _settle(self, but: Growing | None) -> None:
        """Keep the room at no more than about half of what is free, and leave it where it is as long as possible."""
        if self.limit is None:
            return
        free = self.free
        if self.room <= free < 2 * FACTOR * max(self.room, STEP // FACTOR):
            return
        room = _step(free // 2)
        if room == self.room:
            return
        self.room = room
        for guest in tuple(self._growing):
            if guest is not but:
                guest.fit()


def _step(size: int) -> int:
    """Return the largest of 64 KiB, 1 MiB, 16 MiB... that fits, or nothing."""
    if size < STEP:
        return 0
    step = STEP
    while step * FACTOR <= size:
        step *= FACTOR
    return step
