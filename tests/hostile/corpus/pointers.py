"""Addresses and lengths at and past every edge of the memory, in every import that takes them."""

from __future__ import annotations

from tests.hostile.cases import Case, answers, fails
from tests.hostile.guests import END, said, telling

_OUTSIDE = "outside the memory"

# Each call with the address and the length of one of its arguments left open, and what it says to a message of zeros.
_CALLS = {
    "send": ("(call $send {at} {size})", -1),
    "log": ("(block (result i32) (call $log (i32.const 2) {at} {size}) (i32.const 0))", 0),
    "random": ("(block (result i32) (call $random {at} {size}) (i32.const 0))", 0),
    "state_get-key": ("(call $state_get {at} {size} (i32.const 0) (i32.const 0))", -1),
    "state_get-value": ("(call $state_get (i32.const 0) (i32.const 1) {at} {size})", -1),
    "state_put-key": ("(call $state_put {at} {size} (i32.const 0) (i32.const 0))", 0),
    "state_put-value": ("(call $state_put (i32.const 0) (i32.const 1) {at} {size})", 0),
    "state_delete": ("(call $state_delete {at} {size})", -1),
    "set_timer": ("(call $set_timer (i64.const 3600000) {at} {size})", 1),
}

_OUTSIDES = {
    "one-past": (END - 7, 8),
    "at-the-end": (END, 1),
    "at-minus-one": (-1, 1),
    "of-minus-one": (1, -1),
    "wraps-to-zero": (-8, 8),  # together 2^32
    "wraps-inside": (-8, 16),
    "all-ones": (-1, -1),
    "half-and-half": (-0x80000000, -0x80000000),
}
_INSIDES = {"last-byte": (END - 1, 1), "nothing-at-the-end": (END, 0), "nothing-at-zero": (0, 0)}


def _module(call: str, at: int, size: int) -> str:
    return call.format(at=f"(i32.const {at})", size=f"(i32.const {size})")


CASES: tuple[Case, ...] = (
    *[
        fails(f"pointer/{what}/{edge}", telling(_module(call, at, size)), "trap", _OUTSIDE)
        for what, (call, _) in _CALLS.items()
        for edge, (at, size) in _OUTSIDES.items()
        # Eight edges of nine arguments would say little more than these.
        if edge in ("one-past", "wraps-inside") or what in ("send", "random", "state_get-value")
    ],
    *[
        answers(f"pointer/{what}/{edge}", telling(_module(call, at, size)), said(result))
        for what, (call, result) in _CALLS.items()
        for edge, (at, size) in _INSIDES.items()
        if edge == "last-byte" or what in ("send", "state_put-key")
    ],
    # A key that is too long is no key, but its address must be good all the same.
    fails("pointer/state_get-key/long-and-outside", telling(
        f"(call $state_get (i32.const {END - 1024}) (i32.const 1025) (i32.const 0) (i32.const 0))"), "trap", _OUTSIDE),
    # The answer does not fit the room that was given, which is not written to.
    answers("pointer/state_get/too-little-room", telling(
        f"""(block (result i32)
          (drop (call $state_put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 100)))
          (call $state_get (i32.const 0) (i32.const 1) (i32.const {END}) (i32.const 0)))"""), said(100)),
    fails("pointer/state_get/room-past-the-end", telling(
        f"""(block (result i32)
          (drop (call $state_put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 100)))
          (call $state_get (i32.const 0) (i32.const 1) (i32.const {END - 99}) (i32.const 100)))"""), "trap", _OUTSIDE),
)  # fmt: skip
