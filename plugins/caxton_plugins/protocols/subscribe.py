"""fipa-subscribe (SC00035), and caxton-request-whenever by the same table: told of something until it is cancelled.

Rules:
- agree may be skipped: the first notification answers the subscription as well;
- equal notifications are no duplicates: any number is legal;
- it ends by a failure or a cancel. A notification that crosses a cancel quotes the subscription.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

__all__ = [
    "PROTOCOLS", "REQUEST_WHENEVER", "SUBSCRIBE", "SubscribeState", "caxton_api", "caxton_protocols",
]  # fmt: skip

caxton_api = 1


class SubscribeState(StrEnum):
    """Where a leg stands; the open states from the least advanced to the most."""

    INITIAL = "initial"
    AWAITING_RESPONSE = "awaiting-response"
    ACTIVE = "active"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"


_ = SubscribeState
Initial: TypeAlias = Literal[SubscribeState.INITIAL]
AwaitingResponse: TypeAlias = Literal[SubscribeState.AWAITING_RESPONSE]
Active: TypeAlias = Literal[SubscribeState.ACTIVE]
Refused: TypeAlias = Literal[SubscribeState.REFUSED]
Failed: TypeAlias = Literal[SubscribeState.FAILED]
Expired: TypeAlias = Literal[SubscribeState.EXPIRED]

ASK: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:subscribe", (_.INITIAL,), _.AWAITING_RESPONSE
)
ASK_WHENEVER: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:request-whenever", (_.INITIAL,), _.AWAITING_RESPONSE
)
AGREE: Transition[AwaitingResponse, Active] = Transition(
    "participant:agree", (_.AWAITING_RESPONSE,), _.ACTIVE
)
REFUSE: Transition[AwaitingResponse, Refused] = Transition(
    "participant:refuse", (_.AWAITING_RESPONSE,), _.REFUSED
)
NOTIFY: Transition[AwaitingResponse | Active, Active] = Transition(
    "participant:inform", (_.AWAITING_RESPONSE, _.ACTIVE), _.ACTIVE
)
FAIL: Transition[AwaitingResponse | Active, Failed] = Transition(
    "participant:failure", (_.AWAITING_RESPONSE, _.ACTIVE), _.FAILED
)
EXPIRE: Transition[AwaitingResponse, Expired] = Transition(
    "timer:reply-by", (_.AWAITING_RESPONSE,), _.EXPIRED
)
SUBSCRIBE = Table("fipa-subscribe", _.INITIAL, ASK, AGREE, REFUSE, NOTIFY, FAIL, EXPIRE)
# FIPA has the act but no protocol for it.
REQUEST_WHENEVER = Table(
    "caxton-request-whenever", _.INITIAL, ASK_WHENEVER, AGREE, REFUSE, NOTIFY, FAIL, EXPIRE
)  # fmt: skip

PROTOCOLS = (
    Protocol("fipa-subscribe", SUBSCRIBE),
    Protocol("caxton-request-whenever", REQUEST_WHENEVER),
)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add both protocols."""
    return list(PROTOCOLS)
