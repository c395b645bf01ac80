"""One instance of a component and its calls, each cut into slices.

Rules:
- After a fatal fault, or when a call is dropped half-way, the store is deleted and never used again.
- What a call may cost, and when its slices end, is the matter of `slices.py`.
- How large the memory has become can't be asked of a component: `memory_bytes`, and what the node's budget counts, is
  what it began with. Most of that is shared with other instances until it is written to.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome

from caxton_plugins.sandboxes.budgets import Refused
from caxton_plugins.sandboxes.components import readers, values
from caxton_plugins.sandboxes.components.calls import Place, new_error
from caxton_plugins.sandboxes.components.messages import NoMessage, read, write
from caxton_plugins.sandboxes.components.readers import Reader, TooMuch
from caxton_plugins.sandboxes.components.values import Lowered
from caxton_plugins.sandboxes.library import FOREVER, drop, poll, sentence
from caxton_plugins.sandboxes.slices import Pace

if TYPE_CHECKING:
    from caxton_core.budgets import Budget
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.components.engines import Loaded

ERROR_TEXT = 500
"""How much of an agent's own error text is kept, in characters."""

Finish: TypeAlias = "Callable[[], Outcome]"
"""What a call's end is followed by: its outcome, or the beginning of another call."""

_now = time.perf_counter


class ComponentGuest(Pace):
    """A guest of `Sandbox.open`; see `caxton_core.ports.Guest`."""

    __slots__ = (
        "_arguments", "_budget", "_final_fuel", "_finish", "_future", "_loaded", "_refusal", "_started", "_turn", "alive", "host",
        "largest", "state_quota",
    )  # fmt: skip

    def __init__(self, loaded: Loaded, limits: Limits, host: Host, budget: Budget) -> None:
        engine = loaded.engine
        self.alive = False
        super().__init__(engine, limits)
        self._budget = budget
        self.place: Place = Place(engine.address, limits.memory, engine.slice_fuel)
        self.alive = True
        self.host = host
        self.largest, self.state_quota = limits.message_size, limits.state
        self._loaded, self._turn = loaded, engine.turn
        self._started = False
        # The call that runs or is suspended
        self._future = 0
        self._finish: Finish | None = None
        self._arguments: Lowered | None = None
        self._refusal: Fault | None = None
        self._final_fuel = 0
        budget.enter(None, loaded.survey.memory_minimum)

    # The port

    def start(self, config: bytes) -> Outcome:
        """Instantiate and initialise, giving `config` to `init`."""
        if self._started:
            raise RuntimeError("the guest was started before")
        self._started = True
        self._check()

        def found() -> Outcome:
            self.place.find(self._loaded)
            self._call("init", values.lower_text(config), lambda: self._verdict("init"))
            return None

        self._future, self._finish = self.place.instantiate(self._loaded), found
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
        if self.throttled:
            self.unthrottle()
        self._turn.guest = self
        return self._end() if self.ends_in_slice(self._future) else self._judge()

    def close(self) -> None:
        """Drop the instance, and its suspended call if any; never from inside one of its own host calls."""
        if not self.alive:
            return
        self.alive = False
        if self._turn.guest is self:
            self._turn.guest = None
        self._final_fuel = FOREVER - self.place.fuel_left()
        future, self._future = self._future, 0
        if future:
            drop(future)
        self._finish = self._arguments = None
        self._budget.leave(None, self._loaded.survey.memory_minimum)
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
        """The size its memory began with; it may have grown to the limit since."""
        return self._loaded.survey.memory_minimum if self.alive else 0

    # For imports

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
        self._future = self.place.call(name, arguments)

    def _first_slice(self) -> Outcome:
        """Run what has begun until it is suspended or has ended."""
        self._turn.guest = self
        self.slice_began = _now()
        # What is left of the slice comes from the call before: give this one a whole slice of its own.
        if not poll(self._future) and (self.throttled or not poll(self._future)):
            self.first_slice_ended()
            return self._judge()
        return self._end()

    def _end(self) -> Outcome:
        """Take the end of a call, and go on with what follows it."""
        drop(self._future)
        self._future = 0
        error = self.place.error()
        if error is not None:
            return self._failed(error)
        if self.throttled:
            self.unthrottle()
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
        self.place.forget_result()
        self.clear_account()
        if type(outcome) is Fault and outcome.reason in FATAL_REASONS:
            self.close()
        return outcome

    def _judge(self) -> Outcome:
        """Say whether a call that is not done may go on."""
        fault = self.overdrawn()
        return SUSPENDED if fault is None else self._die(fault)

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
        good, inner = readers.read_result(self.place.result)
        return None if good else agent_error(name, inner)

    def _response(self) -> Outcome:
        good, inner = readers.read_result(self.place.result)
        if not good:
            return agent_error("handle", inner)
        message = readers.read_option(inner)
        if not message:
            return None
        wire = write(Reader(self.largest).message(message))
        if len(wire) > self.largest:
            raise TooMuch(f"the response has {len(wire)} bytes; {self.largest} are allowed")
        return wire

    def _state(self) -> Outcome:
        inner = readers.read_option(self.place.result)
        if not inner:
            return None
        state = readers.read_bytes(inner, self.state_quota)
        if state is None:
            raise TooMuch(f"the state has more than the {self.state_quota} bytes that are allowed")
        return state


def agent_error(name: str, at: int) -> Fault:
    """Say with which text of its own a guest failed: cut, on one line, without control characters."""
    text = readers.read_start(at, 4 * ERROR_TEXT).decode("utf-8", "replace")[:ERROR_TEXT]
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return Fault("agent-error", f"{name}: {plain}" if plain else f"{name} failed without a word")
