"""Three tests that every state table gets for free, and the table type itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import caxton_plugins.protocols
import pytest
from caxton_core.agents import AGENT
from caxton_core.deployments import DEPLOYMENT
from caxton_core.errors import InvalidTransition
from caxton_core.tables import Table, Transition
from returns.result import Failure, Success
from transitions import Machine, MachineError


def all_tables() -> Iterator[Table[Any]]:
    """Yield the tables of the core and of every protocol plugin."""
    yield AGENT
    yield DEPLOYMENT
    protocols = caxton_plugins.protocols
    for module in pkgutil.iter_modules(protocols.__path__, f"{protocols.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Table):
                yield value


TABLES = sorted(
    {table.name: table for table in all_tables()}.values(), key=lambda table: table.name
)
every_table = pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])


@every_table
def test_table_answers_every_state_and_event(table: Table[Any]) -> None:
    """Every state answers every event: with the target of the one row for both, or a refusal that names them."""
    rows = {(source, row.event): row.target for row in table.rows for source in row.sources}
    for state in table.states:
        allowed = tuple(event for event in table.events if (state, event) in rows)
        for event in table.events:
            expected = (
                Success(rows[state, event])
                if (state, event) in rows
                else Failure(InvalidTransition(table.name, str(state), event, allowed))
            )
            assert table.fire(state, event) == expected


@every_table
def test_every_state_is_reachable(table: Table[Any]) -> None:
    """Events lead from the initial state to every other one."""
    assert table.reachable() == frozenset(table.states)


@every_table
def test_table_agrees_with_a_machine_built_from_its_rows(table: Table[Any]) -> None:
    """The library `transitions`, given the same rows, accepts and refuses the same and ends in the same states."""
    machine = Machine(
        states=[str(state) for state in table.states],
        transitions=table.as_dicts(),
        initial=str(table.initial),
        auto_transitions=False,
    )
    for state in table.states:
        for event in table.events:
            machine.set_state(str(state))
            try:
                machine.events[event].trigger(machine)
            except MachineError:
                after = None
            else:
                after = str(machine.state)
            answer = table.fire(state, event)
            assert after == (str(answer.unwrap()) if isinstance(answer, Success) else None)


class Light(StrEnum):
    """A table of the tests' own."""

    RED, GREEN, BROKEN = "red", "green", "broken"


GO = Transition("go", (Light.RED,), Light.GREEN)
HALT = Transition("halt", (Light.GREEN,), Light.RED)
BREAK = Transition("break", (Light.RED, Light.GREEN), Light.BROKEN)
LIGHT = Table("light", Light.RED, GO, HALT, BREAK)


def test_answers_are_made_once() -> None:
    """Asking twice gives the same object: nothing is allocated on the way of a message."""
    assert LIGHT.fire(Light.RED, "go") is LIGHT.fire(Light.RED, "go")
    assert LIGHT.fire(Light.BROKEN, "go") is LIGHT.fire(Light.BROKEN, "go")


def test_a_refusal_says_what_would_be_legal() -> None:
    """The sentence names machine, state, event and the legal events."""
    refusal = LIGHT.fire(Light.GREEN, "go").failure()
    assert str(refusal) == "The light is green: go is not legal now (legal: halt, break)."


def test_a_final_state_refuses_everything() -> None:
    """A state without rows is final, and says so."""
    assert LIGHT.final_states() == (Light.BROKEN,)
    assert "it is final" in str(LIGHT.fire(Light.BROKEN, "halt").failure())


def test_an_unknown_event_is_a_bug() -> None:
    """An event that no row has is no domain failure."""
    with pytest.raises(KeyError):
        LIGHT.fire(Light.RED, "explode")


def test_two_rows_that_answer_alike_are_refused() -> None:
    """A table in which one state and event lead to two states can't be made."""
    with pytest.raises(ValueError, match="two rows answer go in red"):
        Table("light", Light.RED, GO, Transition("go", (Light.RED,), Light.BROKEN))


def test_moves_lists_the_legal_ones() -> None:
    """Moves are listed by state, in the order of the enumeration, then of the rows."""
    assert list(LIGHT.moves()) == [
        (Light.RED, "go", Light.GREEN),
        (Light.RED, "break", Light.BROKEN),
        (Light.GREEN, "halt", Light.RED),
        (Light.GREEN, "break", Light.BROKEN),
    ]
