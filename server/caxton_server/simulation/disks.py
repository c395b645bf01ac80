"""Disks: where a world's storage is, and what of it a crash leaves.

Rules:
- A simulated disk is a storage in memory that knows the order of its changes: a power cut takes the latest back, as
  far as the durability allows; a killed process loses nothing that it had written.
- A real storage is closed and opened anew at a crash; its power is not cut.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from caxton_core.ports import Durability, Storage
from caxton_core.testing_faults import DelegatingStorage, Disk
from returns.result import Failure


class WorldDisk(Storage, Protocol):
    """A storage that outlives its nodes."""

    def crash(self, *, power: bool, chance: Random) -> int:
        """Lose what a crash loses; return the last group that is left."""

    def end(self) -> None:
        """Release it: the world has ended."""


class SimulatedDisk(Disk):
    """A disk in memory."""

    def __init__(self, make: Callable[[], Storage], *, durability: Durability) -> None:
        super().__init__(make)
        self.durability = durability
        self.blocks = True

    def crash(self, *, power: bool, chance: Random) -> int:
        """Lose everything, the latest changes, or nothing."""
        if self.durability == "memory":
            self.cut_power(0)
        elif self.durability == "process" and power:
            self.cut_power(self.changes - chance.randint(0, min(self.changes, 20)))
        return self.last_group()

    def close(self) -> None:
        """Stay: it outlives who closes it."""

    def end(self) -> None:
        """Do nothing: it goes with the object."""


class RealDisk(DelegatingStorage):
    """A storage of a plugin; `make` makes one on the same data each time, not opened yet."""

    def __init__(self, make: Callable[[], Storage]) -> None:
        super().__init__(make())
        self._make = make

    def crash(self, *, power: bool, chance: Random) -> int:
        """Close what the dead node held, and open the data anew."""
        self.inner.close()
        self.inner = self._make()
        opened = self.inner.open()
        if isinstance(opened, Failure):
            raise RuntimeError(f"the storage could not be opened again: {opened.failure()}")
        return self.inner.last_group()

    def close(self) -> None:
        """Stay open: whoever closes it is followed by another."""

    def end(self) -> None:
        """Close it."""
        self.inner.close()
