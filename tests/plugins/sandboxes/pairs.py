"""Guests in pairs, one for each path of a message, that must never differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caxton_core.budgets import Budget
from caxton_core.ids import ModuleDigest
from caxton_core.ports import SUSPENDED, Outcome
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis
from caxton_plugins.sandboxes.wasm import WasmSandbox
from caxton_plugins.sandboxes.wasm.calls import (
    ERROR,
    MASK,
    MESSAGE_AT,
    MESSAGE_SIZE,
    RESULT,
    TRAP,
)
from caxton_plugins.sandboxes.wasm.guest import WasmGuest
from caxton_plugins.sandboxes.wasm.native import guest_class

from tests.plugins.sandboxes.guests import PAGE, Host, finish

TOP = 1 << 32
MOST = 5 * PAGE  # of memory
LARGEST = 3 * PAGE  # of a message
LIMITS = Limits(cpu_ms=CpuMillis(20), memory=ByteSize(MOST), message_size=ByteSize(LARGEST))

# A message is eight u32 and more: what the guest is to do with it, and what it then says of its response.
FIELDS = ("at", "size", "code", "grow", "sends", "spins", "trap", "unused")
OBEDIENT = """
  (local $at i32) (local $size i32) (local $code i32) (local $i i32)
  (local.set $at (i32.load (local.get $p)))
  (local.set $size (i32.load offset=4 (local.get $p)))
  (local.set $code (i32.load offset=8 (local.get $p)))
  (drop (memory.grow (i32.load offset=12 (local.get $p))))
  (local.set $i (i32.load offset=16 (local.get $p)))
  (if (local.get $i) (then (loop
    (drop (call $send (local.get $p) (local.get $n)))
    (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))
  (local.set $i (i32.load offset=20 (local.get $p)))
  (if (local.get $i) (then (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))
  (if (i32.load offset=24 (local.get $p)) (then (unreachable)))
  (i32.store (local.get $p) (local.get $at))
  (i32.store offset=4 (local.get $p) (local.get $size))
  (local.get $code)"""


class Forgetful(list[tuple[object, ...]]):
    """Keeps nothing."""

    def append(self, call: tuple[object, ...]) -> None:
        """Forget a call."""


class Clock:
    """Goes on by a fixed step whenever it is asked."""

    def __init__(self) -> None:
        self.now = self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


CLOCK = Clock()


class Pair:
    """The same module twice, opened by one engine: a guest of each path, each with its own host."""

    def __init__(self, sandbox: WasmSandbox, data: bytes, limits: Limits = LIMITS) -> None:
        digest = ModuleDigest(sandbox.check(data, "strict").unwrap().sha256)
        sandbox.open(digest, "strict", limits, Host()).unwrap().close()
        loaded = sandbox._loaded[digest, "strict"]
        self.hosts = [Host(), Host()]
        self.guests = [
            guest_class(native=native)(loaded, limits, host, Budget(64 * PAGE))
            for native, host in zip((False, True), self.hosts, strict=True)
        ]
        assert self.both(lambda guest: finish(guest, guest.start(b"{}"))) is None

    def both(self, act: Callable[[WasmGuest], Outcome]) -> Outcome:
        """Do the same with both guests, expect the same of both, and return it."""
        (outcome, seen), (other, seen_too) = (
            (attempt(act, guest), state(guest)) for guest in self.guests
        )
        assert outcome == other
        assert seen == seen_too
        assert self.hosts[0].calls == self.hosts[1].calls
        if isinstance(outcome, Raised):
            raise outcome
        return outcome

    def handle(self, wire: bytes) -> Outcome:
        """Have both handle a message, slice by slice."""
        outcome = self.both(lambda guest: guest.handle(wire))
        while outcome is SUSPENDED:
            outcome = self.both(lambda guest: guest.resume())
        return outcome

    def close(self) -> None:
        """Drop both."""
        for guest in self.guests:
            guest.close()


class Raised(RuntimeError):
    """An exception that equals another of the same text."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raised) and self.args == other.args

    __hash__ = RuntimeError.__hash__


def attempt(act: Callable[[WasmGuest], Outcome], guest: WasmGuest) -> Outcome | Raised:
    """Return what comes, or what is raised."""
    CLOCK.now, guest.turn.guest = 0.0, None
    try:
        return act(guest)
    except Exception as error:  # noqa: BLE001  # whatever one raises the other must
        return Raised(type(error).__name__, str(error))


OTHERWISE = {
    "__weakref__", "_script", "budget", "context", "future", "host", "loaded", "memory", "place", "slots", "slots_at", "turn", "view",
}  # fmt: skip
"""Slots with addresses and other objects that are each guest's own."""
SLOTS = [name for part in WasmGuest.__mro__ for name in getattr(part, "__slots__", ())]


def state(guest: WasmGuest) -> dict[str, Any]:
    """Return all there is to see of a guest, but for addresses."""
    slots = guest.place.slots
    return {
        **{name: getattr(guest, name) for name in SLOTS if name not in OTHERWISE},
        "fuel": guest.fuel_used,
        "budget": (guest.budget.used, guest.budget.room),
        "future": bool(guest.future),
        "script": type(guest._script),
        "turn": guest.turn.guest is guest,
        # While a call is suspended the view may be of a place where the memory was before it grew.
        "memory": b"" if guest.future else bytes(guest.view),
        "frame": [slots[at] for at in (MESSAGE_AT, MESSAGE_SIZE, TRAP, ERROR)],
        "code": slots[RESULT] & MASK,
    }


def order(wire_size: int = 32, **fields: int) -> bytes:
    """Encode an order to the obedient guest; what is cut off is left from the message before."""
    words = b"".join((fields.get(name, 0) % TOP).to_bytes(4, "little") for name in FIELDS)
    return words.ljust(wire_size, b"\xa5")[:wire_size]
