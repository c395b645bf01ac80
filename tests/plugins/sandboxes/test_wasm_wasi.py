"""The WASI stub: what compilers link in works, and nothing reaches the machine."""

from __future__ import annotations

import pytest
from caxton_core.ports import EXIT, Fault
from caxton_plugins.sandboxes.wasm import WasmSandbox
from caxton_plugins.sandboxes.wasm.wasi import WASI

from tests.plugins.sandboxes.guests import Host, handled, module, reply, started

WASM_NAMES = {"i": "i32", "I": "i64"}


def importing(name: str) -> str:
    """Return the import of a WASI function under its own name."""
    parameters, result, _ = WASI[name]
    kinds = " ".join(WASM_NAMES[kind] for kind in parameters)
    results = " ".join(WASM_NAMES[kind] for kind in result)
    return (
        f'(import "wasi_snapshot_preview1" "{name}"'
        f" (func ${name} (param {kinds}) (result {results})))"
    )


def code(name: str, *arguments: int) -> str:
    """Return WAT that calls a function and answers with its code and what it wrote from 64 on."""
    parameters, _, _ = WASI[name]
    given = " ".join(
        f"({WASM_NAMES[kind]}.const {value})"
        for kind, value in zip(parameters, arguments, strict=True)
    )
    return f"(i32.store (i32.const 60) (call ${name} {given})) {reply(60, 12)}"


def ask(
    sandbox: WasmSandbox, name: str, *arguments: int, host: Host | None = None
) -> tuple[int, bytes]:
    """Call a function once: its error number and the 8 bytes at 64."""
    data = module(
        code(name, *arguments),
        imports=importing(name),
        more='(data (i32.const 0) "\\20\\00\\00\\00\\03\\00\\00\\00\\23\\00\\00\\00\\02\\00\\00\\00")'
        '(data (i32.const 32) "hell\\0a")',
    )
    answer = handled(started(sandbox, data, host))
    assert isinstance(answer, bytes), answer
    return int.from_bytes(answer[:4], "little"), answer[4:]


def test_output_goes_to_the_log(sandbox: WasmSandbox) -> None:
    """What is written to stdout and stderr at once is one line of the log, without its end."""
    for descriptor, level in ((1, 2), (2, 3)):
        host = Host()
        error, written = ask(sandbox, "fd_write", descriptor, 0, 2, 64, host=host)
        assert (error, written[:4]) == (0, (5).to_bytes(4, "little"))
        assert host.calls == [("log", level, b"hell")]


def test_there_are_no_other_files(sandbox: WasmSandbox) -> None:
    """Other descriptors are not open, and no folder is there from the start."""
    assert ask(sandbox, "fd_write", 3, 0, 2, 64)[0] == 8
    assert ask(sandbox, "fd_prestat_get", 3, 64)[0] == 8
    assert ask(sandbox, "path_open", 3, 0, 0, 1, 0, 0, 0, 0, 64)[0] == 58


def test_clock_and_randomness_are_the_hosts(sandbox: WasmSandbox) -> None:
    """Time is the step's, in nanoseconds; random bytes are the step's."""
    nanoseconds = Host().now_ms() * 1_000_000
    assert ask(sandbox, "clock_time_get", 0, 1, 64) == (0, nanoseconds.to_bytes(8, "little"))
    assert ask(sandbox, "clock_res_get", 0, 64)[0] == 0
    assert ask(sandbox, "random_get", 64, 8) == (0, b"rrrrrrrr")


def test_there_are_no_arguments_and_no_environment(sandbox: WasmSandbox) -> None:
    """Their counts and sizes are 0, which lets libc start."""
    for name in ("args_sizes_get", "environ_sizes_get"):
        assert ask(sandbox, name, 64, 68) == (0, bytes(8))
    for name in ("args_get", "environ_get"):
        assert ask(sandbox, name, 64, 68)[0] == 0


def test_exit_ends_the_call(sandbox: WasmSandbox) -> None:
    """`proc_exit` is a trap that says so."""
    data = module("(call $proc_exit (i32.const 3)) (i32.const 0)", imports=importing("proc_exit"))
    guest = started(sandbox, data)
    assert handled(guest) == Fault("trap", "proc_exit: the agent exited with code 3")
    assert not guest.alive


def test_exit_without_an_error_is_an_orderly_end(sandbox: WasmSandbox) -> None:
    """The instance is over all the same, and says why."""
    data = module("(call $proc_exit (i32.const 0)) (i32.const 0)", imports=importing("proc_exit"))
    guest = started(sandbox, data)
    assert handled(guest) == Fault(EXIT, "the agent ended itself")
    assert not guest.alive


@pytest.mark.parametrize("name", sorted(name for name in WASI if name != "proc_exit"))
def test_lies_in_any_function_are_contained(sandbox: WasmSandbox, name: str) -> None:
    """All-ones arguments to any function give an error number or a trap that names it."""
    parameters, _, _ = WASI[name]
    given = " ".join(f"({WASM_NAMES[kind]}.const -1)" for kind in parameters)
    guest = started(
        sandbox, module(f"(drop (call ${name} {given})) (i32.const 0)", imports=importing(name))
    )
    outcome = handled(guest)
    assert outcome is None or (isinstance(outcome, Fault) and outcome.detail.startswith(name))


@pytest.mark.parametrize(("table", "count"), [(131_072, 1), (131_065, 1), (0, 65), (0, -1)])
def test_lying_tables_of_pieces_are_a_trap(sandbox: WasmSandbox, table: int, count: int) -> None:
    """The table of what to write must be in the memory, and short."""
    body = f"(drop (call $fd_write (i32.const 1) (i32.const {table}) (i32.const {count}) (i32.const 64))) (i32.const 0)"
    outcome = handled(started(sandbox, module(body, imports=importing("fd_write"))))
    assert isinstance(outcome, Fault)
    assert outcome.reason == "trap"
