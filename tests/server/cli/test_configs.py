"""`caxton config`: check and show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from caxton_server.cli import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a configuration with a port and a secret."""
    path = tmp_path / "caxton.yaml"
    path.write_text("server:\n  port: 9001\nauth:\n  token: hunter2\n")
    return path


def test_check_accepts_a_good_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and a sentence on stderr."""
    assert main(["config", "check", "--config", str(path)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{path} is valid.\n")


def test_check_names_the_nearest_key_with_its_place(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and file:line:column."""
    path.write_text("server:\n  prot: 1\n")
    assert main(["config", "check", "--config", str(path)]) == 2
    said = f"{path}:2:3: server.prot: unknown setting; did you mean server.port?"
    assert capsys.readouterr().err == f"Error: {said}\n"


@pytest.mark.parametrize("command", [["serve"], ["config", "show"], ["config", "check"]])
def test_four_workers_are_refused_in_words(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A setting that can't be honoured stops the node before it starts."""
    monkeypatch.setenv("CAXTON_RUNTIME__WORKERS", "4")
    assert main(command) == 2
    assert "only 1 worker works for now" in capsys.readouterr().err


def test_an_unknown_variable_stops_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt variable never passes silently."""
    monkeypatch.setenv("CAXTON_SERVER__PROT", "1")
    assert main(["serve"]) == 2
    assert "did you mean CAXTON_SERVER__PORT?" in capsys.readouterr().err


def test_a_missing_file_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was named must be there."""
    assert main(["config", "show", "--config", "/nonexistent/c.yaml"]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_show_tells_values_and_origins(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each value comes with file:line:column, and secrets are hidden."""
    assert main(["config", "show", "--config", str(path), "--origin"]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert lines["server.port"] == ["9001", f"{path}:2:9"]
    assert lines["auth.token"] == ["***", f"{path}:4:10"]
    assert lines["server.platform"] == ["caxton", "default"]
    assert "hunter2" not in out


def test_show_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the sections, or with --origin each setting by its dotted name."""
    main(["config", "show", "--config", str(path), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["server"]["port"], shown["auth"]["token"]) == (9001, "***")
    main(["config", "show", "--config", str(path), "--json", "--origin"])
    flat = json.loads(capsys.readouterr().out)
    assert flat["server.port"] == {"value": 9001, "origin": f"{path}:2:9"}
