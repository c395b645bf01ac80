"""Memories and tables that grow, deep stacks, and sizes that are not true."""

from __future__ import annotations

from tests.hostile.binaries import MEMORY, raw, section
from tests.hostile.cases import Case, answers, fails, load, start
from tests.hostile.guests import END, agent, said, telling

_PAGES = 256  # of the default limit
_STACK = "call stack exhausted"


_AFTER_GROWTH = {
    f"(call $send (i32.const {END}) (i32.const 100))": -1,
    f"(call $log (i32.const 2) (i32.const {END}) (i32.const 100)) (i32.const 7)": 7,
    f"(call $random (i32.const {END}) (i32.const 100)) (i32.const 7)": 7,
    f"(call $state_put (i32.const {END}) (i32.const 9) (i32.const {END}) (i32.const 9))": 0,
    f"(call $state_get (i32.const {END}) (i32.const 9) (i32.const {END}) (i32.const 9))": -1,
    f"(call $state_delete (i32.const {END}) (i32.const 9))": -1,
    f"(call $set_timer (i64.const 60000) (i32.const {END}) (i32.const 9))": 1,
}


def _grown(call: str, result: int) -> Case:
    """Make a case that grows the memory, and at once hands an import what is in the new page."""
    what = call.split()[1].strip("$")
    return answers(
        f"grow/then-{what}",
        telling(f"(block (result i32) (drop (memory.grow (i32.const 1))) {call})"),
        said(result),
    )


CASES: tuple[Case, ...] = (
    fails("grow/by-one-for-ever", agent(
        "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)"), "cpu"),
    fails("grow/by-one-for-ever/large", agent(
        "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)"), "cpu",
        manifest={"limits": {"memory": "256MiB"}}),
    answers("grow/to-the-limit", telling(
        """(block (result i32) (loop $more
          (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (memory.size))"""),
        said(_PAGES)),
    answers("grow/by-65535", telling("(memory.grow (i32.const 65535))"), said(-1)),
    answers("grow/by-minus-one", telling("(memory.grow (i32.const -1))"), said(-1)),
    answers("grow/over-its-own-maximum", telling("(memory.grow (i32.const 2))", memory="4 5"), said(-1)),
    answers("grow/and-touch-all", telling(
        """(block (result i32) (drop (memory.grow (i32.const 252))) (local.set $at (i32.const 196608))
          (loop $next (i32.store (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 4096)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 16777216)))) (memory.size))"""), said(_PAGES)),
    *[_grown(call, result) for call, result in _AFTER_GROWTH.items()],
    fails("grow/and-read-past-it", agent(
        "(drop (memory.grow (i32.const 1))) (i32.load (i32.const 327677))"), "trap", "out of bounds memory access"),
    start("memory/4-gib", agent(memory="65536"), "memory", "4294967296 attempted"),
    start("memory/over-the-limit", agent(memory="257"), "memory", "16842752 attempted"),
    load("memory/minimum-over-maximum", raw(section(MEMORY, b"\1\1\5\2")), "memory"),
    start("table/10-million", agent(more="(table 10000000 funcref)"), "trap", "table"),
    answers("table/grow-for-ever", telling(
        """(block (result i32) (loop $more
          (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1)))) (table.size $t))""",
        "(table $t 1 funcref)"), said(10_000), manifest={"profile": "standard"}),
    answers("table/grow-at-once", telling(
        "(table.grow $t (ref.null func) (i32.const -1))", "(table $t 1 funcref)"), said(-1),
        manifest={"profile": "standard"}),
    fails("stack/recursion", agent("(call $handle (local.get $p) (local.get $n))"), "trap", _STACK),
    fails("stack/mutual-recursion", agent(
        "(call $a (i32.const 1))",
        """(func $a (param i32) (result i32) (i32.add (call $b (local.get 0)) (i32.const 1)))
        (func $b (param i32) (result i32) (i32.add (call $a (local.get 0)) (i32.const 1)))"""), "trap", _STACK),
    fails("stack/indirect-recursion", agent(
        "(call $a (i32.const 1))",
        """(type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $a)
        (func $a (param i32) (result i32)
          (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1)))"""), "trap", _STACK),
    fails("stack/large-frames", agent(
        "(call $a (i64.const 1))",
        "(func $a (param i64) (result i32)" + "(local i64)" * 5_000
        + "".join(f"(local.set {number} (i64.add (local.get 0) (i64.const {number})))" for number in range(1, 1_000))
        + "(i32.add (call $a (i64.add (local.get 0) (i64.const 1)))"
        + " (i32.wrap_i64 " + "(i64.add " * 998 + "(local.get 1)"
        + "".join(f"(local.get {number}))" for number in range(2, 1_000)) + ")))"), "trap", _STACK),
    start("stack/recursion-at-start", agent(more="(func $s (call $s)) (start $s)"), "trap", _STACK),
)  # fmt: skip
