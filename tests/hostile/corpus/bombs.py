"""Modules that cost the compiler more than they cost their author."""

from __future__ import annotations

from collections.abc import Callable

from tests.hostile.binaries import (
    CONST_0,
    DATA,
    ELEMENT,
    EXPORT,
    FUNCTION,
    GLOBAL,
    I32,
    I64,
    IMPORT,
    MAGIC,
    START,
    TABLE,
    TYPE,
    code,
    leb,
    module,
    name,
    raw,
    section,
    signed,
    vector,
)
from tests.hostile.cases import Answered, Case, Silent, load
from tests.hostile.guests import OK, OK_AT

_NOTHING = code(body=b"")
_TOO_LONG = "compiling it takes"
_BLOCK, _LOOP, _IF, _END = b"\x02\x40", b"\x03\x40", b"\x41\0\x04\x40", b"\x0b"


def _nested(opening: bytes, depth: int) -> bytes:
    return opening * depth + _END * depth + CONST_0


def _segments(count: int, size: int) -> bytes:
    return section(DATA, leb(count) + (b"\0\x41\0\x0b" + leb(size) + bytes(size)) * count)


def _elements(count: int) -> bytes:
    return (
        section(TABLE, b"\1\x70\0\x0a")
        if not count
        else section(ELEMENT, leb(count) + b"\0\x41\0\x0b\1\0" * count)
    )


def _sum(count: int) -> bytes:
    """Return code without blocks: constants, added one after the other."""
    return CONST_0 + b"\x41\1\x6a" * count + b"\x1a" + CONST_0


def _branches(count: int) -> bytes:
    return b"\x02\x40" + CONST_0 + b"\x0e" + leb(count) + b"\0" * (count + 1) + b"\x0b" + CONST_0


def _responding(**parts: object) -> Callable[[], bytes]:
    """Return a maker of a guest that says `ok`, for what must be survived."""
    store = (
        b"\x20\0\x41" + signed(OK_AT) + b"\x36\2\0" + b"\x20\0\x41" + signed(len(OK)) + b"\x36\2\4"
    )  # fmt: skip
    return module(
        handle=store + b"\x41\1",
        after_code=section(DATA, b"\1\0\x41" + signed(OK_AT) + b"\x0b" + leb(len(OK)) + OK.encode()),
        **parts,
    )  # fmt: skip


def _quiet(name: str, module: Callable[[], bytes], *, slow: bool = False) -> Case:
    """Make a case that must be compiled, within the compiler's limits, and then does nothing."""
    return Case(name=name, module=module, attacks="load", outcome=Silent(), slow=slow)


def _talks(name: str, module: Callable[[], bytes], *, slow: bool = False) -> Case:
    """Make a case that must be compiled, and then says `ok`."""
    return Case(name=name, module=module, attacks="load", outcome=Answered("ok"), slow=slow)


CASES: tuple[Case, ...] = (
    load("bomb/functions/20001", module(functions=[_NOTHING] * 20_000), "20000 are allowed"),
    load("bomb/functions/a-million", raw(section(FUNCTION, leb(1_000_000) + bytes(1_000_000))), "20000 are allowed"),
    _talks("bomb/functions/19998", _responding(functions=[_NOTHING] * 19_998), slow=True),
    load("bomb/locals/10001", module(groups=[leb(10_001) + I32]), "more than 10000 locals"),
    load("bomb/locals/4-billion", module(groups=[b"\xff\xff\xff\xff\x0f" + I32]), "more than 10000 locals"),
    load("bomb/locals/10001-groups", module(groups=[leb(1) + I32] * 10_001), "10000 are allowed"),
    load("bomb/locals/million-and-more", module(functions=[code(groups=[leb(10_000) + I64], body=b"")] * 101),
         "1000000 locals"),
    _talks("bomb/locals/10000", _responding(functions=[code(groups=[leb(10_000) + I64], body=b"")])),
    load("bomb/blocks/4001", module(handle=_nested(_BLOCK, 4_001)), "blocks inside each other"),
    load("bomb/blocks/million", module(handle=_nested(_BLOCK, 1_000_000)), "blocks inside each other", slow=True),
    load("bomb/loops/4001", module(handle=_nested(_LOOP, 4_001)), "blocks inside each other"),
    load("bomb/ifs/4001", module(handle=_nested(_IF, 4_001)), "blocks inside each other"),
    _quiet("bomb/blocks/4000", module(handle=_nested(_BLOCK, 4_000)), slow=True),
    _quiet("bomb/loops/4000", module(handle=_nested(_LOOP, 4_000)), slow=True),
    _quiet("bomb/ifs/4000", module(handle=_nested(_IF, 4_000)), slow=True),
    _quiet("bomb/blocks/side-by-side", module(handle=(_BLOCK + _END) * 50_000 + CONST_0)),
    load("bomb/exports/1001", module(exports=[name(f"e{number}") + b"\0\0" for number in range(998 + 1)]), "1000 are allowed"),
    load("bomb/exports/100000", raw(section(EXPORT, leb(100_000))), "1000 are allowed"),
    _talks("bomb/exports/1000", _responding(exports=[name(f"e{number}") + b"\0\0" for number in range(997)])),
    load("bomb/imports/201", raw(section(IMPORT, leb(201))), "200 are allowed"),
    load("bomb/types/10001", raw(section(TYPE, leb(10_001))), "10000 are allowed"),
    _talks("bomb/types/9997", _responding(types=[b"\x60\0\0"] * 9_997)),
    _talks("bomb/types/of-1000-parameters", _responding(types=[b"\x60" + vector([I32] * 1_000) + b"\0"] * 1_000), slow=True),
    load("bomb/globals/10001", module(before_export=section(GLOBAL, leb(10_001))), "10000 are allowed"),
    _talks("bomb/globals/10000", _responding(before_export=section(GLOBAL, vector(
        [b"\x7f\1\x41\0\x0b"] * 10_000)))),
    load("bomb/data/10001-segments", module(after_code=_segments(10_001, 1)), "10000 are allowed"),
    _quiet("bomb/data/10000-segments", module(after_code=_segments(10_000, 1))),
    _quiet("bomb/data/30-times-the-same-place", module(after_code=_segments(30, 250_000))),
    load("bomb/data/8-mib", module(after_code=_segments(1, 8 << 20)), "8388608 are allowed"),
    load("bomb/elements/10001-segments", module(before_memory=_elements(0), after_export=_elements(10_001)),
         "10000 are allowed"),
    _quiet("bomb/elements/10000-segments", module(before_memory=_elements(0), after_export=_elements(10_000))),
    load("bomb/size/9-mib", lambda: MAGIC + bytes(9 << 20), "8388608 are allowed"),
    _quiet("bomb/br-table/65520", module(handle=_branches(65_519))),
    load("bomb/br-table/million", module(handle=_branches(1_000_000)), "1000000 targets"),
    _quiet("bomb/code/straight", module(handle=_sum(200_000)), slow=True),
    _quiet("bomb/code/eight-mib", module(functions=[code(body=b"\x41\1\x1a" * 1_300)] * 2_000), slow=True),
    load("bomb/start/in-a-section-of-16-mib", lambda: module()() + section(START, bytes(16 << 20)), "8388608 are allowed"),
)  # fmt: skip
