"""fipa-iterated-contract-net (SC00030): a contract net whose open offers can be called again.

Rules:
- a new call voids the offer it is made to, and a proposal quotes the call of its own round;
- nobody is called again after any award;
- the rest is fipa-contract-net.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_values import Conversation
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

from caxton_plugins.protocols.contract_net import (
    AWARD,
    CLOSE_CALL,
    EXPIRE,
    FAIL,
    INFORM,
    MARKS,
    PROPOSE,
    REFUSE,
    REJECT,
    AwaitingProposal,
    ContractNetState,
    Initial,
    Proposed,
    contract_net_outcome,
)
from caxton_plugins.protocols.contract_net_initiator import ITERATED_INITIATIVE

__all__ = ["ITERATED_CONTRACT_NET", "PROTOCOL", "caxton_api", "caxton_protocols"]

caxton_api = 1

_: Final = ContractNetState
CALL: Transition[Initial | Proposed, AwaitingProposal] = Transition(
    "initiator:cfp", (_.INITIAL, _.PROPOSED), _.AWAITING_PROPOSAL
)
ITERATED_CONTRACT_NET = Table(
    "fipa-iterated-contract-net", _.INITIAL, CALL, PROPOSE, REFUSE, AWARD, REJECT, INFORM, FAIL, EXPIRE
)  # fmt: skip


def _awarded(conversation: Conversation) -> bool:
    return any(leg.mark == "awarded" for leg in conversation.legs.values())


PROTOCOL = Protocol(
    "fipa-iterated-contract-net",
    ITERATED_CONTRACT_NET,
    marks=MARKS,
    sweeps=(CLOSE_CALL,),
    bars={CALL.event: _awarded},
    rule=contract_net_outcome,
    initiative=ITERATED_INITIATIVE,
)


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
