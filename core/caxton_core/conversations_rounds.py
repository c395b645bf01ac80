"""Moves of conversation-wide protocols, and moves that close other legs.

Rules:
- an act takes one row of the conversation's table, in the state of the floor;
- the legs keep only tokens and closings; the floor is told of every leg that closes.
"""

from __future__ import annotations

from caxton_core.conversations_floors import LEG_CLOSED, advance, notice
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
    floor = conversation.floor
    if floor is None:
        return OUT_OF_SEQUENCE
    mine = role == "participant"
    legs, messages = conversation.legs.copy(), conversation.messages
    if performative == NOT_UNDERSTOOD:
        if not mine and any(legs[party].told_id is None for party in parties):
            return OUT_OF_SEQUENCE
        if messages >= LIMIT:
            return FULL
        for party in parties:
            legs[party] = closed(legs[party], NOT_UNDERSTOOD)
        floor = notice(protocol, floor, LEG_CLOSED, parties)
        open_legs = conversation.open_legs - len(parties)
        return Admission(
            settled(protocol, conversation, legs, open_legs, floor, messages + 1), receivers
        )
    floor = advance(protocol, floor, f"{role}:{performative}", parties, reply_by)
    if floor is None:
        return OUT_OF_SEQUENCE
    if messages >= LIMIT:
        return FULL
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
    if floor.state in protocol.finals:
        return Admission(
            settled(protocol, conversation, legs, conversation.open_legs, floor, messages + 1),
            receivers,
        )
    bound, deadline = conversation.next_deadline, floor.round.deadline
    if bound is None or (deadline is not None and deadline < bound):
        bound = deadline
    return Admission(
        Conversation(
            conversation.id, conversation.protocol, conversation.initiator, conversation.opened_at,
            conversation.expires_at, legs, messages + 1, conversation.open_legs, bound, floor,
        ),
        receivers,
    )  # fmt: skip
