"""A protocol as the engine reads it: the literal table of one leg, compiled for one look-up a message.

Rules:
- events are named `initiator:<act>`, `participant:<act>` and `timer:reply-by`; the openers leave `initial`;
- a state whose name is a leg outcome (`OUTCOMES`) closes the leg; every other state but `initial` is open, and
  the enum lists the open ones from the least advanced to the most;
- a state with a `timer:reply-by` row is limited by the reply-by of the message that entered it; no other is;
- not-understood, cancel, the AMS failure and the time-to-live are everybody's (docs/conversations.md): no table has
  them, the engine adds them;
- what a table can't say is said by `marks`, `sweeps`, `bars` and `rule`;
- where the state belongs to the whole conversation (auctions) the table is that of the conversation: `rounds` say
  which condition of an event holds, each condition has a row of its own (`initiator:inform/leader`), and the other
  events are `timer:round`, `timer:time-to-live` and `leg:closed`. A final state there is the outcome of a completed
  conversation: what leg is still open closes, the leader's as done and the others as rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias
from typing import Protocol as Port

import msgspec

from caxton_core.conversations_values import (
    NOT_UNDERSTOOD,
    OUTCOMES,
    Conversation,
    Leg,
    Round,
)
from caxton_core.tables import Table

if TYPE_CHECKING:
    from caxton_core.initiators import Initiative

__all__ = ["Bar", "Ending", "Move", "Moves", "OutcomeRule", "Protocol", "Rounds", "Ruling", "Sweep"]

Ending: TypeAlias = tuple[str, str]
"""The terminal state and the outcome."""
OutcomeRule: TypeAlias = Callable[[Mapping[str, Leg]], Ending]
Bar: TypeAlias = Callable[[Conversation], bool]
Moves: TypeAlias = dict[str, dict[str, "Move"]]
Ruling: TypeAlias = tuple[str, Round]
"""The condition of an event that holds ("" for rows without one), and what is remembered once its row is taken."""


class Sweep(msgspec.Struct, frozen=True):
    """A move of one leg that also closes every other leg still in `source` (but a cancelling one)."""

    event: str
    source: StrEnum
    target: StrEnum


class Rounds(Port):
    """The hook of a protocol whose state is the conversation's, not the leg's: it classifies and remembers."""

    def judge(
        self, round: Round, event: str, parties: tuple[str, ...], reply_by: int | None, /
    ) -> Ruling | None:
        """Say which condition of an event holds, and what to remember; None when none does.

        Args:
            event: without its condition, such as `participant:propose`, `timer:round` or `leg:closed` (which is not
                told at the time-to-live, and needs no row to be remembered).
            parties: whose legs it concerns, each of them open until then; several may close at once.
            reply_by: the message's own, milliseconds since the epoch.
        """


class Move(msgspec.Struct, frozen=True, gc=False):
    """What one row does to a leg, ready to apply; `swept` is what it adds to `Conversation.swept`."""

    target: str
    closes: bool = False
    timed: bool = False
    mark: str = ""
    sweep: tuple[str, str] | None = None
    swept: int = 0
    bar: Bar | None = None
    answered: bool = False


class Protocol:
    """One interaction protocol: its names, its table, and the few things the table can't say.

    Args:
        name: the wire name; `aliases` are accepted on input.
        table: the rows of one leg.
        marks: event -> what the leg remembers ("awarded" also publishes an award).
        sweeps: moves that close other legs.
        bars: event of the initiator -> a test of the conversation that forbids it.
        rule: the outcome over the closed legs; None is the general rule of docs/conversations.md.
        rounds: the hook of a conversation-wide protocol, whose table is then the conversation's.
        single: exactly one participant.
        initiative: how the server plays the initiator; None opens, watches, cancels and reports.
    """

    __slots__ = (
        "aliases", "by_floor", "by_initiator", "by_participant", "finals", "initial", "initiative", "name", "names",
        "openers", "order", "rounds", "rule", "single", "swept", "table", "timed_rounds",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        table: Table[Any],
        *,
        aliases: tuple[str, ...] = (),
        marks: Mapping[str, str] | None = None,
        sweeps: tuple[Sweep, ...] = (),
        bars: Mapping[str, Bar] | None = None,
        rule: OutcomeRule | None = None,
        rounds: Rounds | None = None,
        single: bool = False,
        initiative: Initiative | None = None,
    ) -> None:
        """Compile the table; an unknown kind of event, or a condition nobody judges, is a ValueError."""
        self.name, self.table, self.aliases = name, table, aliases
        self.names = frozenset((name, *aliases))
        self.rule, self.rounds, self.single = rule, rounds, single
        self.initiative = initiative
        self.initial = str(table.initial.value)
        states = [str(state.value) for state in type(table.initial)]
        ends = () if rounds is None else map(str, table.final_states())
        self.finals = frozenset(ends)
        self.order = {
            state: rank
            for rank, state in enumerate(states)
            if state != self.initial and state not in OUTCOMES and state not in self.finals
        }
        self.openers: dict[str, Move] = {}
        self.by_initiator: Moves = {state: {} for state in self.order}
        self.by_participant: Moves = {state: {} for state in self.order}
        self.swept = frozenset(str(sweep.source.value) for sweep in sweeps)
        self.by_floor: dict[str, dict[str, dict[str, str]]] = {state: {} for state in states}
        self.timed_rounds: set[str] = set()
        for event in (*(marks or {}), *(sweep.event for sweep in sweeps), *(bars or {})):
            if event not in table.events:
                raise ValueError(f"{name}: no row has the event {event!r}")
        roles = ("initiator", "participant", "timer", *(() if rounds is None else ("leg",)))
        for event in table.events:
            if event.partition(":")[0] not in roles:
                raise ValueError(f"{name}: {event!r} names no role")
            if rounds is None and "/" in event:
                raise ValueError(f"{name}: nobody judges the condition of {event!r}")
        if rounds is None:
            self._compile(marks or {}, {s.event: s for s in sweeps}, bars or {})
        else:
            self._compile_floor()
        # Not-understood closes any open leg; the initiator's only where it has heard something.
        for state in self.order:
            swept = -(state in self.swept)
            self.by_participant[state][NOT_UNDERSTOOD] = Move(
                NOT_UNDERSTOOD, closes=True, swept=swept
            )
            self.by_initiator[state][NOT_UNDERSTOOD] = Move(
                NOT_UNDERSTOOD, closes=True, answered=True, swept=swept
            )

    def __repr__(self) -> str:
        """Name it."""
        return f"Protocol({self.name!r})"

    def _compile(
        self, marks: Mapping[str, str], sweeps: Mapping[str, Sweep], bars: Mapping[str, Bar]
    ) -> None:
        timed = {
            str(source.value)
            for row in self.table.rows
            if row.event == "timer:reply-by"
            for source in row.sources
        }
        for row in self.table.rows:
            role, _, act = row.event.partition(":")
            if role == "timer":
                continue
            target = str(row.target.value)
            sweep = sweeps.get(row.event)
            move = Move(
                target=target,
                closes=target in OUTCOMES,
                timed=target in timed,
                mark=marks.get(row.event, ""),
                sweep=(str(sweep.source.value), str(sweep.target.value)) if sweep else None,
                bar=bars.get(row.event),
            )
            into = int(target in self.swept)
            for source in row.sources:
                swept = into - (str(source.value) in self.swept)
                move = msgspec.structs.replace(move, swept=swept)
                if source == self.table.initial:
                    self.openers[act] = move
                else:
                    moves = self.by_initiator if role == "initiator" else self.by_participant
                    moves[str(source.value)][act] = move

    def _compile_floor(self) -> None:
        for row in self.table.rows:
            event, _, condition = row.event.partition("/")
            target = str(row.target.value)
            for source in row.sources:
                self.by_floor[str(source.value)].setdefault(event, {})[condition] = target
                if event == "timer:round":
                    self.timed_rounds.add(str(source.value))
                if source == self.table.initial:
                    self.openers[event.partition(":")[2]] = Move(target)
