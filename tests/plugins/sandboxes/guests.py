"""Guests written as WAT, built when a test runs, and a host that notes what they ask of it."""

from __future__ import annotations

from collections.abc import Callable

from caxton_core.ids import ModuleDigest
from caxton_core.ports import SUSPENDED, Guest, Outcome
from caxton_core.resources import Limits
from caxton_plugins.sandboxes.wasm import WasmSandbox
from wasmtime import wat2wasm

PAGE = 65_536
INBOX = PAGE
"""Where `module` keeps its inbox: the second page; the first is free for a test's data."""

IMPORTS = """
  (import "caxton" "send" (func $send (param i32 i32) (result i32)))
  (import "caxton" "log" (func $log (param i32 i32 i32)))
  (import "caxton" "now_ms" (func $now_ms (result i64)))
  (import "caxton" "random" (func $random (param i32 i32)))
  (import "caxton" "state_get" (func $state_get (param i32 i32 i32 i32) (result i32)))
  (import "caxton" "state_put" (func $state_put (param i32 i32 i32 i32) (result i32)))
  (import "caxton" "state_delete" (func $state_delete (param i32 i32) (result i32)))
  (import "caxton" "set_timer" (func $set_timer (param i64 i32 i32) (result i32)))
  (import "caxton" "cancel_timer" (func $cancel_timer (param i32) (result i32)))
"""
LOOP = "(loop (br 0)) (unreachable)"


def reply(at: int, size: int) -> str:
    """WAT that answers with bytes of the memory."""
    return (
        f"(i32.store (local.get $p) (i32.const {at}))"
        f"(i32.store offset=4 (local.get $p) (i32.const {size})) (i32.const 1)"
    )


def module(
    body: str = "(i32.const 0)",
    *,
    more: str = "",
    imports: str = IMPORTS,
    memory: str = "2",
    alloc: str = f"(i32.const {INBOX})",
) -> bytes:
    """Build a guest whose `handle_message($p, $n)` is `body`, with `more` fields of the module."""
    text = f"""(module {imports}
      (memory (export "memory") {memory})
      (func (export "caxton_alloc") (param $size i32) (result i32) {alloc})
      (func (export "handle_message") (param $p i32) (param $n i32) (result i32) {body})
      {more})"""
    return bytes(wat2wasm(text))


class Host:
    """Answers what a test sets and notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.state: dict[bytes, bytes] = {}
        self.on_send: Callable[[bytes], int] = lambda data: 0
        self.on_timer: Callable[[int, bytes], int] = lambda delay_ms, payload: 7

    def send(self, data: bytes) -> int:
        """Note a message."""
        self.calls.append(("send", data))
        return self.on_send(data)

    def log(self, level: int, text: bytes) -> None:
        """Note a line."""
        self.calls.append(("log", level, text))

    def now_ms(self) -> int:
        """Return a fixed time over 32 bits."""
        return 1_700_000_000_123

    def random(self, size: int) -> bytes:
        """Return bytes that are easy to recognise."""
        return b"r" * size

    def state_get(self, key: bytes) -> bytes | None:
        """Read."""
        return self.state.get(key)

    def state_put(self, key: bytes, value: bytes) -> int:
        """Write."""
        self.state[key] = value
        return 0

    def state_delete(self, key: bytes) -> int:
        """Remove."""
        return 0 if self.state.pop(key, None) is not None else -1

    def set_timer(self, delay_ms: int, payload: bytes) -> int:
        """Note a timer."""
        self.calls.append(("set_timer", delay_ms, payload))
        return self.on_timer(delay_ms, payload)

    def cancel_timer(self, timer: int) -> int:
        """Know only timer 7."""
        return 0 if timer == 7 else -1


def opened(
    sandbox: WasmSandbox,
    data: bytes,
    host: Host | None = None,
    *,
    profile: str = "strict",
    limits: Limits | None = None,
) -> Guest:
    """Check and open a module that is expected to be accepted."""
    info = sandbox.check(data, profile).unwrap()
    digest = ModuleDigest(info.sha256)
    return sandbox.open(digest, profile, limits or Limits(), host or Host()).unwrap()


def started(
    sandbox: WasmSandbox,
    data: bytes,
    host: Host | None = None,
    *,
    profile: str = "strict",
    limits: Limits | None = None,
) -> Guest:
    """Check, open and start a module that is expected to start."""
    guest = opened(sandbox, data, host, profile=profile, limits=limits)
    assert finish(guest, guest.start(b"{}")) is None
    return guest


def finish(guest: Guest, outcome: Outcome) -> Outcome:
    """Resume a call until it ends."""
    while outcome is SUSPENDED:
        outcome = guest.resume()
    return outcome


def handled(guest: Guest, wire: bytes = b"hello") -> Outcome:
    """Have a message handled to its end."""
    return finish(guest, guest.handle(wire))
