"""Components that are none, want what there is not, or cost the compiler more than they cost their author."""

from __future__ import annotations

import random

from wasmtime import wat2wasm

from tests.hostile.binaries import (
    CODE,
    FUNCTION,
    I64,
    MAGIC,
    MEMORY,
    TYPE,
    code,
    leb,
    section,
    sized,
    vector,
)
from tests.hostile.cases import Answered, Case
from tests.hostile.cases import load as load_of_core_module
from tests.hostile.components import Maker, load, of, whole
from tests.hostile.guests import agent
from tests.plugins.sandboxes.components import ECHO, IMPORTS, component

HEAD = b"\0asm\x0d\0\1\0"
_CORE, _COMPONENT, _INSTANCES, _ALIASES, _TYPES, _CANONICAL = 1, 4, 5, 6, 7, 8
_BLOCKS = b"\x02\x40" * 4_001 + b"\x0b" * 4_001
_NAMES = ("init", "handle", "drain", "export-state", "import-state")


def _raw(*parts: bytes) -> Maker:
    return lambda: HEAD + b"".join(parts)


def _cut(share: float) -> Maker:
    def made() -> bytes:
        data = component(ECHO)
        return data[: int(len(data) * share)]

    return made


def _garbage(seed: int) -> Maker:
    return lambda: HEAD + random.Random(seed).randbytes(2_000)


def _damaged(seed: int) -> Maker:
    """Return a maker of a component in which a few bytes are others."""

    def made() -> bytes:
        chance = random.Random(seed)
        data = bytearray(component(ECHO))
        for _ in range(40):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        return bytes(data)

    return made


def _inside(*functions: bytes) -> Maker:
    """Return a maker of a component that has a core module with these functions inside."""
    return _raw(section(_CORE, _functions(*functions)))


def _functions(*functions: bytes) -> bytes:
    return MAGIC + section(TYPE, vector([b"\x60\0\0"])) + section(
        FUNCTION, vector([b"\0"] * len(functions))) + section(CODE, vector(map(sized, functions)))  # fmt: skip


def _nested(depth: int) -> bytes:
    data = HEAD
    for _ in range(depth):
        data = HEAD + section(_COMPONENT, data)
    return data


def _multiplied(depth: int, width: int) -> Maker:
    """Return a maker of a component of components, each of which makes so many instances of the one inside it."""

    def text(left: int) -> str:
        if not left:
            return "(component $c)"
        return f"(component $c {text(left - 1)} {'(instance (instantiate $c))' * width})"

    return lambda: bytes(wat2wasm(text(depth)))


def _typed(kind: str, flat: str = "i32") -> Maker:
    """Return a maker of a component whose `init` takes this type, which is `flat` in its core module."""
    *types, last = kind.split(";")
    more = "".join(f"(type $t{number} {text})" for number, text in enumerate(types))
    return lambda: bytes(wat2wasm(f"""(component {more} {IMPORTS}
      (core module $m (memory (export "memory") 1)
        (func (export "f")) (func (export "g") (param {flat}))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
      (core instance $m (instantiate $m))
      {"".join(f'(func (export "{name}") (canon lift (core func $m "f")))' for name in _NAMES[1:])}
      (func (export "init") (param "config" {last}) (canon lift (core func $m "g") (memory (core memory $m "memory"))
        (realloc (core func $m "realloc")))))"""))  # fmt: skip


def _wants(more: str) -> Maker:
    return lambda: component(imports=IMPORTS + more)


_WASI_0_2 = (
    "cli/environment",
    "filesystem/types",
    "sockets/tcp",
    "http/outgoing-handler",
    "clocks/wall-clock",
    "random/random",
)


def _doubled(times: int) -> Maker:
    """Return a maker of a component with a type of 2 to this power parts, each written once."""
    types = [f"(tuple $t{number} $t{number})" for number in range(times)]
    return _typed(";".join(["(tuple u8 u8)", *types, f"$t{times}"]))


