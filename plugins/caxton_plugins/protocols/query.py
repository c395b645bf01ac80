"""fipa-query (SC00027): one asks whether something holds, or which thing fits; the other tells.

Rules:
- the states and answers are those of fipa-request;
- the only positive answer is inform: confirm, disconfirm and inform-if are no answers here.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

from caxton_plugins.protocols.request import (
    AGREE,
    EXPIRE,
    FAIL,
    INFORM,
    REFUSE,
    AwaitingResponse,
    Initial,
    RequestState,
)

__all__ = ["PROTOCOL", "QUERY", "caxton_api", "caxton_protocols"]

caxton_api = 1

_: Final = RequestState
ASK_IF: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:query-if", (_.INITIAL,), _.AWAITING_RESPONSE
)
ASK_REF: Transition[Initial, AwaitingResponse] = Transition(
    "initiator:query-ref", (_.INITIAL,), _.AWAITING_RESPONSE
)
QUERY = Table(
    "fipa-query", _.INITIAL, ASK_IF, ASK_REF, AGREE, REFUSE, INFORM, FAIL, EXPIRE
)  # fmt: skip

PROTOCOL = Protocol("fipa-query", QUERY)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
