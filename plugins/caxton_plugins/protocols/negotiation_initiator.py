"""The server's part in a negotiation: it accepts what is good enough, concedes by steps up to its limit, then breaks off.

Rules:
- its first offer is the content it was given; a later one is the same content with another number at the path;
- a counter-offer at the limit or better is accepted; else it offers one step more, until it has offered its limit or
  made as many offers as it may; then it rejects;
- without terms of acceptance every counter-offer is rejected.
"""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_values import Conversation
from caxton_core.errors import InvalidMessage
from caxton_core.initiators import (
    NOTHING,
    Acceptance,
    ConversationSpec,
    Decision,
    Initiative,
    Report,
    Transcript,
    answer,
    content_of,
    last,
    reachable,
    tidy,
)
from caxton_core.messages import Performative
from caxton_core.selections import number_at, parse_path, with_number
from returns.result import Failure

__all__ = ["NEGOTIATION_INITIATIVE"]

ROUNDS: Final = 10
REPLY_BY: Final = "+30s"


def _path(terms: Acceptance) -> tuple[str | int, ...]:
    return parse_path(terms.min or terms.max or "$").unwrap()


def _better(terms: Acceptance, number: float) -> bool:
    """Tell whether a number is at the limit or better."""
    return number <= terms.limit if terms.min is not None else number >= terms.limit


def _concession(terms: Acceptance, number: float) -> float:
    """Return the next offer after one: a step nearer to the limit, never beyond it."""
    step = terms.step or 0
    return tidy(
        min(number + step, terms.limit)
        if terms.min is not None
        else max(number - step, terms.limit)
    )


def decide(
    conversation: Conversation, transcript: Transcript, spec: ConversationSpec, _now: int
) -> Decision:
    """Answer a counter-offer."""
    (name,) = conversation.legs
    if conversation.legs[name].state != "awaiting-initiator" or name not in reachable(conversation):
        return NOTHING
    terms, me = spec.accept, conversation.initiator
    offer = content_of(last(transcript, name, Performative.PROPOSE))
    if terms is not None:
        path = _path(terms)
        number = number_at(offer, path)
        if number is not None and _better(terms, number):
            return Decision((answer(conversation, name, Performative.ACCEPT_PROPOSAL, offer),))
        mine = number_at(content_of(last(transcript, me, Performative.PROPOSE)), path)
        made = sum(
            1
            for message in transcript
            if message.sender == me and message.performative is Performative.PROPOSE
        )
        if (
            terms.step is not None
            and mine is not None
            and mine != terms.limit
            and made < (spec.rounds or ROUNDS)
        ):
            content = with_number(spec.content, path, _concession(terms, mine))
            draft = answer(conversation, name, Performative.PROPOSE, content)
            draft.reply_by = spec.reply_by
            return Decision((draft,))
    reason = {"reason": "no-agreement"}
    return Decision((answer(conversation, name, Performative.REJECT_PROPOSAL, reason),))


def _check(spec: ConversationSpec) -> InvalidMessage | None:
    terms = spec.accept
    if terms is None:
        return None if spec.rounds is None else InvalidMessage("it needs accept - at `$.rounds`")
    if (terms.min is None) == (terms.max is None):
        return InvalidMessage("give min or max, the path of the number - at `$.accept`")
    goal = "max" if terms.min is None else "min"
    path = parse_path(terms.min or terms.max or "")
    if isinstance(path, Failure):
        return InvalidMessage(f"{str(path.failure()).rstrip('.')} - at `$.accept.{goal}`")
    if terms.step is None:
        return None
    number = None if isinstance(spec.content, str) else number_at(spec.content, path.unwrap())
    if number is None:
        return InvalidMessage(f"it has no number at {terms.min or terms.max} - at `$.content`")
    if _better(terms, number):
        return None
    return InvalidMessage("the first offer is beyond the limit already - at `$.accept.limit`")


def _report(conversation: Conversation, transcript: Transcript, _spec: ConversationSpec) -> Report:
    """Return the offer that was accepted, else what the participant said last."""
    (name,) = conversation.legs
    if conversation.legs[name].state != "accepted":
        ended = not conversation.open_legs
        return Report(None, content_of(last(transcript, name)) if ended else None)
    me = conversation.initiator
    by_me = last(transcript, me, Performative.ACCEPT_PROPOSAL) is not None
    return Report(None, content_of(last(transcript, name if by_me else me, Performative.PROPOSE)))


NEGOTIATION_INITIATIVE: Final = Initiative(
    takes=frozenset({"accept", "rounds"}), reply_by=REPLY_BY, check=_check, decide=decide,
    report=_report,
)  # fmt: skip
