"""State, phase and outcome of a conversation, computed only when somebody reads them (docs/conversations.md).

Rules:
- while a leg is open: the least advanced open leg's state, cancelling legs ignored; `cancelling` when all are;
- when all are closed: one of completed, failed, expired, cancelled, by the protocol's rule or the general one;
- reading counts as an arrival: fire the timers first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

from caxton_core.conversations_protocols import Ending, Protocol
from caxton_core.conversations_values import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    NOT_UNDERSTOOD,
    OUTCOMES,
    Conversation,
    Phase,
)

__all__ = ["ending", "general_outcome", "leg_outcome", "leg_state", "outcome", "phase", "state"]

_ALONE: Final[Mapping[str, Ending]] = {
    "done": (COMPLETED, "success"),
    "accepted": (COMPLETED, "accepted"),
    "rejected": (COMPLETED, "rejected"),
    "refused": (COMPLETED, "refused"),
    FAILED: (FAILED, FAILED),
    NOT_UNDERSTOOD: (FAILED, NOT_UNDERSTOOD),
    EXPIRED: (EXPIRED, EXPIRED),
    CANCELLED: (CANCELLED, CANCELLED),
}
_PRECEDENCE: Final = (CANCELLED, FAILED, NOT_UNDERSTOOD, EXPIRED, "rejected", "refused")


def general_outcome(closed: Iterable[str]) -> Ending:
    """Apply the general rule to leg outcomes.

    >>> general_outcome(["done", "expired"])
    ('completed', 'partial')
    """
    present = set(closed)
    if len(present) == 1:
        return _ALONE[present.pop()]
    if "done" in present or "accepted" in present:
        return COMPLETED, "partial"
    return next(_ALONE[name] for name in _PRECEDENCE if name in present)


def ending(protocol: Protocol, conversation: Conversation) -> Ending:
    """Name the terminal state and the outcome of a conversation that has ended."""
    floor = conversation.floor
    if floor is not None and floor.state in protocol.finals:
        return COMPLETED, floor.state
    if protocol.rule is not None:
        return protocol.rule(conversation.legs)
    return general_outcome(leg.state for leg in conversation.legs.values())


def state(protocol: Protocol, conversation: Conversation) -> str:
    """Name the conversation's state: of its least advanced open leg, or the terminal one."""
    if not conversation.open_legs:
        return ending(protocol, conversation)[0]
    going = [
        leg.state
        for leg in conversation.legs.values()
        if leg.cancel is None and leg.state not in OUTCOMES
    ]
    if not going:
        return CANCELLING
    if conversation.floor is not None:
        return conversation.floor.state
    return min(going, key=protocol.order.__getitem__)


def outcome(protocol: Protocol, conversation: Conversation) -> str | None:
    """Name the outcome, None while the conversation goes on."""
    return None if conversation.open_legs else ending(protocol, conversation)[1]


def phase(protocol: Protocol, conversation: Conversation) -> Phase:
    """Name the coarse phase: in-progress, or the terminal state (before the opener it is `initiated`)."""
    if conversation.open_legs:
        return "in-progress"
    return cast(Phase, ending(protocol, conversation)[0])


def leg_state(conversation: Conversation, participant: str) -> str:
    """Name the state of one leg for display: `closed`, `cancelling`, or its table state."""
    leg = conversation.legs[participant]
    if leg.state in OUTCOMES:
        return "closed"
    if leg.cancel is not None:
        return CANCELLING
    return leg.state if conversation.floor is None else conversation.floor.state


def leg_outcome(conversation: Conversation, participant: str) -> str | None:
    """Name the outcome of one leg, None while it is open."""
    leg = conversation.legs[participant]
    return leg.state if leg.state in OUTCOMES else None
