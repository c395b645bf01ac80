"""fipa-propose (SC00036): the initiator offers to do something itself, and needs a yes.

Rules:
- the only answers are yes and no, and nothing follows them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

__all__ = ["PROPOSE", "PROTOCOL", "ProposeState", "caxton_api", "caxton_protocols"]

caxton_api = 1


class ProposeState(StrEnum):
    """Where a leg stands."""

    INITIAL = "initial"
    AWAITING_RESPONSE = "awaiting-response"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"


_ = ProposeState
Initial: TypeAlias = Literal[ProposeState.INITIAL]
AwaitingResponse: TypeAlias = Literal[ProposeState.AWAITING_RESPONSE]
Accepted: TypeAlias = Literal[ProposeState.ACCEPTED]
Rejected: TypeAlias = Literal[ProposeState.REJECTED]
Expired: TypeAlias = Literal[ProposeState.EXPIRED]

OFFER: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:propose", (_.INITIAL,), _.AWAITING_RESPONSE
)
ACCEPT: Transition[AwaitingResponse, Accepted] = Transition(
    "participant:accept-proposal", (_.AWAITING_RESPONSE,), _.ACCEPTED
)
REJECT: Transition[AwaitingResponse, Rejected] = Transition(
    "participant:reject-proposal", (_.AWAITING_RESPONSE,), _.REJECTED
)
EXPIRE: Transition[AwaitingResponse, Expired] = Transition(
    "timer:reply-by", (_.AWAITING_RESPONSE,), _.EXPIRED
)
PROPOSE = Table("fipa-propose", _.INITIAL, OFFER, ACCEPT, REJECT, EXPIRE)

PROTOCOL = Protocol("fipa-propose", PROPOSE)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
