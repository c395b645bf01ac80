"""fipa-query (SC00027): one asks whether something holds, or which thing fits; the other tells.

Rules:
- the states and answers are those of fipa-request;
- the only positive answer is inform: confirm, disconfirm and inform-if are no answers here.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_protocols import Protocol
from caxton_core.hookspecs import hookimpl
from caxton_core.initiators import ConversationSpec, Initiative
from caxton_core.messages import Draft, Performative
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


def _opening(spec: ConversationSpec) -> Draft:
    """Ask whether something holds if the content is a truth value, else which thing fits."""
    act = Performative.QUERY_IF if isinstance(spec.content, bool) else Performative.QUERY_REF
    return Draft(Performative(spec.performative or act), content=spec.content)


PROTOCOL = Protocol("fipa-query", QUERY, initiative=Initiative(opening=_opening))


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
