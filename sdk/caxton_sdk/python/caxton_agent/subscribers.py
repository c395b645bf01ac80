"""Subscribers of ours: whom we keep informed.

Rules:
- they are kept in the durable state, as many as one step may inform;
- a subscriber that can't be reached misses a notification; after ten in a row it is forgotten;
- a subscriber whose conversation is over is forgotten; its cancel is answered by the library.
"""

from __future__ import annotations

from typing import Any

from caxton_agent import records
from caxton_agent.hosts import NotSent, StateFull
from caxton_agent.messages import Message
from caxton_agent.states import state
from caxton_agent.steps import now_ms, tell

_KEY = "caxton/subscribers"
# The default of the manifest's `fan_out`.
MOST = 100
PATIENCE = 10


def _subscribers() -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = state.get(_KEY, {})
    now = now_ms()
    return {conversation: one for conversation, one in kept.items() if one["until"] > now}


def accept_subscriber(message: Message) -> Message:
    """Take a subscriber on; return this, the agree or a refuse, from the handler.

    Notify it from the next message on: in this step the agree comes last.
    """
    known = _subscribers()
    if message.conversation_id is None or len(known) >= MOST:
        return message.refuse("no room for another subscriber")
    answer = message.agree()
    known[message.conversation_id] = {
        "to": answer.receivers[0],
        "token": answer.in_reply_to,
        "until": now_ms() + round(records.LONGEST * 1000),
        "missed": 0,
    }
    try:
        state[_KEY] = known
    except StateFull:
        return message.refuse("no room for another subscriber")
    return answer


def inform_subscribers(content: Any) -> int:
    """Inform everybody, and return how many could not be reached this time."""
    known, missing = _subscribers(), 0
    for conversation, one in list(known.items()):
        try:
            tell(
                one["to"], "inform", content,
                conversation_id=conversation, in_reply_to=one["token"],
            )  # fmt: skip
        except NotSent as refused:
            missing += 1
            one["missed"] += 1
            if refused.refusal == "not-admitted" or one["missed"] >= PATIENCE:
                del known[conversation]
        else:
            one["missed"] = 0
    if known or _KEY in state:
        state[_KEY] = known
    return missing


def left(message: Message) -> bool:
    """Forget the subscriber whose cancel this is; False when it is none."""
    known = _subscribers()
    if message.performative != "cancel" or known.pop(message.conversation_id or "", None) is None:
        return False
    state[_KEY] = known
    return True
