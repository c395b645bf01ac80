"""Judge every message of a conversation, purely: values in, values out (docs/conversations.md).

The operations, all keyword-only after the values they work on; parties are full lower-case addresses:

    judge_unopened(protocols, *, performative, protocol_given, conversation_id) -> Protocol | Rejection | None
    open_conversation(protocol, *, id, initiator, participants, performative, message_id, now, reply_with=None,
        reply_by_ms=None, reply_to=(), expires_at=None) -> Admission | Rejection
    admit(protocol, conversation, *, performative, sender, message_id, now, receivers=(), reply_with=None,
        in_reply_to=None, reply_by_ms=None, reply_to=(), protocol_given=None, platform="", about=None)
        -> Admission | Rejection
    fire_timers(protocol, conversation, *, now) -> Conversation      # the same object when nothing was due
    fail_leg(protocol, conversation, leg, *, now) -> Conversation    # AMS failure about a message to that leg
    state(protocol, conversation) -> str ; outcome(...) -> str | None ; phase(...) -> Phase
    leg_state(conversation, participant) -> str ; leg_outcome(conversation, participant) -> str | None

Rules:
- the first failing test of 4.2 rejects, and a rejected message changes nothing; deadlines that were due before it
  are fired all the same, and then `Rejection.conversation` is the value to keep;
- `next_deadline` is when to call `fire_timers` next: once now is later than it. It may be too early, never too late;
- a multicast is judged for all its legs before any leg moves;
- one row of the protocol's table per message and leg: no transition is written in this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from caxton_core.conversations_ams import admit_ams
from caxton_core.conversations_cancels import answer_cancel
from caxton_core.conversations_floors import advance
from caxton_core.conversations_initiators import admit_initiator
from caxton_core.conversations_outcomes import (
    ending,
    general_outcome,
    leg_outcome,
    leg_state,
    outcome,
    phase,
    state,
)
from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_rounds import play
from caxton_core.conversations_timers import earliest, fail_leg, fire_timers
from caxton_core.conversations_values import (
    LIMIT,
    OUTCOMES,
    Admission,
    Cancel,
    Conversation,
    Floor,
    Leg,
    Phase,
    Reason,
    Rejection,
    Round,
)
from caxton_core.conversations_verdicts import (
    BAD_IN_REPLY_TO,
    FULL,
    LEG_CLOSED,
    OUT_OF_SEQUENCE,
    TERMINATED,
    UNKNOWN_CONVERSATION,
    UNKNOWN_PROTOCOL,
    WRONG_PROTOCOL,
    WRONG_RECEIVER,
)

__all__ = [
    "LIMIT", "OUTCOMES", "Admission", "Cancel", "Conversation", "Floor", "Leg", "Phase", "Protocol", "Reason",
    "Rejection", "Round", "admit", "ending", "fail_leg", "fire_timers", "general_outcome", "judge_unopened", "leg_outcome",
    "leg_state", "open_conversation", "outcome", "phase", "state",
]  # fmt: skip

# Acts that make no sense without a conversation.
_NEED_CONVERSATION: Final = frozenset(
    ("agree", "refuse", "accept-proposal", "reject-proposal", "cancel")
)


def judge_unopened(
    protocols: Mapping[str, Protocol],
    *,
    performative: str,
    protocol_given: str | None,
    conversation_id: str | None,
) -> Protocol | Rejection | None:
    """Judge a message whose conversation-id is absent or not in use.

    Returns the protocol to open (`protocols` is keyed by every name and alias), a rejection, or None: traffic
    without a protocol, that no engine is asked about.
    """
    if protocol_given is None:
        return UNKNOWN_CONVERSATION if performative in _NEED_CONVERSATION else None
    protocol = protocols.get(protocol_given)
    if protocol is None:
        return UNKNOWN_PROTOCOL
    if performative in protocol.openers:
        return protocol
    return UNKNOWN_CONVERSATION if conversation_id is None else OUT_OF_SEQUENCE


def open_conversation(
    protocol: Protocol,
    *,
    id: str,
    initiator: str,
    participants: Iterable[str],
    performative: str,
    message_id: str,
    now: int,
    reply_with: str | None = None,
    reply_by_ms: int | None = None,
    reply_to: tuple[str, ...] = (),
    expires_at: int | None = None,
) -> Admission | Rejection:
    """Open a conversation with the sender of an opening act as its initiator."""
    move = protocol.openers.get(performative)
    names = tuple(dict.fromkeys(participants))
    if move is None or not names or initiator in names or (protocol.single and len(names) > 1):
        return OUT_OF_SEQUENCE
    floor: Floor | None = None
    if protocol.rounds is not None:
        start, event = Floor(protocol.initial), f"initiator:{performative}"
        floor = advance(protocol, start, event, names, reply_by_ms)
        if floor is None:
            return OUT_OF_SEQUENCE
    deadline = reply_by_ms if move.timed and floor is None else None
    leg = Leg(
        move.target, message_id, reply_with, None, None, deadline, move.mark, reply_to
    )  # fmt: skip
    bound = expires_at if deadline is None else deadline
    if floor is not None:
        bound = earliest({}, floor, expires_at)
    elif bound is not None and expires_at is not None and expires_at < bound:
        bound = expires_at
    conversation = Conversation(
        id, protocol.name, initiator, now, expires_at, dict.fromkeys(names, leg), 1, len(names), bound, floor,
        len(names) * move.swept,
    )  # fmt: skip
    return Admission(conversation, names)


def admit(
    protocol: Protocol,
    conversation: Conversation,
    *,
    performative: str,
    sender: str,
    message_id: str,
    now: int,
    receivers: tuple[str, ...] = (),
    reply_with: str | None = None,
    in_reply_to: str | None = None,
    reply_by_ms: int | None = None,
    reply_to: tuple[str, ...] = (),
    protocol_given: str | None = None,
    platform: str = "",
    about: str | None = None,
) -> Admission | Rejection:
    """Judge a message of an opened conversation and say what the conversation is after it.

    Args:
        receivers: of the initiator, none means every open leg; of a participant, the initiator.
        platform: this node's, whose AMS may speak in every conversation.
        about: of an AMS failure, the party that the failed message was addressed to.
    """
    bound = conversation.next_deadline
    if bound is not None and bound < now:
        fired = fire_timers(protocol, conversation, now=now)
        verdict = admit(
            protocol,
            fired,
            performative=performative,
            sender=sender,
            message_id=message_id,
            now=now,
            receivers=receivers,
            reply_with=reply_with,
            in_reply_to=in_reply_to,
            reply_by_ms=reply_by_ms,
            reply_to=reply_to,
            protocol_given=protocol_given,
            platform=platform,
            about=about,
        )
        if type(verdict) is Rejection:
            return Rejection(verdict.reason, verdict.detail, fired)
        return verdict
    if protocol_given is not None and protocol_given not in protocol.names:
        return WRONG_PROTOCOL
    legs = conversation.legs
    leg = legs.get(sender)
    if leg is None:
        if sender == conversation.initiator:
            return admit_initiator(
                protocol, conversation, performative, message_id, receivers, reply_with, in_reply_to,
                reply_by_ms, reply_to,
            )  # fmt: skip
        return admit_ams(
            protocol, conversation, performative, sender, receivers, platform, about, now
        )
    open_legs = conversation.open_legs
    if not open_legs:
        return TERMINATED
    cancel = leg.cancel
    for receiver in receivers:
        if (
            receiver != conversation.initiator
            and receiver not in leg.reply_to
            and (cancel is None or receiver not in cancel.reply_to)
        ):
            return WRONG_RECEIVER
    moves = protocol.by_participant.get(leg.state)
    if moves is None:
        return LEG_CLOSED
    if cancel is not None and in_reply_to is not None and in_reply_to in (cancel.token, cancel.id):
        return answer_cancel(protocol, conversation, sender, performative, receivers, now)
    if in_reply_to != leg.asked_token and in_reply_to != leg.asked_id:
        return BAD_IN_REPLY_TO
    floor = conversation.floor
    if floor is not None:
        return play(
            protocol, conversation, "participant", performative, (sender,),
            receivers or (conversation.initiator,), message_id, reply_with, reply_by_ms, reply_to,
        )  # fmt: skip
    move = moves.get(performative)
    if move is None:
        return OUT_OF_SEQUENCE
    messages = conversation.messages
    if messages >= LIMIT:
        return FULL
    legs = legs.copy()
    if move.closes:
        open_legs -= 1
        if not open_legs:
            bound = None
        legs[sender] = Leg(
            move.target, None, None, None, None, None, move.mark or leg.mark, leg.reply_to
        )
    else:
        deadline = reply_by_ms if move.timed else None
        if cancel is not None:
            cancel = Cancel(cancel.token, cancel.id, deadline, cancel.reply_to)
            deadline = leg.deadline
        elif deadline is not None and (bound is None or deadline < bound):
            bound = deadline
        legs[sender] = Leg(
            move.target, leg.asked_id, leg.asked_token, message_id, reply_with, deadline,
            move.mark or leg.mark, leg.reply_to, cancel,
        )  # fmt: skip
    return Admission(
        Conversation(
            conversation.id, conversation.protocol, conversation.initiator, conversation.opened_at,
            conversation.expires_at, legs, messages + 1, open_legs, bound, None,
            conversation.swept + move.swept,
        ),
        receivers or (conversation.initiator,),
    )  # fmt: skip
