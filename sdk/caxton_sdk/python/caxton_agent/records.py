"""What must be known of a conversation after a restart, and until when: a record in the durable state.

Rules:
- a conversation has one record at a time, of one kind, under `caxton/conversation/<id>`;
- a record and its timer are written in the step in which it is spoken about, so they never disagree with what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caxton_agent.hosts import StateFull
from caxton_agent.states import state
from caxton_agent.steps import now_ms
from caxton_agent.timers import Rung, cancel_timer, set_timer

# The node's `runtime.conversation_ttl`: no conversation lasts longer.
LONGEST = 86400.0
TIMER = "caxton/conversation"


@dataclass(frozen=True)
class Record:
    """What is known of one conversation."""

    kind: str
    data: dict[str, Any]
    timer: int
    due: int


def _key(conversation: str) -> str:
    return f"{TIMER}/{conversation}"


def find(conversation: str | None) -> Record | None:
    """Return the record of a conversation, if there is one."""
    kept = state.get(_key(conversation)) if conversation else None
    return None if kept is None else Record(**kept)


def keep(conversation: str, kind: str, data: dict[str, Any], wait: float | None) -> None:
    """Write a record that is due in `wait` seconds, or, with None, when it was before."""
    old = find(conversation)
    if old is None and wait is None:
        raise KeyError(conversation)
    timer, due = (old.timer, old.due) if old else (0, 0)
    if wait is not None:
        # What comes exactly in time is in time: the timer rings after it.
        due = now_ms() + round(wait * 1000) + 1
        timer = set_timer(wait + 0.001, TIMER, [conversation, due])
    try:
        state[_key(conversation)] = {"kind": kind, "data": data, "timer": timer, "due": due}
    except StateFull:
        if wait is not None:
            cancel_timer(timer)
        raise
    if old and old.timer != timer:
        cancel_timer(old.timer)


def drop(conversation: str) -> None:
    """Forget a record, and its timer."""
    old = find(conversation)
    if old:
        cancel_timer(old.timer)
        state.discard(_key(conversation))


def ended(rung: Rung) -> str | None:
    """Return the conversation whose time is over, when this timer still counts."""
    conversation, due = rung.content
    record = find(conversation)
    # A record that was written anew since has another time; this is the old timer, too late to be cancelled.
    return conversation if record and record.due == due else None
