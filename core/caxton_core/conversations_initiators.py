"""Messages of the initiator: expanded to legs, judged for all of them, then applied (fipa.md 4.1, 4.2).

Rules:
- each test of 4.2 is put to every addressed leg before the next test: the first failing test names the reason;
- answers quote the participant's latest message strictly; calls that open something new may omit in-reply-to.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_cancels import begin_cancel
from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_rounds import play, shut
from caxton_core.conversations_values import (
    LIMIT,
    NOT_UNDERSTOOD,
    Admission,
    Conversation,
    Leg,
    Rejection,
)
from caxton_core.conversations_verdicts import (
    BAD_IN_REPLY_TO,
    FULL,
    LEG_CLOSED,
    NOT_A_PARTY,
    OUT_OF_SEQUENCE,
    TERMINATED,
)

__all__ = ["admit_initiator"]

# fipa.md 4.3: these acts of the initiator answer something; its others may omit in-reply-to.
_ANSWERS: Final = frozenset(
    ("accept-proposal", "reject-proposal", "propose", NOT_UNDERSTOOD, "agree", "refuse", "failure")
)


def admit_initiator(
    protocol: Protocol,
    conversation: Conversation,
    performative: str,
    message_id: str,
    receivers: tuple[str, ...],
    reply_with: str | None,
    in_reply_to: str | None,
    reply_by: int | None,
    reply_to: tuple[str, ...],
) -> Admission | Rejection:
    """Judge and apply a message of the initiator, its receivers' legs all or none.

    `receivers` may be empty: every open leg, those under cancel too (which rejects it).
    """
    open_legs = conversation.open_legs
    if not open_legs:
        return TERMINATED
    legs = conversation.legs
    table = protocol.by_initiator
    if not receivers:
        receivers = tuple(name for name, leg in legs.items() if leg.state in table)
    elif len(receivers) > 1:
        receivers = tuple(dict.fromkeys(receivers))
    for name in receivers:
        if name not in legs:
            return NOT_A_PARTY
    for name in receivers:
        if legs[name].state not in table:
            return LEG_CLOSED
    if in_reply_to is not None or performative in _ANSWERS:
        for name in receivers:
            leg = legs[name]
            if in_reply_to != leg.told_token and in_reply_to != leg.told_id:
                return BAD_IN_REPLY_TO
    for name in receivers:
        if legs[name].cancel is not None:
            return OUT_OF_SEQUENCE
    messages = conversation.messages
    if performative == "cancel":
        if messages >= LIMIT:
            return FULL
        return begin_cancel(conversation, receivers, message_id, reply_with, reply_by, reply_to)
    if conversation.floor is not None:
        return play(
            protocol, conversation, "initiator", performative, receivers, receivers, message_id, reply_with,
            reply_by, reply_to,
        )  # fmt: skip
    move = None
    for name in receivers:
        leg = legs[name]
        move = table[leg.state].get(performative)
        if move is None or (move.answered and leg.told_id is None):
            return OUT_OF_SEQUENCE
        if move.bar is not None and move.bar(conversation):
            return OUT_OF_SEQUENCE
    if messages >= LIMIT:
        return FULL
    legs = legs.copy()
    bound = conversation.next_deadline
    awarded: tuple[str, ...] = ()
    for name in receivers:
        leg = legs[name]
        move = table[leg.state][performative]
        if move.closes:
            open_legs -= 1
            legs[name] = Leg(
                move.target, None, None, None, None, None, move.mark or leg.mark, leg.reply_to
            )
            continue
        if move.timed and reply_by is not None:
            deadline = reply_by
            if bound is None or deadline < bound:
                bound = deadline
        else:
            deadline = None
        legs[name] = Leg(
            move.target, message_id, reply_with, leg.told_id, leg.told_token, deadline,
            move.mark or leg.mark, reply_to,
        )  # fmt: skip
    if move is not None:
        if move.mark == "awarded":
            awarded = receivers
        if move.sweep is not None:
            legs, open_legs = shut(legs, open_legs, move.sweep)
    return Admission(
        Conversation(
            conversation.id, conversation.protocol, conversation.initiator, conversation.opened_at,
            conversation.expires_at, legs, messages + 1, open_legs, bound if open_legs else None, None,
        ),
        receivers,
        awarded,
    )  # fmt: skip
