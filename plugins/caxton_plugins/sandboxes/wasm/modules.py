"""What a module is, read from its sections before anything compiles it.

Rules:
- Pure: bytes in, a `Survey` or the reason for refusal out; every count is capped before it is believed.
- A cap is far above what compilers emit and far below what makes compilation slow.
- Validation proper is wasmtime's; here is only what must be known or bounded before it.
"""

from __future__ import annotations

from typing import Final

from caxton_core.errors import InvalidModule
from returns.result import Failure, Result, Success

from caxton_plugins.sandboxes.compilation.nesting import Malformed, Reader, deepest
from caxton_plugins.sandboxes.compilation.surveys import Survey

MAGIC: Final = b"\0asm"
VERSION: Final = b"\1\0\0\0"
SIZE: Final = 8 << 20
TYPES: Final = 10_000
IMPORTS: Final = 200
FUNCTIONS: Final = 20_000
EXPORTS: Final = 1_000
GLOBALS: Final = 10_000
SEGMENTS: Final = 10_000
NAME: Final = 1_000
LOCALS: Final = 10_000  # a function
ALL_LOCALS: Final = 1_000_000  # a module
NESTING: Final = 4_000
SECTIONS: Final = 1_000
PAGE: Final = 65_536
ABI_VERSION: Final = 1

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

Signature = tuple[str, str]
"""Parameters and results, a letter each: i (i32), I (i64), f, F, v, r, x."""

REQUIRED: Final[dict[str, Signature]] = {
    "caxton_alloc": ("i", "i"),
    "handle_message": ("ii", "i"),
}
OPTIONAL: Final[dict[str, Signature]] = {
    "caxton_init": ("ii", "i"),
    "caxton_drain": ("", "i"),
    "caxton_export_state": ("", "I"),
    "caxton_import_state": ("ii", "i"),
    "caxton_abi_version": ("", "i"),
    "_initialize": ("", ""),
}


class _Found:
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


def survey(
    data: bytes, known: dict[str, dict[str, Signature]], *, bodies: bool = True
) -> Result[Survey, InvalidModule]:
    """Walk the sections; `known` are the imports there are, by module; `bodies` looks into the code too."""
    if refusal := refuse_at_sight(data):
        return Failure(refusal)
    found = _Found()
    try:
        _walk(Reader(data, 8, len(data)), found, bodies=bodies)
        _check_imports(found, known)
        _check_exports(found)
        _check_abi(data, found)
    except Malformed as error:
        return Failure(InvalidModule(str(error)))
    return Success(
        Survey(
            exports=tuple(found.exports),
            imports=tuple(dict.fromkeys(f"{module}.{name}" for module, name, _ in found.imports)),
            memory_minimum=found.memories[0] * PAGE,
            grows=found.grows,
            functions=len(found.functions),
        )
    )


def refuse_at_sight(data: bytes) -> InvalidModule | None:
    """Say why bytes need not even be hashed: their size, or their first eight."""
    if len(data) > SIZE:
        return InvalidModule(f"it has {len(data)} bytes; {SIZE} are allowed")
    if data[:4] != MAGIC:
        return InvalidModule("it does not begin with the magic number of WebAssembly")
    if data[4:8] != VERSION:
        return InvalidModule("it is a component, or of an unknown version: core modules have 1")
    return None


def _walk(reader: Reader, found: _Found, *, bodies: bool) -> None:
    for _ in range(SECTIONS):
        if reader.done():
            return
        section = reader.byte()
        body = reader.part(reader.u32())
        if section == _TYPE:
            _read_types(body, found)
        elif section == _IMPORT:
            _read_imports(body, found)
        elif section == _FUNCTION:
            count = body.count(FUNCTIONS, "functions")
            found.functions += [body.u32() for _ in range(count)]
        elif section == _TABLE:
            body.count(10, "tables")
        elif section == _MEMORY:
            for _ in range(body.count(1, "memories")):
                found.memories.append(_limits(body))
        elif section == _GLOBAL:
            body.count(GLOBALS, "globals")
        elif section == _EXPORT:
            _read_exports(body, found)
        elif section in (_ELEMENT, _DATA):
            body.count(SEGMENTS, "segments")
        elif section == _CODE:
            _read_code(body, found, bodies=bodies)
        elif section > _COUNT:
            raise Malformed(f"it has a section {section} that no core module of the profiles has")
    raise Malformed(f"it has more than {SECTIONS} sections")


