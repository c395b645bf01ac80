"""The ledger: every turn that a world's nodes handed to their journals, and which of them have become durable.

Rules:
- It stands before everything that may break: what the kernel gave, not what the journal made of it.
- After a crash it forgets the turns that did not survive: they never happened.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caxton_core.testing_faults import DelegatingStorage

from caxton_server.simulation.invariants import broken

if TYPE_CHECKING:
    from caxton_core.ports import Group, Row, Storage
    from caxton_core.testing_faults import Done

    from caxton_server.runtime.journal_groups import Turn


class Ledger:
    """The turns of one world, as far as they have not been lost."""

    def __init__(self, time: Callable[[], float]) -> None:
        self.turns: list[Turn] = []
        self.times: list[float] = []
        """When each turn was handed over, in virtual time."""
        self._time = time
        self.digest = hashlib.sha256()
        """Of everything that happened, also of what was lost."""
        self._taken = 0
        self._groups: list[tuple[int, int]] = []

    def note(self, turn: Turn) -> None:
        """Take down a turn that a node hands to its writer."""
        self.turns.append(turn)
        now = self._time()
        self.times.append(now)
        self.digest.update(turn.frame)
        for table, key in turn.rows:
            self.digest.update(f"{table} {key} {now:.6f}\n".encode())

    def take(self) -> None:
        """Note that the writer has taken one more turn."""
        self._taken += 1

    def apply(self, groups: Sequence[Group]) -> None:
        """Note that groups are durable which hold all turns taken so far."""
        for group in groups:
            if not self._groups or self._groups[-1][0] < group.seq:
                self._groups.append((group.seq, self._taken))
                self.digest.update(group.blob)

    def durable(self, last_group: int) -> int:
        """Return how many turns the groups up to one hold."""
        at = bisect.bisect_right(self._groups, last_group, key=lambda pair: pair[0])
        return self._groups[at - 1][1] if at else 0

    @property
    def last_group(self) -> int:
        """Return the newest group that was committed."""
        return self._groups[-1][0] if self._groups else 0

    def crash(self, last_group: int) -> None:
        """Forget what did not survive: all turns behind those of a group."""
        self._taken = self.durable(last_group)
        del self.turns[self._taken :], self.times[self._taken :]
        while self._groups and self._groups[-1][0] > last_group:
            self._groups.pop()


class Witness(DelegatingStorage):
    """A storage that tells the ledger what is committed."""

    def __init__(self, inner: Storage, ledger: Ledger) -> None:
        super().__init__(inner)
        self._ledger = ledger

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Done:
        """Commit groups and rows."""
        for group in groups:
            expected = self._ledger.last_group + 1
            # The same group again is one whose outcome the writer did not hear of.
            if group.seq not in (expected, expected - 1):
                raise broken("journal", f"group {group.seq} was committed where {expected} follows")
        done = super().append(groups, rows)
        self._ledger.apply(groups)
        return done
