"""Hostile guests as text: an agent that is whole but for the one thing it does wrong.

Page 0 is a case's own, page 1 holds the texts of `$say`, the inbox is page 2 and grows no further.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wasmtime import wat2wasm

from tests.e2e import wat
from tests.e2e.wat import IMPORTS, LIBRARY, PAGE

INBOX = 2 * PAGE
PAGES = 4
END = PAGES * PAGE
"""One past the last byte of the memory."""
LOOP = "(loop (br 0)) (unreachable)"
OK = '{"performative":"inform","content":"ok"}'
OK_AT = 60_000
NO_IMPORTS = ""


def agent(
    body: str = "(i32.const 0)",
    more: str = "",
    *,
    imports: str = IMPORTS,
    memory: str = str(PAGES),
    alloc: str = f"(i32.const {INBOX})",
    library: bool = True,
    handle: str = "handle_message",
) -> Callable[[], bytes]:
    """Return a maker of a guest whose `handle_message($p, $n)` is `body`, with `more` fields of the module."""
    text = f"""(module {imports}
      (memory (export "memory") {memory})
      (func (export "caxton_alloc") (param $size i32) (result i32) {alloc})
      (func $handle (export "{handle}") (param $p i32) (param $n i32) (result i32)
        (local $i i32) (local $at i32) (local $x i32) (local $y i64) (local $f f64) {body})
      {LIBRARY if library else ""} {more})"""
    return lambda: bytes(wat2wasm(text))


def init(body: str, more: str = "", **options: Any) -> Callable[[], bytes]:
    """Return a maker of a guest whose `caxton_init($p, $n)` is `body`."""
    field = f'(func (export "caxton_init") (param $p i32) (param $n i32) (result i32) {body})'
    return agent("(i32.const 0)", field + more, **options)


def data(at: int, value: bytes) -> str:
    """Return a data segment."""
    return f"(data (i32.const {at}) {literal(value)})"


def literal(value: bytes) -> str:
    """Return bytes as a WAT string literal."""
    return '"' + "".join(f"\\{byte:02x}" for byte in value) + '"'


def telling(call: str, more: str = "", **options: Any) -> Callable[[], bytes]:
    """Return a maker of a guest that answers with the number an expression gives."""
    return agent(f"(call $say (local.get $p) {call})", more, **options)


def said(number: int) -> str:
    """Return what `telling` answers with for a number."""
    return f"{'-' if number < 0 else '+'}{abs(number):011d}"


def _placed(value: bytes) -> tuple[int, dict[str, Any]]:
    """Return where bytes go, and the memory that takes: page 0 is small, and page 1 has texts."""
    if len(value) < OK_AT:
        return 0, {}
    return END, {"memory": str(PAGES + 1 + len(value) // PAGE)}


def responding(response: bytes, **options: Any) -> Callable[[], bytes]:
    """Return a maker of a guest that answers with these bytes, whatever they are."""
    at, memory = _placed(response)
    body = f"(call $respond (local.get $p) (i32.const {at}) (i32.const {len(response)}))"
    return agent(body, data(at, response), **memory, **options)


def sending(message: bytes, **options: Any) -> Callable[[], bytes]:
    """Return a maker of a guest that sends these bytes, and answers with what `send` returned."""
    at, memory = _placed(message)
    call = f"(call $send (i32.const {at}) (i32.const {len(message)}))"
    return telling(call, data(at, message), **memory, **options)


def inform(content: Any = "x", /, **fields: Any) -> bytes:
    """Encode a message as a guest would."""
    return json.dumps({"performative": "inform", "content": content, **fields}).encode()


def ok_after(calls: str, more: str = "", **options: Any) -> Callable[[], bytes]:
    """Return a maker of a guest that answers `ok` behind some calls."""
    body = f"{calls} (call $respond (local.get $p) (i32.const {OK_AT}) (i32.const {len(OK)}))"
    return agent(body, data(OK_AT, OK.encode()) + more, **options)


echo = wat.echo
