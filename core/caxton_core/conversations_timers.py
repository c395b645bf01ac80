"""Deadlines of a conversation, and legs closed from outside it (docs/conversations.md).

Rules:
- a deadline fires when it is strictly earlier than now: a message exactly on it is in time;
- in order of time; at equal times the cancel's reply-by, then legs, then the round, then the time-to-live;
- the deadline of a cancelling leg is the cancel's own; the leg's is held in `Cancel.held` meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping

from caxton_core.conversations_floors import LEG_CLOSED, ROUND_OVER, TIME_TO_LIVE, notice
from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_values import (
    CANCELLED,
    DONE,
    EXPIRED,
    FAILED,
    OUTCOMES,
    REJECTED,
    Conversation,
    Floor,
    Leg,
    closed,
)

__all__ = ["earliest", "fail_leg", "fire_timers", "settled"]


def earliest(legs: Mapping[str, Leg], floor: Floor | None, expires_at: int | None) -> int | None:
    """Find the earliest deadline of a conversation that goes on."""
    times = [leg.deadline for leg in legs.values() if leg.deadline is not None]
    if floor is not None and floor.round.deadline is not None:
        times.append(floor.round.deadline)
    if expires_at is not None:
        times.append(expires_at)
    return min(times, default=None)


def settled(
    protocol: Protocol,
    before: Conversation,
    legs: dict[str, Leg],
    open_legs: int,
    floor: Floor | None,
    messages: int,
) -> Conversation:
    """Make the value after any change, with its deadline found anew; a final floor closes every leg."""
    if open_legs and floor is not None and floor.state in protocol.finals:
        leader = floor.round.leader
        legs = {
            name: leg
            if leg.state in OUTCOMES
            else closed(leg, DONE if name == leader else REJECTED)
            for name, leg in legs.items()
        }
        open_legs = 0
    return Conversation(
        before.id,
        before.protocol,
        before.initiator,
        before.opened_at,
        before.expires_at,
        legs,
        messages,
        open_legs,
        earliest(legs, floor, before.expires_at) if open_legs else None,
        floor,
        sum(leg.state in protocol.swept for leg in legs.values()) if protocol.swept else 0,
    )


def _due(conversation: Conversation, now: int) -> list[tuple[int, int, str]]:
    due = [
        (leg.deadline, 1 if leg.cancel is None else 0, name)
        for name, leg in conversation.legs.items()
        if leg.deadline is not None and leg.deadline < now
    ]
    floor, expires_at = conversation.floor, conversation.expires_at
    if floor is not None and floor.round.deadline is not None and floor.round.deadline < now:
        due.append((floor.round.deadline, 2, ""))
    if expires_at is not None and expires_at < now:
        due.append((expires_at, 3, ""))
    due.sort(key=lambda entry: entry[:2])
    return due


def fire_timers(protocol: Protocol, conversation: Conversation, *, now: int) -> Conversation:
    """Fire every deadline strictly earlier than now; the same object when none was due."""
    if conversation.next_deadline is None or conversation.next_deadline >= now:
        return conversation
    legs, open_legs = conversation.legs.copy(), conversation.open_legs
    floor = conversation.floor
    for _, kind, name in _due(conversation, now):
        if kind == 3:
            for party, leg in legs.items():
                if leg.state not in OUTCOMES:
                    legs[party] = closed(leg, EXPIRED)
            open_legs = 0
            if floor is not None:
                floor = notice(protocol, floor, TIME_TO_LIVE)
        elif kind == 2:
            if floor is not None:
                floor = notice(protocol, floor, ROUND_OVER)
        else:
            legs[name] = closed(legs[name], EXPIRED if kind else CANCELLED)
            open_legs -= 1
            if floor is not None:
                floor = notice(protocol, floor, LEG_CLOSED, (name,))
        if not open_legs or (floor is not None and floor.state in protocol.finals):
            break
    return settled(protocol, conversation, legs, open_legs, floor, conversation.messages)


def fail_leg(protocol: Protocol, conversation: Conversation, leg: str, *, now: int) -> Conversation:
    """Close a leg whose participant could not be reached or could not handle its message (AMS failure).

    Timers fire first. A closed leg, an ended conversation or a stranger leaves the value as it is.
    """
    conversation = fire_timers(protocol, conversation, now=now)
    old = conversation.legs.get(leg)
    if old is None or not conversation.open_legs or old.state in OUTCOMES:
        return conversation
    legs = conversation.legs.copy()
    legs[leg] = closed(old, FAILED)
    floor = conversation.floor
    if floor is not None:
        floor = notice(protocol, floor, LEG_CLOSED, (leg,))
    return settled(
        protocol, conversation, legs, conversation.open_legs - 1, floor, conversation.messages
    )
