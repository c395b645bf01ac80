"""What the section walk refuses, and what it makes of a good module."""

from __future__ import annotations

import random

import pytest
from caxton_core.errors import InvalidModule
from caxton_plugins.sandboxes.compilation.surveys import Survey
from caxton_plugins.sandboxes.wasm import WasmSandbox
from caxton_plugins.sandboxes.wasm.known import IMPORTS as KNOWN
from caxton_plugins.sandboxes.wasm.modules import survey
from returns.result import Failure, Success
from wasmtime import wat2wasm

from tests.plugins.sandboxes.guests import IMPORTS, module

MAGIC = b"\0asm\1\0\0\0"


def refusal(data: bytes) -> str:
    """Return why a module is refused."""
    return survey(data, KNOWN).failure().detail


def leb(number: int) -> bytes:
    """Encode an unsigned number."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(number: int, body: bytes) -> bytes:
    """Encode a section."""
    return bytes([number]) + leb(len(body)) + body


def with_code(function: bytes, count: int = 1) -> bytes:
    """Build a module of functions of one type, each with this locals-and-code."""
    return (
        MAGIC
        + section(1, b"\1\x60\0\0")
        + section(3, leb(count) + bytes(count))
        + section(10, leb(count) + (leb(len(function)) + function) * count)
    )


def test_a_good_module_is_described() -> None:
    """The survey names exports, imports and the memory."""
    data = module(imports='(import "caxton" "send" (func (param i32 i32) (result i32)))')
    assert survey(data, KNOWN) == Success(
        Survey(
            exports=("memory", "caxton_alloc", "handle_message"),
            imports=("caxton.send",),
            memory_minimum=2 * 65_536,
            grows=False,
            functions=3,
        )
    )


@pytest.mark.parametrize(
    "data", [b"", b"\0as", b"(module)", b"#!/bin/sh\n", b"\x7fELF" + bytes(60)]
)
def test_what_is_not_wasm_is_refused(data: bytes) -> None:
    """Text, other binaries and nothing at all are no modules; WAT is not compiled."""
    assert refusal(data) == "it does not begin with the magic number of WebAssembly"


def test_a_component_is_refused() -> None:
    """Components have a version of their own, and the refusal says which profile takes them."""
    assert (
        refusal(b"\0asm\x0d\0\1\0") == "it is a component: set profile: component in the manifest"
    )
    assert refusal(b"\0asm") == "it is of an unknown version: core modules have 1"


def test_a_large_module_is_refused_at_sight() -> None:
    """More than 8 MiB is not even looked at."""
    assert refusal(MAGIC + bytes(8 << 20)) == "it has 8388616 bytes; 8388608 are allowed"


@pytest.mark.parametrize(
    ("imports", "detail"),
    [
        ('(import "env" "abort" (func))', "it imports env.abort, which this node does not offer"),
        (
            '(import "caxton" "exec" (func))',
            "it imports caxton.exec, which this node does not offer",
        ),
        (
            '(import "caxton" "send" (func (param i32)))',
            "it imports caxton.send as (i32) -> (); it is (i32, i32) -> (i32)",
        ),
        (
            '(import "wasi_snapshot_preview1" "fd_write" (func (param i64)))',
            "it imports wasi_snapshot_preview1.fd_write as (i64) -> (); it is (i32, i32, i32, i32) -> (i32)",
        ),
        (
            '(import "caxton" "send" (global i32))',
            "it imports the global caxton.send; only functions can be imported",
        ),
    ],
)
def test_unknown_imports_are_refused_by_name(imports: str, detail: str) -> None:
    """An import must be one of the table, with its type."""
    assert refusal(module(imports=imports)) == detail


def test_an_imported_memory_is_refused() -> None:
    """Memory is the guest's own."""
    data = wat2wasm('(module (import "env" "memory" (memory 1)))')
    assert (
        refusal(bytes(data)) == "it imports the memory env.memory; only functions can be imported"
    )


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("(module)", "it does not export its memory as memory"),
        ('(module (func (export "memory")))', "it does not export its memory as memory"),
        ('(module (memory (export "memory") 1))', "it does not export caxton_alloc"),
        (
            '(module (memory (export "memory") 1) (global (export "caxton_alloc") i32 (i32.const 0)))',
            "its export caxton_alloc is no function",
        ),
        (
            '(module (memory (export "memory") 1) (func (export "caxton_alloc")))',
            "its export caxton_alloc is not of type (i32) -> (i32)",
        ),
    ],
)
def test_required_exports_must_be_there(text: str, detail: str) -> None:
    """Memory, alloc and handle are required, with their types."""
    assert refusal(bytes(wat2wasm(text))) == detail


def test_optional_exports_must_have_their_types() -> None:
    """An optional export of another type would be called wrongly."""
    more = '(func (export "caxton_init") (result i64) (i64.const 0))'
    assert refusal(module(more=more)) == "its export caxton_init is not of type (i32, i32) -> (i32)"


