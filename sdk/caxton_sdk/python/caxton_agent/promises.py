"""What an agent has agreed to do and has not done yet: whom it owes an answer, kept over restarts.

Rules:
- a conversation has one promise at a time;
- a promise that is taken back or whose conversation runs out of time is news of the kind `promise`.
"""

from __future__ import annotations

from typing import Any, Literal

from caxton_agent import records
from caxton_agent.conversations import Event, News
from caxton_agent.hosts import NotSent, StateFull, TooManyTimers
from caxton_agent.messages import Message
from caxton_agent.steps import tell


def promise(message: Message, *, note: Any = None) -> Message | None:
    """Take work on, to be answered later; return this, the agree, from the handler."""
    conversation = message.conversation_id
    if conversation is None or records.find(conversation) is not None:
        return message.refuse("no promise can be kept in this conversation")
    answer = message.inform()
    data = {
        "to": answer.receivers[0],
        "token": answer.in_reply_to,
        "protocol": message.protocol,
        "note": note,
    }
    try:
        records.keep(conversation, "promise", data, records.LONGEST)
    except (StateFull, TooManyTimers):
        return message.refuse("no room for another promise")
    # Who accepts a proposal, or asks without a protocol, expects no agree.
    expected = message.protocol and message.performative != "accept-proposal"
    return message.agree() if expected else None


def keep_promise(conversation: str, content: Any = None) -> bool:
    """Give the result that is owed; False when none is owed any more."""
    return _answer(conversation, "inform", content)


def break_promise(conversation: str, reason: Any = None) -> bool:
    """Say that it could not be done; False when no answer is owed any more."""
    return _answer(conversation, "failure", reason)


def _answer(conversation: str, act: Literal["inform", "failure"], content: Any) -> bool:
    record = records.find(conversation)
    if record is None or record.kind != "promise":
        return False
    to, token, protocol = (record.data[name] for name in ("to", "token", "protocol"))
    try:
        tell(to, act, content, conversation_id=conversation, in_reply_to=token, protocol=protocol)
    except NotSent as refused:
        # A full mailbox, or a limit on what one step may send, passes: the promise stands, and may be tried again.
        if refused.refusal in ("mailbox-full", "over-limit"):
            raise
        records.drop(conversation)
        return False
    records.drop(conversation)
    return True


def heard(conversation: str, data: dict[str, Any], message: Message | None) -> News | None:
    """Say what a message, or with None the end of the time, means for a promise of ours."""
    if message is not None and message.performative != "cancel":
        return None
    records.drop(conversation)
    event = Event.EXPIRED if message is None else Event.CANCELLED
    return News("promise", event, conversation, data["note"], None, message)
