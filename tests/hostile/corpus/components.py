"""Components that run: loops, growth, recursion, traps, floods, swarms of values, and results that lie."""

from __future__ import annotations

from tests.hostile.cases import Answered, Case, Logged, NotPromoted, Silent, Stopped
from tests.hostile.components import (
    ANSWER_AT,
    EXTRAS,
    FAR,
    LIST_AT,
    PUT,
    RECEIVERS,
    RECORD_AT,
    SAID,
    SEND,
    content,
    fails,
    keeps,
    limited,
    listed,
    number,
    of,
    ok,
    record,
    repeated,
    sent,
    start,
    telling,
    to,
    whole,
)
from tests.plugins.sandboxes.components import CONTENT, DATA, LOOP, NOTHING, OUT, failing, reply

_CPU = "CPU time of a call"
_OK = Answered(9)
_BOUNDS = "out of bounds"
_FAR_AWAY = "60"  # pages of a memory that has room for long values
_STATE = f"""{number(OUT, 8, 1)} {listed(OUT + 4, DATA, 5)} (i32.const {OUT})"""
_WITH_STATE = whole(export_state=_STATE)
_DEEP = "(func $deep (param i32) (result i32) (call $deep (i32.add (local.get 0) (i32.const 1))))"
_RECURSE = "(call $deep (i32.const 0))"
_POST = {"handle": '(post-return (core func $main "post"))'}


def _everywhere(name: str, body: str, reason: str, detail: str, more: str = "") -> tuple[Case, ...]:
    """Return the cases that do the same in every call the node makes."""
    plain = f"{body} (drop)" if "result" in more else body
    return (
        start(f"{name}/start-function", whole(more=f"(func $s {plain}) (start $s) {more}"), reason, detail),
        start(f"{name}/init", whole(init=body, more=more), reason, detail),
        fails(f"{name}/handle", whole(body, more=more), reason, detail),
        of(f"{name}/drain", whole(drain=plain, more=more), "drain", Stopped()),
        of(f"{name}/export-state", whole(export_state=body, more=more), "export", NotPromoted(reason, detail),
           next=whole()),
        keeps(name, _WITH_STATE, whole(import_state=body, more=more), reason, detail),
        fails(f"{name}/post-return", whole(lift=_POST, more=f'(func (export "post") (param i32) {plain}) {more}'),
              reason, detail),
    )  # fmt: skip


_LOOPS = (
    *_everywhere("loop", LOOP, "cpu", _CPU),
    start("loop/realloc", whole(realloc=LOOP), "cpu", _CPU),
    fails("loop/realloc/for-a-value", whole(
        f"(global.set $top (i32.const 0)) (call $random (i32.const 9) (i32.const {LIST_AT})) {NOTHING}",
        realloc=f"(if (i32.eqz (global.get $top)) (then {LOOP})) (i32.const 30000)"), "cpu", _CPU),
    # Each round is a call into the runtime, or much work, for the fuel of a few instructions.
    fails("slow/memory-grow", whole("(loop (drop (memory.grow (i32.const 100000))) (br 0)) (unreachable)"), "cpu", _CPU),
    fails("slow/memory-fill", whole(
        f"(loop (memory.fill (i32.const {FAR}) (i32.const 1) (i32.const 2000000)) (br 0)) (unreachable)",
        memory=_FAR_AWAY), "cpu", _CPU),
    fails("slow/table-grow", whole(
        "(loop (drop (table.grow $t (ref.null func) (i32.const 100000))) (br 0)) (unreachable)",
        more="(table $t 1 funcref)"), "cpu", _CPU),
)  # fmt: skip

