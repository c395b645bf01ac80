"""The cancel meta-protocol (docs/conversations.md), the same for every protocol.

Rules:
- only the initiator cancels; the token is the cancel's reply-with, or its id;
- while cancelling the leg's own deadline is held in `Cancel.held` and the cancel's reply-by is the leg's deadline;
- inform confirms, failure or not-understood denies: then the held deadline is armed again and may fire at once;
- neither the cancel nor its answers touch the tokens of 4.3.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_floors import LEG_CLOSED, notice
from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_timers import fire_timers, settled
from caxton_core.conversations_values import (
    CANCELLED,
    LIMIT,
    NOT_UNDERSTOOD,
    Admission,
    Cancel,
    Conversation,
    Leg,
    Rejection,
    closed,
)
from caxton_core.conversations_verdicts import FULL, OUT_OF_SEQUENCE

__all__ = ["answer_cancel", "begin_cancel"]

_DENIALS: Final = ("failure", NOT_UNDERSTOOD)


def _rearmed(leg: Leg, deadline: int | None, cancel: Cancel | None) -> Leg:
    return Leg(
        leg.state, leg.asked_id, leg.asked_token, leg.told_id, leg.told_token, deadline, leg.mark,
        leg.reply_to, cancel,
    )  # fmt: skip


def begin_cancel(
    protocol: Protocol,
    conversation: Conversation,
    receivers: tuple[str, ...],
    message_id: str,
    reply_with: str | None,
    reply_by: int | None,
    reply_to: tuple[str, ...],
) -> Admission:
    """Put open legs that are not cancelling yet under cancel."""
    legs = conversation.legs.copy()
    token = message_id if reply_with is None else reply_with
    for name in receivers:
        leg = legs[name]
        legs[name] = _rearmed(leg, reply_by, Cancel(token, message_id, leg.deadline, reply_to))
    return Admission(
        settled(
            protocol,
            conversation,
            legs,
            conversation.open_legs,
            conversation.floor,
            conversation.messages + 1,
        ),
        receivers,
    )


def answer_cancel(
    protocol: Protocol,
    conversation: Conversation,
    sender: str,
    performative: str,
    receivers: tuple[str, ...],
    now: int,
) -> Admission | Rejection:
    """Judge a message that quotes the outstanding cancel of its sender's leg."""
    leg = conversation.legs[sender]
    floor, open_legs = conversation.floor, conversation.open_legs
    if performative != "inform" and performative not in _DENIALS:
        return OUT_OF_SEQUENCE
    if conversation.messages >= LIMIT:
        return FULL
    legs = conversation.legs.copy()
    if performative == "inform":
        legs[sender] = closed(leg, CANCELLED)
        open_legs -= 1
        if floor is not None:
            floor = notice(protocol, floor, LEG_CLOSED, (sender,))
    else:
        held = None if leg.cancel is None else leg.cancel.held
        legs[sender] = _rearmed(leg, held, None)
    after = settled(protocol, conversation, legs, open_legs, floor, conversation.messages + 1)
    after = fire_timers(protocol, after, now=now)
    return Admission(after, receivers or (conversation.initiator,))
