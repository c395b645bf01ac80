"""fipa-contract-net (SC00029): a call for proposals, the offers, the award, the result.

Rules:
- one proposal per leg, one call per conversation; several awards are legal;
- the first award closes the call: who has not answered by then is out;
- losers must be rejected, or their offers stand until they or the conversation expire;
- the outcome is that of the awarded legs; without an award it says how far the bidding came.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from caxton_core.conversations_outcomes import general_outcome
from caxton_core.conversations_protocols import Ending, Protocol, Sweep
from caxton_core.conversations_values import Leg
from caxton_core.hookspecs import hookimpl
from caxton_core.tables import Table, Transition

from caxton_plugins.protocols.contract_net_initiator import CONTRACT_NET_INITIATIVE

__all__ = [
    "CONTRACT_NET",
    "PROTOCOL",
    "ContractNetState",
    "caxton_api",
    "caxton_protocols",
    "contract_net_outcome",
]


caxton_api = 1


class ContractNetState(StrEnum):
    """Where a leg stands; the open states from the least advanced to the most."""

    INITIAL = "initial"
    AWAITING_PROPOSAL = "awaiting-proposal"
    PROPOSED = "proposed"
    AWAITING_RESULT = "awaiting-result"
    DONE = "done"
    REFUSED = "refused"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"


_ = ContractNetState
Initial: TypeAlias = Literal[ContractNetState.INITIAL]
AwaitingProposal: TypeAlias = Literal[ContractNetState.AWAITING_PROPOSAL]
Proposed: TypeAlias = Literal[ContractNetState.PROPOSED]
AwaitingResult: TypeAlias = Literal[ContractNetState.AWAITING_RESULT]
Done: TypeAlias = Literal[ContractNetState.DONE]
Refused: TypeAlias = Literal[ContractNetState.REFUSED]
Rejected: TypeAlias = Literal[ContractNetState.REJECTED]
Failed: TypeAlias = Literal[ContractNetState.FAILED]
Expired: TypeAlias = Literal[ContractNetState.EXPIRED]

CALL: Transition[Initial, AwaitingProposal] = Transition(
    "initiator:cfp", (_.INITIAL,), _.AWAITING_PROPOSAL
)
PROPOSE: Transition[AwaitingProposal, Proposed] = Transition(
    "participant:propose", (_.AWAITING_PROPOSAL,), _.PROPOSED
)
REFUSE: Transition[AwaitingProposal, Refused] = Transition(
    "participant:refuse", (_.AWAITING_PROPOSAL,), _.REFUSED
)
AWARD: Transition[Proposed, AwaitingResult] = Transition(
    "initiator:accept-proposal", (_.PROPOSED,), _.AWAITING_RESULT
)
REJECT: Transition[Proposed, Rejected] = Transition(
    "initiator:reject-proposal", (_.PROPOSED,), _.REJECTED
)
INFORM: Transition[AwaitingResult, Done] = Transition(
    "participant:inform", (_.AWAITING_RESULT,), _.DONE
)
FAIL: Transition[AwaitingProposal | AwaitingResult, Failed] = Transition(
    "participant:failure", (_.AWAITING_PROPOSAL, _.AWAITING_RESULT), _.FAILED
)
EXPIRE: Transition[AwaitingProposal | Proposed | AwaitingResult, Expired] = Transition(
    "timer:reply-by", (_.AWAITING_PROPOSAL, _.PROPOSED, _.AWAITING_RESULT), _.EXPIRED
)
CONTRACT_NET = Table(
    "fipa-contract-net", _.INITIAL, CALL, PROPOSE, REFUSE, AWARD, REJECT, INFORM, FAIL, EXPIRE
)

MARKS: Final = {PROPOSE.event: "proposed", AWARD.event: "awarded"}
CLOSE_CALL: Final = Sweep(AWARD.event, _.AWAITING_PROPOSAL, _.EXPIRED)


def contract_net_outcome(legs: Mapping[str, Leg]) -> Ending:
    """Judge closed legs by FIPA SC00029, first case that fits.

    >>> contract_net_outcome({"a": Leg("done", mark="awarded"), "b": Leg("rejected", mark="proposed")})
    ('completed', 'success')
    """
    outcomes = [leg.state for leg in legs.values()]
    awarded = [leg.state for leg in legs.values() if leg.mark == "awarded"]
    if awarded:
        return general_outcome(awarded)
    if "cancelled" in outcomes:
        return "cancelled", "cancelled"
    if "rejected" in outcomes:
        return "completed", "all-rejected"
    if any(leg.mark == "proposed" for leg in legs.values()):
        return general_outcome(outcomes)
    if all(outcome == "refused" for outcome in outcomes):
        return "completed", "all-refused"
    if "expired" in outcomes:
        return "expired", "no-proposals"
    return "failed", "no-proposals"


PROTOCOL = Protocol(
    "fipa-contract-net", CONTRACT_NET, marks=MARKS, sweeps=(CLOSE_CALL,), rule=contract_net_outcome,
    initiative=CONTRACT_NET_INITIATIVE,
)  # fmt: skip


@hookimpl
def caxton_protocols() -> list[Protocol]:
    """Add this protocol."""
    return [PROTOCOL]
