"""The walk through the sections of a core module, before anything compiles it.

Rules:
- Every count is capped before it is believed; a cap is far above what compilers emit and far below what makes
  compilation slow.
- Validation proper is wasmtime's; here is only what must be known or bounded before it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from caxton_plugins.sandboxes.compilation.nesting import Malformed, Reader, deepest

MAGIC: Final = b"\0asm"
VERSION: Final = b"\1\0\0\0"
COMPONENT_VERSION: Final = b"\x0d\0\1\0"
PAGE: Final = 65_536
NAME: Final = 1_000

(
    _TYPE,
    _IMPORT,
    _FUNCTION,
    _TABLE,
    _MEMORY,
    _GLOBAL,
    _EXPORT,
    _START,
    _ELEMENT,
    _CODE,
    _DATA,
    _COUNT,
) = range(1, 13)
_VALUES = {0x7F: "i", 0x7E: "I", 0x7D: "f", 0x7C: "F", 0x7B: "v", 0x70: "r", 0x6F: "x"}
_KINDS = ("function", "table", "memory", "global")
_MEMORY_KIND, _GLOBAL_KIND = 2, 3

Signature = tuple[str, str]
"""Parameters and results, a letter each: i (i32), I (i64), f, F, v, r, x."""


class Caps(msgspec.Struct, frozen=True):
    """The most there may be of everything in a module."""

    types: int = 10_000
    imports: int = 200
    functions: int = 20_000
    exports: int = 1_000
    globals: int = 10_000
    segments: int = 10_000
    locals: int = 10_000
    """In a function."""
    all_locals: int = 1_000_000
    nesting: int = 4_000
    sections: int = 1_000
    functions_only: bool = True
    """Whether nothing but functions may be imported."""


class CoreModule:
    """What was read so far."""

    def __init__(self) -> None:
        self.types: list[Signature] = []
        self.imports: list[tuple[str, str, Signature]] = []
        self.functions: list[int] = []  # type indexes, imported functions first
        self.memories: list[int] = []
        self.exports: dict[str, tuple[int, int]] = {}
        self.bodies: list[tuple[int, int]] = []
        self.locals = 0
        self.grows = False


def walk(reader: Reader, found: CoreModule, caps: Caps) -> None:
    """Read a module's sections behind its first eight bytes."""
    for _ in range(caps.sections):
        if reader.done():
            return
        section = reader.byte()
        body = reader.part(reader.u32())
        if section == _TYPE:
            _read_types(body, found, caps)
        elif section == _IMPORT:
            _read_imports(body, found, caps)
        elif section == _FUNCTION:
            count = body.count(caps.functions, "functions")
            found.functions += [body.u32() for _ in range(count)]
        elif section == _TABLE:
            body.count(10, "tables")
        elif section == _MEMORY:
            for _ in range(body.count(1, "memories")):
                found.memories.append(read_limits(body))
        elif section == _GLOBAL:
            body.count(caps.globals, "globals")
        elif section == _EXPORT:
            _read_exports(body, found, caps)
        elif section in (_ELEMENT, _DATA):
            body.count(caps.segments, "segments")
        elif section == _CODE:
            _read_code(body, found, caps)
        elif section > _COUNT:
            raise Malformed(f"it has a section {section} that no core module of the profiles has")
    raise Malformed(f"it has more than {caps.sections} sections")


def _read_types(body: Reader, found: CoreModule, caps: Caps) -> None:
    for _ in range(body.count(caps.types, "types")):
        if body.byte() != 0x60:
            raise Malformed("it has a type that is no function type")
        found.types.append((_values(body), _values(body)))


def _values(body: Reader) -> str:
    letters = []
    for _ in range(body.count(1000, "parameters or results of a function")):
        kind = body.byte()
        if kind not in _VALUES:
            raise Malformed(f"it has a value type 0x{kind:02x} that the profiles do not admit")
        letters.append(_VALUES[kind])
    return "".join(letters)


def read_limits(body: Reader) -> int:
    """Read the limits of a table or memory, and return the minimum."""
    flags = body.byte()
    if flags > 1:
        raise Malformed("it has a shared or 64-bit memory or table")
    minimum = body.u32()
    if flags:
        body.u32()
    return minimum


def read_name(body: Reader) -> str:
    """Read a name that can be shown."""
    size = body.u32()
    if size > NAME:
        raise Malformed(f"it has a name of {size} bytes; {NAME} are allowed")
    try:
        name = body.take(size).decode()
    except UnicodeDecodeError:
        raise Malformed("it has a name that is not UTF-8") from None
    if not name.isprintable():  # names are shown in terminals
        raise Malformed(f"it has a name that can't be printed: {name[:80]!a}")
    return name


def _read_imports(body: Reader, found: CoreModule, caps: Caps) -> None:
    for _ in range(body.count(caps.imports, "imports")):
        module, name, kind = read_name(body), read_name(body), body.byte()
        if kind != 0:
            if caps.functions_only or kind >= len(_KINDS):
                what = _KINDS[kind] if kind < len(_KINDS) else f"thing of kind {kind}"
                raise Malformed(
                    f"it imports the {what} {module}.{name}; only functions can be imported"
                )
            _skip_import(body, kind)
            continue
        index = body.u32()
        if index >= len(found.types):
            raise Malformed(f"the import {module}.{name} has an unknown type")
        found.imports.append((module, name, found.types[index]))
        found.functions.append(index)


def _skip_import(body: Reader, kind: int) -> None:
    """Read past the type of an imported table, memory or global."""
    if kind != _MEMORY_KIND:
        body.value_type()
    if kind == _GLOBAL_KIND:
        body.byte()
    else:
        read_limits(body)


def _read_exports(body: Reader, found: CoreModule, caps: Caps) -> None:
    for _ in range(body.count(caps.exports, "exports")):
        name = read_name(body)
        found.exports[name] = (body.byte(), body.u32())


def _read_code(body: Reader, found: CoreModule, caps: Caps) -> None:
    found.grows |= body.may_grow()
    for _ in range(body.count(caps.functions, "function bodies")):
        function = body.part(body.u32())
        total = 0
        for _ in range(function.count(caps.locals, "groups of locals")):
            total += function.u32()
            if total > caps.locals:
                raise Malformed(f"a function has more than {caps.locals} locals")
            function.value_type()
        found.locals += total
        if found.locals > caps.all_locals:
            raise Malformed(f"its functions have more than {caps.all_locals} locals")
        found.bodies.append((function.at, function.end))
        if function.blocks() > caps.nesting and deepest(function) > caps.nesting:
            raise Malformed(f"a function has more than {caps.nesting} blocks inside each other")
