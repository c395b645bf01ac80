"""Every kind of trap, in every call that the host makes."""

from __future__ import annotations

from tests.hostile.cases import Case, NotPromoted, Stopped, fails, silent, start
from tests.hostile.guests import END, agent, echo, init

_UNREACHABLE = "unreachable"
_BOUNDS = "out of bounds memory access"
_STATE = """(data (i32.const 0) "state")
  (func (export "caxton_export_state") (result i64) (i64.const 0x500000000))"""
_TABLE = "(type $t (func)) (type $u (func (param i32))) (func $f (nop)) (table 2 funcref) (elem (i32.const 0) $f)"

_BODIES = {
    "unreachable": ("(unreachable)", _UNREACHABLE),
    "division-by-zero": ("(i32.div_s (i32.const 1) (local.get $x))", "divide by zero"),
    "remainder-by-zero": ("(i32.rem_u (i32.const 1) (local.get $x))", "divide by zero"),
    "division-overflow": (
        "(i32.div_s (i32.const 0x80000000) (i32.sub (local.get $x) (i32.const 1)))",
        "integer overflow",
    ),
    "conversion-of-nan": (
        "(i32.trunc_f64_s (f64.div (local.get $f) (local.get $f)))",
        "invalid conversion",
    ),
    "conversion-overflow": (
        "(i32.trunc_f64_u (f64.sub (local.get $f) (f64.const 1)))",
        "integer overflow",
    ),
    "load-past-the-end": (f"(i32.load (i32.const {END}))", _BOUNDS),
    "load-across-the-end": (f"(i32.load (i32.const {END - 3}))", _BOUNDS),
    "load-at-minus-one": ("(i32.load8_u (i32.const -1))", _BOUNDS),
    "load-with-a-wrapping-offset": ("(i32.load8_u offset=4294967295 (i32.const 1))", _BOUNDS),
    "store-past-the-end": (f"(i32.store8 (i32.const {END}) (i32.const 1)) (i32.const 0)", _BOUNDS),
    "store-of-64-bits-across-the-end": (
        f"(i64.store (i32.const {END - 7}) (i64.const 1)) (i32.const 0)",
        _BOUNDS,
    ),
    "call-of-a-null": (
        "(call_indirect (type $t) (i32.const 1)) (i32.const 0)",
        "uninitialized element",
    ),
    "call-past-the-table": (
        "(call_indirect (type $t) (i32.const 2)) (i32.const 0)",
        "out of bounds",
    ),
    "call-of-another-type": (
        "(call_indirect (type $u) (i32.const 0) (i32.const 0)) (i32.const 0)",
        "indirect call type mismatch",
    ),
}


def _export(name: str, result: str = "(result i32)", parameters: str = "") -> str:
    return f'(func (export "{name}") {parameters} {result} (unreachable))'


CASES: tuple[Case, ...] = (
    *[
        fails(f"trap/{name}", agent(body, _TABLE), "trap", detail)
        for name, (body, detail) in _BODIES.items()
    ],
    fails("trap/alloc", agent(alloc="(unreachable)"), "trap", _UNREACHABLE),
    start("trap/start-function", agent(more="(func $s (unreachable)) (start $s)"), "trap", _UNREACHABLE),
    start("trap/start-function/stores-past-the-end", agent(
        more=f"(func $s (i32.store (i32.const {END}) (i32.const 1))) (start $s)"), "trap", _BOUNDS),
    start("trap/_initialize", agent(more=_export("_initialize", "")), "trap", _UNREACHABLE),
    start("trap/abi-version", agent(more=_export("caxton_abi_version")), "trap", _UNREACHABLE),
    start("trap/init", init("(unreachable)"), "trap", _UNREACHABLE),
    start("trap/init-says-no", init("(i32.const 3)"), "agent-error", "caxton_init returned 3"),
    start("trap/init-says-minus-one", init("(i32.const -1)"), "agent-error", "caxton_init returned -1"),
    start("trap/init/without-room", init("(i32.const 0)", alloc="(i32.const 0)"), "agent-error", "caxton_alloc"),
    start("trap/data-past-the-end", agent(more=f'(data (i32.const {END - 1}) "ab")'), "trap", _BOUNDS),
    start("trap/data-at-minus-one", agent(more='(data (i32.const -1) "a")'), "trap", _BOUNDS),
    start("trap/elements-past-the-table", agent(
        more="(func $f) (table 1 funcref) (elem (i32.const 1) $f)"), "trap", "out of bounds table access"),
    start("trap/abi-version-2", agent(
        more='(func (export "caxton_abi_version") (result i32) (i32.add (i32.const 1) (i32.const 1)))'),
        "agent-error", "ABI version 2"),
    Case(name="trap/drain", attacks="drain", outcome=Stopped(), module=agent(more=_export("caxton_drain"))),
    Case(name="trap/drain-says-no", attacks="drain", outcome=Stopped(), module=agent(
        more='(func (export "caxton_drain") (result i32) (i32.const -7))')),
    Case(name="trap/export-state", attacks="export", outcome=NotPromoted("trap", _UNREACHABLE), next=echo,
         module=agent(more=_export("caxton_export_state", "(result i64)"))),
    Case(name="state/past-the-end", attacks="export", outcome=NotPromoted("bad-response", "outside its memory"),
         next=echo, module=agent(more=f'(func (export "caxton_export_state") (result i64) (i64.const {END + (1 << 32)}))')),
    Case(name="state/of-4-gib", attacks="export", outcome=NotPromoted("bad-response", "outside its memory"),
         next=echo, module=agent(more='(func (export "caxton_export_state") (result i64) (i64.const -1))')),
    Case(name="trap/import-state", attacks="import", outcome=NotPromoted("trap", _UNREACHABLE),
         module=agent(more=_STATE),
         next=agent(more=_export("caxton_import_state", parameters="(param i32 i32)"))),
    Case(name="trap/import-state-says-no", attacks="import",
         outcome=NotPromoted("agent-error", "caxton_import_state returned 5"), module=agent(more=_STATE),
         next=agent(more='(func (export "caxton_import_state") (param i32 i32) (result i32) (i32.const 5))')),
    Case(name="trap/import-state/without-room", attacks="import", outcome=NotPromoted("agent-error", "caxton_alloc"),
         module=agent(more=_STATE), next=agent(
             more='(func (export "caxton_import_state") (param i32 i32) (result i32) (i32.const 5))',
             alloc="(i32.const 0)")),
    fails("error/two", agent("(i32.const 2)"), "agent-error", "handle_message returned 2"),
    fails("error/minus-one", agent("(i32.const -1)"), "agent-error", "handle_message returned -1"),
    fails("error/least-number", agent("(i32.const 0x80000000)"), "agent-error", "returned -2147483648"),
    silent("error/none", agent("(i32.const 0)")),
)  # fmt: skip
