"""fipa-brokering (SC00033) and fipa-recruiting (SC00034): let another agent find the agents for a message.

Rules:
- nothing is relayed before the agree;
- what comes after it are answers of the inner protocol, by any act: they leave the state as it is;
- which answer is the last one only a table of the inner protocol could say: without one it ends by failure,
  not-understood, cancel or time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.messages import Performative
from caxton_core.tables import Table, Transition

__all__ = ["PROTOCOLS", "BrokeringState", "caxton_api", "caxton_protocols"]

caxton_api = 1


class BrokeringState(StrEnum):
    """Where a leg stands; the open states from the least advanced to the most."""

    INITIAL = "initial"
    AWAITING_RESPONSE = "awaiting-response"
    RELAYING = "relaying"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"


_ = BrokeringState
Initial: TypeAlias = Literal[BrokeringState.INITIAL]
AwaitingResponse: TypeAlias = Literal[BrokeringState.AWAITING_RESPONSE]
Relaying: TypeAlias = Literal[BrokeringState.RELAYING]
Refused: TypeAlias = Literal[BrokeringState.REFUSED]
Failed: TypeAlias = Literal[BrokeringState.FAILED]
Expired: TypeAlias = Literal[BrokeringState.EXPIRED]

ASK: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:proxy", (_.INITIAL,), _.AWAITING_RESPONSE
)
AGREE: Transition[AwaitingResponse, Relaying] = Transition(
    "participant:agree", (_.AWAITING_RESPONSE,), _.RELAYING
)
REFUSE: Transition[AwaitingResponse, Refused] = Transition(
    "participant:refuse", (_.AWAITING_RESPONSE,), _.REFUSED
)
FAIL: Transition[AwaitingResponse | Relaying, Failed] = Transition(
    "participant:failure", (_.AWAITING_RESPONSE, _.RELAYING), _.FAILED
)
EXPIRE: Transition[AwaitingResponse, Expired] = Transition(
    "timer:reply-by", (_.AWAITING_RESPONSE,), _.EXPIRED
)
# These close the leg, are illegal while relaying, or belong to the engine (docs/conversations.md).
NEVER_RELAYED: Final = (
    Performative.AGREE, Performative.REFUSE, Performative.FAILURE, Performative.NOT_UNDERSTOOD, Performative.CANCEL,
)  # fmt: skip
RELAY: Final[tuple[Transition[Relaying, Relaying], ...]] = tuple(
    Transition(f"participant:{act}", (_.RELAYING,), _.RELAYING)
    for act in Performative
    if act not in NEVER_RELAYED
)

PROTOCOLS = tuple(
    Protocol(name, Table(name, _.INITIAL, ASK, AGREE, REFUSE, *RELAY, FAIL, EXPIRE))
    for name in ("fipa-brokering", "fipa-recruiting")
)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add both protocols."""
    return list(PROTOCOLS)
