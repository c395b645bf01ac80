"""One instance of a component and its calls, each cut into slices.

Rules:
- After a fatal fault, or when a call is dropped half-way, the store is deleted and never used again.
- Fuel is endless: what a call may burn is checked between its slices.
- How large the memory has become can't be asked of a component: `memory_bytes` is what it began with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome

from caxton_plugins.sandboxes.budgets import Refused
from caxton_plugins.sandboxes.components import values
from caxton_plugins.sandboxes.components.calls import Place, new_error
from caxton_plugins.sandboxes.components.messages import NoMessage, read, write
from caxton_plugins.sandboxes.components.values import Lowered, Reader, TooMuch
from caxton_plugins.sandboxes.library import FOREVER, drop, poll, sentence

if TYPE_CHECKING:
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.components.engines import Loaded

ERROR_TEXT = 500
"""How much of an agent's own error text is kept, in characters."""

Finish: TypeAlias = "Callable[[], Outcome]"
"""What a call's end is followed by: its outcome, or the beginning of another call."""

_now = time.perf_counter


class ComponentGuest:
    """A guest of `Sandbox.open`; see `caxton_core.ports.Guest`."""

    __slots__ = (
        "_arguments", "_cpu_fuel", "_cpu_ms", "_deadline", "_final_fuel", "_finish", "_future", "_held", "_loaded",
        "_place", "_refusal", "_slice_fuel", "_started", "_time_limit", "_turn", "alive", "host", "host_calls",
        "largest", "slice_began", "state_quota", "throttled",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, limits: Limits, host: Host) -> None:
        engine = loaded.engine
        self.alive = False
        self._place = Place(engine.address, limits.memory, engine.slice_fuel)
        self.alive = True
        self.host = host
        self.largest, self.state_quota = limits.message_size, limits.state
        self._loaded, self._turn, self._slice_fuel = loaded, engine.turn, engine.slice_fuel
        self._cpu_ms = limits.cpu_ms
        self._cpu_fuel = limits.cpu_ms * engine.fuel_per_ms
        self._time_limit = limits.time_ms / 1000
        self._started = False
        # The call that runs or is suspended
        self._future = 0
        self._finish: Finish | None = None
        self._arguments: Lowered | None = None
        self._refusal: Fault | None = None
        self._deadline = -1  # what fuel must be left; unknown before the first suspension
        self._held = 0.0  # seconds of the thread
        self._final_fuel = 0
        # Host calls of the step and of the slice
        self.host_calls = 0
        self.slice_began = 0.0
        self.throttled = False

    # The port

    def start(self, config: bytes) -> Outcome:
        """Instantiate and initialise, giving `config` to `init`."""
        if self._started:
            raise RuntimeError("the guest was started before")
        self._started = True
        self._check()

        def found() -> Outcome:
            self._place.find(self._loaded)
            self._call("init", values.lower_text(config), lambda: self._verdict("init"))
            return None

        self._future, self._finish = self._place.instantiate(self._loaded), found
        return self._first_slice()

    def handle(self, wire: bytes) -> Outcome:
        """Give the guest one encoded message."""
        return self._run("handle", values.lower_message(read(wire)), self._response)

    def drain(self) -> Outcome:
        """Make the last call before an orderly stop."""
        return self._run("drain", None, lambda: None)

    def export_state(self) -> Outcome:
        """Ask for the state to hand over."""
        return self._run("export-state", None, self._state)

    def import_state(self, data: bytes) -> Outcome:
        """Hand over the state of the version before."""
        return self._run(
            "import-state", values.lower_bytes(data), lambda: self._verdict("import-state")
        )

    def resume(self) -> Outcome:
        """Run the suspended call for one more slice."""
        if not self._future:
            raise RuntimeError("no call is suspended")
        self._unthrottle()
        self._turn.guest = self
        self.slice_began = _now()
        return self._end() if poll(self._future) else self._suspend()

    def close(self) -> None:
        """Drop the instance, and its suspended call if any; never from inside one of its own host calls."""
        if not self.alive:
            return
        self.alive = False
        if self._turn.guest is self:
            self._turn.guest = None
        self._final_fuel = FOREVER - self._place.fuel_left()
        future, self._future = self._future, 0
        if future:
            drop(future)
        self._finish = self._arguments = None
        self._place.close()

    def __del__(self) -> None:
        if self.alive and not sys.is_finalizing():
            self.close()

    @property
    def fuel_used(self) -> int:
        """Fuel consumed so far."""
        return FOREVER - self._place.fuel_left() if self.alive else self._final_fuel

    @property
    def memory_bytes(self) -> int:
        """The size its memory began with; it may have grown to the limit since."""
        return self._loaded.survey.memory_minimum if self.alive else 0

    # For imports

    def throttle(self) -> None:
        """End this slice at the guest's next instruction that counts fuel."""
        self.throttled = True
        self._place.set_interval(1)

    def refuse(self, fault: Fault) -> int:
        """Stop the call from inside an import: returns the error to hand to wasmtime."""
        self._refusal = fault
        return new_error(fault.detail)

    # Driving

    def _check(self) -> None:
        if self._future:
            raise RuntimeError("a call is suspended: resume or close it first")
        if not (self.alive and self._started):
            raise RuntimeError("the guest is dead, or was never started")
        self.host_calls = 0

    def _run(self, name: str, arguments: Lowered | None, finish: Finish) -> Outcome:
        self._check()
        self._call(name, arguments, finish)
        return self._first_slice()

    def _call(self, name: str, arguments: Lowered | None, finish: Finish) -> None:
        self._arguments, self._finish = arguments, finish
        self._future = self._place.call(name, arguments)

    def _first_slice(self) -> Outcome:
        """Run what has begun until it is suspended or has ended."""
        self._turn.guest = self
        self.slice_began = _now()
        # What is left of the slice comes from the call before: give this one a whole slice of its own.
        if not poll(self._future) and (self.throttled or not poll(self._future)):
            return self._suspend()
        return self._end()

    def _end(self) -> Outcome:
        """Take the end of a call, and go on with what follows it."""
        drop(self._future)
        self._future = 0
        error = self._place.error()
        if error is not None:
            return self._failed(error)
        self._unthrottle()
        finish, self._finish, self._arguments = self._finish, None, None
        assert finish is not None
        try:
            outcome = finish()
        except TooMuch as fault:
            outcome = Fault("too-large", str(fault))
        except NoMessage as fault:
            outcome = Fault("bad-response", str(fault))
        except Refused as fault:
            outcome = Fault("trap", str(fault))
        if self._future:
            return self._first_slice()
        self._place.forget_result()
        self._deadline, self._held = -1, 0.0
        if type(outcome) is Fault and outcome.reason in FATAL_REASONS:
            self.close()
        return outcome

    def _suspend(self) -> Outcome:
        """Say whether a call that is not done may go on."""
        self._held += _now() - self.slice_began
        left = self._place.fuel_left()
        if self._deadline < 0:
            self._deadline = max(0, left - self._cpu_fuel)
        if left < self._deadline:
            return self._die(Fault("cpu", f"the CPU time of a call, {self._cpu_ms} ms, is used up"))
        if self._held > self._time_limit:
            most = round(self._time_limit * 1000)
            return self._die(Fault("time", f"a call may hold the thread for {most} ms, no longer"))
        return SUSPENDED

    def _unthrottle(self) -> None:
        if self.throttled:
            self.throttled = False
            self._place.set_interval(self._slice_fuel)

    def _failed(self, text: str) -> Outcome:
        """Turn the error of the call that ended into a fault."""
        if self._refusal is not None:
            return self._die(self._refusal)
        why = sentence(text)
        if why == "all fuel consumed by WebAssembly":
            return self._die(Fault("cpu", "all fuel is used up"))
        full = "exceeds memory limits" in text or "resource limit exceeded" in text
        return self._die(Fault("memory" if full else "trap", why))

    def _die(self, fault: Fault) -> Fault:
        self.close()
        return fault

    # Results

    def _verdict(self, name: str) -> Outcome:
        good, inner = values.read_result(self._place.result)
        return None if good else agent_error(name, inner)

    def _response(self) -> Outcome:
        good, inner = values.read_result(self._place.result)
        if not good:
            return agent_error("handle", inner)
        message = values.read_option(inner)
        if not message:
            return None
        wire = write(Reader(self.largest).message(message))
        if len(wire) > self.largest:
            raise TooMuch(f"the response has {len(wire)} bytes; {self.largest} are allowed")
        return wire

    def _state(self) -> Outcome:
        inner = values.read_option(self._place.result)
        if not inner:
            return None
        state = values.read_bytes(inner, self.state_quota)
        if state is None:
            raise TooMuch(f"the state has more than the {self.state_quota} bytes that are allowed")
        return state


def agent_error(name: str, at: int) -> Fault:
    """Say with which text of its own a guest failed: cut, on one line, without control characters."""
    text = values.read_start(at, 4 * ERROR_TEXT).decode("utf-8", "replace")[:ERROR_TEXT]
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return Fault("agent-error", f"{name}: {plain}" if plain else f"{name} failed without a word")
