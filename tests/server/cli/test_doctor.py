"""`caxton doctor`: what it prints, and what its exit code says."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from caxton_core.examinations import ok
from caxton_plugins.sandboxes.wasm import examinations
from caxton_server.cli import main

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture(autouse=True)
def ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the configuration ask for free ports."""
    monkeypatch.setenv("CAXTON_SERVER__PORT", "0")
    monkeypatch.setenv("CAXTON_SERVER__METRICS_PORT", "off")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds."""
    monkeypatch.setattr(examinations, "examine", lambda _options: [ok("sandbox", "looked at")])


@pytest.mark.once
def test_a_sound_machine_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is really looked at, the sandboxes' own examinations included."""
    assert main(["doctor", "--data", str(tmp_path / "data"), "--json"]) == 0
    found: Any = json.loads(capsys.readouterr().out)
    names = {finding["name"] for finding in found["findings"]}
    assert {"python", "fsync", "plugins", "profile strict", "wasmtime", "compiler CPU"} <= names
    assert sum(found["counts"].values()) == len(found["findings"])
    assert found["counts"]["fail"] == 0


@pytest.mark.usefixtures("quick")
def test_a_failure_is_1_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people each finding is a line, with the advice below it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        monkeypatch.setenv("CAXTON_SERVER__PORT", str(other.getsockname()[1]))
        assert main(["doctor", "--data", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("fail"))
    assert "server.port" in lines[at + 1]
    assert lines[-1].endswith("1 fail")
    assert any(line.startswith("ok    sandbox") for line in lines)


@pytest.mark.usefixtures("quick")
def test_a_broken_plugin_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a failure, like everything that keeps a node from starting."""
    from caxton_core import registry
    from caxton_core.errors import BrokenPlugin
    from returns.result import Failure

    broken = Failure((BrokenPlugin("redis", "it can't be imported"),))
    monkeypatch.setattr(registry, "load", lambda **_given: broken)
    monkeypatch.setenv("CAXTON_STORAGE__URL", "memory:")
    assert main(["doctor", "--json"]) == 1
    (finding,) = (
        one for one in json.loads(capsys.readouterr().out)["findings"] if one["status"] == "fail"
    )
    assert "redis" in finding["detail"]


def test_a_configuration_that_is_wrong_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere, before anything is looked at."""
    monkeypatch.setenv("CAXTON_SERVER__PORT", "high")
    assert main(["doctor"]) == 2
