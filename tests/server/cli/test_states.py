"""`caxton states`: the tables as rows, JSON and diagrams."""

from __future__ import annotations

import json

import pytest
from caxton_core.agents import AGENT
from caxton_server.cli import main

pytestmark = pytest.mark.usefixtures("installed")


def test_a_table_is_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each legal move."""
    assert main(["states", "agent"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["agent", "STATE      EVENT    NEXT"]
    assert [tuple(line.split()) for line in lines[2:]] == [
        (str(state), event, str(target)) for state, event, target in AGENT.moves()
    ]


def test_without_a_name_all_tables_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Agents, deployments, and each installed protocol."""
    assert main(["states", "--json"]) == 0
    names = [table["name"] for table in json.loads(capsys.readouterr().out)["items"]]
    assert names[:2] == ["agent", "deployment"]
    assert {"fipa-request", "fipa-contract-net"} <= set(names[2:])


def test_mermaid_draws_each_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The diagrams come from the same rows."""
    assert main(["states", "--mermaid", "fipa-request", "agent"]) == 0
    text = capsys.readouterr().out
    assert text.count("stateDiagram-v2") == 2
    assert "awaiting_response --> done: participant inform" in text


def test_an_unknown_table_is_3_and_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt table is not found."""
    assert main(["states", "fipa-reqest"]) == 3
    assert "Did you mean 'fipa-request'?" in capsys.readouterr().err
