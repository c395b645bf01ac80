"""Requests and subscriptions of ours: one conversation that we opened, with one partner.

Rules:
- opening raises NotSent when the node does not take the message; then nothing is kept;
- what is waited for has an end: the news is EXPIRED when it is over.
"""

from __future__ import annotations

from typing import Any

from caxton_agent import records
from caxton_agent.conversations import Event, Kind, News
from caxton_agent.hosts import NotSent
from caxton_agent.messages import Message, Performative
from caxton_agent.steps import new_id, tell

_ENDS: dict[str, Event] = {
    "refuse": Event.REFUSED,
    "failure": Event.FAILED,
    "not-understood": Event.NOT_UNDERSTOOD,
}


def ask(receiver: str, content: Any, *, note: Any = None, wait: float = 60) -> str:
    """Request something, and return the conversation; an answer, be it only an agree, is due in `wait` seconds."""
    return _open("request", "fipa-request", "request", receiver, content, note, wait)


def subscribe(publisher: str, content: Any, *, note: Any = None, wait: float = 60) -> str:
    """Subscribe, and return the conversation; an answer is due in `wait` seconds.

    A subscription lasts no longer than a conversation may: when it is EXPIRED subscribe anew.
    """
    return _open("subscription", "fipa-subscribe", "subscribe", publisher, content, note, wait)


def _open(
    kind: Kind, protocol: str, act: Performative, receiver: str, content: Any, note: Any, wait: float
) -> str:  # fmt: skip
    conversation = new_id()
    records.keep(conversation, kind, {"state": "asked", "note": note, "partner": receiver}, wait)
    try:
        tell(
            receiver, act, content,
            reply_in=wait, protocol=protocol, conversation_id=conversation, reply_with="opening",
        )  # fmt: skip
    except NotSent:
        records.drop(conversation)
        raise
    return conversation


def cancel(conversation: str, *, wait: float = 60) -> bool:
    """Take back what was asked; without an answer in `wait` seconds it counts as cancelled. False when it is over."""
    record = records.find(conversation)
    if record is None or record.kind not in ("request", "subscription"):
        return False
    partner = record.data["partner"]
    tell(partner, "cancel", conversation_id=conversation, reply_with="cancel", reply_in=wait)
    records.keep(conversation, record.kind, {**record.data, "state": "cancelling"}, wait)
    return True


def heard(
    kind: Kind, conversation: str, data: dict[str, Any], message: Message | None
) -> News | None:
    """Say what a message, or with None the end of the time, means for a conversation of ours."""
    event, ends = _event(kind, data["state"], message)
    if event is None:
        return None
    if ends:
        records.drop(conversation)
    elif event is Event.CANCEL_REFUSED or data["state"] == "asked":
        # It was answered in time; from here on only the conversation's own time limits it.
        records.keep(conversation, kind, {**data, "state": "open"}, records.LONGEST)
    content = None if message is None else message.content
    return News(kind, event, conversation, data["note"], content, message)


def _event(kind: Kind, state: str, message: Message | None) -> tuple[Event | None, bool]:
    """Return what happened, and whether that is the end."""
    if message is None:
        return (Event.CANCELLED if state == "cancelling" else Event.EXPIRED), True
    act = message.performative
    if message.in_reply_to == "cancel" and not message.from_platform:
        done = act == "inform"
        return (Event.CANCELLED if done else Event.CANCEL_REFUSED), done
    if act == "agree":
        return Event.AGREED, False
    if act == "inform":
        return Event.INFORMED, kind == "request"
    if act == "not-understood" and message.from_platform:
        return None, False
    return _ENDS.get(act), True
