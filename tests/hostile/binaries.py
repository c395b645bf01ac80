"""Modules as bytes: what no assembler would write."""

from __future__ import annotations

from collections.abc import Callable, Iterable

MAGIC = b"\0asm\1\0\0\0"
TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, COUNT = range(
    1, 13
)


def leb(number: int) -> bytes:
    """Encode an unsigned LEB128."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def signed(number: int) -> bytes:
    """Encode a signed LEB128."""
    out = bytearray()
    while not -64 <= number < 64:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number & 127])


def vector(items: Iterable[bytes]) -> bytes:
    """Encode a count and the items."""
    listed = list(items)
    return leb(len(listed)) + b"".join(listed)


def section(number: int, body: bytes) -> bytes:
    """Encode a section."""
    return bytes([number]) + leb(len(body)) + body


def name(text: str) -> bytes:
    """Encode a name."""
    encoded = text.encode()
    return leb(len(encoded)) + encoded


def code(*, groups: Iterable[bytes] = (), body: bytes) -> bytes:
    """Encode a function's locals and its instructions, without the size in front."""
    return vector(groups) + body + b"\x0b"


def sized(body: bytes) -> bytes:
    """Encode bytes with their size in front."""
    return leb(len(body)) + body


I32, I64 = b"\x7f", b"\x7e"
TYPES = [b"\x60\1\x7f\1\x7f", b"\x60\2\x7f\x7f\1\x7f", b"\x60\0\0"]
"""Of `caxton_alloc`, `handle_message`, and of functions that take and give nothing."""
CONST_0 = b"\x41\0"
EXPORTS = [
    name("memory") + b"\2\0",
    name("caxton_alloc") + b"\0\0",
    name("handle_message") + b"\0\1",
]


def sections(
    *,
    functions: Iterable[bytes] = (),
    types: Iterable[bytes] = (),
    exports: Iterable[bytes] = (),
    before_memory: bytes = b"",
    before_export: bytes = b"",
    after_export: bytes = b"",
    after_code: bytes = b"",
    memory: bytes = b"\2\0",
    handle: bytes = CONST_0,
    groups: Iterable[bytes] = (),
) -> list[bytes]:
    """Return the sections of an agent; `functions` are code of more functions, of the type that takes nothing."""
    more = list(functions)
    listed = [
        section(TYPE, vector([*TYPES, *types])),
        section(FUNCTION, vector([b"\0", b"\1", *[b"\2"] * len(more)])),
        before_memory,
        section(MEMORY, b"\1\0\4"),
        before_export,
        section(EXPORT, vector([name("memory") + memory, *EXPORTS[1:], *exports])),
        after_export,
        section(
            CODE,
            vector(
                map(
                    sized,
                    [
                        code(body=b"\x41" + signed(131_072)),
                        code(groups=groups, body=handle),
                        *more,
                    ],
                )
            ),
        ),
        after_code,
    ]
    return [each for each in listed if each]


def module(**parts: object) -> Callable[[], bytes]:
    """Return a maker of an agent of such sections."""
    return lambda: MAGIC + b"".join(sections(**parts))  # type: ignore[arg-type]  # the caller names them as `sections` does


def raw(*parts: bytes) -> Callable[[], bytes]:
    """Return a maker of a module that is just these bytes."""
    return lambda: MAGIC + b"".join(parts)
