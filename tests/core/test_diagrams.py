"""Diagrams: what is drawn is what the table says."""

from __future__ import annotations

import re

import pytest
from caxton_core.diagrams import markdown, mermaid
from caxton_core.tables import Table

from tests.core.test_tables import TABLES


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_every_move_is_drawn(table: Table[str]) -> None:  # type: ignore[type-var]  # any table's states
    """The arrows of a drawing are the legal moves of its table, no more and no fewer."""
    names = dict(re.findall(r'state "([^"]+)" as (\w+)', mermaid(table)))
    shown = {identifier: state for state, identifier in names.items()}
    drawn = {
        (shown[source], event, shown[target])
        for source, target, events in re.findall(
            r"^  (\w+) --> (\w+): (.+)$", mermaid(table), re.MULTILINE
        )
        for event in events.split(" | ")
    }
    moves = {
        (str(state), event.replace(":", " ").replace("/", " if "), str(target))
        for state, event, target in table.moves()
    }
    assert drawn == moves


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_mermaid_can_read_it(table: Table[str]) -> None:  # type: ignore[type-var]  # any table's states
    """Every line is one of the four forms we rely on: Mermaid ends identifiers at hyphens and labels at colons."""
    head, *lines = mermaid(table).splitlines()
    assert head == "stateDiagram-v2"
    forms = [
        r"  direction LR",
        r'  state "[\w-]+" as \w+',
        r"  \w+ --> \w+: [\w |-]+",
        rf"  \[\*\] --> {re.escape(str(table.initial))}",
        r"  \w+ --> \[\*\]",
    ]
    assert [line for line in lines if not any(re.fullmatch(form, line) for form in forms)] == []


def test_a_page_has_a_section_for_each_table() -> None:
    """Each table gets a heading, a picture and its rows."""
    page = markdown(TABLES)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [table.name for table in TABLES]
    assert page.count("```mermaid") == len(TABLES)
    assert "| failed | restart | running |" in page
