"""caxton-negotiation: two bargain, offer and counter-offer in turns, until one accepts or rejects.

Rules:
- exactly one participant;
- only the side whose turn it is may speak; a counter-offer voids the offer before it;
- the reply-by of an offer limits its answer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

from caxton_plugins.protocols.negotiation_initiator import NEGOTIATION_INITIATIVE

__all__ = ["NEGOTIATION", "PROTOCOL", "NegotiationState", "caxton_api", "caxton_protocols"]

caxton_api = 1


class NegotiationState(StrEnum):
    """Whose turn it is, and how it ended."""

    INITIAL = "initial"
    AWAITING_PARTICIPANT = "awaiting-participant"
    AWAITING_INITIATOR = "awaiting-initiator"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"


_ = NegotiationState
Initial: TypeAlias = Literal[NegotiationState.INITIAL]
AwaitingParticipant: TypeAlias = Literal[NegotiationState.AWAITING_PARTICIPANT]
AwaitingInitiator: TypeAlias = Literal[NegotiationState.AWAITING_INITIATOR]
Accepted: TypeAlias = Literal[NegotiationState.ACCEPTED]
Rejected: TypeAlias = Literal[NegotiationState.REJECTED]
Expired: TypeAlias = Literal[NegotiationState.EXPIRED]

OFFER: Transition[Initial | AwaitingInitiator, AwaitingParticipant] = Transition(
    "initiator:propose", (_.INITIAL, _.AWAITING_INITIATOR), _.AWAITING_PARTICIPANT
)
COUNTER: Transition[AwaitingParticipant, AwaitingInitiator] = Transition(
    "participant:propose", (_.AWAITING_PARTICIPANT,), _.AWAITING_INITIATOR
)
ACCEPT: Transition[AwaitingInitiator, Accepted] = Transition(
    "initiator:accept-proposal", (_.AWAITING_INITIATOR,), _.ACCEPTED
)
REJECT: Transition[AwaitingInitiator, Rejected] = Transition(
    "initiator:reject-proposal", (_.AWAITING_INITIATOR,), _.REJECTED
)
TAKE: Transition[AwaitingParticipant, Accepted] = Transition(
    "participant:accept-proposal", (_.AWAITING_PARTICIPANT,), _.ACCEPTED
)
DECLINE: Transition[AwaitingParticipant, Rejected] = Transition(
    "participant:reject-proposal", (_.AWAITING_PARTICIPANT,), _.REJECTED
)
EXPIRE: Transition[AwaitingParticipant | AwaitingInitiator, Expired] = Transition(
    "timer:reply-by", (_.AWAITING_PARTICIPANT, _.AWAITING_INITIATOR), _.EXPIRED
)
NEGOTIATION = Table(
    "caxton-negotiation", _.INITIAL, OFFER, COUNTER, ACCEPT, REJECT, TAKE, DECLINE, EXPIRE
)

PROTOCOL = Protocol(
    "caxton-negotiation", NEGOTIATION, single=True, initiative=NEGOTIATION_INITIATIVE
)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
