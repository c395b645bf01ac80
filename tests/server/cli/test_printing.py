"""What is printed: safe for a terminal, complete for a program."""

from __future__ import annotations

import json
from typing import Any

import pytest
from caxton_server.cli import printing

HOSTILE = "red\x1b[31m\x07 \x9b2J \u202ebackwards\r\nnext\ttab"


def test_text_of_agents_cannot_drive_the_terminal() -> None:
    """Escape sequences, C1 controls, and characters that turn the writing direction are replaced."""
    assert printing.clean(HOSTILE) == "red?[31m? ?2J ?backwards?\nnext\ttab"
    assert printing.cell("a\nb\x1b") == "a?b?"


def test_json_is_as_safe_and_loses_nothing() -> None:
    """The same characters are escaped in JSON, and come back when it is read."""
    text = printing.as_json({"text": HOSTILE, "é": 1})
    assert not any(character in text for character in "\x1b\x07\x9b\u202e\r")
    assert json.loads(text) == {"text": HOSTILE, "é": 1}
    assert "é" in text


def test_a_table_is_aligned_and_empty_cells_are_a_hyphen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Columns are as wide as their widest cell."""
    rows: list[dict[str, Any]] = [
        {"name": "a", "n": 1, "who": []},
        {"name": "bcd", "n": None, "who": ["x", "y"]},
    ]
    printing.table(
        rows, {"name": "name", "n": "n", "who": "who", "twice": lambda row: row["name"] * 2}
    )
    assert capsys.readouterr().out.splitlines() == [
        "NAME  N  WHO   TWICE",
        "a     1  -     aa",
        "bcd   -  x, y  bcdbcd",
    ]


def test_a_table_without_rows_is_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list prints no data but its columns."""
    printing.table([], {"name": "name", "state": "state"})
    assert capsys.readouterr().out == "NAME  STATE\n"


def test_talk_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no data stays out of stdout."""
    printing.talk("done\x1b")
    assert capsys.readouterr() == ("", "done?\n")
