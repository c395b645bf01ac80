"""One instance of a core module and its calls, each cut into slices.

Rules:
- Its memory, and what the node's budget lets it grow to, is `memories.py`'s.
- Pointers and lengths from the guest are masked to u32 and checked against the size before any use.
- After a fatal fault, or when a call is dropped half-way, the store is deleted and never used again.
- `handle` is written out flat because it runs once per message; every other call is one of `scripts.py`.
- Fuel is endless: what a call may burn is checked between its slices, so a short call sets and asks no fuel at all.
- Some instructions take longer than their fuel says (`memory.grow` above all), so a slice that did not end in time makes
  the next one smaller, and one that ended soon makes it larger again, up to what it should be.
"""

from __future__ import annotations

import sys
import time
from struct import Struct
from typing import TYPE_CHECKING, Final

from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome

from caxton_plugins.sandboxes.budgets import HOST_TIME
from caxton_plugins.sandboxes.compilation.engines import SLICES_PER_MS
from caxton_plugins.sandboxes.library import sentence
from caxton_plugins.sandboxes.wasm import scripts
from caxton_plugins.sandboxes.wasm.calls import (
    ERROR,
    FOREVER,
    MASK,
    MESSAGE_SIZE,
    NO_MEMORY,
    ONE,
    RESULT,
    TRAP,
    TWO,
    call_async,
    drop,
    memory_size,
    new_trap,
    poll,
)
from caxton_plugins.sandboxes.wasm.memories import LinearMemory

if TYPE_CHECKING:
    from caxton_core.budgets import Budget
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.wasm.engines import Loaded

SLICE: Final = 1e-3 / SLICES_PER_MS
SLICE_FUEL_LEAST: Final = 200

_response = Struct("<II").unpack_from
_now = time.perf_counter
_cpu = time.thread_time


