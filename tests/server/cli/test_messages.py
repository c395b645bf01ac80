"""`caxton send` and `request`: how a command line becomes a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from caxton_server.cli.messages import compose, read_content

NOTHING: dict[str, str | None] = {}


def composed(
    to: str | None = None,
    content: str | None = None,
    *,
    file: Path | None = None,
    **fields: str | None,
) -> dict[str, Any]:
    """Compose a message from a command line."""
    return compose(to, content, None, False, file, fields)


def test_content_is_json_where_it_can_be() -> None:
    """Numbers, objects and quoted strings are JSON; everything else is text."""
    assert [read_content(text) for text in ("5", '"a"', "[1]", "a b", "", "{x")] == [
        5,
        "a",
        [1],
        "a b",
        "",
        "{x",
    ]
    assert read_content("5", text=True) == "5"


def test_deeply_nested_content_is_text() -> None:
    """What no decoder can follow is left to the server to judge."""
    assert read_content("[" * 200_000) == "[" * 200_000


def test_several_receivers_are_separated_by_commas() -> None:
    """One receiver is a string, several are a list."""
    assert composed("a", "1") == {"receiver": "a", "content": 1}
    assert composed("a, b@x", "1") == {"receiver": ["a", "b@x"], "content": 1}


def test_arguments_win_over_the_file(tmp_path: Path) -> None:
    """A file may hold most of a message, the command line the rest."""
    path = tmp_path / "m.json"
    path.write_text('{"performative": "cfp", "receiver": "a", "content": {"x": 1}, "x_note": "n"}')
    assert composed(file=path) == {
        "performative": "cfp",
        "receiver": "a",
        "content": {"x": 1},
        "x_note": "n",
    }
    changed = composed("b", "2", file=path, protocol="fipa-contract-net", id=None)
    assert changed == {
        "performative": "cfp",
        "receiver": "b",
        "content": 2,
        "x_note": "n",
        "protocol": "fipa-contract-net",
    }


def test_a_message_for_nobody_is_a_usage_error(tmp_path: Path) -> None:
    """Without a receiver nothing is sent."""
    with pytest.raises(click.UsageError, match="whom"):
        composed()
    path = tmp_path / "m.yaml"
    path.write_text("- 1")
    with pytest.raises(click.UsageError, match="mapping"):
        composed("a", file=path)
