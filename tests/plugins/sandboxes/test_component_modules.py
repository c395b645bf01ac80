"""What is refused of a component before it runs: its form, its names, its types; and what the cache keeps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from caxton_core.hookspecs import SandboxOptions
from caxton_core.ids import ModuleDigest
from caxton_core.resources import Limits
from caxton_plugins.sandboxes import components
from caxton_plugins.sandboxes.compilation import compiling
from caxton_plugins.sandboxes.compilation.surveys import JobLimits
from caxton_plugins.sandboxes.components import ComponentSandbox, sections
from returns.result import Success
from wasmtime import wat2wasm

from tests.plugins.sandboxes.components import ECHO, IMPORTS, component, started
from tests.plugins.sandboxes.guests import Host, handled, module

MAGIC = b"\0asm\x0d\0\1\0"
WIRE = b'{"performative":"request","sender":"ann@home","receiver":"ben@home","content":"hello"}'
ANSWER = b'{"performative":"inform","content":"hello"}'


def leb(number: int) -> bytes:
    """Encode an unsigned LEB128."""
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


def section(kind: int, body: bytes) -> bytes:
    """Build one section."""
    return bytes((kind,)) + leb(len(body)) + body


def refusal(data: bytes) -> str:
    """Return why a component is refused before anything compiles it."""
    return sections.survey(data).failure().detail


def refused(sandbox: ComponentSandbox, data: bytes) -> str:
    """Return why a sandbox refuses a component."""
    return sandbox.check(data, "component").failure().detail


def test_a_component_tells_what_it_is(component_sandbox: ComponentSandbox) -> None:
    """The check names the profile, the world's functions, the interfaces and the memory."""
    info = component_sandbox.check(component(memory="3"), "component").unwrap()
    assert (info.profile, info.memory, info.cached) == ("component", 3 * 65_536, False)
    assert info.exports == ("init", "handle", "drain", "export-state", "import-state")
    assert info.imports == ("caxton:agent/messages@1.0.0", "caxton:agent/node@1.0.0")


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"hello", "it does not begin with the magic number of WebAssembly"),
        (b"(component)", "it does not begin with the magic number of WebAssembly"),
        (module(), "it is a core module: set profile: strict or standard in the manifest"),
        (b"\0asm\x0e\0\1\0", "it is no component of a known version"),
        (MAGIC + bytes(48 << 20), "it has 50331656 bytes; 50331648 are allowed"),
        (MAGIC, "it does not export init"),
        (MAGIC + b"\x0a\xff", "it ends too early"),
        (MAGIC + section(12, b"\0"), "it has a section 12 that no component of the profile has"),
        (MAGIC + section(1, MAGIC), "it has a core module inside that is none"),
        (MAGIC + section(4, b"\0asm\1\0\0\0"), "it has a component inside that is none"),
        (MAGIC + section(7, leb(100_001)), "it has 100001 definitions; 100000 are allowed"),
        (MAGIC + section(1, b"\0asm\1\0\0\0") * 201, "it has more than 200 core modules"),
        (MAGIC + section(4, MAGIC) * 101, "it has more than 100 components inside"),
        (MAGIC + section(0, b"") * 20_001, "it has more than 20000 sections"),
        (MAGIC + section(7, leb(60_000)) * 2, "it has more than 100000 definitions"),
        (
            MAGIC + section(1, b"\0asm\1\0\0\0" + section(3, leb(20_001) + bytes(20_001))) * 2,
            "its core modules have more than 40000 functions",
        ),
        (
            MAGIC + section(1, b"\0asm\1\0\0\0" + section(10, leb(1) + leb(7) + leb(10_001) + bytes(5))),
            "it has 10001 groups of locals; 10000 are allowed",
        ),
        (
            MAGIC + section(1, b"\0asm\1\0\0\0" + section(10, leb(1) + leb((1 << 20) + 2) + bytes((1 << 20) + 2))),
            "its code has 1048577 bytes, 1048577 in one function; 12582912 and 1048576 are allowed",
        ),
    ],
)  # fmt: skip
def test_what_is_no_component_is_refused_at_sight(data: bytes, detail: str) -> None:
    """Every count is capped, of every module and component inside."""
    assert refusal(data) == detail


