"""Components written as WAT, built when a test runs: the world's types, and core functions in a test's own words."""

from __future__ import annotations

from collections.abc import Sequence

from caxton_core.ids import ModuleDigest
from caxton_core.messages import Performative
from caxton_core.ports import Guest
from caxton_core.resources import Limits
from caxton_plugins.sandboxes.components import ComponentSandbox
from caxton_plugins.sandboxes.components.worlds import FIELDS, LEVELS, REFUSALS
from wasmtime import wat2wasm

from tests.plugins.sandboxes.guests import Host, finish

DATA = 1024
"""Where a test's own data begins in memory."""
OUT = 8192
"""Where results are written: 192 bytes of `result<option<message>, string>`."""
RECORD = 184
"""The bytes of a `message` in memory."""
HEAP = 16384
"""Where what the node gives is put, call after call."""

ACTS = sorted(Performative)
CONTENT = 32
EXTRAS = RECORD - 8


def _enum(names: Sequence[str]) -> str:
    return "(enum " + " ".join(f'"{name}"' for name in names) + ")"


def _kind(field: str) -> str:
    special = {"performative": "$act", "receivers": "(list string)", "reply-to": "(list string)",
               "extras": "(list (tuple string string))"}  # fmt: skip
    return special.get(field, "(option string)")


_FIELDS = " ".join(f'(field "{name}" {_kind(name)})' for name in FIELDS)
IMPORTS = f"""
  (import "caxton:agent/messages@1.0.0" (instance $messages
    (type $acts {_enum(ACTS)}) (export "performative" (type $act (eq $acts)))
    (type $fields (record {_FIELDS})) (export "message" (type (eq $fields)))))
  (alias export $messages "message" (type $message))
  (import "caxton:agent/node@1.0.0" (instance $node
    (alias outer 1 $message (type $given)) (export "message" (type $message (eq $given)))
    (type $refusals {_enum(REFUSALS)}) (export "refusal" (type $refusal (eq $refusals)))
    (type $levels {_enum(LEVELS)}) (export "level" (type $level (eq $levels)))
    (export "send" (func (param "message" $message) (result (result (error $refusal)))))
    (export "log" (func (param "level" $level) (param "text" string)))
    (export "now-ms" (func (result u64)))
    (export "random" (func (param "size" u32) (result (list u8))))
    (export "state-get" (func (param "key" (list u8)) (result (option (list u8)))))
    (export "state-put" (func (param "key" (list u8)) (param "value" (list u8)) (result bool)))
    (export "state-delete" (func (param "key" (list u8)) (result bool)))
    (export "set-timer" (func (param "delay-ms" u64) (param "payload" (list u8)) (result (option u32))))
    (export "cancel-timer" (func (param "timer" u32) (result bool)))))
"""

_NODE = {
    "send": "(param i32 i32)", "log": "(param i32 i32 i32)", "now-ms": "(result i64)", "random": "(param i32 i32)",
    "state-get": "(param i32 i32 i32)", "state-put": "(param i32 i32 i32 i32) (result i32)",
    "state-delete": "(param i32 i32) (result i32)", "set-timer": "(param i64 i32 i32 i32)",
    "cancel-timer": "(param i32) (result i32)",
}  # fmt: skip
_EXPORTS = {
    "init": ("(param $p i32) (param $n i32) (result i32)", '(param "config" string) (result (result (error string)))'),
    "handle": ("(param $p i32) (result i32)", '(param "message" $message) (result (result (option $message) (error string)))'),
    "drain": ("", ""),
    "export-state": ("(result i32)", "(result (option (list u8)))"),
    "import-state": ("(param $p i32) (param $n i32) (result i32)", '(param "state" (list u8)) (result (result (error string)))'),
}  # fmt: skip
NOTHING = f"(i64.store (i32.const {OUT}) (i64.const 0)) (i32.const {OUT})"
"""A result of zeroes: good, and no value."""
LOOP = "(loop (br 0)) (unreachable)"
REALLOC = """(global.set $top (i32.add (local.get $align) (i32.and (global.get $top) (i32.sub (i32.const 0) (local.get $align)))))
  (local.set $at (global.get $top))
  (global.set $top (i32.add (global.get $top) (local.get $size)))
  (loop (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
    (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable))) (br 1))))
  (local.get $at)"""


def text(at: int, words: str) -> str:
    """WAT that writes a text's address and length over eight bytes."""
    return f"(i32.store (i32.const {at}) (i32.const {DATA})) (i32.store (i32.const {at + 4}) (i32.const {len(words.encode())}))"


