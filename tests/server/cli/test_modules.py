"""`caxton module check`: what a module is, and why it is refused, without a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wasmtime
from caxton_server.cli import main

from tests.plugins.sandboxes.components import component

pytestmark = pytest.mark.usefixtures("installed")

AGENT = """(module
  (import "caxton" "log" (func (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "caxton_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "handle_message") (param i32 i32) (result i32) (i32.const 0)))"""


def write(tmp_path: Path, text: str) -> str:
    """Translate WebAssembly text into a file."""
    path = tmp_path / "agent.wasm"
    path.write_bytes(wasmtime.wat2wasm(text))
    return str(path)


def test_a_good_module_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Profile, imports and exports, and the digest that a manifest may name."""
    path = write(tmp_path, AGENT)
    assert main(["module", "check", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["profile"], found["refused"]) == ("strict", {})
    assert sorted(found["exports"]) == ["caxton_alloc", "handle_message", "memory"]
    assert any("log" in name for name in found["imports"])
    assert found["sha256"].startswith("sha256:")
    assert (found["memory"], found["limits"]["memory"]) == (65_536, 16 << 20)
    assert main(["module", "check", path]) == 0
    told = capsys.readouterr()
    assert "strict" in told.out
    assert "memory 16777216" in told.out
    assert "must set limits.memory" not in told.err


def test_a_module_that_needs_a_larger_limit_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever begins with more memory than the default is told what the manifest must set."""
    path = write(tmp_path, AGENT.replace('"memory") 1', '"memory") 300'))
    assert main(["module", "check", path]) == 0
    assert "must set limits.memory to 19660800 or more" in capsys.readouterr().err


def test_a_module_that_needs_more_than_strict_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The profile that takes it is named, and the reason why the stricter one does not."""
    copy = '(func (export "c") (memory.copy (i32.const 0) (i32.const 1) (i32.const 2)))'
    path = write(tmp_path, AGENT[:-1] + copy + ")")
    assert main(["module", "check", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["profile"] == "standard"
    assert "bulk memory" in found["refused"]["strict"]
    assert main(["module", "check", path, "--profile", "strict"]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AGENT.replace('"log"', '"lgo"'), "lgo"),
        (AGENT.replace('"handle_message"', '"handle_mesage"'), "handle_message"),
        (AGENT.replace('(export "memory") ', ""), "memory"),
    ],
)
def test_a_refused_module_is_1_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """The reason names what is wrong."""
    assert main(["module", "check", write(tmp_path, text)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_what_is_no_module_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any file may be checked; JSON says that no profile takes it."""
    path = tmp_path / "notes.txt"
    path.write_text("not wasm")
    assert main(["module", "check", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["profile"] is None
    assert set(found["refused"]) == {"strict", "standard"}
    assert main(["module", "check", str(tmp_path / "none.wasm")]) == 2
    assert main(["module", "check", str(path), "--profile", "loose"]) == 2


def test_a_component_is_told_by_its_first_bytes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A component is checked against its own profile alone, and told what it asks for and begins with."""
    path = tmp_path / "agent.wasm"
    path.write_bytes(component(memory="3"))
    assert main(["module", "check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["profile"], found["memory"], found["refused"]) == ("component", 3 * 65_536, {})
    assert found["imports"] == ["caxton:agent/messages@1.0.0", "caxton:agent/node@1.0.0"]
    path.write_bytes(component(without="drain"))
    assert main(["module", "check", str(path)]) == 1
    assert "component: Invalid module: it does not export drain." in capsys.readouterr().err
