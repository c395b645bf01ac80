"""Bytes that are no module: cut, disordered, lying about their sizes, or something else altogether."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable

from tests.hostile.binaries import (
    CODE,
    CONST_0,
    COUNT,
    DATA,
    EXPORT,
    EXPORTS,
    FUNCTION,
    IMPORT,
    MAGIC,
    MEMORY,
    START,
    TABLE,
    TYPE,
    TYPES,
    code,
    leb,
    module,
    name,
    raw,
    section,
    sections,
    sized,
    vector,
)
from tests.hostile.cases import Case, load
from tests.hostile.guests import agent

_NO_MAGIC = "magic number"
_WHOLE = sections(after_export=b"", after_code=section(DATA, b"\1\0\x41\0\x0b\1a"))
_NAMES = ("type", "function", "memory", "export", "code", "data")


def _bytes(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("agent.wasm", MAGIC)
    return target.getvalue()


def _tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("agent.wasm"))
    return target.getvalue()


def _cut(number: int, *, missing: int = 0) -> bytes:
    """Return a module that ends in the middle of a section, or `missing` bytes before its end."""
    before, body = b"".join(_WHOLE[:number]), _WHOLE[number]
    return MAGIC + before + body[: len(body) - missing if missing else len(body) // 2]


def _longer(number: int, by: int) -> bytes:
    """Return a module one of whose sections says that it is longer than it is."""
    parts = list(_WHOLE)
    parts[number] = parts[number][:1] + leb(len(parts[number]) - 2 + by) + parts[number][2:]
    return MAGIC + b"".join(parts)


def _replaced(number: int, part: bytes) -> bytes:
    return MAGIC + b"".join([*_WHOLE[:number], part, *_WHOLE[number + 1 :]])


_DISORDERED = {
    "backwards": _WHOLE[::-1],
    "code-before-functions": [_WHOLE[0], _WHOLE[4], *_WHOLE[1:4]],
    "two-types": [_WHOLE[0], *_WHOLE],
    "two-memories": [*_WHOLE[:3], _WHOLE[2], *_WHOLE[3:]],
    "two-exports": [*_WHOLE[:4], _WHOLE[3], *_WHOLE[4:]],
    "two-codes": [*_WHOLE[:5], _WHOLE[4], *_WHOLE[5:]],
    "data-before-code": [*_WHOLE[:4], _WHOLE[5], _WHOLE[4]],
    "type-at-the-end": [*_WHOLE, _WHOLE[0]],
}
_LEBS = {
    "six-bytes": b"\x80\x80\x80\x80\x80\x00",
    "five-bytes-of-ones": b"\xff\xff\xff\xff\xff",
    "over-32-bits": b"\xff\xff\xff\xff\x1f",
    "no-end": b"\x80\x80",
}

CASES: tuple[Case, ...] = (
    load("malformed/nothing", _bytes(b""), _NO_MAGIC),
    load("malformed/half-a-magic-number", _bytes(b"\0as"), _NO_MAGIC),
    load("malformed/magic-number", _bytes(b"\0asm"), "unknown version"),
    load("malformed/version-2", _bytes(b"\0asm\2\0\0\0"), "unknown version"),
    load("malformed/header", _bytes(MAGIC), "does not export its memory"),
    load("malformed/component", _bytes(b"\0asm\x0d\0\1\0"), "component"),
    load("malformed/component/with-a-module", _bytes(b"\0asm\x0d\0\1\0\1" + leb(len(agent()())) + agent()()), "component"),
    load("malformed/text", _bytes(b"(module)"), _NO_MAGIC),
    load("malformed/text/with-a-bomb", _bytes(b"(module " + b"(func) " * 100_000 + b")"), _NO_MAGIC),
    load("malformed/upper-case", _bytes(b"\0ASM\1\0\0\0"), _NO_MAGIC),
    load("malformed/elf", _bytes(b"\x7fELF\2\1\1" + bytes(57)), _NO_MAGIC),
    load("malformed/html", _bytes(b"<!doctype html>"), _NO_MAGIC),
    load("malformed/gzip", lambda: gzip.compress(agent()()), _NO_MAGIC),
    load("malformed/zip", _zip, _NO_MAGIC),
    load("malformed/tar", _tar, _NO_MAGIC),
    load("malformed/zeros", _bytes(bytes(1000)), _NO_MAGIC),
    load("malformed/ones", _bytes(b"\xff" * 1000), _NO_MAGIC),
    load("malformed/base64", _bytes(b"AGFzbQEAAAA="), _NO_MAGIC),
    *[load(f"malformed/cut/in-{what}", _bytes(_cut(number)), "ends too early") for number, what in enumerate(_NAMES)],
    *[load(f"malformed/cut/before-the-end-of-{what}", _bytes(_cut(number, missing=1)), "ends too early")
      for number, what in enumerate(_NAMES)],
    *[load(f"malformed/longer/{what}", _bytes(_longer(number, 1)), "") for number, what in enumerate(_NAMES)],
    *[load(f"malformed/much-longer/{what}", _bytes(_longer(number, 60)), "") for number, what in enumerate(_NAMES)],
    *[load(f"malformed/order/{what}", _bytes(MAGIC + b"".join(parts)), "") for what, parts in _DISORDERED.items()],
    *[load(f"malformed/leb/section/{what}", raw(b"\1" + number), "") for what, number in _LEBS.items()],
    *[load(f"malformed/leb/count/{what}", raw(section(TYPE, number)), "") for what, number in _LEBS.items()],
    load("malformed/leb/memory", raw(section(MEMORY, b"\1\0\xff\xff\xff\xff\x0f")), ""),
    load("malformed/section/unknown", raw(section(42, b"")), "section 42"),
    load("malformed/section/of-4-gib", raw(b"\1\xff\xff\xff\xff\x0f"), "ends too early"),
    load("malformed/section/thousands", raw(section(0, b"\1a") * 1_001), "more than 1000 sections"),
    load("malformed/section/custom-without-a-name", lambda: agent()() + section(0, b""), ""),
    load("malformed/section/custom-with-a-lying-name", lambda: agent()() + section(0, b"\x7fa"), ""),
    load("malformed/bytes-behind", lambda: agent()() + b"\1", "ends too early"),
    load("malformed/count/more-bodies", _bytes(_replaced(1, section(FUNCTION, b"\1\0"))), ""),
    load("malformed/count/fewer-bodies", _bytes(_replaced(1, section(FUNCTION, b"\3\0\1\1"))), ""),
    load("malformed/count/data-count-lies", module(after_export=section(COUNT, b"\5"),
                                                   after_code=section(DATA, b"\1\0\x41\0\x0b\1a")), ""),
    load("malformed/function/unknown-type", _bytes(_replaced(1, section(FUNCTION, b"\2\0\x63"))), ""),
    load("malformed/type/no-function", raw(section(TYPE, b"\1\x40\0\0")), "no function type"),
    load("malformed/type/unknown-value", raw(section(TYPE, b"\1\x60\1\x01\0")), "value type 0x01"),
    load("malformed/type/many-parameters", raw(section(TYPE, b"\1\x60" + leb(1_001))), "1001 parameters"),
    load("malformed/export/twice", module(exports=[EXPORTS[1]]), ""),
    load("malformed/export/memory-twice", module(exports=[EXPORTS[0]]), ""),
    load("malformed/export/of-nothing", module(exports=[name("x") + b"\0\x63"]), ""),
    load("malformed/export/of-an-unknown-kind", module(exports=[name("x") + b"\x09\0"]), ""),
    load("malformed/export/invalid-utf-8", module(exports=[b"\2\xff\xfe\0\0"]), "not UTF-8"),
    load("malformed/export/terminal-escapes", module(exports=[name("\x1b[2J") + b"\0\0"]), "can't be printed"),
    load("malformed/export/line-break", module(exports=[name("a\nb") + b"\0\0"]), "can't be printed"),
    load("malformed/export/right-to-left", module(exports=[name("a\u202eb") + b"\0\0"]), "can't be printed"),
    load("malformed/export/name-of-a-mebibyte", module(exports=[name("x" * (1 << 20)) + b"\0\0"]), "1048576 bytes"),
    load("malformed/start/of-nothing", module(after_export=section(START, b"\x63")), ""),
    load("malformed/start/with-parameters", module(after_export=section(START, b"\0")), ""),
    load("malformed/memory/none", raw(*[part for part in _WHOLE if part[0] != MEMORY]), "memory"),
    load("malformed/memory/not-exported", _bytes(_replaced(3, section(EXPORT, vector(EXPORTS[1:])))), "memory"),
    load("malformed/memory/is-a-function", _bytes(_replaced(3, section(EXPORT, vector(
        [name("memory") + b"\0\0", *EXPORTS[1:]])))), "memory"),
    load("malformed/memory/imported", raw(section(IMPORT, vector([name("env") + name("memory") + b"\2\0\1"]))),
         "imports the memory"),
    load("malformed/table/unknown-type", raw(section(TYPE, vector(TYPES)), section(TABLE, b"\1\x13\0\1")), ""),
    *[load(f"malformed/code/{what}", module(handle=body), detail) for what, body, detail in (
        ("empty", b"", ""),
        ("only-nops", b"\x01" * 10, ""),
        ("two-values", CONST_0 * 2, ""),
        ("wrong-type", b"\x42\0", ""),
        ("unknown-instruction", b"\xff\xff", ""),
        ("ends-in-a-block", b"\x02\x40", ""),
        ("one-end-too-many", CONST_0 + b"\x0b", ""),
        ("else-without-if", b"\x05", ""),
        ("branch-too-far", b"\x0c\x64", ""),
        ("unknown-local", b"\x20\x64", ""),
        ("unknown-function", b"\x10\x64", ""),
        ("unknown-global", b"\x23\0", ""),
        ("call-through-no-table", CONST_0 + b"\x11\0\0", ""),
        ("alignment-of-2-to-the-31", CONST_0 + b"\x28\x1f\0", ""),
        ("immediate-is-cut", b"\x41\x80", ""),
        ("table-of-branches-is-cut", CONST_0 + b"\x0e\xff\xff\xff\xff\x0f", ""),
    )],
    load("malformed/code/longer-than-its-section", raw(*_WHOLE[:4], section(CODE, b"\2" + leb(1_000) + b"\0")),
         "ends too early"),
    load("malformed/code/of-no-bytes", raw(*_WHOLE[:4], section(CODE, vector([sized(b""), sized(code(body=CONST_0))]))), ""),
)  # fmt: skip