def test_components_inside_each_other_are_counted() -> None:
    """Depth is bounded, so that the walk is."""
    data = MAGIC
    for _ in range(9):
        data = MAGIC + section(4, data)
    assert refusal(data) == "it has components inside each other, more than 8 deep"


def test_what_is_inside_is_counted_as_often_as_it_is_made() -> None:
    """A component of a few hundred bytes may have millions of instances inside: each is compiled on its own."""
    text = "(component $c)"
    for _ in range(6):
        text = f"(component $c {text} {'(instance (instantiate $c))' * 20})"
    data = bytes(wat2wasm(text))
    assert len(data) < 1_000
    assert refusal(data) == "instances of what is inside it make more than 100000 definitions"
    few = bytes(
        wat2wasm(
            text.replace("(instance (instantiate $c))" * 20, "(instance (instantiate $c))" * 5)
        )
    )
    assert refusal(few) == "it does not export init"


def test_wasi_is_refused_with_what_to_do() -> None:
    """A component that wants WASI is refused by name, and says how to build it without."""
    wasi = '(import "wasi:cli/environment@0.2.0" (instance))'
    detail = refusal(component(imports=IMPORTS + wasi))
    assert detail.startswith("it imports wasi:cli/environment@0.2.0, and this node offers no WASI")
    assert "--stub-wasi" in detail
    assert "-d stdio random clocks http fetch-event" in detail


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ('(import "teleport" (func))', "it imports the function teleport, which"),
        (
            '(import "other:agent/node@1.0.0" (instance))',
            "it imports other:agent/node@1.0.0, which",
        ),
        (
            '(import "caxton:agent/node@2.0.0" (instance))',
            "it imports caxton:agent/node@2.0.0, which",
        ),
        ('(import "door" (type (sub resource)))', "it imports the resource door, which"),
        ('(import "code" (core module))', "it imports the core module code, which"),
        ('(import "part" (component))', "it imports the component part, which"),
    ],
)
def test_an_unknown_import_is_named(more: str, detail: str) -> None:
    """What the node does not offer is refused by name."""
    assert detail in refusal(component(imports=IMPORTS + more))


@pytest.mark.parametrize("name", ["init", "handle", "drain", "export-state", "import-state"])
def test_a_missing_export_is_named(name: str) -> None:
    """Each of the world's five functions must be there."""
    assert refusal(component(without=name)) == f"it does not export {name}"


def test_an_export_of_another_type_is_named(component_sandbox: ComponentSandbox) -> None:
    """A function of the world's name but another type is refused, with both types."""
    types = {"init": '(param "config" string) (result (result))'}
    detail = refused(component_sandbox, component(types=types))
    assert detail == (
        "its export init is func(config: string) -> result; the world has func(config: string) -> result<_, string>"
    )
    types = {"handle": '(param "message" $message) (result (result (error string)))'}
    detail = refused(component_sandbox, component(types=types))
    assert "its export handle is func(message: message) -> result<_, string>; the world" in detail


@pytest.mark.parametrize(
    ("was", "becomes", "detail"),
    [
        ('(result u64)', '(result s64)', "its import now-ms is func() -> s64; the world has func() -> u64"),
        ('"over-limit"', '"over-time"', "its import send is func(message: message) -> result<_, enum {invalid"),
        ('(field "sender" (option string))', '(field "sender" string)', "its import send is func(message: record"),
        ('"cancel-timer" (func (param "timer"', '"cancel-alarm" (func (param "timer"', "caxton:agent/node@1.0.0 cancel-alarm, which"),
    ],
)  # fmt: skip
def test_an_import_of_another_type_is_named(
    component_sandbox: ComponentSandbox, was: str, becomes: str, detail: str
) -> None:
    """A function of `node` is what the world says, to the last name in its types."""
    bare = f"""(component {IMPORTS.replace(was, becomes)}
      (core module $m (func (export "f"))) (core instance $m (instantiate $m))
      {"".join(f'(func (export "{name}") (canon lift (core func $m "f")))' for name in components.worlds.EXPORTS)})"""
    assert IMPORTS.replace(was, becomes) != IMPORTS
    assert detail in refused(component_sandbox, bytes(wat2wasm(bare)))


@pytest.mark.parametrize(
    "more",
    ["(memory i64 1)", "(memory 1 1 shared)", "(func (param v128))", "(tag)", "(type (struct))"],
)
def test_what_no_agent_needs_is_not_admitted(
    component_sandbox: ComponentSandbox, more: str
) -> None:
    """Proposals beyond what the two compilers emit are off."""
    assert refused(component_sandbox, component(parts=f"(core module {more})"))


