"""Fakes for tests of plugins and of Caxton itself: a clock, a source of randomness, a recorder of effects.

The contract suite that every storage must pass is in `caxton_core.testing_storages`.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from caxton_core.ids import UuidSource

T = TypeVar("T")


class FakeClock:
    """A clock (`ports.Clock`) that stands still until it is moved.

    >>> clock = FakeClock()
    >>> clock.advance(1.5)
    >>> clock.time_ms() - FakeClock.START_MS, clock.monotonic()
    (1500, 1.5)
    """

    START_MS = 1_700_000_000_000

    def __init__(self, time_ms: int = START_MS) -> None:
        self._start = time_ms
        self._elapsed = 0

    def time_ms(self) -> int:
        """Return the wall clock in milliseconds since the epoch."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Return the seconds by which the clock was moved."""
        return self._elapsed / 1000

    def advance(self, seconds: float) -> None:
        """Move both readings on."""
        if seconds < 0:
            raise ValueError("a clock that goes back is set with `jump`")
        self._elapsed += round(seconds * 1000)

    def jump(self, seconds: float) -> None:
        """Set the wall clock, forwards or back, as an administrator would; the monotonic reading stays."""
        self._start += round(seconds * 1000)


class SeededEntropy:
    """A source of bytes (`ports.Entropy`) that gives the same ones for the same seed.

    >>> SeededEntropy(7)(4) == SeededEntropy(7)(4), SeededEntropy(7)(4) == SeededEntropy(8)(4)
    (True, False)
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, size: int) -> bytes:
        """Return the next bytes."""
        self._calls += 1
        return hashlib.shake_128(f"{self._seed}:{self._calls}".encode()).digest(size)


def seeded_uuids(seed: int = 0) -> UuidSource:
    """Return a source of UUIDs that gives the same ones for the same seed and times."""
    return UuidSource(SeededEntropy(seed))


class Recorder:
    """Keeps what it is called with, in order: stands in for whoever performs effects.

    >>> record = Recorder()
    >>> record("a"); record(1, 2)
    >>> record.effects, record.of(int)
    (['a', 1, 2], [1, 2])
    """

    def __init__(self) -> None:
        self.effects: list[Any] = []

    def __call__(self, *effects: object) -> None:
        """Keep effects."""
        self.effects.extend(effects)

    def of(self, kind: type[T]) -> list[T]:
        """Return the effects of one type."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def take(self) -> list[Any]:
        """Return what was kept, and forget it."""
        effects, self.effects = self.effects, []
        return effects
