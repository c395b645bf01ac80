"""Patience: who waits for the journal is told when its storage has failed for long.

Rules:
- What was given stays given: it is committed when the storage works again, so nobody may be told that it was refused.
- There is a timer only while something is uncommitted, and one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caxton_core.errors import StorageError, StorageFault, StorageFull, StorageUnavailable

if TYPE_CHECKING:
    from caxton_core.ports import Clock

    from caxton_server.runtime.journal_waits import Waits

PATIENCE = 5.0
"""Seconds that the oldest turn may be uncommitted before those who wait are told so."""
_AGAIN = 0.5
_LATER = "what was asked for is not stored yet, and may be later"


class Patience:
    """Watches how long the oldest turn has been uncommitted, and ends the waits that are not patient."""

    def __init__(
        self,
        clock: Clock,
        waits: Sequence[Waits],
        *,
        oldest: Callable[[], float | None],
        failing: Callable[[], StorageError | None],
    ) -> None:
        self._clock, self._waits, self._oldest, self._failing = clock, waits, oldest, failing
        self.watching = False
        """Whether it will look again by itself."""

    def watch(self) -> None:
        """Look when patience may be at its end; called on the running loop."""
        self._look_in(PATIENCE)

    def _look_in(self, seconds: float) -> None:
        self.watching = True
        asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self.watching = False
        oldest = self._oldest()
        if oldest is None:
            return
        left = oldest + PATIENCE - self._clock.monotonic()
        if left <= 0:
            fault = StorageFault(_late(self._failing()))
            for waits in self._waits:
                waits.give_up(fault)
        self._look_in(max(left, _AGAIN))


def _late(failing: StorageError | None) -> StorageError:
    """Say why something is not committed yet."""
    if isinstance(failing, StorageFull):
        return StorageFull(f"{failing.detail}; {_LATER}")
    why = "it does not answer" if failing is None else str(getattr(failing, "detail", failing))
    return StorageUnavailable(f"{why.rstrip('.')}; {_LATER}")
