"""The simulated clock: the loop's time, and a wall clock that an administrator may set.

Rules:
- Reading the monotonic clock takes a little time: a node that only ever works comes to the end of its turn.
- The wall clock goes with the loop's time; `jump` sets it, forwards or back.
"""

from __future__ import annotations

from caxton_server.simulation.loop import SimulatedLoop

START_MS = 1_700_000_000_000


class SimulatedClock:
    """The clock (`ports.Clock`) of everybody in one world."""

    def __init__(self, loop: SimulatedLoop, *, reading_seconds: float) -> None:
        self._loop = loop
        self._reading_seconds = reading_seconds
        self._wall_ms = START_MS
        self.set_back = 0.0
        """By how many seconds the wall clock was set back, all in all: what was due then is due so much later."""

    def time_ms(self) -> int:
        """Return the wall clock in milliseconds since the epoch."""
        return self._wall_ms + int(self._loop.time() * 1000)

    def monotonic(self) -> float:
        """Return the seconds since the world began."""
        self._loop.spend(self._reading_seconds)
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self._wall_ms += round(seconds * 1000)
        self.set_back -= min(seconds, 0.0)
