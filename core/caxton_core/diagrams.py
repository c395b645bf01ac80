"""State tables as pictures: Mermaid text, drawn by the library `transitions` from the tables' own rows.

Rules:
- The only module that imports `transitions`; it draws and is asked nothing else.
- `transitions` gets plain strings: it takes Enum members by their Python names and then fails to match.
- Mermaid ends an identifier at a hyphen and a label at a colon, so both are written differently there; what a
  reader sees of a state is its wire name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from transitions.extensions import GraphMachine

from caxton_core.tables import Table

_ABOUT: Final = """\
Each machine is one literal table, and its picture and rows below are made from it. What a table has no row for is
refused and changes nothing. In a protocol's table a row begins with who acts: the initiator, a participant, a timer;
what follows a slash is the condition on which an event takes this row."""
_STYLE: Final = re.compile(r"\s*(classDef |Class |---|$)")


def mermaid(table: Table[Any]) -> str:
    """Draw a table.

    >>> from caxton_core.deployments import DEPLOYMENT
    >>> [line.strip() for line in mermaid(DEPLOYMENT).splitlines() if "rolled" in line and "paused" in line]
    ['paused --> rolled_back: rollback']
    """
    machine = GraphMachine(
        states=[_identifier(state) for state in table.states],
        transitions=[
            {
                "trigger": row.event.replace(":", " ").replace("/", " if "),
                "source": [_identifier(source) for source in row.sources],
                "dest": _identifier(row.target),
            }
            for row in table.rows
        ],
        initial=_identifier(table.initial),
        auto_transitions=False,
        graph_engine="mermaid",
    )
    # What `get_graph` returns depends on the engine; this one has its text in `source`.
    graph: Any = machine.get_combined_graph()
    names = {_identifier(state): str(state) for state in table.states}
    return "\n".join(_lines(graph.source, names, table)) + "\n"


def _lines(source: str, names: dict[str, str], table: Table[Any]) -> Iterator[str]:
    """Keep states and edges, drop the library's colours, and mark the ends."""
    drawn = [line for line in source.splitlines()[3:] if not _STYLE.match(line)]
    for line in drawn:
        found = re.fullmatch(r'  state "(\w+)" as \1', line)
        yield f'  state "{names[found[1]]}" as {found[1]}' if found else line
    for state in table.final_states():
        yield f"  {_identifier(state)} --> [*]"


def _identifier(state: str) -> str:
    return str(state).replace("-", "_")


def markdown(tables: Iterable[Table[Any]]) -> str:
    """Write a page with a section for each table: the picture, then its rows."""
    parts = [
        "# States",
        _ABOUT,
    ]
    for table in tables:
        rows = "\n".join(
            f"| {state} | {event} | {target} |" for state, event, target in table.moves()
        )
        parts += [
            f"## {table.name}",
            f"```mermaid\n{mermaid(table)}```",
            f"| state | event | next |\n|---|---|---|\n{rows}",
        ]
    return "\n\n".join(parts) + "\n"
