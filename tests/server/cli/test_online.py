"""Commands against a real node: what newcomers type, in the order they type it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from caxton_server.cli import main

from tests.server.cli.servers import Served

pytestmark = pytest.mark.usefixtures("installed")

GUEST = """(module
  (import "caxton" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{answer}")
  (func (export "caxton_alloc") (param i32) (result i32)
    (select (i32.const 1024) (i32.const 0) (i32.le_u (local.get 0) (i32.const 64512))))
  (func (export "handle_message") (param $message i32) (param $length i32) (result i32)
    (call $log (i32.const 2) (i32.const 16) (i32.const {size}))
    {act}
    (i32.store (local.get $message) (i32.const 16))
    (i32.store offset=4 (local.get $message) (i32.const {size}))
    (i32.const 1)))"""

Caxton = Callable[..., Any]


def guest(content: str, act: str = "") -> bytes:
    """Translate an agent that logs and answers one fixed inform."""
    answer = json.dumps({"performative": "inform", "content": content})
    text = GUEST.format(
        answer=answer.replace("\\", "\\\\").replace('"', '\\"'), size=len(answer), act=act
    )
    return bytes(wasmtime.wat2wasm(text))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one node for all tests of this file."""
    node = Served(tmp_path_factory.mktemp("node"))
    try:
        yield node.wait_for_url()
    finally:
        assert node.stop() == 0


@pytest.fixture
def caxton(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caxton:
    """Return a function that runs a command with --json and returns its data, or its exit code."""
    monkeypatch.setenv("CAXTON_URL", url)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")

    def run(*line: str, code: int = 0, as_json: bool = True) -> Any:
        assert main([*line, "--json"] if as_json else list(line)) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return json.loads(out) if as_json and code == 0 else out + err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write an agent that answers and one that traps, with their manifests."""
    (tmp_path / "good.wasm").write_bytes(guest("hi \x1b there"))
    (tmp_path / "bad.wasm").write_bytes(guest("never", "unreachable"))
    for name in ("good", "bad"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nversion: 1.0.0\nmodule: {name}.wasm\nservices: [{{type: {name}ness}}]\n"
        )
    return tmp_path


def test_an_agent_from_deploy_to_rm(caxton: Caxton, folder: Path) -> None:
    """Deployed, listed, asked, logged, moved through its states, removed."""
    deployed = caxton("agent", "deploy", str(folder / "good.yaml"), "--name", "life")
    assert deployed["agent"]["state"] == "running"
    assert "conflict" not in caxton(
        "agent", "deploy", str(folder / "good.yaml"), "--name", "life", code=4
    )
    assert [row["name"] for row in caxton("agent", "list", "--name", "life")["items"]] == ["life"]
    assert caxton("agent", "list", "--service", "none")["items"] == []

    exchange = caxton("request", "life", '{"x": 1}')
    assert exchange["message"]["content"] == {"x": 1}
    assert exchange["reply"]["content"] == "hi \x1b there"
    assert "hi ? there" in caxton("request", "life", "hello", as_json=False)
    accepted = caxton("send", "life", "hello")
    assert accepted["durability"] == "disk"

    lines = caxton("agent", "logs", "life")["items"]
    assert "hi" in lines[0]["text"]
    assert "\x1b" not in caxton("agent", "logs", "life", as_json=False)
    assert caxton("agent", "show", "life")["stats"]["messages_in"] >= 2

    for verb, state in [
        ("suspend", "suspended"), ("resume", "running"), ("restart", "running"), ("stop", "stopped"),
        ("start", "running"),
    ]:  # fmt: skip
        assert caxton("agent", verb, "life")["state"] == state
    assert "not legal" in caxton("agent", "resume", "life", code=4)
    assert caxton("agent", "drain", "life")["state"] in {"draining", "stopped"}
    assert "removed" in caxton("agent", "rm", "life", as_json=False)
    assert "not found" in caxton("agent", "show", "life", code=3)


def test_a_module_alone_and_a_digest(caxton: Caxton, folder: Path) -> None:
    """A module can be deployed under a name, pushed, and named by its digest."""
    deployed = caxton("agent", "deploy", str(folder / "good.wasm"), "--name", "solo")
    digest = deployed["agent"]["module"]
    pushed = caxton("module", "push", str(folder / "good.wasm"))
    assert digest.endswith(pushed["sha256"].removeprefix("sha256:"))
    assert pushed["sha256"] in {row["sha256"] for row in caxton("module", "list")["items"]}
    named = folder / "named.yaml"
    named.write_text(f"name: named\nmodule: 'sha256:{pushed['sha256'].removeprefix('sha256:')}'\n")
    assert caxton("agent", "deploy", str(named))["agent"]["module"] == digest
    assert "--name" in caxton("agent", "deploy", str(folder / "good.wasm"), code=2)


def test_what_is_wrong_with_a_manifest_is_said(caxton: Caxton, folder: Path) -> None:
    """The nearest known key, by its place in the manifest."""
    (folder / "wrong.yaml").write_text("name: wrong\nmodule: good.wasm\nlimits: {memroy: 1MiB}\n")
    said = caxton("agent", "deploy", str(folder / "wrong.yaml"), code=1)
    assert "/limits/memroy" in said
    assert "memory" in said
    (folder / "text.yaml").write_text("name: text\nmodule: text.yaml\n")
    assert "magic" in caxton("agent", "deploy", str(folder / "text.yaml"), code=1)
    assert "Can't read" in caxton("agent", "deploy", str(folder / "none.yaml"), code=2)


def test_conversations(caxton: Caxton, folder: Path) -> None:
    """Started by the server, listed, shown; a second cancel is a conflict."""
    caxton("agent", "deploy", str(folder / "good.yaml"), "--name", "talker")
    line = ["conversation", "start", "fipa-request", "talker", "--content", "hi"]
    done = caxton(*line, "--wait", "5s")
    assert (done["state"], done["outcome"]) == ("completed", "success")
    assert caxton("conversation", "show", done["id"])["legs"][0]["outcome"] == "done"
    listed = caxton("conversation", "list", "--protocol", "fipa-request")["items"]
    assert done["id"] in {row["id"] for row in listed}
    assert "talker@caxton" in caxton("conversation", "show", done["id"], as_json=False)
    caxton("conversation", "cancel", done["id"], code=4)
    caxton("conversation", "start", "fipa-reqest", "talker", code=1)
    caxton("conversation", "start", "fipa-request", "nobody", code=3)
    bad = caxton(*line, "--select", "least", code=2)
    assert "min:" in bad


def test_the_directory(caxton: Caxton) -> None:
    """Who offers what, by what is registered; addressed by its type a service is found, or not."""
    service = "(service-description :name desk :type orders)"
    described = (
        f"(df-agent-description :name (agent-identifier :name api) :services (set {service}))"
    )
    done = caxton("request", "df", f"((action (agent-identifier :name df) (register {described})))")
    assert done["reply"]["performative"] == "inform", done
    row = {"agent": "api@caxton", "type": "orders", "name": "desk", "protocols": []}
    assert caxton("directory", "--type", "orders")["items"] == [row]
    assert caxton("directory", "--name", "other")["items"] == []
    assert "orders" in caxton("directory", as_json=False)
    assert "service:cooking" in caxton("send", "service:cooking", "hello", code=3)


def test_dead_letters(caxton: Caxton, folder: Path) -> None:
    """A message that traps is kept with its reason, sent again, and removed."""
    caxton("agent", "deploy", str(folder / "bad.yaml"))
    exchange = caxton("request", "bad", "hello")
    assert exchange["reply"]["performative"] == "failure"
    assert exchange["reply"]["content"]["reason"] == "trap"
    letters = caxton("dlq", "list")["items"]
    letter = next(row for row in letters if row["receiver"].startswith("bad"))
    assert letter["reason"] == "trap"
    assert caxton("dlq", "redrive", letter["id"])["id"]
    for row in caxton("dlq", "list")["items"]:
        assert "removed" in caxton("dlq", "rm", row["id"], as_json=False)
    assert "bad" not in {row["receiver"] for row in caxton("dlq", "list")["items"]}
    assert caxton("dlq", "redrive", letter["id"], code=3)


def test_nobody_and_nothing(caxton: Caxton) -> None:
    """A receiver that is not there is 3; what the node has loaded is told."""
    assert "not found" in caxton("send", "nobody", "hi", code=3)
    assert {"wasm", "sqlite"} <= {row["name"] for row in caxton("plugin", "list")["items"]}
    assert caxton("health")["status"] == "ok"
    assert "durability" in caxton("health", as_json=False)


def test_the_same_command_under_the_same_key(caxton: Caxton, folder: Path) -> None:
    """Done once: the second time it prints what the first one did."""
    caxton("agent", "deploy", str(folder / "good.yaml"))
    kept = "--key", "once"
    first = caxton("send", "good", "1", *kept, "--retry", "5s")
    assert caxton("send", "good", "1", *kept) == first
    assert "came with another request" in caxton("send", "good", "2", *kept, code=1)
    asked = caxton("request", "good", "1", "--key", "asked")
    assert caxton("request", "good", "1", "--key", "asked", "--wait", "9s") == asked
    line = "conversation", "start", "fipa-request", "good", "--key", "begun", "--ttl", "5s"
    begun = caxton(*line)
    assert caxton(*line)["id"] == begun["id"]
    caxton("agent", "rm", "good", "--yes", as_json=False)
