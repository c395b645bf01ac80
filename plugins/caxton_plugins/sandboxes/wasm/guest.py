"""One instance of a core module and its calls, each cut into slices.

Rules:
- Its memory, and what the node's budget lets it grow to, is `memories.py`'s.
- Pointers and lengths from the guest are masked to u32 and checked against the size before any use.
- After a fatal fault, or when a call is dropped half-way, the store is deleted and never used again.
- `handle` is written out flat because it runs once per message; every other call is one of `scripts.py`.
- What a call may cost, and when its slices end, is the matter of `slices.py`.
"""

from __future__ import annotations

import sys
from struct import Struct
from typing import TYPE_CHECKING

from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome

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

_response = Struct("<II").unpack_from


class WasmGuest(LinearMemory):
    """A guest of `Sandbox.open`; see `caxton_core.ports.Guest`."""

    __slots__ = (
        "_final_fuel", "_script", "_started", "alive", "entries", "future", "host", "inbox", "largest", "refusal", "room",
        "slots", "slots_at", "turn",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, limits: Limits, host: Host, budget: Budget) -> None:
        self.alive = False
        super().__init__(loaded, limits, budget)
        self.alive = True
        self.host = host
        self.entries, self.turn = loaded.entries, loaded.engine.turn
        self.largest = limits.message_size
        self._started = False
        # The call that runs or is suspended
        self.future = 0
        self._script: scripts.Script | None = None
        self.refusal: Fault | None = None
        self._final_fuel = 0
        self.inbox = 0
        self.room = -1  # not even an empty message fits: there is no inbox
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
        if not self.ends_in_slice(future):
            return self._judge()
        drop(future)
        self.future = 0
        if self._script is None:
            self.clear_account()
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
            self.clear_account()
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
        self.first_slice_ended()
        return self._judge()

    def _judge(self) -> Outcome:
        """Say whether a call that is not done may go on."""
        self.settle()
        fault = self.overdrawn()
        return SUSPENDED if fault is None else self._die(fault)

    def _unthrottle(self) -> None:
        self.unthrottle()
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
