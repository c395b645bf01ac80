"""Commits: what was handed over and is not committed yet, who waits for it, and how it goes.

Rules:
- All but `announce` and `appended` is called on the loop's thread.
- With durability `memory` a turn may leave the node once it was handed over; in the storage it is later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from returns.result import Failure

from caxton_server.runtime.journal_patience import Patience
from caxton_server.runtime.journal_waits import Waits

if TYPE_CHECKING:
    from caxton_core.errors import StorageError
    from caxton_core.ports import Clock, Storage
    from returns.result import Result

    from caxton_server.runtime.journal_groups import Turn
    from caxton_server.runtime.journal_writer import Writer

MOST_BYTES = 64 * 1024 * 1024
MOST_SECONDS = 2.0
_IMAGE_BYTES = 512
_ROW_BYTES = 128
_TIMES = 10_000


class Commits:
    """The commits of one journal, those to come and the latest one."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self.may_leave = Waits()
        """How far changes may leave the node, and who waits for that."""
        self.stored = Waits()
        """How far changes are in the storage, and who waits for that."""
        self.failing: StorageError | None = None
        """Why the last try to commit failed; None when it did not."""
        self.errors = 0
        """How often a commit failed."""
        self.on_commit: list[Callable[[int], None]] = []
        """Called with the position up to which changes may leave when it has grown."""
        self.pending_bytes = 0
        """How much was handed over and is not committed, about."""
        self.given = 0
        """How much was handed over so far, about."""
        self._pending: deque[tuple[int, int, float]] = deque()
        self._times: list[float] = []
        self._patience = Patience(
            clock,
            (self.may_leave, self.stored),
            oldest=self._oldest,
            failing=lambda: self.failing,
        )
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to hear announcements; called on the running loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Hear no more, and cancel who waits."""
        self._loop = None
        self.may_leave.close()
        self.stored.close()

    def hand_over(self, writer: Writer, turn: Turn) -> None:
        """Give a turn to the writer."""
        size = len(turn.frame) + _IMAGE_BYTES * len(turn.images)
        if turn.rows:
            size += sum([_ROW_BYTES + len(row.body) for row in turn.rows.values()])
        self._pending.append((turn.position, size, self._clock.monotonic()))
        self.pending_bytes += size
        self.given += size
        writer.put(turn)
        if not self._patience.watching:
            self._patience.watch()
        if self._storage.durability == "memory":
            self.reach(turn.position)

    def announce(self, position: int, failing: StorageError | None) -> None:
        """Tell the loop how far the writer is; called on the writer's thread."""
        if self._loop is not None:
            # A loop that was closed under a node that was not stopped has nobody to tell.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._told, position, failing)

    def _told(self, position: int, failing: StorageError | None) -> None:
        self.failing = failing
        self.errors += failing is not None
        pending = self._pending
        if pending and pending[0][0] <= position and len(self._times) < _TIMES:
            self._times.append(self._clock.monotonic() - pending[0][2])
        while pending and pending[0][0] <= position:
            self.pending_bytes -= pending.popleft()[1]
        self.stored.reach(position)
        if position > self.may_leave.reached:
            self.reach(position)

    def appended(self, done: Result[None, StorageError]) -> None:
        """Note how an append without a writer went."""
        self.failing = done.failure() if isinstance(done, Failure) else None
        self.errors += self.failing is not None

    def reach(self, position: int) -> None:
        """Let changes leave up to a position."""
        self.may_leave.reach(position)
        for callback in self.on_commit:
            callback(position)

    @property
    def congested(self) -> bool:
        """Whether so much is uncommitted that no more work should begin."""
        pending = self._pending
        return bool(pending) and (
            self.pending_bytes > MOST_BYTES
            or self._clock.monotonic() - pending[0][2] > MOST_SECONDS
        )

    def _oldest(self) -> float | None:
        """Return since when the oldest turn waits for its commit."""
        return self._pending[0][2] if self._pending else None

    def take_times(self) -> list[float]:
        """Return the seconds that commits took since the last call, from the hand-over of their oldest turn."""
        taken, self._times = self._times, []
        return taken
