"""Too much of everything: host calls with and without a loop, messages, lines, timers, values."""

from __future__ import annotations

from collections.abc import Callable

from tests.hostile.cases import Case, answers, fails, silent, start
from tests.hostile.guests import OK, agent, data, inform, init, ok_after, said, sending, telling

_SELF = inform("x", receiver="hostile")
_TO_SELF = f"(call $send (i32.const 0) (i32.const {len(_SELF)}))"
_SELF_DATA = data(0, _SELF)
_NEIGHBOUR = inform("x", receiver="neighbour")
_TO_NEIGHBOUR = f"(call $send (i32.const 0) (i32.const {len(_NEIGHBOUR)}))"

_CALLS = {
    "send": (f"(drop {_TO_NEIGHBOUR})", data(0, _NEIGHBOUR)),
    "send-nonsense": ("(drop (call $send (i32.const 0) (i32.const 100)))", ""),
    "log": ("(call $log (i32.const 4) (i32.const 0) (i32.const 8192))", ""),
    "now_ms": ("(drop (call $now_ms))", ""),
    "random": ("(call $random (i32.const 0) (i32.const 16))", ""),
    "random/much": ("(call $random (i32.const 0) (i32.const 65536))", ""),
    "state_get": (
        "(drop (call $state_get (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 0)))",
        "",
    ),
    "state_put": (
        "(drop (call $state_put (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 60000)))",
        "",
    ),
    "state_put/other-keys": (
        """(i32.store (i32.const 0) (local.get $i)) (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (drop (call $state_put (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 1000)))""",
        "",
    ),
    "state_delete": ("(drop (call $state_delete (i32.const 0) (i32.const 9)))", ""),
    "set_timer": (
        "(drop (call $set_timer (i64.const 3600000) (i32.const 0) (i32.const 4096)))",
        "",
    ),
    "cancel_timer": ("(drop (call $cancel_timer (i32.const 7)))", ""),
}


def _straight(call: str, times: int) -> str:
    """Return code with neither a loop nor a call of its own."""
    return call * times


def _large(size: int) -> Callable[[], bytes]:
    """Return a maker of a guest that sends as large a message as it may, again and again."""
    text = inform("", receiver="neighbour")
    head, tail = text[: text.index(b'"content": "') + 12], text[text.index(b'"content": "') + 12 :]
    middle = size - len(head) - len(tail)
    body = f"""(memory.fill (i32.const {len(head)}) (i32.const 120) (i32.const {middle}))
      (memory.copy (i32.const {len(head) + middle}) (i32.const {size}) (i32.const {len(tail)}))
      (loop (drop (call $send (i32.const 0) (i32.const {size}))) (br 0)) (unreachable)"""
    return agent(
        body, data(0, head) + data(size, tail), memory="16", alloc="(i32.const 900000)",
        library=False,
    )  # fmt: skip


CASES: tuple[Case, ...] = (
    *[
        fails(f"flood/{name}", agent(f"(loop {call} (br 0)) (unreachable)", more),
              "time" if name == "random/much" else "host-calls",
              manifest={"limits": {"time_ms": 300 if name == "random/much" else 30_000}})
        for name, (call, more) in _CALLS.items()
    ],
    fails("flood/without-a-loop", agent(
        _straight("(call $random (i32.const 0) (i32.const 16))", 10_001) + "(i32.const 0)"), "time", "never let go"),
    answers("flood/just-enough", telling(
        "(block (result i32) (loop $next " + _straight("(drop (call $now_ms))", 100)
        + """(local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 100)))) (i32.const 1))"""), said(1)),
    fails("flood/just-enough/without-a-loop", agent(
        _straight("(call $random (i32.const 0) (i32.const 1024))", 9_999) + "(i32.const 0)"), "time", "never let go"),
    fails("flood/random/without-a-loop", agent(
        _straight("(call $random (i32.const 0) (i32.const 65536))", 9_000) + "(i32.const 0)"), "time",
        manifest={"limits": {"time_ms": 300}}),
    fails("flood/random/too-much-at-once", agent(
        "(call $random (i32.const 0) (i32.const 65537)) (i32.const 0)"), "trap", "65536 are allowed"),
    start("flood/at-init", init("(loop (drop (call $now_ms)) (br 0)) (unreachable)"), "host-calls"),
    fails("flood/large-messages", _large(200_000), "time", manifest={
        "profile": "standard", "limits": {"time_ms": 300}}),
    answers("flood/fan-out", telling(
        f"""(block (result i32) (loop $more (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $more (i32.eqz {_TO_NEIGHBOUR}))) (local.get $i))""", data(0, _NEIGHBOUR)), said(101)),
    answers("flood/messages-per-second", telling(
        f"(block (result i32) (drop {_TO_NEIGHBOUR}) (drop {_TO_NEIGHBOUR}) {_TO_NEIGHBOUR})", data(0, _NEIGHBOUR)),
        said(-7), manifest={"limits": {"messages_per_s": 2}}),
    answers("flood/full-mailbox", telling(
        f"""(block (result i32) (loop $more (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $more (i32.eqz {_TO_SELF}))) {_TO_SELF})""", _SELF_DATA), said(-3),
        manifest={"limits": {"mailbox": 5}}),
    # Each message is legal, and there is no end to them.
    answers("flood/itself", ok_after(f"(drop {_TO_SELF})", _SELF_DATA), "ok"),
    silent("flood/itself/twice-as-many", agent(f"(drop {_TO_SELF}) (drop {_TO_SELF}) (i32.const 0)", _SELF_DATA)),
    silent("flood/timers-of-no-delay", agent(
        "(loop $more (drop (call $set_timer (i64.const 0) (i32.const 0) (i32.const 0)))"
        " (local.set $i (i32.add (local.get $i) (i32.const 1)))"
        " (br_if $more (i32.lt_u (local.get $i) (i32.const 50)))) (i32.const 0)")),
    answers("flood/from-init", ok_after("", f"""{_SELF_DATA}
        (func (export "caxton_init") (param i32 i32) (result i32)
          (drop {_TO_SELF}) (drop {_TO_SELF}) (i32.const 0))"""), "ok"),
    # The buffer that was sent is the guest's again at once.
    answers("reentrancy/changed-behind-send", ok_after(
        f"(drop {_TO_SELF}) (memory.fill (i32.const 0) (i32.const 0) (i32.const 100))", _SELF_DATA), "ok",
        manifest={"profile": "standard"}),
    answers("reentrancy/send-from-alloc", ok_after("", _SELF_DATA, alloc=f"(drop {_TO_SELF}) (i32.const 131072)"), "ok"),
    answers("reentrancy/alloc-called-by-the-guest", agent(
        f"""(drop {_TO_SELF}) (drop (call $alloc (i32.const 4096)))
        (call $respond (local.get $p) (i32.const 60000) (i32.const {len(OK)}))""",
        f"{_SELF_DATA} {data(60_000, OK.encode())}"
        "(func $alloc (param i32) (result i32) (i32.const 131072))"), "ok"),
    fails("reentrancy/handle-called-by-the-guest", agent(
        f"(drop {_TO_SELF}) (drop (call $handle (local.get $p) (local.get $n))) (unreachable)", _SELF_DATA),
        "trap"),
    answers("reentrancy/to-the-sender", sending(inform("x", receiver="api")), said(0)),
)  # fmt: skip
