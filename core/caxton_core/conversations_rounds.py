"""Moves of conversation-wide protocols, and moves that close other legs.

Rules:
- the table says which act is possible in the conversation's state; the protocol's `Rounds` say on what condition
  and what comes next;
- the legs keep only tokens and closings; a leg that closes drops its party from the floor.
"""

from __future__ import annotations

from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_timers import settled
from caxton_core.conversations_values import (
    LIMIT,
    NOT_UNDERSTOOD,
    Admission,
    Conversation,
    Leg,
    Rejection,
    closed,
)
from caxton_core.conversations_verdicts import FULL, OUT_OF_SEQUENCE

__all__ = ["play", "shut"]


def shut(
    legs: dict[str, Leg], open_legs: int, sweep: tuple[str, str]
) -> tuple[dict[str, Leg], int]:
    """Close every leg in the swept state, except those under cancel."""
    source, target = sweep
    shared = Leg(target)
    for name, leg in legs.items():
        if leg.state == source and leg.cancel is None:
            legs[name] = closed(leg, target) if leg.mark or leg.reply_to else shared
            open_legs -= 1
    return legs, open_legs


def play(
    protocol: Protocol,
    conversation: Conversation,
    role: str,
    performative: str,
    parties: tuple[str, ...],
    receivers: tuple[str, ...],
    message_id: str,
    reply_with: str | None,
    reply_by: int | None,
    reply_to: tuple[str, ...],
) -> Admission | Rejection:
    """Judge an act of a conversation-wide protocol on its parties' open legs."""
    floor, rounds = conversation.floor, protocol.rounds
    if floor is None or rounds is None:
        return OUT_OF_SEQUENCE
    mine = role == "participant"
    move = (protocol.by_participant if mine else protocol.by_initiator)[floor.state].get(
        performative
    )
    if move is None:
        return OUT_OF_SEQUENCE
    legs, open_legs = conversation.legs.copy(), conversation.open_legs
    if performative == NOT_UNDERSTOOD:
        for party in parties:
            if not mine and legs[party].told_id is None:
                return OUT_OF_SEQUENCE
        for party in parties:
            legs[party] = closed(legs[party], NOT_UNDERSTOOD)
            open_legs -= 1
            floor = rounds.drop(floor, party)
    else:
        after = rounds.move(floor, legs, f"{role}:{performative}", parties, reply_by)
        if after is None:
            return OUT_OF_SEQUENCE
        floor = after
        for party in parties:
            leg = legs[party]
            if mine:
                legs[party] = Leg(
                    leg.state, leg.asked_id, leg.asked_token, message_id, reply_with, leg.deadline, leg.mark,
                    leg.reply_to, leg.cancel,
                )  # fmt: skip
            else:
                legs[party] = Leg(
                    leg.state, message_id, reply_with, leg.told_id, leg.told_token, leg.deadline, leg.mark,
                    reply_to, leg.cancel,
                )  # fmt: skip
    if conversation.messages >= LIMIT:
        return FULL
    return Admission(
        settled(conversation, legs, open_legs, floor, conversation.messages + 1), receivers
    )
