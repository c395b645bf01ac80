"""`caxton plugin list` without a node."""

from __future__ import annotations

import json

import pytest
from caxton_server.cli import main

pytestmark = pytest.mark.usefixtures("installed")


def test_the_built_in_plugins_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its distribution and what it adds."""
    assert main(["plugin", "list", "--json"]) == 0
    found = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)["items"]}
    assert found["sqlite"]["provides"] == ["storage:sqlite"]
    assert found["wasm"]["distribution"] == "caxton-server"
    assert main(["plugin", "list"]) == 0
    assert "sandbox:wasm" in capsys.readouterr().out


def test_a_blocked_plugin_is_shown_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the configuration blocks adds nothing."""
    monkeypatch.setenv("CAXTON_PLUGINS__BLOCK", "direct")
    assert main(["plugin", "list", "--json"]) == 0
    found = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)["items"]}
    assert (found["direct"]["blocked"], found["direct"]["provides"]) == (True, [])
