"""fipa-request (SC00026): one asks, the other does it or says why not.

Rules:
- agree may be skipped: inform and failure answer the request directly;
- no refuse after agree, and one result only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

__all__ = ["PROTOCOL", "REQUEST", "RequestState", "caxton_api", "caxton_protocols"]


caxton_api = 1


class RequestState(StrEnum):
    """Where a leg stands; the open states from the least advanced to the most."""

    INITIAL = "initial"
    AWAITING_RESPONSE = "awaiting-response"
    AWAITING_RESULT = "awaiting-result"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"


_ = RequestState
Initial: TypeAlias = Literal[RequestState.INITIAL]
AwaitingResponse: TypeAlias = Literal[RequestState.AWAITING_RESPONSE]
AwaitingResult: TypeAlias = Literal[RequestState.AWAITING_RESULT]
Done: TypeAlias = Literal[RequestState.DONE]
Refused: TypeAlias = Literal[RequestState.REFUSED]
Failed: TypeAlias = Literal[RequestState.FAILED]
Expired: TypeAlias = Literal[RequestState.EXPIRED]

ASK: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:request", (_.INITIAL,), _.AWAITING_RESPONSE
)
AGREE: Transition[AwaitingResponse, AwaitingResult] = Transition(
    "participant:agree", (_.AWAITING_RESPONSE,), _.AWAITING_RESULT
)
REFUSE: Transition[AwaitingResponse, Refused] = Transition(
    "participant:refuse", (_.AWAITING_RESPONSE,), _.REFUSED
)
INFORM: Transition[AwaitingResponse | AwaitingResult, Done] = Transition(
    "participant:inform", (_.AWAITING_RESPONSE, _.AWAITING_RESULT), _.DONE
)
FAIL: Transition[AwaitingResponse | AwaitingResult, Failed] = Transition(
    "participant:failure", (_.AWAITING_RESPONSE, _.AWAITING_RESULT), _.FAILED
)
EXPIRE: Transition[AwaitingResponse, Expired] = Transition(
    "timer:reply-by", (_.AWAITING_RESPONSE,), _.EXPIRED
)
REQUEST = Table("fipa-request", _.INITIAL, ASK, AGREE, REFUSE, INFORM, FAIL, EXPIRE)

PROTOCOL = Protocol("fipa-request", REQUEST)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