_MEMORY = (
    of("memory/grows-to-its-limit", whole(
        f"(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) {ok()}", data="9"), "handle", _OK),
    of("memory/grows-at-once", whole(
        telling("", "(i32.add (i32.const 2) (memory.grow (i32.const 65535)))")), "handle", Answered(1)),
    fails("memory/realloc-takes-it-all", whole(
        f"(global.set $top (i32.const 0xffff0000)) (call $random (i32.const 9) (i32.const {LIST_AT})) {NOTHING}"),
        "trap"),
    start("memory/too-large-to-begin-with", whole(memory="300"), "memory", "exceeded"),
    start("memory/second", whole(parts="(core module $m (memory 1)) (core instance (instantiate $m))"), "memory"),
    # Handles of resources lie in the node's own memory.
    start("memory/handles", whole(parts="""(type $r (resource (rep i32))) (core func $new (canon resource.new $r))
        (core module $m (import "" "new" (func $new (param i32) (result i32)))
          (func $f (loop (drop (call $new (i32.const 1))) (br 0))) (start $f))
        (core instance (instantiate $m (with "" (instance (export "new" (func $new))))))"""), "trap", "handle limit"),
    start("memory/instances", whole(parts="(core module $m) " + "(core instance (instantiate $m))" * 200), "memory"),
    start("memory/tables", whole(
        parts="(core module $m (table 1 funcref)) " + "(core instance (instantiate $m))" * 11), "memory"),
    start("memory/table", whole(parts="(core module $m (table 30000 funcref)) (core instance (instantiate $m))"), "trap",
          "table limits"),
)  # fmt: skip

_TRAPS = (
    *_everywhere("deep", _RECURSE, "trap", "call stack exhausted", _DEEP),
    *_everywhere("trap", "(unreachable)", "trap", "unreachable"),
    start("deep/realloc", whole(realloc="(call 0 (local.get 0) (local.get 1) (local.get 2) (local.get 3))"), "trap",
          "call stack exhausted"),
    fails("trap/division", whole("(i32.div_u (i32.const 1) (i32.const 0))"), "trap", "divide by zero"),
    fails("trap/load", whole("(i32.load (i32.const -1))"), "trap", _BOUNDS),
    fails("trap/null", whole("(call_indirect (type $t) (i32.const 0))", more="(type $t (func (result i32))) (table 1 funcref)"),
          "trap", "uninitialized element"),
    fails("trap/host-call-in-post-return", whole(
        lift=_POST, more='(func (export "post") (param i32) (drop (call $now-ms)))'), "trap", "leave"),
)  # fmt: skip


def _flood(call: str) -> str:
    return f"(loop {call} (br 0)) (unreachable)"


_LATE = limited(time_ms=30_000)
_SHORT = limited(time_ms=300)
_ADDRESSED = record(to(9))
_FLOODS = (
    *[fails(f"flood/{name}", whole(before + _flood(call), data="neighbour"), "host-calls", manifest=_LATE,
            slow=name in ("send", "state-put/other-keys", "state-delete", "cancel-timer"))
      for name, before, call in (
        ("send", _ADDRESSED, SEND),
        ("log", "", f"(call $log (i32.const 4) (i32.const {DATA}) (i32.const 9))"),
        ("now-ms", "", "(drop (call $now-ms))"),
        ("state-put", "", f"(drop {PUT.format(0, 8, 0, 100)})"),
        ("state-put/other-keys", "", f"(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (drop {PUT.format(0, 4, 0, 100)})"),
        ("state-delete", "", "(drop (call $state-delete (i32.const 0) (i32.const 9)))"),
        ("set-timer", "", f"(call $set-timer (i64.const 3600000) (i32.const 0) (i32.const 64) (i32.const {LIST_AT}))"),
        ("cancel-timer", "", "(drop (call $cancel-timer (i32.const 7)))"),
    )],
    start("flood/init", whole(init=_flood("(drop (call $now-ms))")), "host-calls", manifest=_LATE),
    fails("flood/without-a-loop", whole("(drop (call $now-ms))" * 9_000 + NOTHING), "time", "never let go"),
    fails("flood/large-values", whole(_flood(f"(drop {PUT.format(0, 8, FAR, 1_000_000)})"), memory=_FAR_AWAY), "time",
          manifest=_SHORT),
    fails("flood/long-lines", whole(_flood(f"(call $log (i32.const 4) (i32.const {FAR}) (i32.const {15 << 20}))"), memory="256"),
          "time", manifest=_SHORT, slow=True),
    fails("flood/much-that-is-random", whole(
        _flood(f"(global.set $top (i32.const {FAR})) (call $random (i32.const 65536) (i32.const {LIST_AT}))"),
        memory=_FAR_AWAY), "time", manifest=_SHORT, slow=True),
    fails("flood/names", whole(record(listed(RECEIVERS, FAR, 10_000)) + _flood(SEND), memory=_FAR_AWAY), "time",
          manifest=_SHORT, slow=True),
    fails("flood/long-names", whole(
        f"(local $i i32) {repeated(FAR, 60, 2 * FAR, 250_000)} {record(listed(RECEIVERS, FAR, 60))} {_flood(SEND)}",
        memory=_FAR_AWAY), "time", manifest=_SHORT, slow=True),
    of("flood/fan-out", whole(telling(f"{_ADDRESSED} (loop {SEND} (br_if 0 (i32.eqz {SAID})))", SAID), data="neighbour"),
       "handle", Answered(7)),
    of("flood/itself", whole(f"{record(to(7))} {SEND} {SEND} {NOTHING}", data="hostile"), "handle", Silent()),
)  # fmt: skip


