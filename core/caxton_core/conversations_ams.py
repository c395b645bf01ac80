"""Messages of an AMS in conversations it takes no part in (docs/conversations.md).

Rules:
- this platform's AMS and that of the leg's participant may speak, everybody else is no party;
- a failure about a message to a participant closes its leg in any open state, and needs no in-reply-to;
- one about a message to the initiator changes nothing; any other act of an AMS is out of sequence.
"""

from __future__ import annotations

from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_timers import fail_leg
from caxton_core.conversations_values import OUTCOMES, Admission, Conversation, Rejection
from caxton_core.conversations_verdicts import (
    LEG_CLOSED,
    NOT_A_PARTY,
    OUT_OF_SEQUENCE,
    TERMINATED,
)

__all__ = ["admit_ams"]


def _platform(name: str) -> str:
    return name.rpartition("@")[2]


def admit_ams(
    protocol: Protocol,
    conversation: Conversation,
    performative: str,
    sender: str,
    receivers: tuple[str, ...],
    platform: str,
    about: str | None,
    now: int,
) -> Admission | Rejection:
    """Judge a message from somebody who is no party: only an AMS may speak, and only a failure counts.

    `about` is the party that could not be reached; about the initiator, it changes no state.
    """
    concerned = conversation.legs if about is None else (about,)
    if not sender.startswith("ams@") or (
        sender[4:] != platform and sender[4:] not in map(_platform, concerned)
    ):
        return NOT_A_PARTY
    if not conversation.open_legs:
        return TERMINATED
    leg = None if about is None else conversation.legs.get(about)
    if leg is None and about is not None and about != conversation.initiator:
        return NOT_A_PARTY
    if leg is not None and leg.state in OUTCOMES:
        return LEG_CLOSED
    if performative != "failure" or about is None:
        return OUT_OF_SEQUENCE
    if leg is not None:
        conversation = fail_leg(protocol, conversation, about, now=now)
    return Admission(conversation, receivers or (conversation.initiator,))
