"""What a component is, read from its sections before anything compiles it.

Rules:
- Pure: bytes in, a `Survey` or the reason for refusal out; every count is capped before it is believed.
- What a component inside holds is made again for each instance of it: definitions are counted as often as they are made.
- Each core module inside goes through the walk of core modules, and their functions are counted together.
- What it imports and exports is told by name here; whether the types are right only wasmtime can say (`worlds.py`).
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
    read_name,
    walk,
)
from caxton_plugins.sandboxes.compilation.surveys import Survey
from caxton_plugins.sandboxes.components.worlds import EXPORTS, INTERFACES

SIZE: Final = 48 << 20
MODULES: Final = 200
COMPONENTS: Final = 100
DEPTH: Final = 8
SECTIONS: Final = 20_000
DEFINITIONS: Final = (
    100_000  # instances, aliases, types and canonical functions, of all components together
)
FUNCTIONS: Final = 40_000  # of all core modules together
CODE: Final = 12 << 20  # bytes of all functions together
FUNCTION: Final = 1 << 20  # bytes of one
CORE: Final = Caps(
    imports=5_000, functions=FUNCTIONS, exports=10_000, segments=100_000, functions_only=False
)

_CUSTOM, _MODULE, _CORE_INSTANCE, _CORE_TYPE, _COMPONENT = range(5)
_IMPORT, _EXPORT, _LAST = 10, 11, 11
_INSTANCE = 5
_FUNCTION_SORT, _TYPE_SORT, _INSTANCE_SORT = 1, 3, 5
_SORTS = ("core module", "function", "value", "type", "component", "instance")


_STUBS: Final = (
    "build it with componentize-py's --stub-wasi, or with componentize-js's"
    " -d stdio random clocks http fetch-event"
)


class _Walk:
    """What was read so far."""

    def __init__(self) -> None:
        self.modules: list[CoreModule] = []
        self.code = self.components = self.definitions = 0
        self.heaviest = 1  # definitions that an instance of a component inside makes
        self.imports: list[str] = []
        self.exports: list[str] = []


def survey(data: bytes) -> Result[Survey, InvalidModule]:
    """Walk the sections of a component."""
    if refusal := refuse_at_sight(data):
        return Failure(refusal)
    found = _Walk()
    try:
        _walk(Reader(data, 8, len(data)), found, depth=1)
        _check_names(found)
    except Malformed as error:
        return Failure(InvalidModule(str(error)))
    return Success(
        Survey(
            exports=tuple(found.exports),
            imports=tuple(found.imports),
            memory_minimum=PAGE * sum(sum(module.memories) for module in found.modules),
            grows=True,
            functions=sum(len(module.functions) for module in found.modules),
        )
    )


def refuse_at_sight(data: bytes) -> InvalidModule | None:
    """Say why bytes need not even be hashed: their size, or their first eight."""
    if data[:4] != MAGIC:
        return InvalidModule("it does not begin with the magic number of WebAssembly")
    if data[4:8] == VERSION:
        return InvalidModule("it is a core module: set profile: strict or standard in the manifest")
    if data[4:8] != COMPONENT_VERSION:
        return InvalidModule("it is no component of a known version")
    if len(data) > SIZE:
        return InvalidModule(f"it has {len(data)} bytes; {SIZE} are allowed")
    return None


def _walk(reader: Reader, found: _Walk, *, depth: int) -> int:
    """Read the sections of a component, and return at most how many definitions an instance of it makes."""
    made = 0
    for _ in range(SECTIONS):
        if reader.done():
            return made
        section = reader.byte()
        body = reader.part(reader.u32())
        if section == _MODULE:
            _read_module(body, found)
        elif section == _COMPONENT:
            _read_component(body, found, depth=depth)
        elif section > _LAST:
            raise Malformed(f"it has a section {section} that no component of the profile has")
        elif section != _CUSTOM:
            count = body.count(DEFINITIONS, "definitions")
            found.definitions += count
            if found.definitions > DEFINITIONS:
                raise Malformed(f"it has more than {DEFINITIONS} definitions")
            # Of what it is an instance is not looked at: of the heaviest there is, as far as anybody knows here.
            made += count * (found.heaviest if section == _INSTANCE else 1)
            if made > DEFINITIONS:
                raise Malformed(
                    f"instances of what is inside it make more than {DEFINITIONS} definitions"
                )
            if depth == 1 and section == _IMPORT:
                for _ in range(count):
                    _read_import(body, found)
            elif depth == 1 and section == _EXPORT:
                for _ in range(count):
                    _read_export(body, found)
    if not reader.done():
        raise Malformed(f"it has more than {SECTIONS} sections")
    return made


def _read_module(body: Reader, found: _Walk) -> None:
    if len(found.modules) >= MODULES:
        raise Malformed(f"it has more than {MODULES} core modules")
    if body.take(8) != MAGIC + VERSION:
        raise Malformed("it has a core module inside that is none")
    module = CoreModule()
    walk(body, module, CORE)
    sizes = [end - at for at, end in module.bodies]
    found.code += sum(sizes)
    if found.code > CODE or max(sizes, default=0) > FUNCTION:
        raise Malformed(
            f"its code has {found.code} bytes, {max(sizes)} in one function; {CODE} and {FUNCTION} are allowed"
        )
    module.bodies.clear()
    found.modules.append(module)
    if sum(len(each.functions) for each in found.modules) > FUNCTIONS:
        raise Malformed(f"its core modules have more than {FUNCTIONS} functions")


def _read_component(body: Reader, found: _Walk, *, depth: int) -> None:
    found.components += 1
    if found.components > COMPONENTS:
        raise Malformed(f"it has more than {COMPONENTS} components inside")
    if depth >= DEPTH:
        raise Malformed(f"it has components inside each other, more than {DEPTH} deep")
    if body.take(8) != MAGIC + COMPONENT_VERSION:
        raise Malformed("it has a component inside that is none")
    found.heaviest = max(found.heaviest, _walk(body, found, depth=depth + 1))


def _read_import(body: Reader, found: _Walk) -> None:
    name, sort = _external_name(body), body.byte()
    if sort == _TYPE_SORT:
        if (
            body.byte() != 0
        ):  # a type equal to another one is a name for it; anything else is a resource
            raise Malformed(f"it imports the resource {name}, which this node does not offer")
        body.u32()
        return
    body.u32()
    if sort != _INSTANCE_SORT:
        what = _SORTS[sort] if sort < len(_SORTS) else f"thing of sort {sort}"
        raise Malformed(f"it imports the {what} {name}, which this node does not offer")
    found.imports.append(name)


def _read_export(body: Reader, found: _Walk) -> None:
    name, sort = _external_name(body), body.byte()
    if sort == 0:
        body.byte()
    body.u32()
    if body.byte():
        raise Malformed(f"its export {name} states a type, which no compiler does")
    if sort == _FUNCTION_SORT:
        found.exports.append(name)


def _external_name(body: Reader) -> str:
    if body.byte() > 1:
        raise Malformed("it has an import or export whose name is of an unknown form")
    return read_name(body)


def _check_names(found: _Walk) -> None:
    for name in found.imports:
        if name.startswith("wasi:"):
            raise Malformed(f"it imports {name}, and this node offers no WASI: {_STUBS}")
        if name not in INTERFACES:
            raise Malformed(f"it imports {name}, which this node does not offer")
    for name in EXPORTS:
        if name not in found.exports:
            raise Malformed(f"it does not export {name}")
