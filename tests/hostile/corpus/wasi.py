"""The stub of WASI: lying vectors, exits in the middle, and a machine that is not there."""

from __future__ import annotations

from tests.hostile.cases import Case, Ended, Logged, answers, fails, start
from tests.hostile.guests import END, agent, data, init, said, telling

_WASI = {
    "fd_write": "(param i32 i32 i32 i32) (result i32)",
    "fd_read": "(param i32 i32 i32 i32) (result i32)",
    "fd_close": "(param i32) (result i32)",
    "fd_prestat_get": "(param i32 i32) (result i32)",
    "path_open": "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
    "proc_exit": "(param i32)",
    "environ_sizes_get": "(param i32 i32) (result i32)",
    "environ_get": "(param i32 i32) (result i32)",
    "args_sizes_get": "(param i32 i32) (result i32)",
    "clock_time_get": "(param i32 i64 i32) (result i32)",
    "random_get": "(param i32 i32) (result i32)",
    "sock_send": "(param i32 i32 i32 i32 i32) (result i32)",
    "poll_oneoff": "(param i32 i32 i32 i32) (result i32)",
}
_IMPORTS = (
    "".join(
        f'(import "wasi_snapshot_preview1" "{name}" (func ${name} {kind}))'
        for name, kind in _WASI.items()
    )
    + '(import "caxton" "now_ms" (func $now_ms (result i64)))'
)
_OUTSIDE = "outside the memory"


def _vectors(*pairs: tuple[int, int]) -> str:
    """Return a data segment at 0 with addresses and lengths."""
    return data(
        0,
        b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for pair in pairs for number in pair),
    )


def _write(count: int = 1, *, at: int = 0, out: int = 512, descriptor: int = 1) -> str:
    return f"(call $fd_write (i32.const {descriptor}) (i32.const {at}) (i32.const {count}) (i32.const {out}))"


def _told(name: str, call: str, more: str, result: int) -> Case:
    return answers(f"wasi/{name}", telling(call, more, imports=_IMPORTS), said(result))


def _traps(name: str, call: str, more: str = "", detail: str = _OUTSIDE) -> Case:
    return fails(f"wasi/{name}", telling(call, more, imports=_IMPORTS), "trap", detail)


CASES: tuple[Case, ...] = (
    _told("write/nothing", _write(0), "", 0),
    _told("write/a-line", _write(), _vectors((16, 3)) + data(16, b"abc"), 0),
    _traps("write/past-the-end", _write(), _vectors((END - 2, 3))),
    _traps("write/of-4-gib", _write(), _vectors((0, -1))),
    _traps("write/wraps", _write(), _vectors((-8, 16))),
    _traps("write/second-piece-is-outside", _write(2), _vectors((16, 3), (END, 1))),
    _traps("write/vector-past-the-end", _write(1, at=END - 7)),
    _traps("write/vector-at-minus-one", _write(1, at=-1)),
    _traps("write/result-past-the-end", _write(1, out=END - 3), _vectors((16, 3))),
    _traps("write/65-pieces", _write(65), detail="65 pieces"),
    _traps("write/4-billion-pieces", _write(-1), detail="4294967295 pieces"),
    _told("write/64-times-the-memory", _write(64), _vectors(*[(0, END)] * 64), 0),
    _told("write/to-stdin", _write(descriptor=0), _vectors((16, 3)), 8),
    _told("write/to-a-file", _write(descriptor=3), _vectors((16, 3)), 8),
    _told("write/to-minus-one", _write(descriptor=-1), _vectors((16, 3)), 8),
    Case(name="wasi/write/terminal-escapes", attacks="handle", outcome=Logged(("\N{REPLACEMENT CHARACTER}[2J",)),
         module=agent(f"(drop {_write()}) (i32.const 0)", _vectors((16, 5)) + data(16, b"\x1b[2J\n"), imports=_IMPORTS)),
    fails("wasi/write/flood", agent(f"(loop (drop {_write()}) (br 0)) (unreachable)", _vectors((16, 3)), imports=_IMPORTS),
          "host-calls", manifest={"limits": {"time_ms": 30_000}}),
    _told("read", "(call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 512))", "", 58),
    _told("close", "(call $fd_close (i32.const 1))", "", 58),
    _told("open", "(call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)"
          " (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0))", "", 58),
    _told("folder", "(call $fd_prestat_get (i32.const 3) (i32.const 0))", "", 8),
    _told("socket", "(call $sock_send (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))", "", 58),
    _told("sleep", "(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))", "", 58),
    _told("environ", "(block (result i32) (i32.store (i32.const 0) (i32.const 7))"
          " (drop (call $environ_sizes_get (i32.const 0) (i32.const 4))) (i32.load (i32.const 0)))", "", 0),
    _traps("environ/past-the-end", f"(call $environ_sizes_get (i32.const {END - 3}) (i32.const 0))"),
    _told("environ/get", "(call $environ_get (i32.const 0) (i32.const 0))", "", 0),
    _traps("arguments/past-the-end", f"(call $args_sizes_get (i32.const 0) (i32.const {END}))"),
    _traps("clock/past-the-end", f"(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const {END - 7}))"),
    _told("clock/is-the-steps", "(block (result i32) (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0)))"
          " (i64.eq (i64.load (i32.const 0)) (i64.mul (call $now_ms) (i64.const 1000000))))", "", 1),
    _traps("random/past-the-end", f"(call $random_get (i32.const {END}) (i32.const 1))"),
    _traps("random/wraps", "(call $random_get (i32.const -8) (i32.const 16))"),
    _traps("random/of-4-gib", "(call $random_get (i32.const 0) (i32.const -1))"),
    Case(name="wasi/exit/0", attacks="handle", outcome=Ended(),
         module=agent("(call $proc_exit (i32.const 0)) (i32.const 0)", imports=_IMPORTS)),
    fails("wasi/exit/behind-other-calls", agent(
        f"(drop {_write()}) (call $proc_exit (i32.const -1)) (loop (br 0)) (unreachable)", _vectors((16, 3)),
        imports=_IMPORTS), "trap", "the agent exited with code 4294967295"),
    start("wasi/exit/at-init", init("(call $proc_exit (i32.const 1)) (i32.const 0)", imports=_IMPORTS), "trap",
          "the agent exited with code 1"),
)  # fmt: skip
