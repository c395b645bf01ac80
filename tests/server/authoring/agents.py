"""An agent for tests of scripts, in WebAssembly text: it needs no compiler, and does what its message's content says.

It sends its state `n` (a digit) as what it answers, counts it up at each request, logs `counted`, and sets a timer of 5 s
at a subscribe; at the timer it sends `inform "tick"` to the API agent.
"""

from __future__ import annotations

import os
from pathlib import Path

import wasmtime

WAT = r"""
(module
  (import "caxton" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "caxton" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "caxton" "set_timer" (func $timer (param i64 i32 i32) (result i32)))
  (import "caxton" "log" (func $log (param i32 i32 i32)))
  (import "caxton" "send" (func $send (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "n")
  (data (i32.const 8) "counted")
  (data (i32.const 64) "{\"performative\":\"inform\",\"content\":{\"n\":0}}")
  (data (i32.const 128) "{\"performative\":\"inform\",\"receiver\":\"api\",\"content\":\"tick\"}")
  (func (export "caxton_alloc") (param i32) (result i32) (i32.const 4096))
  (func $has (param $at i32) (param $end i32) (param $word i64) (result i32)
    (block $no
      (loop $next
        (br_if $no (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (if (i64.eq (i64.load (local.get $at)) (local.get $word)) (then (return (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 0))
  (func (export "handle_message") (param $at i32) (param $length i32) (result i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    ;; "caxton-t": a timer
    (if (call $has (local.get $at) (local.get $end) (i64.const 0x742d6e6f74786163))
      (then (return (call $send (i32.const 128) (i32.const 59)))))
    ;; "subscrib"
    (if (call $has (local.get $at) (local.get $end) (i64.const 0x6269726373627573))
      (then
        (drop (call $timer (i64.const 5000) (i32.const 0) (i32.const 1)))
        (return (i32.const 0))))
    ;; "unreacha"
    (if (call $has (local.get $at) (local.get $end) (i64.const 0x6168636165726e75)) (then (unreachable)))
    (drop (call $get (i32.const 0) (i32.const 1) (i32.const 104) (i32.const 1)))
    (i32.store8 (i32.const 104) (i32.add (i32.load8_u (i32.const 104)) (i32.const 1)))
    (drop (call $put (i32.const 0) (i32.const 1) (i32.const 104) (i32.const 1)))
    (call $log (i32.const 2) (i32.const 8) (i32.const 7))
    (i32.store (local.get $at) (i32.const 64))
    (i32.store offset=4 (local.get $at) (i32.const 43))
    (i32.const 1)))
"""


def caches(folder: Path) -> dict[str, str]:
    """Return an environment that keeps our caches in a folder, and leaves the compiler's where it is: it is slow to fill."""
    kept = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(Path.home() / ".cache" / "zig")
    return {"XDG_CACHE_HOME": str(folder), "ZIG_GLOBAL_CACHE_DIR": kept}


def module() -> bytes:
    """Return the agent's module."""
    return bytes(wasmtime.wat2wasm(WAT))


def write(folder: Path, scripts: str) -> Path:
    """Write a project of the agent that is built already, with a source that is never compiled."""
    (folder / "tests").mkdir(parents=True)
    (folder / "build").mkdir()
    (folder / "agent.yaml").write_text("name: counter\nmodule: build/counter.wasm\n")
    (folder / "agent.c").write_text("/* The module beside it is older than this. */\n")
    (folder / "build" / "counter.wasm").write_bytes(module())
    (folder / "tests" / "some.yaml").write_text(scripts)
    return folder
