"""What an agent learns of its conversations.

Rules:
- each piece of news is of one kind: what the agent opened (`request`, `subscription`, `contract-net`), or what it owes
  (`promise`, `offer`);
- `conversation` and `note` say which one: the note is what was given when it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from caxton_agent.messages import Message

Kind: TypeAlias = Literal["request", "subscription", "contract-net", "promise", "offer"]


class Event(StrEnum):
    """What happened."""

    # To a request or a subscription of ours.
    AGREED = "agreed"
    INFORMED = "informed"
    REFUSED = "refused"
    NOT_UNDERSTOOD = "not-understood"
    CANCEL_REFUSED = "cancel-refused"
    # To a call of ours: all have answered, or their time is over.
    CHOICE = "choice"
    NOBODY = "nobody"
    DONE = "done"
    # To an offer of ours: it was taken, or not, or nobody answered while it held.
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PASSED = "passed"
    # To any of them.
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Offer:
    """What somebody proposed."""

    sender: str
    content: Any
    token: str


@dataclass(frozen=True)
class News:
    """One piece of news of one conversation."""

    kind: Kind
    event: Event
    conversation: str
    note: Any = None
    content: Any = None
    """What was said; of an offer of ours, what we offered."""
    message: Message | None = None
    """The message that brought it; none when time brought it."""
    offers: tuple[Offer, ...] = ()
    """At a choice."""
