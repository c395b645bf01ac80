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

from caxton_plugins.sandboxes.compilation.nesting import Malformed, Reader
from caxton_plugins.sandboxes.compilation.sections import (
    COMPONENT_VERSION,
    MAGIC,
    PAGE,
    VERSION,
    Caps,
    CoreModule,
    Signature,
    walk,
)
from caxton_plugins.sandboxes.compilation.surveys import Survey

SIZE: Final = 8 << 20
ABI_VERSION: Final = 1
CAPS: Final = Caps()

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


def survey(data: bytes, known: dict[str, dict[str, Signature]]) -> Result[Survey, InvalidModule]:
    """Walk the sections; `known` are the imports there are, by module."""
    if refusal := refuse_at_sight(data):
        return Failure(refusal)
    found = CoreModule()
    try:
        walk(Reader(data, 8, len(data)), found, CAPS)
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
    if data[:4] != MAGIC:
        return InvalidModule("it does not begin with the magic number of WebAssembly")
    if data[4:8] == COMPONENT_VERSION:
        return InvalidModule("it is a component: set profile: component in the manifest")
    if data[4:8] != VERSION:
        return InvalidModule("it is of an unknown version: core modules have 1")
    if len(data) > SIZE:
        return InvalidModule(f"it has {len(data)} bytes; {SIZE} are allowed")
    return None


def _check_imports(found: CoreModule, known: dict[str, dict[str, Signature]]) -> None:
    for module, name, signature in found.imports:
        wanted = known.get(module, {}).get(name)
        if wanted is None:
            raise Malformed(f"it imports {module}.{name}, which this node does not offer")
        if wanted != signature:
            raise Malformed(
                f"it imports {module}.{name} as {_show(signature)}; it is {_show(wanted)}"
            )


def _check_exports(found: CoreModule) -> None:
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


def _check_abi(data: bytes, found: CoreModule) -> None:
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
