"""Modules that must not run: each is refused with what is wrong, leaves nothing behind, and hurts nobody."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from wasmtime import wat2wasm

from tests.e2e.nodes import Answer, Api, tell
from tests.e2e.wat import ECHO, LIBRARY, fixed, guest, saying

LOOP = "(loop $for_ever (br $for_ever))"
RESULT = "(loop $for_ever (br $for_ever)) (unreachable)"
MEMORY = '(memory (export "memory") 4)'
ALLOC = '(func (export "caxton_alloc") (param i32) (result i32) (i32.const 65536))'
HANDLE = '(func (export "handle_message") (param i32 i32) (result i32) (i32.const 0))'


def wasm(*fields: str) -> bytes:
    """Build a module from its fields."""
    return bytes(wat2wasm(f"(module {' '.join(fields)})"))


def refused(api: Api, name: str, answer: Answer, code: str, *words: str) -> Any:
    """Check a refusal: a problem with this code and these words, and no agent left behind."""
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer
    problem = answer.body
    assert 400 <= answer.status < 500, answer
    assert problem["status"] == answer.status
    assert problem["code"] == code, problem
    for word in words:
        assert word in problem["detail"], problem
    assert api.call("GET", f"/api/v1/agents/{name}").status == 404
    assert api.send(name).status == 404
    return problem


@pytest.mark.parametrize(
    "data",
    [
        b"hello", b"", b"\0asm", b"\0asm\1\0\0\0", b"\0asm\2\0\0\0", b"\x7fELF" + bytes(100),
        fixed(ECHO)[:-20], fixed(ECHO) + b"\0\xff\xff", b"(module)",
    ],
    ids=["text", "empty", "magic", "no-exports", "version", "elf", "cut", "longer", "wat"],
)  # fmt: skip
def test_what_is_no_module_is_refused(api: Api, data: bytes) -> None:
    """Bytes that are no WebAssembly guest are invalid_module, whatever they are."""
    refused(api, "none", api.deploy("none", data), "invalid_module")


def test_a_body_that_is_no_module_can_not_be_pushed(api: Api) -> None:
    """POST /modules says the same."""
    answer = api.call("POST", "/api/v1/modules", b"hello", kind="application/wasm")
    assert (answer.status, answer.body["code"]) == (422, "invalid_module")


@pytest.mark.parametrize("version", [0, 2, -1, 1 << 30])
def test_an_unknown_abi_version_is_refused(api: Api, version: int) -> None:
    """A guest of another ABI is refused at load, with the version it wants."""
    own = f'(func (export "caxton_abi_version") (result i32) (i32.const {version}))'
    answer = api.deploy("abi", guest(more=own))
    assert str(version) in refused(api, "abi", answer, answer.body["code"])["detail"]
    assert answer.body["code"] in ("invalid_module", "start_failed")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("caxton", "teleport"), ("env", "abort"), ("wasi_snapshot_preview1", "fd_teleport"), ("", ""),
        ("wasi_unstable", "fd_write"), ("caxton", "a\u001b[31mred"),
    ],
)  # fmt: skip
def test_an_unknown_import_is_named(api: Api, module: str, name: str) -> None:
    """An import that nobody provides is refused at load by its name."""
    escaped = "".join(f"\\{byte:02x}" for byte in name.encode())
    data = wasm(f'(import "{module}" "{escaped}" (func))', MEMORY, ALLOC, HANDLE)
    problem = refused(api, "imports", api.deploy("imports", data), "invalid_module")
    if name.isprintable():
        assert name in problem["detail"]
    assert "\u001b" not in problem["detail"]


def test_an_import_of_another_type_is_named(api: Api) -> None:
    """`send` with another signature is not `send`."""
    data = wasm('(import "caxton" "send" (func (param i64)))', MEMORY, ALLOC, HANDLE)
    refused(api, "imports", api.deploy("imports", data), "invalid_module", "send")


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ((ALLOC, HANDLE), "memory"),
        ((MEMORY, HANDLE), "caxton_alloc"),
        ((MEMORY, ALLOC), "handle_message"),
        ((MEMORY, ALLOC, '(func (export "handle_message"))'), "handle_message"),
        ((MEMORY, ALLOC, '(global (export "handle_message") i32 (i32.const 0))'), "handle_message"),
    ],
)  # fmt: skip
def test_a_missing_export_is_named(api: Api, fields: tuple[str, ...], missing: str) -> None:
    """What a guest must export, with its type, is named when it is not there."""
    refused(api, "exports", api.deploy("exports", wasm(*fields)), "invalid_module", missing)


@pytest.mark.parametrize("pages", [17, 1000, 65_536])
def test_more_memory_than_the_manifest_allows_is_refused(api: Api, pages: int) -> None:
    """A module that wants more than its limit from the start does not start."""
    data = wasm(f'(memory (export "memory") {pages})', ALLOC, HANDLE)
    answer = api.deploy("large", data, limits={"memory": "1MiB"})
    assert answer.body["code"] in ("limit_exceeded", "start_failed", "invalid_module")
    refused(api, "large", answer, answer.body["code"], "memory")


def test_a_huge_table_is_refused(api: Api) -> None:
    """Tables are memory too."""
    data = wasm("(table 4000000000 funcref)", MEMORY, ALLOC, HANDLE)
    answer = api.deploy("table", data)
    refused(api, "table", answer, answer.body["code"])


def test_a_module_too_large_to_be_read_is_413(api: Api) -> None:
    """64 MiB is the most that a module route takes."""
    size = 64 * 1024 * 1024 + 1
    head = b"POST /api/v1/modules HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/wasm\r\n"
    with socket.create_connection((api.host, api.port), timeout=60) as raw:
        raw.sendall(head + f"Content-Length: {size}\r\n\r\n".encode())
        assert raw.recv(12) == b"HTTP/1.1 413"


def test_a_start_that_fails_says_why(api: Api) -> None:
    """An error code of caxton_init is in the refusal."""
    init = '(func (export "caxton_init") (param i32 i32) (result i32) (i32.const 77))'
    refused(api, "init", api.deploy("init", guest(more=init)), "start_failed", "77")


@pytest.mark.parametrize(
    ("where", "field", "cpu_ms"),
    [
        ("start", f"(func $first {LOOP}) (start $first)", 50),
        ("_initialize", f'(func (export "_initialize") {LOOP})', 50),
        ("caxton_init", f'(func (export "caxton_init") (param i32 i32) (result i32) {RESULT})', 50),
        ("caxton_abi_version", f'(func (export "caxton_abi_version") (result i32) {RESULT})', 50),
        ("start, an hour allowed", f"(func $first {LOOP}) (start $first)", 3_600_000),
    ],
)
def test_a_start_that_never_ends_is_refused_within_15_seconds(
    api: Api, where: str, field: str, cpu_ms: int
) -> None:
    """Meanwhile other requests are answered, and others' agents work."""
    limits = {"cpu_ms": cpu_ms, "time_ms": cpu_ms}
    answers: list[Answer] = []
    data = guest(saying(ECHO), field)
    began = time.monotonic()
    thread = threading.Thread(
        target=lambda: answers.append(api.deploy("looping", data, limits=limits))
    )
    thread.start()
    asked = 0
    while thread.is_alive() and time.monotonic() - began < 30:
        assert api.ask("echo")["content"] == "here"
        assert api.call("GET", "/livez").status == 200
        asked += 1
        time.sleep(0.05)
    thread.join()
    seconds = time.monotonic() - began
    problem = refused(api, "looping", answers[0], answers[0].body["code"])
    assert problem["code"] in ("start_failed", "limit_exceeded")
    assert seconds < 15
    assert asked
    tell(f"{where}: refused in {seconds:.2f} s, {asked} requests meanwhile: {problem['detail']}")


