"""Endless loops in every entry point, and instructions that are slower than their fuel."""

from __future__ import annotations

from tests.hostile.cases import Case, NotPromoted, Stopped, fails, start
from tests.hostile.guests import LOOP, NO_IMPORTS, agent, echo, init

_CPU = "CPU time of a call"
_INIT = '(func (export "caxton_init") (param i32 i32) (result i32) (i32.const 0))'
_BULK = {"profile": "standard"}
_EXPORTS = """(data (i32.const 0) "state")
  (func (export "caxton_export_state") (result i64) (i64.const 0x500000000))"""
_IMPORT = '(func (export "caxton_import_state") (param i32 i32) (result i32) {})'

CASES: tuple[Case, ...] = (
    fails("loop/handle", agent(LOOP), "cpu", _CPU),
    fails("loop/handle/long-limit", agent(LOOP), "cpu", "300 ms",
          manifest={"limits": {"cpu_ms": 300, "time_ms": 60_000}}),
    fails("loop/handle/with-loads", agent(
        "(loop (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (br 0)) (unreachable)"
    ), "cpu", _CPU),
    fails("loop/handle/br-table", agent(
        "(loop (br_table 0 0 0 (local.get $n))) (unreachable)"), "cpu", _CPU),
    fails("loop/handle/br-if", agent(
        "(loop (br_if 0 (i32.const 1))) (i32.const 0)"), "cpu", _CPU),
    fails("loop/handle/calls", agent(
        "(loop (call $f) (br 0)) (unreachable)", "(func $f (nop))"), "cpu", _CPU),
    fails("loop/handle/indirect-calls", agent(
        "(loop (call_indirect (type $t) (i32.const 0)) (br 0)) (unreachable)",
        "(type $t (func)) (func $f (nop)) (table 1 funcref) (elem (i32.const 0) $f)"), "cpu", _CPU),
    fails("loop/handle/tree-of-calls", agent(
        "(call $f (i32.const 60))",
        """(func $f (param i32) (result i32) (if (result i32) (local.get 0)
             (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1)))))
             (else (i32.const 0))))"""), "cpu", _CPU),
    fails("loop/alloc/at-a-message", agent(alloc=LOOP), "cpu", _CPU),
    start("loop/alloc/at-init", agent(more=_INIT, alloc=LOOP), "cpu", _CPU),
    fails("loop/alloc/at-the-second-call", agent(
        more="(global $calls (mut i32) (i32.const 0))" + _INIT,
        alloc="""(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
          (loop (br_if 0 (i32.eq (global.get $calls) (i32.const 2)))) (i32.const 131072)"""),
        "cpu", _CPU, message={"content": "x" * 2000}),
    start("loop/start-function", agent(more=f"(func $s {LOOP}) (start $s)"), "cpu", _CPU),
    start("loop/_initialize", agent(more=f'(func (export "_initialize") {LOOP})'), "cpu", _CPU),
    start("loop/init", init(LOOP), "cpu", _CPU),
    start("loop/abi-version", agent(
        more=f'(func (export "caxton_abi_version") (result i32) {LOOP})'), "cpu", _CPU),
    Case(name="loop/drain", attacks="drain", outcome=Stopped(), module=agent(
        more=f'(func (export "caxton_drain") (result i32) {LOOP})')),
    Case(name="loop/export-state", attacks="export", outcome=NotPromoted("cpu", _CPU), next=echo, module=agent(
        more=f'(func (export "caxton_export_state") (result i64) {LOOP})')),
    Case(name="loop/import-state", attacks="import", outcome=NotPromoted("cpu", _CPU),
         module=agent(more=_EXPORTS), next=agent(more=_IMPORT.format(LOOP))),
    Case(name="loop/import-state/in-start", attacks="import", outcome=NotPromoted("cpu", _CPU),
         module=agent(more=_EXPORTS), next=agent(more=f"(func $s {LOOP}) (start $s)")),
    # The fuel of an instruction is one, whatever it costs.
    fails("slow/division", agent(
        """(local.set $y (i64.const 0x7fffffffffffffff))
        (loop (local.set $y (i64.div_u (i64.const -1) (i64.or (local.get $y) (i64.const 1)))) (br 0)) (unreachable)"""
    ), "cpu", _CPU),
    fails("slow/square-root", agent(
        """(local.set $f (f64.const 4.9e-324))
        (loop (local.set $f (f64.sqrt (f64.sqrt (f64.mul (local.get $f) (f64.const 1e-300))))) (br 0)) (unreachable)"""
    ), "cpu", _CPU),
    fails("slow/cache-misses", agent(
        """(loop
          (local.set $at (i32.add (i32.mul (local.get $at) (i32.const 1664525)) (i32.const 1013904223)))
          (local.set $x (i32.load (i32.and (i32.add (local.get $at) (local.get $x)) (i32.const 0xfffffc))))
          (br 0)) (unreachable)""", memory="256 256"), "cpu", _CPU),
    fails("slow/memory-fill", agent(
        "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br 0)) (unreachable)",
        memory="256 256"), "cpu", _CPU, manifest=_BULK),
    fails("slow/memory-copy", agent(
        "(loop (memory.copy (i32.const 0) (i32.const 8388608) (i32.const 8388608)) (br 0)) (unreachable)",
        memory="256 256"), "cpu", _CPU, manifest=_BULK),
    fails("slow/table-fill", agent(
        "(loop (table.fill $t (i32.const 0) (ref.null func) (i32.const 10000)) (br 0)) (unreachable)",
        "(table $t 10000 funcref)"), "cpu", _CPU, manifest=_BULK),
    fails("slow/table-copy", agent(
        "(loop (table.copy $t $t (i32.const 0) (i32.const 5000) (i32.const 5000)) (br 0)) (unreachable)",
        "(table $t 10000 funcref)"), "cpu", _CPU, manifest=_BULK),
    fails("slow/straight-on", agent(
        "(loop " + "(local.set $x (i32.add (local.get $x) (i32.const 3)))" * 5_000 + "(br 0)) (unreachable)"
    ), "cpu", _CPU),
    fails("loop/no-imports", agent(LOOP, imports=NO_IMPORTS, library=False), "cpu", _CPU),
)  # fmt: skip
