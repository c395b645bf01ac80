"""Contract nets that we call: who does it best?

Rules:
- the news is CHOICE when all have answered or their time is over, NOBODY when none of them made an offer;
- after the award the news is DONE, FAILED or EXPIRED, and that is the end;
- a choice may be put off, but not longer than a conversation lasts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from caxton_agent import records
from caxton_agent.conversations import Event, News, Offer
from caxton_agent.hosts import NotSent
from caxton_agent.messages import Message, Performative
from caxton_agent.steps import new_id, tell

_KIND: Final = "contract-net"


def call(receivers: Sequence[str], content: Any, *, note: Any = None, wait: float = 10) -> str:
    """Call agents for offers that are due in `wait` seconds, and return the conversation."""
    conversation = new_id()
    data = {
        "state": "collecting",
        "left": len(receivers),
        "answered": [],
        "offers": [],
        "note": note,
    }
    records.keep(conversation, _KIND, data, wait)
    try:
        tell(
            receivers, "cfp", content,
            reply_in=wait, protocol="fipa-contract-net", conversation_id=conversation, reply_with="opening",
        )  # fmt: skip
    except NotSent:
        records.drop(conversation)
        raise
    return conversation


def award(conversation: str, offer: Offer, content: Any = None, *, wait: float = 60) -> None:
    """Give the work to an offer, and reject the others; the result is due in `wait` seconds.

    When the winner is gone NotSent is raised, and another offer may be chosen.
    """
    data = _choice(conversation)
    _decide(conversation, offer, "accept-proposal", content, wait)
    for other in _offers(data):
        if other.sender != offer.sender:
            # A loser that is gone need not be told.
            with contextlib.suppress(NotSent):
                _decide(conversation, other, "reject-proposal", "another offer is better")
    records.keep(conversation, _KIND, {**data, "state": "awarded", "offers": []}, wait)


def reject_all(conversation: str, reason: Any = None) -> None:
    """Take no offer at all."""
    data = _choice(conversation)
    for offer in _offers(data):
        with contextlib.suppress(NotSent):
            _decide(conversation, offer, "reject-proposal", reason)
    records.drop(conversation)


def _choice(conversation: str) -> dict[str, Any]:
    record = records.find(conversation)
    if record is None or record.kind != _KIND or record.data["state"] != "choice":
        raise KeyError(f"there is nothing to choose in the conversation {conversation!r}")
    return record.data


def _offers(data: dict[str, Any]) -> tuple[Offer, ...]:
    return tuple(Offer(*offer) for offer in data["offers"])


def _decide(
    conversation: str, offer: Offer, act: Performative, content: Any, wait: float | None = None
) -> None:
    tell(
        offer.sender, act, content,
        reply_in=wait, conversation_id=conversation, in_reply_to=offer.token,
        reply_with="award" if wait is not None else None,
    )  # fmt: skip


def heard(conversation: str, data: dict[str, Any], message: Message | None) -> News | None:
    """Say what a message, or with None the end of the time, means for a call of ours."""
    if data["state"] == "collecting":
        return _collect(conversation, data, message)
    event = None
    if message is None:
        event = Event.EXPIRED
    elif data["state"] == "awarded" and message.in_reply_to == "award":
        if message.performative == "inform":
            event = Event.DONE
        elif message.performative == "failure" or not message.from_platform:
            event = Event.FAILED
    if event is None:
        return None
    records.drop(conversation)
    content = None if message is None else message.content
    return News(_KIND, event, conversation, data["note"], content, message)


def _collect(conversation: str, data: dict[str, Any], message: Message | None) -> News | None:
    """Note an answer to the call, or with None that its time is over."""
    left, answered, offers = data["left"], data["answered"], data["offers"]
    if message is None:
        left = 0
    elif message.in_reply_to != "opening":
        return None
    elif message.from_platform:
        # The platform does not say in whose name it speaks: each of its failures is a receiver it did not reach.
        left -= message.performative == "failure"
    elif message.sender in answered:
        # The leg closed under an offer: it is void.
        offers = [offer for offer in offers if offer[0] != message.sender]
    else:
        left -= 1
        answered = [*answered, message.sender]
        if message.performative == "propose":
            token = message.reply_with or message.id
            offers = [*offers, [message.sender, message.content, token]]
    told = {**data, "left": left, "answered": answered, "offers": offers}
    if left > 0:
        records.keep(conversation, _KIND, told, None)
        return None
    if not offers:
        records.drop(conversation)
        return News(_KIND, Event.NOBODY, conversation, data["note"])
    records.keep(conversation, _KIND, {**told, "state": "choice"}, records.LONGEST)
    return News(_KIND, Event.CHOICE, conversation, data["note"], None, message, _offers(told))