def _content(words: str) -> str:
    """Return WAT that sends a content, which is the data behind the first byte."""
    return sent(content(DATA + 9, len(words)), to(9))


def _answer(words: str) -> str:
    """Return WAT that answers with a content, which is the data."""
    return reply(content(DATA, len(words.encode()), record=OUT + 8))


_BAD = {
    "65-deep": "[" * 65 + "]" * 65,
    "cut": '{"a":',
    "two-values": '1,"performative":"cfp"',
    "closes-the-message": '1},{"a":1',
    "nothing": "",
    "word": "nul",
    "control-character": '"\x01"',
}
_HUGE = 2_500_000  # items: what wasmtime admits
_TOO_MANY = 5_000_000
_SWARM = "far more than"
_FLOOD = "are far more than any"
_VALUES = (
    *[of(f"message/sent/content/{name}", whole(_content(words), data="neighbour" + words), "handle", Answered(1))
      for name, words in _BAD.items()],
    *[fails(f"message/answered/content/{name}", whole(_answer(words), data=words or "x"), "bad-response")
      for name, words in _BAD.items()],
    of("message/sent/64-deep", whole(_content("[" * 63 + "]" * 63), data="neighbour" + "[" * 63 + "]" * 63), "handle",
       Answered(0)),
    of("message/sent/long-content", whole(sent(content(FAR, 300_000)), memory=_FAR_AWAY), "handle", Answered(6)),
    of("message/sent/receivers/1001", whole(sent(listed(RECEIVERS, FAR, 1_001)), memory=_FAR_AWAY), "handle", Answered(6)),
    of("message/sent/extras/1001", whole(sent(listed(EXTRAS, FAR, 1_001)), memory=_FAR_AWAY), "handle", Answered(6)),
    *[of(f"message/sent/extras/{name}", whole(sent(listed(LIST_AT, DATA, len(name)) + listed(LIST_AT + 8, DATA, 1)
                                                   + listed(EXTRAS, LIST_AT, 1)), data=name), "handle", Answered(1))
      for name in ("sender", "x_", "performative", "id")],
    fails("message/answered/long-content", whole(reply(content(FAR, 300_000, record=OUT + 8)), memory=_FAR_AWAY),
          "too-large"),
    fails("message/answered/receivers/1001", whole(reply(listed(OUT + 24, FAR, 1_001)), memory=_FAR_AWAY), "too-large"),
    fails("message/answered/extras/1001", whole(reply(listed(OUT + 184, FAR, 1_001)), memory=_FAR_AWAY), "too-large"),
    *[fails(f"swarm/{count}/{name}", whole(body.format(count), memory="1024"), "trap", detail,
            manifest=limited(memory="64MiB"), slow=count == _HUGE and name != "state-put/value")
      for count, detail in ((_HUGE, _SWARM), (_TOO_MANY, "too much data")) for name, body in (
        ("state-put/key", f"(drop (call $state-put (i32.const 0) (i32.const {{}}) (i32.const 0) (i32.const 0))) {NOTHING}"),
        ("state-put/value", f"(drop (call $state-put (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {{}}))) {NOTHING}"),
        ("set-timer", "(call $set-timer (i64.const 1) (i32.const 0) (i32.const {}) (i32.const 6400))" + NOTHING),
    )],
    fails("swarm/send/receivers", whole(sent(listed(RECEIVERS, FAR, 2_000_000)), memory="1024"), "trap", _SWARM,
          manifest=limited(memory="64MiB"), slow=True),
    fails("swarm/send/extras", whole(sent(listed(EXTRAS, FAR, 900_000)), memory="1024"), "trap", _SWARM,
          manifest=limited(memory="64MiB"), slow=True),
    fails("swarm/answered/receivers", whole(reply(listed(OUT + 24, FAR, 2_000_000)), memory="1024"), "trap", _SWARM,
          manifest=limited(memory="64MiB"), slow=True),
    fails("swarm/answered/extras", whole(reply(listed(OUT + 184, FAR, 900_000)), memory="1024"), "trap", _SWARM,
          manifest=limited(memory="64MiB"), slow=True),
    of("swarm/exported-state", whole(export_state=f"{number(OUT, 8, 1)} {listed(OUT + 4, 0, _HUGE)} (i32.const {OUT})",
                                     memory="200"), "export", NotPromoted("trap", _SWARM), next=whole(), slow=True),
    fails("swarm/letters/sent", whole(
        f"(local $i i32) {repeated(FAR, 70, 2 * FAR, 250_000)} {sent(listed(RECEIVERS, FAR, 70))}", memory=_FAR_AWAY),
        "trap", _FLOOD),
    fails("swarm/letters/answered", whole(
        f"(local $i i32) {repeated(FAR, 70, 2 * FAR, 250_000)} {reply(listed(OUT + 24, FAR, 70))}", memory=_FAR_AWAY),
        "trap", _FLOOD),
    fails("swarm/letters/of-a-line", whole(f"(call $log (i32.const 4) (i32.const {FAR}) (i32.const {17 << 20})) {NOTHING}",
                                           memory="300"), "trap", _FLOOD, manifest=limited(memory="32MiB")),
    fails("swarm/letters/of-an-error", whole(f"{number(OUT, 8, 1)} {listed(OUT + 4, FAR, 17 << 20)} (i32.const {OUT})",
                                             memory="300"), "trap", _FLOOD, manifest=limited(memory="32MiB")),
    of("value/over-the-quota", whole(telling("", PUT.format(0, 8, FAR, 1_100_000)), memory=_FAR_AWAY), "handle", Answered(0)),
    of("value/long-key", whole(telling("", PUT.format(0, 1_025, 0, 1))), "handle", Answered(0)),
    of("value/long-timer", whole(telling(
        f"(call $set-timer (i64.const -1) (i32.const 0) (i32.const 4097) (i32.const {ANSWER_AT}))",
        f"(i32.load8_u (i32.const {ANSWER_AT}))")), "handle", Answered(0)),
    fails("value/too-much-that-is-random", whole(f"(call $random (i32.const -1) (i32.const {LIST_AT})) {NOTHING}"), "trap",
          "65536 are allowed"),
    of("value/log-of-16-mib", whole(f"(call $log (i32.const 4) (i32.const {FAR}) (i32.const {15 << 20})) {ok()}", data="9",
                                    memory="256"), "handle", _OK),
    of("value/log-with-escapes", whole(f"(call $log (i32.const 2) (i32.const {DATA}) (i32.const 9)) {NOTHING}",
                                       data="a\x1b[2J\r\nb\0"), "handle", Logged(("a\ufffd[2J\ufffd\ufffdb\ufffd",))),
    fails("value/error-text-of-16-mib", whole(f"{number(OUT, 8, 1)} {listed(OUT + 4, FAR, 15 << 20)} (i32.const {OUT})",
                                              memory="256"), "agent-error", "handle"),
    fails("value/error-text-with-escapes", whole(failing("\x1b[2Jno"), data="\x1b[2Jno"), "agent-error", "handle: [2Jno"),
)  # fmt: skip

