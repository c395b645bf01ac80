"""Offers of ours in somebody's contract net: what we proposed, and what became of it.

Rules:
- an offer holds for a while, over restarts; the news is PASSED when nobody took it meanwhile;
- after ACCEPTED do the work, and answer with inform or failure, or make a promise.
"""

from __future__ import annotations

from typing import Any

from caxton_agent import records
from caxton_agent.conversations import Event, News
from caxton_agent.hosts import StateFull, TooManyTimers
from caxton_agent.messages import Message, delay

_EVENTS = {
    "accept-proposal": Event.ACCEPTED,
    "reject-proposal": Event.REJECTED,
    "cancel": Event.CANCELLED,
}


def propose(message: Message, content: Any, *, note: Any = None, hold: float = 60) -> Message:
    """Offer to do what a cfp asks for; return this from the handler."""
    conversation = message.conversation_id
    if conversation is None:
        return message.refuse("an offer needs a conversation")
    try:
        records.keep(conversation, "offer", {"content": content, "note": note}, hold)
    except (StateFull, TooManyTimers):
        return message.refuse("no room for another offer")
    return message.reply("propose", content, reply_with="offer", reply_by=delay(hold))


def heard(conversation: str, data: dict[str, Any], message: Message | None) -> News | None:
    """Say what a message, or with None the end of the time, means for an offer of ours."""
    event = Event.PASSED if message is None else _EVENTS.get(message.performative)
    if event is None:
        return None
    records.drop(conversation)
    return News("offer", event, conversation, data["note"], data["content"], message)
