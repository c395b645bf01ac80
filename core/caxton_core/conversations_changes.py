"""What a message changed of a conversation, so that a journal need not repeat a thousand legs.

Rules:
- `apply_change(before, change_between(before, after)) == after`, for any two values of one conversation;
- only legs that are not the same object are in it: values that were never decoded in between stay small.
"""

from __future__ import annotations

import msgspec

from caxton_core.conversations_values import Conversation, Floor, Leg

__all__ = ["Change", "apply_change", "change_between"]


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The moving part of a conversation, with the legs that moved."""

    id: str
    messages: int
    open_legs: int
    next_deadline: int | None
    legs: dict[str, Leg]
    floor: Floor | None = None


def change_between(before: Conversation, after: Conversation) -> Change:
    """Say what distinguishes a conversation from its earlier value."""
    old = before.legs
    moved = {name: leg for name, leg in after.legs.items() if leg is not old[name]}
    return Change(
        after.id, after.messages, after.open_legs, after.next_deadline, moved, after.floor
    )


def apply_change(before: Conversation, change: Change) -> Conversation:
    """Make the later value of a conversation."""
    return Conversation(
        before.id,
        before.protocol,
        before.initiator,
        before.opened_at,
        before.expires_at,
        {**before.legs, **change.legs},
        change.messages,
        change.open_legs,
        change.next_deadline,
        change.floor,
    )
