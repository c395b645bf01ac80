"""What a call costs and when its slices end: the same for core modules and for components.

Rules:
- Fuel is endless: what a call may burn is checked between its slices, so a call that ends in its first slice sets and
  asks no fuel at all, and reads no clock unless it made host calls.
- Some instructions take longer than their fuel says (`memory.grow` above all), so a slice that did not end in time makes
  the next one smaller, and one that ended soon makes it larger again, up to what it should be.
- CPU is held against the clock of this thread, which stands still while other processes have its core.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from caxton_core.ports import Fault
from caxton_core.resources import Limits

from caxton_plugins.sandboxes.budgets import HOST_TIME, HOST_TIME_MOST
from caxton_plugins.sandboxes.compilation.engines import SLICES_PER_MS
from caxton_plugins.sandboxes.library import poll

SLICE: Final = 1e-3 / SLICES_PER_MS
SLICE_FUEL_LEAST: Final = 200

_now = time.perf_counter
_cpu = time.thread_time


class Meter(Protocol):
    """The store of a guest, as far as its fuel goes."""

    def set_interval(self, fuel: int) -> None:
        """Set how much fuel a slice has."""

    def fuel_left(self) -> int:
        """Return what is left of `FOREVER`."""


class Engine(Protocol):
    """What an engine knows of its fuel."""

    fuel_per_ms: int
    slice_fuel: int


class Pace:
    """The part of a guest that measures its calls and cuts them into slices."""

    __slots__ = (
        "_burnt", "_cpu_fuel", "_cpu_limit", "_deadline", "_full_slice", "_held", "_slice_fuel", "_throttled_at", "_time_limit",
        "host_calls", "place", "slice_began", "throttled",
    )  # fmt: skip

    place: Meter

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._cpu_fuel = limits.cpu_ms * engine.fuel_per_ms
        self._cpu_limit: float = limits.cpu_ms / 1000
        self._time_limit: float = limits.time_ms / 1000
        self._slice_fuel = self._full_slice = engine.slice_fuel
        # The call that runs or is suspended
        self._deadline = -1  # what fuel must be left; unknown before the first suspension
        self._held = 0.0  # seconds of the thread, as far as they were measured
        self._burnt = 0.0  # seconds of CPU in slices without host calls
        # Host calls of the step and of the slice
        self.host_calls = 0
        self.slice_began = 0.0
        self.throttled = False
        self._throttled_at = 0.0

    def first_slice_ended(self) -> None:
        """Take note that a call used up its first slice."""
        if self._deadline < 0:
            self._deadline = max(0, self.place.fuel_left() - self._cpu_fuel)
        if self.host_calls:
            self._held += _now() - self.slice_began

    def ends_in_slice(self, future: int) -> bool:
        """Run a suspended call for one more slice, and tell whether it ended; else note what it took, and fit the next."""
        burnt, calls = _cpu(), self.host_calls
        self.slice_began = began = _now()
        if poll(future):
            return True
        self._held += _now() - began
        spent = _cpu() - burnt
        if self.host_calls == calls:
            self._burnt += spent
            self._fit_slice(spent, 2 * SLICE)
        else:
            self._fit_slice(spent, 2 * HOST_TIME)
        return False

    def overdrawn(self) -> Fault | None:
        """Say why a call that is not done may not go on, if it may not."""
        # Fuel stands for the time that a mix of instructions takes; who runs only the slowest is stopped by the clock.
        if self.place.fuel_left() < self._deadline or self._burnt > self._cpu_limit:
            most = round(self._cpu_limit * 1000)
            return Fault("cpu", f"the CPU time of a call, {most} ms, is used up")
        if self._held > self._time_limit:
            most = round(self._time_limit * 1000)
            return Fault("time", f"a call may hold the thread for {most} ms, no longer")
        return None

    def clear_account(self) -> None:
        """Forget what was counted for the call that ended."""
        self._deadline = -1
        self._held = self._burnt = 0.0

    def throttle(self) -> None:
        """End this slice at the guest's next instruction that counts fuel."""
        self.throttled = True
        self._throttled_at = _cpu()
        self.place.set_interval(1)

    def unthrottle(self) -> None:
        """Give the next slice its fuel."""
        self.throttled = False
        self.place.set_interval(self._slice_fuel)

    def never_lets_go(self) -> bool:
        """End a slice whose host calls have had their time; tell whether it should have ended long ago.

        That is a matter of CPU: others may have had the core, which is not the guest's fault.
        """
        if self.throttled:
            return _cpu() - self._throttled_at > HOST_TIME_MOST
        self.throttle()
        return False

    def _fit_slice(self, spent: float, most: float) -> None:
        """Let slices take the time that they should, going by the last one; host calls have a time of their own."""
        fuel = self._slice_fuel
        if spent > most:
            fuel = max(SLICE_FUEL_LEAST, int(fuel * SLICE / spent))
        elif spent < SLICE and fuel < self._full_slice:
            fuel = min(self._full_slice, 2 * fuel)
        else:
            return
        self._slice_fuel = fuel
        if not self.throttled:
            self.place.set_interval(fuel)