def test_a_start_that_traps_is_refused(api: Api) -> None:
    """In the start function, and in caxton_init."""
    for field in (
        "(func $first (unreachable)) (start $first)",
        '(func (export "caxton_init") (param i32 i32) (result i32) (unreachable))',
    ):
        refused(api, "trap", api.deploy("trap", guest(more=field)), "start_failed", "trap")


def test_what_a_failed_start_sent_is_not_sent(api: Api) -> None:
    """A start is a step: one that fails leaves no message, and a later one is not confused by it."""
    message = '{"performative":"inform","receiver":"echo","content":"from a start"}'
    field = f"""(data (i32.const 0) "{message.replace('"', chr(92) + '"')}")
      (func (export "caxton_init") (param i32 i32) (result i32)
        (drop (call $send (i32.const 0) (i32.const {len(message)}))) (i32.const 3))"""
    refused(api, "sends", api.deploy("sends", guest(more=field)), "start_failed")
    found = api.all("messages?agent=echo")
    assert not [item for item in found if item["message"].get("content") == "from a start"]


@pytest.mark.parametrize(
    ("manifest", "path", "nearest"),
    [
        ({"limts": {}}, "/limts", "limits"),
        ({"limits": {"memroy": "1MiB"}}, "/limits/memroy", "memory"),
        ({"restart": {"polcy": "permanent"}}, "/restart/polcy", "policy"),
        ({"services": [{"typ": "x", "type": "y"}]}, "/services/0/typ", "type"),
        ({"profile": "stricct"}, "/profile", "strict"),
        ({"sendto": ["*"]}, "/sendto", "send_to"),
    ],
)
def test_an_unknown_manifest_key_names_the_nearest(
    api: Api, manifest: dict[str, Any], path: str, nearest: str
) -> None:
    """Every error has its place, and a suggestion where there is one."""
    answer = api.deploy("keys", fixed(ECHO), **manifest)
    problem = refused(api, "keys", answer, "invalid_manifest")
    entry = next(entry for entry in problem["errors"] if entry["pointer"] == path)
    assert entry["nearest"] == nearest
    assert nearest in problem["detail"] or nearest in entry["detail"]


@pytest.mark.parametrize(
    "manifest",
    [
        {"limits": {"memory": "lots"}}, {"limits": {"cpu_ms": 0}}, {"limits": {"mailbox": -1}}, {"limits": []},
        {"config": []}, {"send_to": "*"}, {"restart": {"policy": "never"}}, {"deliveries": "x"},
        {"limits": {"memory": 1e400}}, {"version": 1}, {"codec": "xml"}, {"deliveries": 10**30},
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_refused(api: Api, manifest: dict[str, Any]) -> None:
    """A value of the wrong kind or out of range is a 4xx with its place."""
    answer = api.deploy("wrong", fixed(ECHO), **manifest)
    refused(api, "wrong", answer, answer.body["code"])
    assert answer.body["code"] in ("invalid_manifest", "invalid_request")


@pytest.mark.parametrize("name", ["", "UPPER", "1234", "a" * 64, "../x", "a b", "a@b", "ams", "df", "api"])  # fmt: skip
def test_a_name_that_is_none_is_refused(api: Api, name: str) -> None:
    """Names follow docs/manifests.md, and those of the platform are taken."""
    answer = api.deploy(name, fixed(ECHO))
    assert answer.status in (409, 422), answer
    assert answer.body["code"] in ("invalid_manifest", "agent_exists")


def test_the_library_of_these_tests_builds() -> None:
    """The shared parts are one valid module; a mistake in them would refuse everything for the wrong reason."""
    assert LIBRARY
    assert guest().startswith(b"\0asm")