def test_code_that_does_not_validate_is_refused(component_sandbox: ComponentSandbox) -> None:
    """What wasmtime says is the reason, on one line."""
    data = component(ECHO).replace(b"\xfc\x0a\x00\x00", b"\xfc\x0a\x07\x00")  # memory.copy
    detail = refused(component_sandbox, data)
    assert "memory" in detail
    assert detail.isprintable()


def test_another_profile_is_not_this_sandboxs(component_sandbox: ComponentSandbox) -> None:
    """The sandbox has one profile, and takes JSON alone."""
    assert refused_profile(component_sandbox) == "there is no profile strict"
    (kind,) = components.caxton_sandboxes()
    assert (kind.name, kind.profiles, kind.codecs) == ("component", ("component",), ("json",))


def refused_profile(sandbox: ComponentSandbox) -> str:
    """Return why a profile of core modules is refused."""
    return sandbox.check(component(), "strict").failure().detail


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ComponentSandbox]:
    """Yield a sandbox over a cache in the test's folder."""
    (kind,) = components.caxton_sandboxes()
    made = kind.make(SandboxOptions(cache=str(tmp_path))).unwrap()
    assert isinstance(made, ComponentSandbox)
    yield made
    made.close()


def test_a_component_is_compiled_once(node: ComponentSandbox, tmp_path: Path) -> None:
    """The second check and a restart know what is there, and nothing else is left in the folder."""
    data = component(ECHO)
    checks = [node.check(data, "component").unwrap() for _ in range(2)]
    assert [check.cached for check in checks] == [False, True]
    node.close()
    restarted = ComponentSandbox(str(tmp_path))
    guest = restarted.open(ModuleDigest(checks[0].sha256), "component", Limits(), Host()).unwrap()
    assert guest.start(b"{}") is None
    assert handled(guest, WIRE) == ANSWER
    guest.close()
    restarted.close()
    kinds = sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file())
    assert kinds == ["", ".cwasm", ".json"]


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "foreign"])
def test_a_damaged_entry_is_compiled_again(
    node: ComponentSandbox, tmp_path: Path, damage: str
) -> None:
    """An entry whose checksum is wrong is not loaded, not even to look at it."""
    data = component(ECHO)
    info = node.check(data, "component").unwrap()
    (code,) = tmp_path.rglob("*.cwasm")
    whole = code.read_bytes()
    match damage:
        case "cut":
            code.write_bytes(whole[:-100])
        case "changed":
            code.write_bytes(whole[:2000] + b"\xcc" + whole[2001:])
        case "gone":
            code.unlink()
        case _:
            code.with_suffix(".json").write_text("{}")
    node.close()
    restarted = ComponentSandbox(str(tmp_path))
    opened = restarted.open(ModuleDigest(info.sha256), "component", Limits(), Host())
    assert "was not compiled" in str(opened.failure())
    assert not restarted.check(data, "component").unwrap().cached
    assert handled(started(restarted, data), WIRE) == ANSWER
    restarted.close()


def test_loaded_code_is_out_of_reach(node: ComponentSandbox, tmp_path: Path) -> None:
    """What runs is a copy without a name: nothing that is done to the file reaches it."""
    data = component(ECHO)
    guest = started(node, data)
    (code,) = tmp_path.rglob("*.cwasm")
    descriptor, _ = node._cache.find_file(node.check(data, "component").unwrap().sha256, "component") or (-1, None)  # fmt: skip
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")
    assert os.fstat(descriptor).st_nlink == 0
    os.close(descriptor)
    with code.open("r+b") as file:
        file.write(bytes(code.stat().st_size))
        file.truncate(0)
    assert handled(guest, WIRE) == ANSWER


def test_a_component_has_limits_of_its_own() -> None:
    """Compiling one may take more than compiling a core module."""
    assert compiling.kind_of("component").limits == JobLimits(
        cpu_seconds=40, wall_seconds=60, memory=2 << 30, niceness=0
    )


def test_the_engine_is_probed_before_its_first_use(node: ComponentSandbox) -> None:
    """The child process builds the engine of components too."""
    assert node._compiler.probe("component") == Success(None)
    assert node.fuel_per_ms("component") > 100_000
