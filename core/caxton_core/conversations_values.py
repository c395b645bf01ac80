"""The values of a conversation: legs, verdicts, and what a conversation-wide protocol remembers.

Rules:
- every value is frozen, holds only plain data and no cycle, and msgspec encodes it and reads it back equal;
- a leg is open at a state of its protocol's table, or closed: then its state is the leg outcome (one of OUTCOMES);
- an open leg under cancel keeps its table state; `cancel` says that it is cancelling;
- a closed leg has no tokens, no deadline and no cancel, and `open_legs` counts the others;
- `swept` counts the legs in a state that another leg's move may close, those under cancel too;
- `next_deadline` is never later than the earliest deadline (it may be earlier, and then firing only moves it);
- times are integers, milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

__all__ = [
    "CANCELLED", "CANCELLING", "COMPLETED", "DONE", "EXPIRED", "FAILED", "LIMIT", "NOT_UNDERSTOOD",
    "OUTCOMES", "REJECTED", "Admission", "Cancel", "Conversation", "Floor", "Leg", "Phase", "Reason", "Rejection",
    "Round", "closed",
]  # fmt: skip

LIMIT: Final = 10_000
"""Messages in one conversation; the next is rejected as `conversation-full` (Caxton's own reason)."""

DONE: Final = "done"
REJECTED: Final = "rejected"
FAILED: Final = "failed"
NOT_UNDERSTOOD: Final = "not-understood"
EXPIRED: Final = "expired"
CANCELLED: Final = "cancelled"
CANCELLING: Final = "cancelling"
COMPLETED: Final = "completed"
OUTCOMES: Final = frozenset(
    (DONE, "refused", "accepted", REJECTED, FAILED, NOT_UNDERSTOOD, EXPIRED, CANCELLED)
)

Phase: TypeAlias = Literal["in-progress", "completed", "failed", "expired", "cancelled"]
Reason: TypeAlias = Literal[
    "unknown-conversation", "unknown-protocol", "wrong-protocol", "not-a-party", "out-of-sequence",
    "terminated", "wrong-receiver", "leg-closed", "bad-in-reply-to", "conversation-full",
]  # fmt: skip


class Cancel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cancel that waits for its answer, and the leg's own deadline, held meanwhile."""

    token: str
    id: str
    held: int | None = None
    reply_to: tuple[str, ...] = ()


class Leg(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One participant's side of a conversation.

    `asked` is the latest message from the initiator, `told` the latest from the participant: id and reply-with.
    `mark` is the furthest thing worth remembering once the state has moved on ("proposed", "awarded").
    """

    state: str
    asked_id: str | None = None
    asked_token: str | None = None
    told_id: str | None = None
    told_token: str | None = None
    deadline: int | None = None
    mark: str = ""
    reply_to: tuple[str, ...] = ()
    cancel: Cancel | None = None


def closed(leg: Leg, outcome: str) -> Leg:
    """Close a leg: of what was said only the mark and the reply-to stay."""
    return Leg(outcome, None, None, None, None, None, leg.mark, leg.reply_to)


class Round(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a conversation-wide protocol (an auction) remembers beside its legs and its state.

    `bids` has this round's bidders in order of arrival, each with whether the bid still waits for an answer;
    `leader` is whose bid was accepted last, and `taken` says that it was one of this round.
    """

    number: int = 0
    deadline: int | None = None
    leader: str = ""
    taken: bool = False
    bids: dict[str, bool] = {}


class Floor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a conversation-wide protocol stands: a state of its table, and what its hooks remember."""

    state: str
    round: Round = Round()


class Conversation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One run of a protocol: an initiator and a leg for each participant, in the opener's order."""

    id: str
    protocol: str
    initiator: str
    opened_at: int
    expires_at: int | None
    legs: dict[str, Leg]
    messages: int
    open_legs: int
    next_deadline: int | None
    floor: Floor | None = None
    swept: int = 0

    @property
    def participants(self) -> tuple[str, ...]:
        """Name the participants in the order of the opener."""
        return tuple(self.legs)

    @property
    def terminal(self) -> bool:
        """Tell whether the conversation has ended."""
        return not self.open_legs

    @property
    def awarded(self) -> tuple[str, ...]:
        """Name the participants that were awarded, in the order of the opener."""
        return tuple(name for name, leg in self.legs.items() if leg.mark == "awarded")


class Admission(msgspec.Struct, frozen=True, gc=False):
    """The message is legal: the conversation after it, to whom it goes, and whom it awarded."""

    conversation: Conversation
    receivers: tuple[str, ...]
    awarded: tuple[str, ...] = ()


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """The message is illegal and changed nothing.

    `conversation` is given when deadlines that were due before the message moved it: keep that value.
    """

    reason: Reason
    detail: str
    conversation: Conversation | None = None

    def __str__(self) -> str:
        """Say in one sentence why the message was rejected."""
        return f"The message is not admitted ({self.reason}): {self.detail}."
