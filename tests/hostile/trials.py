"""The process that tries mutants: each is compiled, started and given everything a guest can be given.

Rules:
- A line with a kind, a seed, a first number and a count comes in; a line goes out for each mutant, so that whoever listens
  knows which one was under way when this process died or hung.
- What is checked of every mutant: each call ends, in an outcome of the port; a dead guest stays dead; the process lives.
"""

from __future__ import annotations

import faulthandler
import random
import sys
import tempfile

from caxton_core.errors import InvalidModule
from caxton_core.ids import ModuleDigest
from caxton_core.messages import Draft, parse_answer, parse_draft
from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Guest, Outcome, Sandbox
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis, Duration
from caxton_plugins.sandboxes.components import ComponentSandbox
from caxton_plugins.sandboxes.wasm import WasmSandbox
from returns.result import Failure

from tests.hostile import grafts, mutants

LIMITS = Limits(
    memory=ByteSize(4 << 20),
    cpu_ms=CpuMillis(2),
    time_ms=Duration(20),
    message_size=ByteSize(1 << 18),
)
SANDBOX_LASTS = 500
"""Mutants that one sandbox takes: its cache keeps each of them."""
_QUOTA = 1 << 16
_WIRE = b'{"performative":"request","sender":"a@b","receiver":"c@d","conversation_id":"x","content":"%s"}'
MESSAGES = (
    _WIRE % b"hello",
    b"{}",
    _WIRE % (b"y" * 3_000),
    _WIRE % (b"z" * 60_000),
    b"\0" * 8,
    _WIRE % b"again",
)
COMPONENTS = "components"


class Node:
    """The host's side: reads what is sent as a node does, on the guest's stack, and keeps a state with a quota."""

    def __init__(self) -> None:
        self._state: dict[bytes, bytes] = {}

    def send(self, data: bytes) -> int:
        """Read a message."""
        return 0 if isinstance(parse_draft(data, "json"), Draft) else -1

    def log(self, level: int, text: bytes) -> None:
        """Take a line."""
        assert 0 <= level <= 4
        assert len(text) <= 8192

    def now_ms(self) -> int:
        """Return a time."""
        return 1_700_000_000_123

    def random(self, size: int) -> bytes:
        """Return bytes that are the same each time."""
        return b"\x5a" * size

    def state_get(self, key: bytes) -> bytes | None:
        """Read a value."""
        return self._state.get(key)

    def state_put(self, key: bytes, value: bytes) -> int:
        """Write a value, as long as there are not too many."""
        if sum(map(len, self._state.values())) + len(value) > _QUOTA:
            return -1
        self._state[key] = value
        return 0

    def state_delete(self, key: bytes) -> int:
        """Remove a value."""
        return 0 if self._state.pop(key, None) is not None else -1

    def set_timer(self, delay_ms: int, payload: bytes) -> int:
        """Take a timer."""
        assert delay_ms >= 0
        return 1 if len(payload) <= 4096 else -1

    def cancel_timer(self, timer: int) -> int:
        """Know no timer."""
        return -1


def attempt(sandbox: Sandbox, data: bytes, profile: str) -> str:
    """Try one mutant, and say how it ended."""
    checked = sandbox.check(data, profile)
    if isinstance(checked, Failure):
        return refused(checked.failure())
    digest = ModuleDigest(checked.unwrap().sha256)
    opened = sandbox.open(digest, profile, LIMITS, Node())
    if isinstance(opened, Failure):
        return "over a limit at once"
    guest = opened.unwrap()
    try:
        return drive(guest, messages_for(profile))
    finally:
        guest.close()


def refused(error: InvalidModule) -> str:
    """Say who refused a mutant; the death of a compiler is not a refusal like others."""
    if (
        "died" in error.detail
        or "breaks the compiler" in error.detail
        or "process ended" in error.detail
    ):
        return f"COMPILER {error.detail}"
    return "refused"


def messages_for(profile: str) -> tuple[bytes, ...]:
    """Return what a guest is given: a core module anything, a component messages, which the node itself takes apart."""
    return tuple(wire for wire in MESSAGES if profile != "component" or wire.startswith(b'{"p'))


def drive(guest: Guest, messages: tuple[bytes, ...]) -> str:
    """Make every call there is, as long as the guest lives."""
    outcome = finish(guest, guest.start(b'{"a":1}'))
    if outcome is not None:
        return f"start: {word(outcome)}"
    last = "lived"
    for wire in messages:
        outcome = finish(guest, guest.handle(wire))
        if isinstance(outcome, bytes):
            parse_answer(outcome, "json")
        if not guest.alive:
            return word(outcome)
        if isinstance(outcome, Fault):
            last = "lived, with errors"
    state = finish(guest, guest.export_state())
    if guest.alive:
        finish(guest, guest.import_state(state if isinstance(state, bytes) else b"state"))
    if guest.alive:
        finish(guest, guest.drain())
    return last


def finish(guest: Guest, outcome: Outcome) -> Outcome:
    """Resume a call to its end, and check what it gave."""
    while outcome is SUSPENDED:
        outcome = guest.resume()
    assert outcome is None or isinstance(outcome, bytes | Fault), outcome
    if isinstance(outcome, Fault):
        assert guest.alive == (outcome.reason not in FATAL_REASONS), outcome
        assert "the host failed" not in outcome.detail, outcome
    assert guest.memory_bytes <= LIMITS.memory
    return outcome


def word(outcome: Outcome) -> str:
    """Name the way a guest died."""
    return outcome.reason if isinstance(outcome, Fault) else "?"


def try_one(sandbox: Sandbox, kind: str, seed: int, number: int) -> str:
    """Make a mutant and try it."""
    if kind == COMPONENTS:
        return attempt(sandbox, grafts.mutant(seed, number), "component")
    profile = random.Random(f"profile {seed}/{number}").choice(("strict", "standard"))
    return attempt(sandbox, mutants.mutant(seed, number), profile)


def main() -> None:
    """Try mutants until stdin ends."""
    with tempfile.TemporaryDirectory(prefix="caxton-mutants-") as folder:
        for line in sys.stdin:
            kind, *numbers = line.split()
            seed, first, count = map(int, numbers)
            for begin in range(first, first + count, SANDBOX_LASTS):
                make = ComponentSandbox if kind == COMPONENTS else WasmSandbox
                sandbox = make(f"{folder}/{kind}/{seed}/{begin}")
                for number in range(begin, min(begin + SANDBOX_LASTS, first + count)):
                    ended = try_one(sandbox, kind, seed, number)
                    sys.stdout.write(f"{number} {ended}\n")
                    sys.stdout.flush()
                sandbox.close()


if __name__ == "__main__":
    faulthandler.enable()
    main()
