"""The floor of a conversation-wide protocol: one row of its table for each event, picked by a condition.

Rules:
- the protocol's `Rounds` say which condition holds and what is remembered; the table alone says the next state;
- an act without a row is illegal; what happens of itself (a deadline, a closed leg) is remembered in any case, and
  moves the floor only where there is a row;
- the round has a deadline only in states with a `timer:round` row.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_values import Floor, Round

__all__ = ["LEG_CLOSED", "ROUND_OVER", "TIME_TO_LIVE", "advance", "notice"]

LEG_CLOSED: Final = "leg:closed"
ROUND_OVER: Final = "timer:round"
TIME_TO_LIVE: Final = "timer:time-to-live"


def _without_deadline(round: Round) -> Round:
    return Round(round.number, None, round.leader, round.taken, round.bids)


def advance(
    protocol: Protocol, floor: Floor, event: str, parties: tuple[str, ...], reply_by: int | None
) -> Floor | None:
    """Take the row of an act whose condition holds; None when there is none."""
    rows = protocol.by_floor[floor.state].get(event)
    if rows is None or protocol.rounds is None:
        return None
    ruling = protocol.rounds.judge(floor.round, event, parties, reply_by)
    if ruling is None:
        return None
    condition, round = ruling
    target = rows.get(condition)
    if target is None:
        return None
    if round.deadline is not None and target not in protocol.timed_rounds:
        round = _without_deadline(round)
    return Floor(target, round)


def notice(protocol: Protocol, floor: Floor, event: str, parties: tuple[str, ...] = ()) -> Floor:
    """Take note of what happened of itself; without a row the state stays."""
    if protocol.rounds is None:
        return floor
    round = floor.round
    if event == ROUND_OVER:
        round = _without_deadline(round)
    ruling = protocol.rounds.judge(round, event, parties, None)
    condition, round = ("", round) if ruling is None else ruling
    target = protocol.by_floor[floor.state].get(event, {}).get(condition, floor.state)
    if round.deadline is not None and target not in protocol.timed_rounds:
        round = _without_deadline(round)
    return Floor(target, round)
