"""What WebAssembly has beyond what a profile admits, exports of other types, imports that are not there."""

from __future__ import annotations

from collections.abc import Callable

from wasmtime import wat2wasm

from tests.hostile.binaries import IMPORT, TABLE, TYPE, module, name, raw, section, vector
from tests.hostile.cases import Case, load
from tests.hostile.guests import INBOX, agent

_STANDARD = {"profile": "standard"}
# Refused in both profiles: the field, and what `handle_message` does with it.
_NEVER = {
    "threads": ('(memory $m 1 1 shared) (export "shared" (memory $m))', "(i32.const 0)"),
    "atomics": ("", "(i32.atomic.load (i32.const 0))"),
    "simd": ("", "(i32x4.extract_lane 0 (v128.const i32x4 1 2 3 4))"),
    "relaxed-simd": (
        "",
        "(i32x4.extract_lane 0 (i8x16.relaxed_swizzle (v128.const i32x4 1 2 3 4) (v128.const i32x4 0 0 0 0)))",
    ),
    "multi-memory": ("(memory $other 1)", "(i32.const 0)"),
    "memory64": ("(memory $other i64 1)", "(i32.const 0)"),
    "tail-call": ("", "(return_call $handle (local.get $p) (local.get $n))"),
    "exceptions": ("(tag $e)", "(throw $e)"),
    "gc": ("(type $s (struct (field i32)))", "(drop (struct.new_default $s)) (i32.const 0)"),
    "gc/arrays": (
        "(type $a (array (mut i8)))",
        "(drop (array.new_default $a (i32.const 1000000000))) (i32.const 0)",
    ),
    "function-references": ("(type $f (func))", "(drop (ref.null $f)) (i32.const 0)"),
    "i31": ("", "(drop (ref.i31 (i32.const 1))) (i32.const 0)"),
    "wide-arithmetic": (
        "",
        "(i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)) (drop) (drop) (i32.const 0)",
    ),
    "custom-page-sizes": ("(memory $other 1 (pagesize 1))", "(i32.const 0)"),
    "extended-constants-of-simd": ("(global v128 (v128.const i32x4 1 2 3 4))", "(i32.const 0)"),
}
# Refused in `strict` alone.
_STRICT = {
    "bulk-memory": ("", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 1)) (i32.const 0)"),
    "passive-data": ('(data $d "abc")', "(data.drop $d) (i32.const 0)"),
    "reference-types": ("(table $t 1 externref)", "(i32.const 0)"),
    "table-grow": (
        "(table $t 1 funcref)",
        "(table.grow $t (ref.null func) (i32.const 1))",
    ),
    "multi-value": (
        "(func $two (result i32 i32) (i32.const 0) (i32.const 0))",
        "(call $two) (drop)",
    ),
}
_TYPES = {
    "caxton_alloc": f'(func (export "caxton_alloc") (param i64) (result i32) (i32.const {INBOX}))',
    "caxton_init": '(func (export "caxton_init") (param i32 i32) (result i64) (i64.const 0))',
    "caxton_drain": '(func (export "caxton_drain") (param i32) (result i32) (i32.const 0))',
    "caxton_export_state": '(func (export "caxton_export_state") (result i32) (i32.const 0))',
    "caxton_import_state": '(func (export "caxton_import_state") (param i64) (result i32) (i32.const 0))',
    "caxton_abi_version": '(func (export "caxton_abi_version") (result f64) (f64.const 1))',
    "_initialize": '(func (export "_initialize") (result i32) (i32.const 0))',
}
_IMPORTED = {
    "env.abort": ('(import "env" "abort" (func))', "env.abort"),
    "caxton.exec": ('(import "caxton" "exec" (func (param i32)))', "caxton.exec"),
    "no-name": ('(import "" "" (func))', "imports ."),
    "upper-case": ('(import "CAXTON" "send" (func (param i32 i32) (result i32)))', "CAXTON.send"),
    "wasi-preview-2": (
        '(import "wasi:cli/environment@0.2.0" "get-environment" (func (param i32)))',
        "wasi:cli",
    ),
    "wasi-unknown": ('(import "wasi_snapshot_preview1" "fd_explode" (func))', "fd_explode"),
    "wasi-unstable": ('(import "wasi_unstable" "proc_exit" (func (param i32)))', "wasi_unstable"),
    "send-takes-one": (
        '(import "caxton" "send" (func (param i32) (result i32)))',
        "imports caxton.send as (i32)",
    ),
    "send-gives-nothing": (
        '(import "caxton" "send" (func (param i32 i32)))',
        "it is (i32, i32) -> (i32)",
    ),
    "now-gives-i32": ('(import "caxton" "now_ms" (func (result i32)))', "it is () -> (i64)"),
    "a-global": ('(import "caxton" "send" (global i32))', "imports the global"),
    "a-memory": ('(import "caxton" "memory" (memory 1))', "imports the memory"),
    "a-table": ('(import "caxton" "table" (table 1 funcref))', "imports the table"),
}


def _other(field: str) -> Callable[[], bytes]:
    """Return a maker of a guest whose `caxton_alloc` is another one."""
    text = f"""(module (memory (export "memory") 4) {field}
      (func (export "handle_message") (param i32 i32) (result i32) (i32.const 0)))"""
    return lambda: bytes(wat2wasm(text))


CASES: tuple[Case, ...] = (
    *[
        load(f"feature/{name}/{profile}", agent(body, field), "", manifest={"profile": profile})
        for name, (field, body) in _NEVER.items()
        for profile in ("strict", "standard")
    ],
    *[load(f"feature/{name}/strict", agent(body, field), "") for name, (field, body) in _STRICT.items()],
    load("feature/unknown-profile", agent(), "no sandbox runs", manifest={"profile": "lax"}),
    *[
        load(f"export-type/{name}", agent(more=field, library=False) if name != "caxton_alloc" else
             _other(field), f"its export {name} is not of type")
        for name, field in _TYPES.items()
    ],
    load("export-type/handle_message", agent(more="(export \"handle_message_\" (func $handle))", handle="other"),
         "it does not export handle_message"),
    load("export-type/abi-version-2", agent(more='(func (export "caxton_abi_version") (result i32) (i32.const 2))'),
         "ABI version 2"),
    *[load(f"import/{name}", agent(imports=field, library=False), detail) for name, (field, detail) in _IMPORTED.items()],
    load("import/invalid-utf-8", raw(section(TYPE, b"\1\x60\0\0"), section(IMPORT, b"\1\2\xff\xfe\1a\0\0")), "not UTF-8"),
    load("import/terminal-escapes", raw(section(TYPE, b"\1\x60\0\0"), section(
        IMPORT, vector([name("\x1b[2J") + name("a") + b"\0\0"]))), "can't be printed"),
    load("import/unknown-type", raw(section(TYPE, b"\1\x60\0\0"), section(
        IMPORT, vector([name("caxton") + name("send") + b"\0\x09"]))), "unknown type"),
    load("import/a-tag", raw(section(TYPE, b"\1\x60\0\0"), section(
        IMPORT, vector([name("caxton") + name("send") + b"\4\0\0"]))), "kind 4"),
    load("export-type/memory-is-a-table", module(
        before_memory=section(TABLE, b"\1\x70\0\1"), memory=b"\1\0"), "does not export its memory"),
)  # fmt: skip
