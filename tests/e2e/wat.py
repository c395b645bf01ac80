"""Guests in WAT, written from contract.md section 1 alone and built when a test runs.

Every guest has the same memory: page 0 is the test's, page 1 a desk for texts, the inbox begins at page 2.
"""

from __future__ import annotations

from wasmtime import wat2wasm

PAGE = 65_536
DESK = PAGE
INBOX = 2 * PAGE
PAGES = 10

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

LIBRARY = r"""
  (data (i32.const 65536) "{\"performative\":\"inform\",\"content\":\"")
  (data (i32.const 65700) "\"content\":")
  (data (i32.const 65720) "\"performative\":\"")
  ;; $respond: say that the response is these bytes.
  (func $respond (param $p i32) (param $at i32) (param $size i32) (result i32)
    (i32.store (local.get $p) (local.get $at))
    (i32.store offset=4 (local.get $p) (local.get $size))
    (i32.const 1))
  ;; $say: respond with an inform whose content is a number as text.
  (func $say (param $p i32) (param $value i32) (result i32)
    (local $at i32) (local $left i32)
    (local.set $at (i32.const 65584))
    (local.set $left (local.get $value))
    (i32.store8 (i32.const 65572) (i32.const 43))
    (if (i32.lt_s (local.get $value) (i32.const 0)) (then
      (i32.store8 (i32.const 65572) (i32.const 45))
      (local.set $left (i32.sub (i32.const 0) (local.get $value)))))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $left) (i32.const 10))))
      (local.set $left (i32.div_u (local.get $left) (i32.const 10)))
      (br_if $digit (i32.gt_u (local.get $at) (i32.const 65573))))
    (i32.store16 (i32.const 65584) (i32.const 0x7d22))
    (call $respond (local.get $p) (i32.const 65536) (i32.const 50)))
  ;; $find: the address behind a text in the message, 0 when it is not there.
  (func $find (param $p i32) (param $n i32) (param $text i32) (param $size i32) (result i32)
    (local $i i32) (local $end i32)
    (local.set $end (i32.add (local.get $p) (local.get $n)))
    (loop $next
      (if (i32.gt_u (i32.add (local.get $p) (local.get $size)) (local.get $end)) (then (return (i32.const 0))))
      (local.set $i (i32.const 0))
      (block $differs
        (loop $same
          (br_if $differs (i32.ne
            (i32.load8_u (i32.add (local.get $p) (local.get $i)))
            (i32.load8_u (i32.add (local.get $text) (local.get $i)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $same (i32.lt_u (local.get $i) (local.get $size))))
        (return (i32.add (local.get $p) (local.get $size))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $next))
    (unreachable))
  ;; $content: the address of the content; for text that of the opening quote.
  (func $content (param $p i32) (param $n i32) (result i32)
    (call $find (local.get $p) (local.get $n) (i32.const 65700) (i32.const 10)))
  ;; $act: the first four letters of the performative.
  (func $act (param $p i32) (param $n i32) (result i32)
    (i32.load (call $find (local.get $p) (local.get $n) (i32.const 65720) (i32.const 16))))
  ;; $length: how long the JSON value at an address is; its texts must not hold brackets or escaped quotes.
  (func $length (param $at i32) (result i32)
    (local $i i32) (local $c i32) (local $depth i32)
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 34)) (then
      (local.set $i (i32.const 1))
      (loop $letter
        (local.set $c (i32.load8_u (i32.add (local.get $at) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $letter (i32.ne (local.get $c) (i32.const 34))))
      (return (local.get $i))))
    (loop $next
      (local.set $c (i32.or (i32.load8_u (i32.add (local.get $at) (local.get $i))) (i32.const 32)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.eq (local.get $c) (i32.const 123)) (then (local.set $depth (i32.add (local.get $depth) (i32.const 1)))))
      (if (i32.eq (local.get $c) (i32.const 125)) (then (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))))
      (br_if $next (local.get $depth)))
    (local.get $i))
"""


def guest(
    body: str = "(i32.const 0)", more: str = "", *, imports: str = IMPORTS, pages: int = PAGES
) -> bytes:
    """Build a guest whose `handle_message($p, $n)` is `body`, with `more` fields of the module."""
    return bytes(
        wat2wasm(f"""(module {imports}
      (memory (export "memory") {pages})
      (func (export "caxton_alloc") (param $size i32) (result i32)
        (if (result i32) (i32.gt_u (local.get $size) (i32.sub (i32.mul (memory.size) (i32.const {PAGE})) (i32.const {INBOX})))
          (then (i32.const 0)) (else (i32.const {INBOX}))))
      (func (export "handle_message") (param $p i32) (param $n i32) (result i32)
        (local $i i32) (local $at i32) (local $x i32)
        {body})
      {LIBRARY} {more})""")
    )


def text(value: str) -> str:
    """Return a text as a WAT string literal."""
    return '"' + "".join(f"\\{byte:02x}" for byte in value.encode()) + '"'


def saying(response: str) -> str:
    """Body and data of a guest that always gives the same response."""
    size = len(response.encode())
    return f"(call $respond (local.get $p) (i32.const 0) (i32.const {size}))"


def fixed(response: str) -> bytes:
    """Return a guest that always gives the same response."""
    return guest(saying(response), f"(data (i32.const 0) {text(response)})")


ECHO = '{"performative":"inform","content":"here"}'
REQUEST = int.from_bytes(b"requ", "little")
ASKED = f"(i32.eq (call $act (local.get $p) (local.get $n)) (i32.const {REQUEST}))"
"""Condition: the message is a request."""


def echo() -> bytes:
    """Return a guest that answers requests, and only these: what answers everything may never end."""
    return guest(
        f"(if {ASKED} (then (return {saying(ECHO)}))) (i32.const 0)",
        f"(data (i32.const 0) {text(ECHO)})",
    )


AT = "(local.set $at (call $content (local.get $p) (local.get $n)))"
LENGTH = "(call $length (local.get $at))"

RELAY = f"{AT} (call $say (local.get $p) (call $send (local.get $at) {LENGTH}))"
"""Body: send what the content is, and respond with what `send` returned."""

PARROT = f"{AT} (call $respond (local.get $p) (local.get $at) {LENGTH})"
"""Body: respond with what the content is."""


def telling(call: str) -> str:
    """Body: respond with the number that an expression gives."""
    return f"(call $say (local.get $p) {call})"
