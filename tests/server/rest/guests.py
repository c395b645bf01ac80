"""Guests for the tests, written in WAT straight from the ABI."""

from __future__ import annotations

import wasmtime

_HEAD = """(module
  (import "caxton" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "{}")
  (func (export "caxton_alloc") (param i32) (result i32) (i32.const 2048))
  (func (export "handle_message") (param $at i32) (param $size i32) (result i32)
"""


def answering(response: str, *, log: str = "") -> bytes:
    """Return a guest that logs a text and answers every message with these bytes."""
    escaped = "".join(f"\\{byte:02x}" for byte in (log + response).encode())
    body = f"""
    (call $log (i32.const 2) (i32.const 16) (i32.const {len(log.encode())}))
    (i32.store (local.get $at) (i32.const {16 + len(log.encode())}))
    (i32.store offset=4 (local.get $at) (i32.const {len(response.encode())}))
    (i32.const 1)))"""
    return bytes(wasmtime.wat2wasm(_HEAD.replace("{}", escaped) + body))


def trapping() -> bytes:
    """Return a guest that traps at every message."""
    return bytes(wasmtime.wat2wasm(_HEAD.replace("{}", "") + "(unreachable)))"))


def silent() -> bytes:
    """Return a guest that answers nothing."""
    return bytes(wasmtime.wat2wasm(_HEAD.replace("{}", "") + "(i32.const 0)))"))
