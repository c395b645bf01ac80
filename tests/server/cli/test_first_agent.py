"""The agent of docs/agents/wat.md, exactly as it is printed there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import wasmtime
from caxton_server.cli import main

from tests.server.cli.servers import Served

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "agents" / "wat.md"

pytestmark = pytest.mark.usefixtures("installed")


def block(language: str) -> str:
    """Return the page's one block in a language."""
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(found)


def test_the_first_agent_counts_through_restart_and_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the page promises: it answers, and its count survives a restart and kill -9."""
    import signal

    (tmp_path / "visits.wasm").write_bytes(wasmtime.wat2wasm(block("wat")))
    (tmp_path / "visits.yaml").write_text(block("yaml"))

    def ask() -> str:
        capsys.readouterr()
        assert main(["request", "visits", "hello", "--json"]) == 0
        content: str = json.loads(capsys.readouterr().out)["reply"]["content"]
        return content

    node = Served(tmp_path)
    monkeypatch.setenv("CAXTON_URL", node.wait_for_url())
    assert main(["agent", "deploy", str(tmp_path / "visits.yaml")]) == 0
    assert [ask(), ask()] == ["visitor 0001", "visitor 0002"]
    assert main(["agent", "restart", "visits"]) == 0
    assert ask() == "visitor 0003"
    node.stop(signal.SIGKILL)

    node = Served(tmp_path)
    monkeypatch.setenv("CAXTON_URL", node.wait_for_url())
    assert ask() == "visitor 0004"
    assert node.stop() == 0