@pytest.mark.parametrize(("version", "ok"), [(1, True), (0, False), (2, False), (-1, False)])
def test_another_abi_version_is_refused(version: int, ok: bool) -> None:  # a parameter of the test
    """Version 1 is the only one."""
    data = module(more=f'(func (export "caxton_abi_version") (result i32) (i32.const {version}))')
    if ok:
        assert isinstance(survey(data, KNOWN), Success)
    else:
        assert refusal(data) == f"it is written for ABI version {version}; this node has 1"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (MAGIC + section(3, leb(1_000_000)), "it has 1000000 functions; 20000 are allowed"),
        (MAGIC + section(2, leb(100_000)), "it has 100000 imports; 200 are allowed"),
        (MAGIC + section(7, leb(100_000)), "it has 100000 exports; 1000 are allowed"),
        (MAGIC + section(1, leb(100_000)), "it has 100000 types; 10000 are allowed"),
        (MAGIC + section(6, leb(100_000)), "it has 100000 globals; 10000 are allowed"),
        (MAGIC + section(5, leb(90)), "it has 90 memories; 1 are allowed"),
        (MAGIC + section(5, b"\1\3\1\2"), "it has a shared or 64-bit memory or table"),
        (
            MAGIC + section(7, b"\1" + leb(1 << 20)),
            "it has a name of 1048576 bytes; 1000 are allowed",
        ),
        (MAGIC + section(7, b"\1\1\xff\0\0"), "it has a name that is not UTF-8"),
        (
            MAGIC + section(7, b"\1\4\x1b[2J\0\0"),
            "it has a name that can't be printed: '\\x1b[2J'",
        ),
        (MAGIC + section(13, b""), "it has a section 13 that no core module of the profiles has"),
        (MAGIC + section(0, b"") * 2000, "it has more than 1000 sections"),
        (MAGIC + b"\1" + leb(100), "it ends too early"),
        (MAGIC + b"\1\xff\xff\xff\xff\xff", "it has a number over 32 bits"),
        (MAGIC + b"\1\xff\xff\xff\xff\x7f", "it has a number over 32 bits"),
        (with_code(b"\1" + leb(1_000_000) + b"\x7f\x0b"), "a function has more than 10000 locals"),
        (
            with_code(b"\1" + leb(9_000) + b"\x7f\x0b", 200),
            "its functions have more than 1000000 locals",
        ),
        (
            with_code(b"\0" + b"\x02\x40" * 5000 + b"\x0b" * 5001),
            "a function has more than 4000 blocks inside each other",
        ),
    ],
)
def test_modules_over_a_cap_are_refused(data: bytes, detail: str) -> None:
    """Every count is capped before anything believes it."""
    assert refusal(data) == detail


def test_many_blocks_side_by_side_are_not_nested() -> None:
    """Only blocks inside each other count, and constants that look like blocks do not."""
    flat = with_code(b"\0" + b"\x02\x40\x0b\x41\x03\x1a" * 5000 + b"\x0b")
    assert refusal(flat) == "it does not export its memory as memory"


def test_a_cut_module_is_refused_at_every_byte() -> None:
    """No prefix of a module is taken for one, and none breaks the walk."""
    data = module()
    for size in range(len(data)):
        survey(data[:size], KNOWN)
    assert isinstance(survey(data, KNOWN), Success)


def test_a_damaged_module_never_breaks_the_walk() -> None:
    """Whatever bytes are changed, the walk answers."""
    dice = random.Random(7)
    original = module(more='(func (export "caxton_drain") (result i32) (block) (i32.const 0))')
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(8, len(data))] = dice.randrange(256)
        assert isinstance(survey(bytes(data), KNOWN), Success | Failure)


@pytest.mark.parametrize(
    ("more", "body"),
    [
        ("", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 1)) (i32.const 0)"),
        ("(table 1 externref)", "(i32.const 0)"),
        ("(func (result i32 i32) (i32.const 0) (i32.const 0))", "(i32.const 0)"),
        ("", "(drop (v128.const i64x2 0 0)) (i32.const 0)"),
        ("(func $f return_call $f)", "(i32.const 0)"),
    ],
)
def test_strict_refuses_every_proposal(sandbox: WasmSandbox, more: str, body: str) -> None:
    """The strict profile takes WebAssembly as it was at first."""
    assert isinstance(sandbox.check(module(body, more=more), "strict").failure(), InvalidModule)


@pytest.mark.parametrize(
    ("more", "body", "ok"),
    [
        ("", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 1)) (i32.const 0)", True),
        ("(func (result i32 i32) (i32.const 0) (i32.const 0))", "(i32.const 0)", True),
        ("(table 1 funcref) (table 1 funcref)", "(i32.const 0)", True),
        ("(table 1 externref)", "(i32.const 0)", False),
        ("", "(drop (v128.const i64x2 0 0)) (i32.const 0)", False),
        ("(func $f return_call $f)", "(i32.const 0)", False),
        ("(memory $two 1)", "(i32.const 0)", False),
    ],
)
def test_standard_takes_what_compilers_emit(
    sandbox: WasmSandbox, more: str, body: str, ok: bool
) -> None:
    """The standard profile admits bulk memory, reference types and multiple values, nothing else."""
    assert isinstance(sandbox.check(module(body, more=more), "standard"), Success) is ok


def test_both_take_sign_extension(sandbox: WasmSandbox) -> None:
    """Sign extension can't be switched off, so both profiles have it."""
    data = module("(i32.extend8_s (i32.const 0))")
    for profile in ("strict", "standard"):
        assert isinstance(sandbox.check(data, profile), Success)


def test_an_unknown_profile_is_refused(sandbox: WasmSandbox) -> None:
    """There are two profiles."""
    refused = sandbox.check(module(), "lax").failure()
    assert str(refused) == "Invalid module: there is no profile lax."


def test_wrong_code_is_refused_by_the_compiler(sandbox: WasmSandbox) -> None:
    """What the walk can't see, validation does."""
    data = bytearray(module("(i32.const 0)"))
    at = data.rindex(b"\x41\x00\x0b")
    data[at] = 0x42  # an i64 where an i32 is due
    assert "type mismatch" in sandbox.check(bytes(data), "strict").failure().detail


def test_every_import_of_the_contract_is_offered() -> None:
    """The nine imports of docs/guests.md, no more and no less."""
    assert {f"${name}" for name in KNOWN["caxton"]} == {
        word for word in IMPORTS.replace("(", " ").split() if word.startswith("$")
    }