def reply(*stores: str) -> str:
    """WAT that answers with an inform, after further stores into the record at OUT + 8."""
    inform = ACTS.index(Performative.INFORM)
    return f"""(memory.fill (i32.const {OUT}) (i32.const 0) (i32.const 192))
      (i32.store8 (i32.const {OUT + 4}) (i32.const 1)) (i32.store8 (i32.const {OUT + 8}) (i32.const {inform}))
      {" ".join(stores)} (i32.const {OUT})"""


def saying(content: str) -> str:
    """WAT that answers with a content, which must be the data of the component."""
    return reply(
        f"(i32.store8 (i32.const {OUT + 8 + CONTENT}) (i32.const 1))",
        text(OUT + 12 + CONTENT, content),
    )


ECHO = reply(
    f"(memory.copy (i32.const {OUT + 8 + CONTENT}) (i32.add (local.get $p) (i32.const {CONTENT})) (i32.const 12))"
)
"""Answer with the content of the message."""


def failing(words: str, result: int = OUT) -> str:
    """WAT that answers with an error, whose text must be the data of the component."""
    return f"(i32.store8 (i32.const {result}) (i32.const 1)) {text(result + 4, words)} (i32.const {result})"


def component(
    handle: str = NOTHING, *, data: str = "", more: str = "", imports: str = IMPORTS, memory: str = "1",
    realloc: str = REALLOC, init: str = NOTHING, drain: str = "", export_state: str = NOTHING,
    import_state: str = NOTHING, without: str = "", parts: str = "", types: dict[str, str] | None = None,
    lift: dict[str, str] | None = None, lower: str = "",
) -> bytes:  # fmt: skip
    """Build a component whose functions have these bodies, with `more` fields of its core module and `parts` of its own.

    `lift` are further options of an exported function, `lower` of every imported one.
    """
    bodies = {"init": init, "handle": handle, "drain": drain, "export-state": export_state, "import-state": import_state}  # fmt: skip
    escaped = "".join(f"\\{byte:02x}" for byte in data.encode())
    lowered = "\n".join(
        f'(core func ${name} (canon lower (func $node "{name}") (memory $memory) (realloc $realloc) {lower}))'
        for name in _NODE
    )
    given = " ".join(f'(export "{name}" (func ${name}))' for name in _NODE)
    wanted = "\n".join(
        f'(import "node" "{name}" (func ${name} {signature}))' for name, signature in _NODE.items()
    )
    functions = "\n".join(
        f'(func (export "{name}") {_EXPORTS[name][0]} {body})' for name, body in bodies.items()
    )
    lifted = "\n".join(
        f'(func (export "{name}") {(types or {}).get(name, _EXPORTS[name][1])}'
        f' (canon lift (core func $main "{name}") (memory $memory) (realloc $realloc) {(lift or {}).get(name, "")}))'
        for name in bodies
        if name != without
    )
    wat = f"""(component {imports}
      (core module $library
        (memory (export "memory") {memory})
        (global $top (export "top") (mut i32) (i32.const {HEAP}))
        (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
          (local $at i32) {realloc}))
      (core instance $library (instantiate $library))
      (alias core export $library "memory" (core memory $memory))
      (alias core export $library "realloc" (core func $realloc))
      {lowered}
      (core module $main
        {wanted}
        (import "library" "memory" (memory 1))
        (import "library" "top" (global $top (mut i32)))
        (data (i32.const {DATA}) "{escaped}")
        {functions}
        {more})
      (core instance $main (instantiate $main (with "node" (instance {given})) (with "library" (instance $library))))
      {lifted} {parts})"""
    return bytes(wat2wasm(wat))


def opened(
    sandbox: ComponentSandbox,
    data: bytes,
    host: Host | None = None,
    *,
    limits: Limits | None = None,
) -> Guest:
    """Check and open a component that is expected to be accepted."""
    info = sandbox.check(data, "component").unwrap()
    digest = ModuleDigest(info.sha256)
    return sandbox.open(digest, "component", limits or Limits(), host or Host()).unwrap()


def started(
    sandbox: ComponentSandbox,
    data: bytes,
    host: Host | None = None,
    *,
    limits: Limits | None = None,
) -> Guest:
    """Check, open and start a component that is expected to start."""
    guest = opened(sandbox, data, host, limits=limits)
    assert finish(guest, guest.start(b"{}")) is None
    return guest
