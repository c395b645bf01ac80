"""Messages of the initiator: expanded to legs, judged for all of them, then applied (docs/conversations.md).

Rules:
- a legal message takes one pass over its legs; only when a leg fails is the reason looked for, and then each test of
  4.2 is put to every addressed leg before the next test: the first failing test names it;
- answers quote the participant's latest message strictly; calls that open something new may omit in-reply-to.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_cancels import begin_cancel
from caxton_core.conversations_protocols import Move, Protocol
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

# These acts of the initiator answer something; its others may omit in-reply-to.
_ANSWERS: Final = frozenset(
    ("accept-proposal", "reject-proposal", "propose", NOT_UNDERSTOOD, "agree", "refuse", "failure")
)


def _first_failure(
    protocol: Protocol,
    conversation: Conversation,
    performative: str,
    receivers: tuple[str, ...],
    in_reply_to: str | None,
) -> Rejection | None:
    """Put tests 6 to 8, and that no leg is under cancel, to every addressed leg."""
    legs = conversation.legs
    if any(name not in legs for name in receivers):
        return NOT_A_PARTY
    addressed = [legs[name] for name in receivers]
    if any(leg.state not in protocol.by_initiator for leg in addressed):
        return LEG_CLOSED
    if in_reply_to is not None or performative in _ANSWERS:
        for leg in addressed:
            if in_reply_to != leg.told_token and in_reply_to != leg.told_id:
                return BAD_IN_REPLY_TO
    if any(leg.cancel is not None for leg in addressed):
        return OUT_OF_SEQUENCE
    return None


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
    before = conversation.legs
    table = protocol.by_initiator
    if not receivers:
        receivers = tuple(name for name, leg in before.items() if leg.state in table)
    elif len(receivers) > 1:
        receivers = tuple(dict.fromkeys(receivers))
    messages = conversation.messages
    if performative == "cancel" or conversation.floor is not None:
        failure = _first_failure(protocol, conversation, performative, receivers, in_reply_to)
        if failure is not None:
            return failure
        if performative == "cancel":
            if messages >= LIMIT:
                return FULL
            return begin_cancel(
                protocol, conversation, receivers, message_id, reply_with, reply_by, reply_to
            )
        return play(
            protocol, conversation, "initiator", performative, receivers, receivers, message_id, reply_with,
            reply_by, reply_to,
        )  # fmt: skip
    strict = in_reply_to is not None or performative in _ANSWERS
    legs = before.copy()
    bound = conversation.next_deadline
    swept = conversation.swept
    move: Move | None = None
    for name in receivers:
        leg = before.get(name)
        row = None if leg is None else table.get(leg.state)
        move = None if row is None else row.get(performative)
        if (
            leg is None
            or move is None
            or leg.cancel is not None
            or (strict and in_reply_to != leg.told_token and in_reply_to != leg.told_id)
            or (move.answered and leg.told_id is None)
        ):
            failure = _first_failure(protocol, conversation, performative, receivers, in_reply_to)
            return OUT_OF_SEQUENCE if failure is None else failure
        swept += move.swept
        if move.closes:
            open_legs -= 1
            legs[name] = Leg(
                move.target, None, None, None, None, None, move.mark or leg.mark, leg.reply_to
            )  # fmt: skip
            continue
        deadline = reply_by if move.timed else None
        if deadline is not None and (bound is None or deadline < bound):
            bound = deadline
        legs[name] = Leg(
            move.target, message_id, reply_with, leg.told_id, leg.told_token, deadline,
            move.mark or leg.mark, reply_to,
        )  # fmt: skip
    if move is not None and move.bar is not None and move.bar(conversation):
        return OUT_OF_SEQUENCE
    if messages >= LIMIT:
        return FULL
    awarded: tuple[str, ...] = ()
    if move is not None:
        if move.mark == "awarded":
            awarded = receivers
        if swept and move.sweep is not None:
            before_it = open_legs
            legs, open_legs = shut(legs, open_legs, move.sweep)
            swept -= before_it - open_legs
    return Admission(
        Conversation(
            conversation.id, conversation.protocol, conversation.initiator, conversation.opened_at,
            conversation.expires_at, legs, messages + 1, open_legs, bound if open_legs else None, None,
            swept,
        ),
        receivers,
        awarded,
    )  # fmt: skip
