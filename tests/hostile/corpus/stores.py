"""State, timers and logs at the edges of their quotas."""

from __future__ import annotations

from tests.hostile.cases import Case, Logged, answers
from tests.hostile.guests import agent, data, said, telling

_MAX = 0x7FFF_FFFF_FFFF_FFFF
_STATE = {"limits": {"state": 1_000}}


def _put(key: int, value: int) -> str:
    return f"(call $state_put (i32.const 0) (i32.const {key}) (i32.const 0) (i32.const {value}))"


def _sum(*calls: str) -> str:
    """Return the results of calls as digits: a refusal is a 9."""
    return (
        "(i32.const 0)"
        if not calls
        else (
            f"(i32.add (i32.mul (i32.const 10) {_sum(*calls[:-1])}) (i32.and (i32.const 9) {calls[-1]}))"
        )
    )


def _timer(delay: int, size: int = 0) -> str:
    return f"(call $set_timer (i64.const {delay}) (i32.const 0) (i32.const {size}))"


def _logs(text: bytes) -> str:
    return f"(call $log (i32.const 2) (i32.const 0) (i32.const {len(text)})) (i32.const 0)"


def _logged(name: str, text: bytes, line: str) -> Case:
    return Case(name=f"log/{name}", module=agent(_logs(text), data(0, text)), attacks="handle",
                outcome=Logged((line,)))  # fmt: skip


_REPLACED = "\N{REPLACEMENT CHARACTER}"

CASES: tuple[Case, ...] = (
    answers("state/key-of-1024", telling(_put(1024, 1)), said(0)),
    answers("state/key-of-1025", telling(_put(1025, 1)), said(-1)),
    answers("state/key-of-nothing", telling(_put(0, 1)), said(0)),
    answers("state/quota", telling(_put(10, 990)), said(0), manifest=_STATE),
    answers("state/quota/one-over", telling(_put(10, 991)), said(-1), manifest=_STATE),
    answers("state/quota/in-two", telling(_sum(_put(10, 490), _put(11, 489), _put(12, 0))), said(9),
            manifest=_STATE),
    answers("state/quota/the-same-key", telling(_sum(_put(10, 990), _put(10, 990), _put(10, 989))), said(0),
            manifest=_STATE),
    answers("state/quota/given-back", telling(_sum(
        _put(10, 990), "(call $state_delete (i32.const 0) (i32.const 10))", _put(11, 989))), said(0), manifest=_STATE),
    answers("state/quota/none", telling(_put(1, 0)), said(-1), manifest={"limits": {"state": 0}}),
    answers("state/quota/larger-than-the-limit", telling(_put(1, 250_000)), said(-1),
            manifest={"limits": {"state": "100KiB"}}),
    answers("state/deleted-twice", telling(_sum(
        _put(4, 4), *["(call $state_delete (i32.const 0) (i32.const 4))"] * 2)), said(9)),
    answers("timer/delay-of-minus-one", telling(_timer(-1)), said(1)),
    answers("timer/delay-of-least-number", telling(_timer(-_MAX - 1)), said(1)),
    answers("timer/delay-of-greatest-number", telling(_timer(_MAX)), said(-1)),
    answers("timer/delay-of-ten-years", telling(_timer(10 * 366 * 86_400_000 + 1)), said(-1)),
    answers("timer/4096-bytes", telling(_timer(3_600_000, 4096)), said(1)),
    answers("timer/4097-bytes", telling(_timer(3_600_000, 4097)), said(-1)),
    answers("timer/hundred-and-one", telling(
        f"""(block (result i32)
          (loop $more (drop {_timer(3_600_000)}) (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 100)))) {_timer(3_600_000)})"""), said(-1)),
    answers("timer/cancel-what-is-not-there", telling("(call $cancel_timer (i32.const 7))"), said(-1)),
    answers("timer/cancel-minus-one", telling("(call $cancel_timer (i32.const -1))"), said(-1)),
    answers("timer/cancel-twice", telling(_sum(
        f"(call $cancel_timer {_timer(3_600_000)})", "(call $cancel_timer (i32.const 1))")), said(9)),
    _logged("terminal-escapes", b"\x1b[2J\x1b]0;owned\x07\x9b31m", f"{_REPLACED}[2J{_REPLACED}]0;owned{_REPLACED}{_REPLACED}31m"),
    _logged("line-breaks", b"a\r\nb\x0bc\x85", f"a{_REPLACED}{_REPLACED}b{_REPLACED}c{_REPLACED}"),
    _logged("invalid-utf-8", b"\xff\xfe\xc0\x80", _REPLACED * 4),
    _logged("surrogates", b"\xed\xa0\x80", _REPLACED * 3),
    _logged("right-to-left", "a\u202eb\u2066c".encode(), f"a{_REPLACED}b{_REPLACED}c"),
    _logged("line-separators", "a\u2028b\u2029".encode(), f"a{_REPLACED}b{_REPLACED}"),
    _logged("zeros", bytes(3), _REPLACED * 3),
    _logged("nothing", b"", ""),
    Case(name="log/too-long", attacks="handle", outcome=Logged((_REPLACED * 8192,)), module=agent(
        "(call $log (i32.const 2) (i32.const 0) (i32.const 65000)) (i32.const 0)")),
    Case(name="log/more-than-a-step-may", attacks="handle", outcome=Logged((_REPLACED * 8192,) * 8), module=agent(
        "(call $log (i32.const 2) (i32.const 0) (i32.const 8192))" * 9 + "(i32.const 0)")),
    Case(name="log/more-than-a-second-may", attacks="handle", outcome=Logged((_REPLACED * 100,)), module=agent(
        "(call $log (i32.const 2) (i32.const 0) (i32.const 100))" * 3 + "(i32.const 0)"),
        manifest={"limits": {"log_per_s": 150}}),
    Case(name="log/unknown-level", attacks="handle", outcome=Logged(("",)), module=agent(
        "(call $log (i32.const -1) (i32.const 0) (i32.const 0)) (i32.const 0)")),
)  # fmt: skip
