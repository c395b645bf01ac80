"""What a message changed of a conversation, so that a journal need not repeat a thousand legs.

Rules:
- `apply_change(before, change_between(before, after)) == after`, for any two values of one conversation;
- only legs that are not the same object are in it: values that were never decoded in between stay small;
- of the bids of a round only those that are new or answered are in it.
"""

from __future__ import annotations

from itertools import compress
from operator import is_not

import msgspec

from caxton_core.conversations_values import Conversation, Floor, Leg, Round

__all__ = ["Change", "apply_change", "change_between"]


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The moving part of a conversation, with the legs that moved."""

    id: str
    messages: int
    open_legs: int
    next_deadline: int | None
    legs: dict[str, Leg]
    floor: Floor | None = None
    swept: int = 0


def change_between(before: Conversation, after: Conversation) -> Change:
    """Say what distinguishes a conversation from its earlier value."""
    old = before.legs
    # Both have the same names in the same order.
    moved = dict(compress(after.legs.items(), map(is_not, after.legs.values(), old.values())))
    floor = after.floor
    if floor is not None and before.floor is not None:
        floor = _less(before.floor.round, floor)
    return Change(
        after.id, after.messages, after.open_legs, after.next_deadline, moved, floor, after.swept
    )


def _less(earlier: Round, floor: Floor) -> Floor:
    """Leave out the bids that the earlier value has, unless the round is another."""
    round = floor.round
    if round.number != earlier.number:
        return floor
    old = earlier.bids
    bids = {name: waits for name, waits in round.bids.items() if old.get(name) is not waits}
    return Floor(floor.state, Round(round.number, round.deadline, round.leader, round.taken, bids))


def _more(earlier: Round, floor: Floor) -> Floor:
    """Put back the bids that `_less` has left out."""
    round = floor.round
    if round.number != earlier.number:
        return floor
    bids = {**earlier.bids, **round.bids}
    return Floor(floor.state, Round(round.number, round.deadline, round.leader, round.taken, bids))


def apply_change(before: Conversation, change: Change) -> Conversation:
    """Make the later value of a conversation."""
    floor = change.floor
    if floor is not None and before.floor is not None:
        floor = _more(before.floor.round, floor)
    return Conversation(
        before.id,
        before.protocol,
        before.initiator,
        before.opened_at,
        before.expires_at,
        {**before.legs, **change.legs},
        change.messages,
        change.open_legs,
        change.next_deadline,
        floor,
        change.swept,
    )
