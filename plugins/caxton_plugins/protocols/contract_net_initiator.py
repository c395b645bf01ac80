"""The server's part in a contract net, plain or iterated: whom it awards, whom it asks again, whom it rejects.

Rules:
- nothing is decided before every participant has answered, or its time to answer has passed;
- the best offers that still stand win, by the selection; without one the first in order of arrival;
- the winners are told before the losers, so that the next best can step in for a winner that can't be reached;
- an iterated net calls again while rounds are left and the best offer of a round is better than that of the round before.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_values import LIMIT, Conversation
from caxton_core.errors import InvalidMessage
from caxton_core.initiators import (
    NOTHING,
    ConversationSpec,
    Decision,
    Initiative,
    Transcript,
    answer,
    content_of,
    in_time,
    last,
    reachable,
    selection_of,
)
from caxton_core.messages import Draft, FipaMessage, Performative
from caxton_core.selections import number_at

__all__ = ["CONTRACT_NET_INITIATIVE", "ITERATED_INITIATIVE"]

ROUNDS: Final = 3
REPLY_BY: Final = "+30s"
NOT_SELECTED: Final = "not selected"


def _standing(conversation: Conversation, transcript: Transcript) -> list[FipaMessage]:
    """List the offers that stand, in order of arrival; contents of earlier rounds are not among them."""
    waiting = {
        name for name in reachable(conversation) if conversation.legs[name].state == "proposed"
    }
    offers: dict[str, FipaMessage] = {}
    for message in transcript:
        if message.performative is Performative.PROPOSE and message.sender in waiting:
            offers.pop(message.sender, None)
            offers[message.sender] = message
    return list(offers.values())


def _ranked(spec: ConversationSpec, offers: list[FipaMessage]) -> list[tuple[float, FipaMessage]]:
    """Sort offers from the best; one without the number that counts is left out."""
    rule = selection_of(spec)
    if rule is None:
        return [(0, offer) for offer in offers]
    sign = 1 if rule.goal == "min" else -1
    found = [(number_at(content_of(offer), rule.path), offer) for offer in offers]
    numbered = [(number, offer) for number, offer in found if number is not None]
    numbered.sort(key=lambda entry: sign * entry[0])
    return numbered


def _open_call(conversation: Conversation) -> bool:
    """Tell whether somebody may still make an offer."""
    return not conversation.awarded and any(
        leg.state == "awaiting-proposal" for leg in conversation.legs.values()
    )


def _award(conversation: Conversation, transcript: Transcript, spec: ConversationSpec) -> Decision:
    """Accept the best offers and reject the others."""
    offers = _standing(conversation, transcript)
    left = (spec.winners or 1) - len(conversation.awarded)
    winners = [offer for _, offer in _ranked(spec, offers)[: max(left, 0)]]
    chosen = {offer.sender for offer in winners}
    accepts = [
        answer(conversation, offer.sender, Performative.ACCEPT_PROPOSAL, content_of(offer))
        for offer in winners
    ]
    rejects = [
        answer(conversation, offer.sender, Performative.REJECT_PROPOSAL, NOT_SELECTED)
        for offer in offers
        if offer.sender not in chosen
    ]
    return Decision((*accepts, *rejects))


def decide(
    conversation: Conversation, transcript: Transcript, spec: ConversationSpec, _now: int
) -> Decision:
    """Award once nobody is asked any more."""
    return NOTHING if _open_call(conversation) else _award(conversation, transcript, spec)


def decide_iterated(
    conversation: Conversation, transcript: Transcript, spec: ConversationSpec, now: int
) -> Decision:
    """Call for better offers, or award when there will be none."""
    if _open_call(conversation):
        return NOTHING
    offers = _standing(conversation, transcript)
    ranked = _ranked(spec, offers)
    me = conversation.initiator
    called = sum(
        1
        for message in transcript
        if message.sender == me and message.performative is Performative.CFP
    )
    if (
        conversation.awarded
        or not ranked
        or called >= (spec.rounds or ROUNDS)
        or not _improved(spec, ranked[0][0], content_of(last(transcript, me, Performative.CFP)))
        or not in_time(conversation, spec, now)
        or conversation.messages + 3 * conversation.open_legs >= LIMIT
    ):
        return _award(conversation, transcript, spec)
    again = {offer.sender for _, offer in ranked}
    rejects = [
        answer(conversation, offer.sender, Performative.REJECT_PROPOSAL, NOT_SELECTED)
        for offer in offers
        if offer.sender not in again
    ]
    content = {"task": spec.content, "round": called + 1, "best": ranked[0][0]}
    call = Draft(
        Performative.CFP,
        receiver=[offer.sender for _, offer in ranked],
        content=content,
        reply_by=spec.reply_by,
    )
    return Decision((*rejects, call))


def _improved(spec: ConversationSpec, best: float, called: object) -> bool:
    """Tell whether the best offer beats the one that the latest call named."""
    rule = selection_of(spec)
    before = called.get("best") if isinstance(called, dict) else None
    if rule is None or not isinstance(before, int | float):
        return True
    return best < before if rule.goal == "min" else best > before


def _open_iterated(spec: ConversationSpec) -> Draft:
    """Make the first call, in the form of the later ones."""
    return Draft(Performative.CFP, content={"task": spec.content, "round": 1, "best": None})


def _check_iterated(spec: ConversationSpec) -> InvalidMessage | None:
    if spec.select is None:
        return InvalidMessage("it says which offer is better, and is needed - at `$.select`")
    return None


CONTRACT_NET_INITIATIVE: Final = Initiative(
    takes=frozenset({"select", "winners"}), reply_by=REPLY_BY, decide=decide
)
ITERATED_INITIATIVE: Final = Initiative(
    takes=frozenset({"select", "winners", "rounds"}),
    reply_by=REPLY_BY,
    check=_check_iterated,
    opening=_open_iterated,
    decide=decide_iterated,
)