_LIES = (
    *[fails(f"lie/result/{name}", whole(body), "trap", detail) for name, body, detail in (
        ("at-minus-four", "(i32.const -4)", _BOUNDS),
        ("across-the-end", "(i32.const 65532)", _BOUNDS),
        ("misaligned", "(i32.const 8193)", "align"),
        ("of-no-kind", f"{number(OUT, 8, 2)} (i32.const {OUT})", "discriminant"),
        ("performative-of-no-kind", reply(number(OUT + 8, 8, 22)), "discriminant"),
        ("option-of-no-kind", reply(number(OUT + 8 + CONTENT, 8, 7)), "discriminant"),
        ("receivers-far-away", reply(listed(OUT + 24, -8, 1)), _BOUNDS),
        ("receivers-across-the-end", reply(listed(OUT + 24, 65_532, 1)), _BOUNDS),
        ("receivers-that-wrap", reply(listed(OUT + 24, 65_528, 0x20000001)), _BOUNDS),
        ("content-far-away", reply(content(-1, 2, record=OUT + 8)), _BOUNDS),
        ("content-of-4-gib", reply(content(0, -1, record=OUT + 8)), _BOUNDS),
        ("not-utf-8", reply(number(LIST_AT, 32, 0xFFFEFDFC), content(LIST_AT, 4, record=OUT + 8)), "utf-8"),
    )],
    *[fails(f"lie/argument/{name}", whole(f"{body} {NOTHING}"), "trap", detail) for name, body, detail in (
        ("message-past-the-end", "(call $send (i32.const 65536) (i32.const 4096))", _BOUNDS),
        ("answer-past-the-end", f"{record()} (call $send (i32.const {RECORD_AT}) (i32.const -1))", ""),
        ("level-of-no-kind", "(call $log (i32.const 5) (i32.const 0) (i32.const 0))", "discriminant"),
        ("line-past-the-end", "(call $log (i32.const 0) (i32.const 1) (i32.const 65536))", _BOUNDS),
        ("key-that-wraps", "(drop (call $state-delete (i32.const -1) (i32.const 2)))", _BOUNDS),
    )],
    of("lie/exported-state", whole(export_state=f"{number(OUT, 8, 1)} {listed(OUT + 4, 65_535, 2)} (i32.const {OUT})"),
       "export", NotPromoted("trap", _BOUNDS), next=whole()),
    *[start(f"lie/realloc/{name}", whole(realloc=f"(i32.const {at})"), "trap", "realloc") for name, at in (
        ("minus-one", -1), ("the-end", 65_536), ("across-the-end", 65_535), ("half-way", 0x7FFFFFFF))],
    fails("lie/realloc/misaligned", whole(realloc="(i32.const 20001)"), "trap", "realloc"),
    # Everything at one place, page 0 included: it is the guest's own memory that it spoils.
    of("lie/realloc/always-zero", whole(realloc="(i32.const 0)"), "handle", _OK),
    of("lie/realloc/over-its-result", whole(realloc=f"(i32.const {OUT})"), "handle", _OK),
    keeps("lie/realloc", _WITH_STATE, whole(
        realloc="(global.set $top (i32.add (global.get $top) (i32.const 30000))) (global.get $top)"), "trap", "realloc"),
    *[of(f"encoding/{name}", whole(f"(call $log (i32.const 4) (i32.const {FAR}) (i32.const {size})) {ok()}", data="9",
                                   memory="256", lower=f"string-encoding={name}"), "handle", _OK)
      for name, size in (("utf16", 7 << 20), ("latin1+utf16", 15 << 20))],
)  # fmt: skip

CASES: tuple[Case, ...] = (*_LOOPS, *_MEMORY, *_TRAPS, *_FLOODS, *_VALUES, *_LIES)
