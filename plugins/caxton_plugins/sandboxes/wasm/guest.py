"""One instance of a core module and its calls, each a row of slices.

Rules:
- A view of guest memory is used only after its size was asked, since the last time the guest ran. wasmtime moves a
  memory only when it grows, and a memory never shrinks: an unchanged size is an unchanged place.
- Pointers and lengths from the guest are masked to u32 and checked against the size before any use.
- After a fatal fault, or when a call is dropped half-way, the store is deleted and never used again.
- `handle` is written out flat because it runs once per message; every other call is a script: a generator that yields
  once for each call into the guest it has begun, driven slice by slice.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias

from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome

from caxton_plugins.sandboxes.wasm.calls import (
    ENTRIES,
    ERROR,
    FIRST,
    FOREVER,
    MASK,
    MESSAGE_AT,
    MESSAGE_SIZE,
    NO_MEMORY,
    NONE,
    ONE,
    RESULT,
    SECOND,
    TRAP,
    TWO,
    Place,
    call_async,
    drop,
    memory_data,
    memory_size,
    new_trap,
    poll,
    view_of,
)

if TYPE_CHECKING:
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.wasm.engines import Loaded

ABI_VERSION: Final = 1
INBOX: Final = 1024  # the first inbox; larger ones are asked for in powers of two

_ALLOC, _, _INIT, _DRAIN, _EXPORT, _IMPORT, _VERSION, _INITIALIZE = range(len(ENTRIES))
_response = Struct("<II").unpack_from
_now = time.perf_counter

Script: TypeAlias = Generator[None, None, Outcome]


class WasmGuest:
    """A guest of `Sandbox.open`; see `caxton_core.ports.Guest`."""

    __slots__ = (
        "_cpu_fuel",
        "_deadline",
        "_final_fuel",
        "_future",
        "_held",
        "_inbox",
        "_loaded",
        "_place",
        "_room",
        "_script",
        "_slice_fuel",
        "_started",
        "_time_limit",
        "_turn",
        "alive",
        "context",
        "host",
        "host_calls",
        "largest",
        "logged",
        "memory",
        "refusal",
        "size",
        "slice_began",
        "slots",
        "slots_at",
        "throttled",
        "view",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, limits: Limits, host: Host) -> None:
        engine = loaded.engine
        self.host = host
        self._loaded = loaded
        self._turn = engine.turn
        self._slice_fuel = engine.slice_fuel
        self._cpu_fuel = limits.cpu_ms * engine.fuel_per_ms
        self._time_limit = limits.time_ms / 1000
        self.largest = limits.message_size
        self._place = Place(engine.address, limits.memory, engine.table_limit, engine.slice_fuel)
        self.context, self.memory = self._place.context, self._place.memory
        self._future = 0
        self._script: Script | None = None
        self._inbox = 0
        self._room = -1  # not even an empty message fits: there is no inbox
        self._held = 0.0
        self._deadline = -1
        self._final_fuel = 0
        self.size = 0
        self.view = self.slots = NO_MEMORY
        self.slots_at = 0
        self.host_calls = self.logged = 0
        self.slice_began = 0.0
        self.throttled = False
        self.refusal: Fault | None = None
        self.alive = True
        self._started = False

    # The hot path

    def handle(self, wire: bytes) -> Outcome:
        """Give the guest one encoded message."""
        size = len(wire)
        if size > self._room or self._future:
            return self._run(self._handling(wire))
        inbox = self._inbox
        self.view[inbox : inbox + size] = wire
        place = self._place
        slots = place.slots
        slots[MESSAGE_SIZE] = size
        self.host_calls = 0
        self._turn.guest = self
        self._future = future = call_async(
            place.context, place.handle, place.message, TWO, place.result, ONE, place.trap, place.error
        )  # fmt: skip
        # What is left of the slice comes from the call before: give this one a whole slice of its own.
        if not poll(future) and (self.throttled or not poll(future)):
            return self._suspend()
        drop(future)
        self._future = 0
        return self._handled()

    def _handled(self) -> Outcome:
        """Read what `handle_message` gave."""
        place = self._place
        slots = place.slots
        if slots[TRAP] or slots[ERROR]:
            return self._failed()
        if self.throttled:
            self._unthrottle()
        if memory_size(self.context, self.memory) != self.size:
            self.look()
        code = slots[RESULT] & MASK
        if code == 0:
            return None
        if code != 1:
            return _agent_error("handle_message", code)
        at, length = _response(self.view, self._inbox)
        if at + length > self.size:
            return Fault(
                "bad-response",
                f"{length} bytes at {at} are outside the memory of {self.size} bytes",
            )
        if length > self.largest:
            return Fault(
                "too-large", f"the response has {length} bytes; {self.largest} are allowed"
            )
        return self.view[at : at + length].tobytes()

    def resume(self) -> Outcome:
        """Run the suspended call for one more slice."""
        future = self._future
        if not future:
            raise RuntimeError("no call is suspended")
        if self.throttled:
            self._unthrottle()
        self._turn.guest = self
        self.slice_began = began = _now()
        if not poll(future):
            self._held += _now() - began
            return self._judge()
        drop(future)
        self._future = 0
        if self._script is None:
            self._settle()
            return self._handled()
        return self._drive()

    # Other calls

    def start(self, config: bytes) -> Outcome:
        """Instantiate and initialise, giving `config` to `caxton_init`."""
        if self._started:
            raise RuntimeError("the guest was started before")
        self._started = True
        return self._run(self._starting(config))

    def drain(self) -> Outcome:
        """Make the last call before an orderly stop."""
        return self._run(self._draining())

    def export_state(self) -> Outcome:
        """Ask for the state to hand over."""
        return self._run(self._exporting())

    def import_state(self, data: bytes) -> Outcome:
        """Hand over the state of the version before."""
        return self._run(self._importing(data))

    def close(self) -> None:
        """Drop the instance, and its suspended call if any."""
        if self.alive:
            self.alive = False
            self._release()

    def __del__(self) -> None:
        if getattr(self, "alive", False):
            self.close()

    @property
    def fuel_used(self) -> int:
        """Fuel consumed so far."""
        return FOREVER - self._place.fuel_left() if self.alive else self._final_fuel

    @property
    def memory_bytes(self) -> int:
        """The size of its linear memory."""
        return self.size

    # For the imports

    def look(self) -> None:
        """Ask where the memory is, and take a new view when it grew."""
        size = memory_size(self.context, self.memory)
        if size != self.size:
            self.size = size
            self.view = view_of(memory_data(self.context, self.memory), size)

    def throttle(self) -> None:
        """End this slice at the guest's next instruction that counts fuel."""
        self.throttled = True
        self._place.set_interval(1)

    def refuse(self, fault: Fault) -> int:
        """Stop the call from inside an import: returns the trap to hand to wasmtime."""
        self.refusal = fault
        return new_trap(fault.detail)

    # Scripts

    def _starting(self, config: bytes) -> Script:
        place, present = self._place, self._loaded.entries
        self._turn.guest = self
        self._future = place.instantiate(self._loaded.pre)
        yield
        place.find(present)
        self.look()
        if "_initialize" in present:
            yield from self._call(_INITIALIZE, results=0)
        if "caxton_abi_version" in present:
            yield from self._call(_VERSION)
            if (version := place.slots[RESULT] & MASK) != ABI_VERSION:
                return Fault(
                    "agent-error", f"ABI version {version} is not supported; this is {ABI_VERSION}"
                )
        if "caxton_init" not in present:
            return None
        return (yield from self._given(_INIT, config))

    def _handling(self, wire: bytes) -> Script:
        if fault := (yield from self._fill(wire)):
            return fault
        slots = self._place.slots
        slots[FIRST], slots[SECOND] = self._inbox, len(wire)
        yield from self._call(ENTRIES.index("handle_message"))
        return self._handled()

    def _draining(self) -> Script:
        if "caxton_drain" not in self._loaded.entries:
            return None
        yield from self._call(_DRAIN)
        code = self._place.slots[RESULT] & MASK
        return _agent_error("caxton_drain", code) if code else None

    def _exporting(self) -> Script:
        if "caxton_export_state" not in self._loaded.entries:
            return None
        yield from self._call(_EXPORT)
        # Like a response: the address in the low half, the length in the high one.
        both = self._place.slots[RESULT]
        at, length = both & MASK, both >> 32
        if at + length > self.size:
            return Fault(
                "bad-response", f"the state of {length} bytes at {at} is outside the memory"
            )
        return self.view[at : at + length].tobytes() if both else None

    def _importing(self, data: bytes) -> Script:
        if "caxton_import_state" not in self._loaded.entries:
            return None
        return (yield from self._given(_IMPORT, data))

    def _given(self, entry: int, data: bytes) -> Script:
        """Call a function of (ptr, len) whose result is 0 or an error code."""
        if fault := (yield from self._fill(data)):
            return fault
        slots = self._place.slots
        slots[FIRST], slots[SECOND] = self._inbox, len(data)
        yield from self._call(entry)
        code = slots[RESULT] & MASK
        return _agent_error(ENTRIES[entry], code) if code else None

    def _fill(self, data: bytes) -> Generator[None, None, Fault | None]:
        """Copy data into the inbox, asking the guest for a larger one when needed."""
        size = len(data)
        if size > self._room:
            room = max(INBOX, 1 << (size - 1).bit_length())
            slots = self._place.slots
            slots[FIRST] = room
            self._room = -1
            yield from self._call(_ALLOC)
            at = slots[RESULT] & MASK
            if at == 0:
                return Fault("agent-error", f"caxton_alloc has no {room} bytes")
            if at + room > self.size:
                return Fault("trap", f"caxton_alloc gave {room} bytes at {at}, outside the memory")
            self._inbox, self._room = at, room
            slots[MESSAGE_AT] = at
        self.view[self._inbox : self._inbox + size] = data
        return None

    def _call(self, entry: int, *, results: int = 1) -> Generator[None, None, None]:
        """Begin a call and wait for its end."""
        place = self._place
        count = NONE if entry in (_DRAIN, _EXPORT, _VERSION, _INITIALIZE) else TWO
        if entry == _ALLOC:
            count = ONE
        self._turn.guest = self
        self._future = call_async(
            place.context, place.function(entry), place.arguments, count, place.result,
            ONE if results else NONE, place.trap, place.error,
        )  # fmt: skip
        yield
        self.look()

    # Driving

    def _run(self, script: Script) -> Outcome:
        if self._future:
            raise RuntimeError("a call is suspended: resume or close it first")
        if not (self.alive and self._started):
            raise RuntimeError("the guest is dead, or was never started")
        self.host_calls = 0
        self._script = script
        return self._drive(begun=False)

    def _drive(self, *, begun: bool = True) -> Outcome:
        """Run the script until a call of it is suspended, fails or the script ends."""
        script = self._script
        assert script is not None
        while True:
            if begun and (self._place.slots[TRAP] or self._place.slots[ERROR]):
                self._script = None
                return self._failed()
            if self.throttled:
                self._unthrottle()
            begun = True
            try:
                next(script)
            except StopIteration as end:
                self._script = None
                outcome: Outcome = end.value
                if type(outcome) is Fault and outcome.reason in FATAL_REASONS:
                    return self._die(outcome)
                self._settle()
                return outcome
            if not poll(self._future) and (self.throttled or not poll(self._future)):
                return self._suspend()
            drop(self._future)
            self._future = 0

    def _suspend(self) -> Outcome:
        """Take note that a call used up its first slice."""
        if self._deadline < 0:
            self._held = 0.0
            self._deadline = max(0, self._place.fuel_left() - self._cpu_fuel)
        if self.host_calls:
            self._held += _now() - self.slice_began
        return self._judge()

    def _judge(self) -> Outcome:
        """Say whether a call that is not done may go on."""
        if self._place.fuel_left() < self._deadline:
            return self._die(Fault("cpu", "the CPU time of a call is used up"))
        if self._held > self._time_limit:
            return self._die(Fault("time", "the call held the thread for too long"))
        return SUSPENDED

    def _settle(self) -> None:
        """Forget what was counted for the call that ended."""
        self._deadline = -1
        self._held = 0.0

    def _unthrottle(self) -> None:
        self.throttled = False
        self._place.set_interval(self._slice_fuel)

    def _failed(self) -> Outcome:
        """Turn the trap or error of the call that ended into a fault."""
        code, text = self._place.failed()
        if self.refusal is not None:
            return self._die(self.refusal)
        if code == "OUT_OF_FUEL":
            return self._die(Fault("cpu", "all fuel is used up"))
        reason = "memory" if not code and "exceeds memory limits" in text else "trap"
        return self._die(Fault(reason, _sentence(text)))

    def _die(self, fault: Fault) -> Fault:
        self.close()
        return fault

    def _release(self) -> None:
        self.view = NO_MEMORY
        self._script = None
        self._final_fuel = FOREVER - self._place.fuel_left()
        future, self._future = self._future, 0
        if future:
            drop(future)
        self.size = 0
        self._room = -1
        self._place.close()


def _agent_error(entry: str, code: int) -> Fault:
    signed = code - (1 << 32) if code >> 31 else code
    return Fault("agent-error", f"{entry} returned {signed}")


def _sentence(text: str) -> str:
    """Keep of wasmtime's message what says why, without the frames."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if "wasm trap: " in line:
            return line.rpartition("wasm trap: ")[2]
    return lines[0][:300] if lines else "trap"