class WasmGuest(LinearMemory):
    """A guest of `Sandbox.open`; see `caxton_core.ports.Guest`."""

    __slots__ = (
        "_burnt", "_cpu_fuel", "_cpu_limit", "_deadline", "_final_fuel", "_held", "_script", "_slice_fuel", "_started",
        "_throttled_at", "_time_limit", "alive", "entries", "future", "host", "host_calls", "inbox", "largest", "refusal", "room",
        "slice_began", "slots", "slots_at", "throttled", "turn",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, limits: Limits, host: Host, budget: Budget) -> None:
        engine = loaded.engine
        self.alive = False
        super().__init__(loaded, limits, budget)
        self.alive = True
        self.host = host
        self.entries, self.turn = loaded.entries, engine.turn
        self.largest = limits.message_size
        self._cpu_fuel = limits.cpu_ms * engine.fuel_per_ms
        self._cpu_limit = limits.cpu_ms / 1000
        self._time_limit = limits.time_ms / 1000
        self._slice_fuel = engine.slice_fuel
        self._started = False
        # The call that runs or is suspended
        self.future = 0
        self._script: scripts.Script | None = None
        self.refusal: Fault | None = None
        self._deadline = -1  # what fuel must be left; unknown before the first suspension
        self._held = 0.0  # seconds of the thread, as far as they were measured
        self._burnt = 0.0  # seconds of CPU in slices without host calls
        self._final_fuel = 0
        self.inbox = 0
        self.room = -1  # not even an empty message fits: there is no inbox
        # Host calls of the step and of the slice
        self.host_calls = 0
        self.slice_began = 0.0
        self.throttled = False
        self._throttled_at = 0.0
        self.slots, self.slots_at = NO_MEMORY, 0

    def handle(self, wire: bytes) -> Outcome:
        """Give the guest one encoded message."""
        size = len(wire)
        if size > self.room or self.future:
            return self._run(scripts.handling(self, wire))
        inbox = self.inbox
        self.view[inbox : inbox + size] = wire
        place = self.place
        place.slots[MESSAGE_SIZE] = size
        self.host_calls = 0
        self.turn.guest = self
        self.future = future = call_async(
            place.context, place.handle, place.message, TWO, place.result, ONE, place.trap, place.error
        )  # fmt: skip
        # What is left of the slice comes from the call before: give this one a whole slice of its own.
        if not poll(future) and (self.throttled or not poll(future)):
            return self._suspend()
        drop(future)
        self.future = 0
        return self.response()

    def response(self) -> Outcome:
        """Read what `handle_message` gave."""
        slots = self.place.slots
        if slots[TRAP] or slots[ERROR]:
            return self._failed()
        if self.throttled:
            self._unthrottle()
        if self.grows and memory_size(self.context, self.memory) != self.size:
            self.look()
            self.fit()
        code = slots[RESULT] & MASK
        if code == 0:
            return None
        if code != 1:
            return scripts.agent_error("handle_message", code)
        at, size = _response(self.view, self.inbox)
        if at + size > self.size:
            return Fault("bad-response", f"{size} bytes at {at} are outside its memory")
        if size > self.largest:
            return Fault("too-large", f"the response has {size} bytes; {self.largest} are allowed")
        return self.view[at : at + size].tobytes()

    def resume(self) -> Outcome:
        """Run the suspended call for one more slice."""
        future = self.future
        if not future:
            raise RuntimeError("no call is suspended")
        if self.throttled:
            self._unthrottle()
        self.turn.guest = self
        burnt, calls = _cpu(), self.host_calls
        self.slice_began = began = _now()
        if not poll(future):
            self._held += _now() - began
            spent = _cpu() - burnt
            if self.host_calls == calls:
                self._burnt += spent
                self._fit(spent, 2 * SLICE)
            else:
                self._fit(spent, 2 * HOST_TIME)
            return self._judge()
        drop(future)
        self.future = 0
        if self._script is None:
            self._settle()
            return self.response()
        return self._drive()

    def start(self, config: bytes) -> Outcome:
        """Instantiate and initialise, giving `config` to `caxton_init`."""
        if self._started:
            raise RuntimeError("the guest was started before")
        self._started = True
        return self._run(scripts.starting(self, config))

    def drain(self) -> Outcome:
        """Make the last call before an orderly stop."""
        return self._run(scripts.draining(self))

    def export_state(self) -> Outcome:
        """Ask for the state to hand over."""
        return self._run(scripts.exporting(self))

    def import_state(self, data: bytes) -> Outcome:
        """Hand over the state of the version before."""
        return self._run(scripts.importing(self, data))

    def close(self) -> None:
        """Drop the instance, and its suspended call if any; never from inside one of its own host calls."""
        if not self.alive:
            return
        self.alive = False
        self.slots = NO_MEMORY
        self.room, self.slots_at = -1, 0
        self._script = None
        if self.turn.guest is self:
            self.turn.guest = None
        self._final_fuel = FOREVER - self.place.fuel_left()
        future, self.future = self.future, 0
        if future:
            drop(future)
        self.abandon()
        self.place.close()

    def __del__(self) -> None:
        if self.alive and not sys.is_finalizing():
            self.close()

    @property
    def fuel_used(self) -> int:
        """Fuel consumed so far."""
        return FOREVER - self.place.fuel_left() if self.alive else self._final_fuel

    @property
    def memory_bytes(self) -> int:
        """The size of its linear memory."""
        return self.size

    # For imports and scripts

    def throttle(self) -> None:
        """End this slice at the guest's next instruction that counts fuel."""
        self.throttled = True
        self._throttled_at = _cpu()
        self.place.set_interval(1)

    def burnt_since_throttle(self) -> float:
        """Return the seconds of CPU since then: others may have had the core, which is not the guest's fault."""
        return _cpu() - self._throttled_at

    def refuse(self, fault: Fault) -> int:
        """Stop the call from inside an import: returns the trap to hand to wasmtime."""
        self.refusal = fault
        return new_trap(fault.detail)

    # Driving

    def _run(self, script: scripts.Script) -> Outcome:
        if self.future:
            raise RuntimeError("a call is suspended: resume or close it first")
        if not (self.alive and self._started):
            raise RuntimeError("the guest is dead, or was never started")
        self.host_calls = 0
        self._script = script
        return self._advance()

    def _drive(self) -> Outcome:
        """Take the end of a call and go on with the script."""
        slots = self.place.slots
        if slots[TRAP] or slots[ERROR]:
            return self._failed()
        if self.throttled:
            self._unthrottle()
        return self._advance()

    def _advance(self) -> Outcome:
        """Run the script until a call of it is suspended or fails, or the script ends."""
        script = self._script
        assert script is not None
        try:
            next(script)
        except StopIteration as end:
            outcome: Outcome = end.value
            self._script = None
            self._settle()
            fatal = type(outcome) is Fault and outcome.reason in FATAL_REASONS
            if fatal:
                self.close()
            return outcome
        if not poll(self.future) and (self.throttled or not poll(self.future)):
            return self._suspend()
        drop(self.future)
        self.future = 0
        return self._drive()

    def _suspend(self) -> Outcome:
        """Take note that a call used up its first slice."""
        if self._deadline < 0:
            self._deadline = max(0, self.place.fuel_left() - self._cpu_fuel)
        if self.host_calls:
            self._held += _now() - self.slice_began
        return self._judge()

    def _judge(self) -> Outcome:
        """Say whether a call that is not done may go on."""
        self.settle()
        # Fuel stands for the time that a mix of instructions takes; who runs only the slowest is stopped by the clock of
        # the thread, which stands still while other processes have its core.
        if self.place.fuel_left() < self._deadline or self._burnt > self._cpu_limit:
            most = round(self._cpu_limit * 1000)
            return self._die(Fault("cpu", f"the CPU time of a call, {most} ms, is used up"))
        if self._held > self._time_limit:
            most = round(self._time_limit * 1000)
            return self._die(Fault("time", f"a call may hold the thread for {most} ms, no longer"))
        return SUSPENDED

    def _fit(self, spent: float, most: float) -> None:
        """Let slices take the time that they should, going by the last one; host calls have a time of their own."""
        fuel = self._slice_fuel
        if spent > most:
            fuel = max(SLICE_FUEL_LEAST, int(fuel * SLICE / spent))
        elif spent < SLICE and fuel < self.loaded.engine.slice_fuel:
            fuel = min(self.loaded.engine.slice_fuel, 2 * fuel)
        else:
            return
        self._slice_fuel = fuel
        if not self.throttled:
            self.place.set_interval(fuel)

    def _settle(self) -> None:
        """Forget what was counted for the call that ended."""
        self._deadline = -1
        self._held = self._burnt = 0.0

    def _unthrottle(self) -> None:
        self.throttled = False
        self.place.set_interval(self._slice_fuel)
        self.fit()

    def _failed(self) -> Outcome:
        """Turn the trap or error of the call that ended into a fault."""
        code, text = self.place.failed()
        if self.refusal is not None:
            return self._die(self.refusal)
        if code == "OUT_OF_FUEL":
            return self._die(Fault("cpu", "all fuel is used up"))
        if not code and "exceeds memory limits" in text:
            return self._die(Fault("memory", sentence(text)))
        if limit := self.exhausted():
            # A guest that can't get memory has no other end than a trap.
            detail = f"{sentence(text)}; its memory had reached {self.size} of {self.most} bytes"
            return self._die(Fault("trap", detail, limit))
        return self._die(Fault("trap", sentence(text)))

    def _die(self, fault: Fault) -> Fault:
        self.close()
        return fault