def _read_types(body: Reader, found: _Found) -> None:
    for _ in range(body.count(TYPES, "types")):
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


def _limits(body: Reader) -> int:
    flags = body.byte()
    if flags > 1:
        raise Malformed("it has a shared or 64-bit memory or table")
    minimum = body.u32()
    if flags:
        body.u32()
    return minimum


def _name(body: Reader) -> str:
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


def _read_imports(body: Reader, found: _Found) -> None:
    for _ in range(body.count(IMPORTS, "imports")):
        module, name, kind = _name(body), _name(body), body.byte()
        if kind != 0:
            what = _KINDS[kind] if kind < len(_KINDS) else f"thing of kind {kind}"
            raise Malformed(
                f"it imports the {what} {module}.{name}; only functions can be imported"
            )
        index = body.u32()
        if index >= len(found.types):
            raise Malformed(f"the import {module}.{name} has an unknown type")
        found.imports.append((module, name, found.types[index]))
        found.functions.append(index)


def _read_exports(body: Reader, found: _Found) -> None:
    for _ in range(body.count(EXPORTS, "exports")):
        name = _name(body)
        found.exports[name] = (body.byte(), body.u32())


def _read_code(body: Reader, found: _Found, *, bodies: bool) -> None:
    found.grows |= body.may_grow()
    for _ in range(body.count(FUNCTIONS, "function bodies")):
        function = body.part(body.u32())
        total = 0
        for _ in range(function.count(LOCALS, "groups of locals")):
            total += function.u32()
            if total > LOCALS:
                raise Malformed(f"a function has more than {LOCALS} locals")
            function.value_type()
        found.locals += total
        if found.locals > ALL_LOCALS:
            raise Malformed(f"its functions have more than {ALL_LOCALS} locals")
        found.bodies.append((function.at, function.end))
        if bodies and function.blocks() > NESTING and deepest(function) > NESTING:
            raise Malformed(f"a function has more than {NESTING} blocks inside each other")


def _check_imports(found: _Found, known: dict[str, dict[str, Signature]]) -> None:
    for module, name, signature in found.imports:
        wanted = known.get(module, {}).get(name)
        if wanted is None:
            raise Malformed(f"it imports {module}.{name}, which this node does not offer")
        if wanted != signature:
            raise Malformed(
                f"it imports {module}.{name} as {_show(signature)}; it is {_show(wanted)}"
            )


def _check_exports(found: _Found) -> None:
    if found.exports.get("memory", (None, 0))[0] != 2 or not found.memories:
        raise Malformed("it does not export its memory as memory")
    for name, wanted in (*REQUIRED.items(), *OPTIONAL.items()):
        if name not in found.exports:
            if name in REQUIRED:
                raise Malformed(f"it does not export {name}")
            continue
        kind, index = found.exports[name]
        if kind != 0 or index >= len(found.functions):
            raise Malformed(f"its export {name} is no function")
        type_index = found.functions[index]
        if type_index >= len(found.types) or found.types[type_index] != wanted:
            raise Malformed(f"its export {name} is not of type {_show(wanted)}")


def _check_abi(data: bytes, found: _Found) -> None:
    """Refuse an unknown ABI version here when the function is a constant, as every compiler makes it."""
    if "caxton_abi_version" not in found.exports:
        return
    index = found.exports["caxton_abi_version"][1] - len(found.imports)
    if not 0 <= index < len(found.bodies):
        return
    at, end = found.bodies[index]
    body = Reader(data, at, end)
    if body.byte() != 0x41:  # i32.const; anything else is asked when the agent starts
        return
    version = body.signed()
    if body.byte() == 0x0B and body.done() and version != ABI_VERSION:
        raise Malformed(f"it is written for ABI version {version}; this node has {ABI_VERSION}")


_NAMES = {
    "i": "i32",
    "I": "i64",
    "f": "f32",
    "F": "f64",
    "v": "v128",
    "r": "funcref",
    "x": "externref",
}


def _show(signature: Signature) -> str:
    parameters, results = ([_NAMES[letter] for letter in part] for part in signature)
    return f"({', '.join(parameters)}) -> ({', '.join(results)})"
