"""`x-ping-pong`: one serves, the other returns, until one of them has had enough.

Rules:
- the initiator serves with a request, the participant returns with an inform;
- every return may be answered by the next serve, or by the initiator's inform that the rally is over;
- a participant that is tired refuses instead of returning;
- a serve's reply-by is how long its return may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, TypeAlias

from caxton_core.conversations import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

caxton_api = 1
"""The version of the hooks this plugin is written for."""


class PingPongState(StrEnum):
    """Where a leg stands: the open states from the least advanced to the most, then the outcomes."""

    INITIAL = "initial"
    SERVED = "served"
    RETURNED = "returned"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"


_ = PingPongState
Initial: TypeAlias = Literal[PingPongState.INITIAL]
Served: TypeAlias = Literal[PingPongState.SERVED]
Returned: TypeAlias = Literal[PingPongState.RETURNED]
Done: TypeAlias = Literal[PingPongState.DONE]
Refused: TypeAlias = Literal[PingPongState.REFUSED]
Failed: TypeAlias = Literal[PingPongState.FAILED]
Expired: TypeAlias = Literal[PingPongState.EXPIRED]

SERVE: Transition[Initial | Returned, Served] = Transition(
    "initiator:request", (_.INITIAL, _.RETURNED), _.SERVED
)
RETURN: Transition[Served, Returned] = Transition("participant:inform", (_.SERVED,), _.RETURNED)
TIRE: Transition[Served, Refused] = Transition("participant:refuse", (_.SERVED,), _.REFUSED)
MISS: Transition[Served, Failed] = Transition("participant:failure", (_.SERVED,), _.FAILED)
END: Transition[Returned, Done] = Transition("initiator:inform", (_.RETURNED,), _.DONE)
EXPIRE: Transition[Served, Expired] = Transition("timer:reply-by", (_.SERVED,), _.EXPIRED)

PING_PONG = Table("x-ping-pong", _.INITIAL, SERVE, RETURN, TIRE, MISS, END, EXPIRE)
PROTOCOL = Protocol("x-ping-pong", PING_PONG, single=True)


@hookimpl
def caxton_protocols() -> Sequence[Protocol]:
    """Add `x-ping-pong`."""
    return [PROTOCOL]
