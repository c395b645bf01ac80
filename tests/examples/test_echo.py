"""The smallest agent."""

from __future__ import annotations

from pathlib import Path

import wasmtime

from tests.examples.toy_platform import ToyPlatform

SOURCE = Path(__file__).parents[2] / "examples" / "agents" / "echo" / "echo.wat"


def test_echo_answers(tmp_path: Path) -> None:
    """The response is found where the guest says it is."""
    module = tmp_path / "echo.wasm"
    module.write_bytes(wasmtime.wat2wasm(SOURCE.read_text()))
    platform = ToyPlatform()
    platform.deploy("echo", module)
    platform.post("api", {"performative": "request", "receiver": "echo", "content": "hello"})
    platform.run()
    [answer] = platform.outside
    assert (answer["performative"], answer["content"]) == ("inform", "hello from wasm")
