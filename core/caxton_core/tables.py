"""State tables: typed rows, and every (state, event) pair answered up front.

Rules:
- A machine has ONE table, literal, at the top of its module; no transition lives anywhere else.
- A row's type parameters are its source and target states, so an operation that follows a row is checked by mypy.
- `Table.fire` is one dict look-up of a ready-made answer; an event that is not in the table at all is a bug
  (`KeyError`): names from outside go through `Table.events` first.
- A final state is one without rows; it still answers every event, with a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.errors import InvalidTransition

S = TypeVar("S", bound=StrEnum)
A = TypeVar("A", bound=StrEnum)
B = TypeVar("B", bound=StrEnum)


class Transition(msgspec.Struct, Generic[A, B], frozen=True):
    """One row: `event` moves any of `sources` to `target`.

    >>> class Door(StrEnum):
    ...     OPEN, SHUT = "open", "shut"
    >>> Transition("close", (Door.OPEN,), Door.SHUT).event
    'close'
    """

    event: str
    sources: tuple[A, ...]
    target: B


class Table(Generic[S]):
    """The rows of one machine.

    >>> class Door(StrEnum):
    ...     OPEN, SHUT = "open", "shut"
    >>> close = Transition("close", (Door.OPEN,), Door.SHUT)
    >>> table = Table("door", Door.OPEN, close)
    >>> table.fire(Door.OPEN, "close")
    <Success: shut>
    >>> str(table.fire(Door.SHUT, "close").failure())
    'The door is shut: close is not legal now (legal: nothing, it is final).'
    """

    __slots__ = ("_answers", "events", "initial", "name", "rows", "states")

    def __init__(self, name: str, initial: S, *rows: Transition[Any, Any]) -> None:
        self.name = name
        self.initial = initial
        self.rows = rows
        self.states: tuple[S, ...] = tuple(type(initial))
        self.events: tuple[str, ...] = tuple(dict.fromkeys(row.event for row in rows))
        legal: dict[tuple[S, str], S] = {}
        for row in rows:
            for source in row.sources:
                if legal.setdefault((source, row.event), row.target) is not row.target:
                    raise ValueError(f"{name}: two rows answer {row.event} in {source}")
        self._answers: dict[tuple[S, str], Result[S, InvalidTransition]] = {}
        for state in self.states:
            allowed = tuple(event for event in self.events if (state, event) in legal)
            for event in self.events:
                target = legal.get((state, event))
                self._answers[state, event] = (
                    Failure(InvalidTransition(name, str(state), event, allowed))
                    if target is None
                    else Success(target)
                )

    def fire(self, state: S, event: str) -> Result[S, InvalidTransition]:
        """Answer from the table: nothing is computed or allocated."""
        return self._answers[state, event]

    def moves(self) -> Iterator[tuple[S, str, S]]:
        """Yield every legal (state, event, next state), in the order of states and rows."""
        for (state, event), answer in self._answers.items():
            if isinstance(answer, Success):
                yield state, event, answer.unwrap()

    def final_states(self) -> tuple[S, ...]:
        """Return the states that nothing leaves."""
        left = {state for state, _, target in self.moves() if target is not state}
        return tuple(state for state in self.states if state not in left)

    def reachable(self) -> frozenset[S]:
        """Return the states that events can lead to from the initial one."""
        found = {self.initial}
        while more := {to for state, _, to in self.moves() if state in found} - found:
            found |= more
        return frozenset(found)

    def as_dicts(self) -> list[dict[str, str | list[str]]]:
        """Return the rows as plain strings, in the form `transitions.Machine` takes."""
        return [
            {
                "trigger": row.event,
                "source": [str(source) for source in row.sources],
                "dest": str(row.target),
            }
            for row in self.rows
        ]