CASES: tuple[Case, ...] = (
    load("shape/core-module", agent(), "it is a core module"),
    load("shape/text", lambda: b"(component)", "magic number"),
    load_of_core_module("component/shape/under-strict", whole(), "component"),
    load_of_core_module("component/shape/under-standard", whole(), "component", manifest={"profile": "standard"}),
    load("shape/header", _raw(), "it does not export init"),
    load("shape/version", lambda: b"\0asm\x0e\0\1\0", "no component of a known version"),
    *[load(f"shape/cut/at-{share}", _cut(share), "ends too early") for share in (0.25, 0.5, 0.75, 0.99)],
    *[load(f"shape/garbage/{seed}", _garbage(seed), "") for seed in range(4)],
    *[load(f"shape/damaged/{seed}", _damaged(seed), "") for seed in range(4)],
    load("shape/module-of-no-bytes", _raw(section(_CORE, b"")), "ends too early"),
    load("shape/component-as-module", _raw(section(_CORE, HEAD)), "core module inside that is none"),
    load("shape/module-as-component", _raw(section(_COMPONENT, MAGIC)), "component inside that is none"),
    load("shape/module-that-is-cut", _raw(section(_CORE, agent()()[:-3])), "ends too early"),
    load("shape/section-of-4-gib", _raw(b"\1\xff\xff\xff\xff\x0f"), "ends too early"),
    load("shape/start-section", _raw(section(9, b"\0\0\0")), ""),
    load("shape/instances-of-nothing", _raw(section(_INSTANCES, b"\1\0\x09\0")), ""),
    load("shape/aliases-of-nothing", _raw(section(_ALIASES, b"\1\1\0\x09\1a")), ""),
    *[load(f"want/wasi/{name}", _wants(f'(import "wasi:{name}@0.2.0" (instance))'), "no WASI") for name in _WASI_0_2],
    load("want/function", _wants('(import "teleport" (func))'), "the function teleport"),
    load("want/resource", _wants('(import "door" (type (sub resource)))'), "the resource door"),
    load("want/other-version", _wants('(import "caxton:agent/node@9.0.0" (instance))'), "caxton:agent/node@9.0.0"),
    load("want/core-module", _wants('(import "code" (core module))'), "the core module code"),
    load("want/more-of-the-node", lambda: component(imports=IMPORTS.replace(
        '(export "now-ms" (func (result u64)))', '(export "now-ms" (func (result u64))) (export "exec" (func))')), "exec, which"),
    load("want/another-type", lambda: component(types={"drain": "(result u32)"}, drain="(i32.const 0)"), ""),
    *[load(f"want/without/{name}", whole(without=name), f"does not export {name}") for name in _NAMES],
    load("type/list-of-lists", _typed("(list " * 90 + "u8" + ")" * 90, "i32 i32"), ""),
    load("type/doubled", _doubled(24), "type size exceeds"),
    load("type/doubled/as-far-as-it-goes", _doubled(16), "its export init"),
    load("many/modules", _raw(section(_CORE, MAGIC) * 201), "more than 200 core modules"),
    load("many/components", _raw(section(_COMPONENT, HEAD) * 101), "more than 100 components"),
    load("many/components-inside-each-other", _raw(_nested(9)[8:]), "more than 8 deep"),
    load("many/sections", _raw(section(0, b"\1a") * 20_001), "more than 20000 sections"),
    load("many/definitions", _raw(section(_TYPES, leb(100_001))), "100000 are allowed"),
    load("many/definitions-together", _raw(section(_CANONICAL, leb(60_000)) * 2), "more than 100000 definitions"),
    load("many/instances", _multiplied(6, 20), "instances of what is inside it"),
    load("many/instances/a-billion", _multiplied(6, 32), "instances of what is inside it"),
    load("many/memories", _raw(section(_CORE, MAGIC + section(MEMORY, b"\2\0\1\0\1"))), "1 are allowed"),
    load("bomb/functions", _raw(section(_CORE, _functions(*[code(body=b"")] * 20_001)) * 2), "more than 40000 functions"),
    load("bomb/function-of-a-mebibyte", _inside(code(body=b"\x01" * (1 << 20))), "1048576 are allowed"),
    load("bomb/locals", _inside(code(groups=[leb(10_001) + I64], body=b"")), "more than 10000 locals"),
    load("bomb/blocks", _inside(code(body=_BLOCKS)), "blocks inside each other"),
    load("bomb/size", lambda: HEAD + bytes(48 << 20), "50331648 are allowed", slow=True),
    of("bomb/many-functions-that-are-admitted", whole(parts="(core module " + "(func)" * 19_000 + ")"), "load", Answered(9),
       slow=True),
    of("bomb/blocks-that-are-admitted", whole(parts="(core module (func " + "(block " * 2_000 + ")" * 2_000 + "))"), "load",
       Answered(9), slow=True),
)  # fmt: skip
