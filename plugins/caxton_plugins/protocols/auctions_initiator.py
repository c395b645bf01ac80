"""The server as auctioneer, English and Dutch: prices, rounds, whom it sells to, and when it gives up.

Rules:
- a bid is the number at `$.price` of its content; one without is a bid at the price that was called;
- English: a round ends when everybody has bid or its time has passed; its best bid is accepted, the others rejected,
  and the next price is one step above the accepted one. A round without a bid, or once the reserve is met with the
  leader's alone, ends the auction; it sells only if the reserve was met;
- Dutch: the first bid at the called price buys. A round without one lowers the price by a step; the last price
  is the reserve;
- an auction ends in time: before its time-to-live, its number of rounds and its number of messages run out.
"""

from __future__ import annotations

from typing import Any, Final

from caxton_core.conversations_values import LIMIT, Conversation, Floor
from caxton_core.errors import InvalidMessage
from caxton_core.initiators import (
    MOST_NUMBER,
    MOST_ROUNDS,
    NOTHING,
    Auction,
    ConversationSpec,
    Decision,
    Initiative,
    Report,
    Transcript,
    answer,
    content_of,
    in_time,
    last,
    reachable,
    tidy,
)
from caxton_core.messages import Draft, Performative, receivers_of
from caxton_core.selections import number_at

__all__ = ["DUTCH_INITIATIVE", "ENGLISH_INITIATIVE"]

REPLY_BY: Final = "+5s"
PRICE: Final = ("price",)
CLOSING_MESSAGES: Final = 4
"""What an auction says after its last round."""


def _call(bidders: tuple[str, ...], spec: ConversationSpec, price: float, number: int) -> Decision:
    """Call a price."""
    content = {"item": spec.content, "price": tidy(price), "round": number}
    return Decision(
        (Draft(Performative.CFP, receiver=list(bidders), content=content, reply_by=spec.reply_by),)
    )


def _end(bidders: tuple[str, ...], spec: ConversationSpec, price: Any, *, sold: bool) -> Decision:
    """Tell that the auction is over."""
    content = {"item": spec.content, "sold": sold, "price": price}
    return Decision((Draft(Performative.INFORM, receiver=list(bidders), content=content),))


def _reject(conversation: Conversation, bidder: str, reason: str, price: float) -> Draft:
    content = {"reason": reason, "price": tidy(price)}
    return answer(conversation, bidder, Performative.REJECT_PROPOSAL, content)


def _accept(conversation: Conversation, bidder: str, spec: ConversationSpec, price: float) -> Draft:
    content = {"item": spec.content, "price": tidy(price)}
    return answer(conversation, bidder, Performative.ACCEPT_PROPOSAL, content)


def _called(conversation: Conversation, transcript: Transcript) -> float:
    """Return the price that was called last."""
    call = last(transcript, conversation.initiator, Performative.CFP)
    return number_at(content_of(call), PRICE) or 0


def _bids(
    conversation: Conversation, transcript: Transcript, floor: Floor, asked: float
) -> list[tuple[str, float]]:
    """List the bids that wait for an answer and can be given one, in order of arrival."""
    able = set(reachable(conversation))
    bids = []
    for bidder, waits in floor.round.bids.items():
        if waits and bidder in able:
            bid = last(transcript, bidder, Performative.PROPOSE)
            named = number_at(content_of(bid), PRICE)
            bids.append((bidder, asked if named is None else named))
    return bids


def _more(conversation: Conversation, spec: ConversationSpec, floor: Floor, now: int) -> bool:
    """Tell whether another round fits into what is left of time, rounds and messages."""
    coming = 2 * conversation.open_legs + CLOSING_MESSAGES
    return (
        floor.round.number < (spec.rounds or MOST_ROUNDS)
        and in_time(conversation, spec, now)
        and conversation.messages + coming <= LIMIT
    )


# English


def decide_english(
    conversation: Conversation, transcript: Transcript, spec: ConversationSpec, now: int
) -> Decision:
    """Call the first price, settle a round, call the next price, or end."""
    floor, terms, bidders = conversation.floor, spec.auction, reachable(conversation)
    if floor is None or terms is None or not bidders:
        return NOTHING
    round = floor.round
    asked = _called(conversation, transcript)
    if floor.state == "announced":
        return _call(bidders, spec, terms.start, 1)
    if floor.state == "closing":
        return _close(conversation, transcript, spec, terms)
    if floor.state == "bidding" and not round.taken and any(b not in round.bids for b in bidders):
        return NOTHING
    if any(round.bids.values()):
        bids = _bids(conversation, transcript, floor, asked)
        return _settle(conversation, transcript, spec, bids, asked, terms.reserve or 0)
    price = _accepted(conversation, transcript) if round.leader else None
    # Without a leader, who dropped out after its bid was accepted, the same price is called again.
    following = asked if price is None else tidy(max(asked, price) + terms.step)
    if not round.taken or following > MOST_NUMBER or not _more(conversation, spec, floor, now):
        sold = price is not None and price >= (terms.reserve or 0)
        return _end(bidders, spec, price, sold=sold)
    return _call(bidders, spec, following, round.number + 1)


def _settle(
    conversation: Conversation,
    transcript: Transcript,
    spec: ConversationSpec,
    bids: list[tuple[str, float]],
    asked: float,
    reserve: float,
) -> Decision:
    """Accept the best bid of a round if none was accepted yet, and reject the others."""
    floor = conversation.floor
    leads = "" if floor is None else floor.round.leader
    fair = {name: price for name, price in bids if asked <= price <= MOST_NUMBER}
    price = _accepted(conversation, transcript)
    won = ""
    if floor is not None and not floor.round.taken and fair:
        best = max(fair.values())
        # Nobody is made to outbid itself: once the reserve is met the leader's bid counts against others only.
        if set(fair) != {leads} or price is None or price < reserve:
            won = next(name for name in fair if fair[name] == best)
            price = best
    accepts = [_accept(conversation, won, spec, fair[won])] if won else []
    rejects = [
        _reject(
            conversation, bidder, _reason(bidder in fair, leads=bidder == leads and not won),
            asked if price is None else price,
        )
        for bidder, _ in bids if bidder != won
    ]  # fmt: skip
    return Decision((*accepts, *rejects))


def _reason(fair: bool, *, leads: bool) -> str:
    """Say why a bid is rejected."""
    if not fair:
        return "not-the-called-price"
    return "leading" if leads else "outbid"


def _accepted(conversation: Conversation, transcript: Transcript) -> float | None:
    """Return the price of the bid that was accepted last."""
    accept = last(transcript, conversation.initiator, Performative.ACCEPT_PROPOSAL)
    return number_at(content_of(accept), PRICE)


def _close(
    conversation: Conversation, transcript: Transcript, spec: ConversationSpec, terms: Auction
) -> Decision:
    """Ask the leader to carry out the sale, or tell it that the reserve was not met."""
    floor, price = conversation.floor, _accepted(conversation, transcript)
    leader = "" if floor is None else floor.round.leader
    if price is None or leader not in reachable(conversation):
        return NOTHING
    if price < (terms.reserve or 0):
        return Decision((_reject(conversation, leader, "reserve-not-met", price),))
    content = {"item": spec.content, "price": price}
    return Decision((Draft(Performative.REQUEST, receiver=[leader], content=content),))


# Dutch


def decide_dutch(
    conversation: Conversation, transcript: Transcript, spec: ConversationSpec, now: int
) -> Decision:
    """Call the first price, sell to the first bidder, lower the price, or end."""
    floor, terms, bidders = conversation.floor, spec.auction, reachable(conversation)
    if floor is None or terms is None or not bidders:
        return NOTHING
    round = floor.round
    asked = _called(conversation, transcript)
    if floor.state == "announced":
        return _call(bidders, spec, terms.start, 1)
    if any(round.bids.values()):
        return _sell(conversation, transcript, spec, floor, asked)
    if floor.state != "deciding" or _buyer(conversation, transcript):
        return NOTHING
    reserve = terms.reserve or 0
    if asked <= reserve or not _more(conversation, spec, floor, now):
        return _end(bidders, spec, None, sold=False)
    return _call(bidders, spec, max(asked - terms.step, reserve), round.number + 1)


def _sell(
    conversation: Conversation,
    transcript: Transcript,
    spec: ConversationSpec,
    floor: Floor,
    asked: float,
) -> Decision:
    """Accept the first fair bid, unless it is sold, and reject the others; all in order of arrival."""
    sold = _buyer(conversation, transcript) != ""
    prices = dict(_bids(conversation, transcript, floor, asked))
    messages: list[Draft] = []
    for bidder in [bidder for bidder, waits in floor.round.bids.items() if waits]:
        price = prices.get(bidder)
        if price is None:
            # It is under cancel, so it can't be answered; while it waits nobody behind it can buy.
            if not sold:
                break
        elif sold:
            messages.append(_reject(conversation, bidder, "sold", asked))
        elif asked <= price <= MOST_NUMBER:
            messages.append(_accept(conversation, bidder, spec, asked))
            sold = True
        else:
            messages.append(_reject(conversation, bidder, "not-the-called-price", asked))
    return Decision(tuple(messages))


def _buyer(conversation: Conversation, transcript: Transcript) -> str:
    """Name whose bid was accepted last."""
    accept = last(transcript, conversation.initiator, Performative.ACCEPT_PROPOSAL)
    return "" if accept is None else receivers_of(accept)[0]


# What both have


def _open(spec: ConversationSpec) -> Draft:
    """Announce the auction if that was asked for, else call the first price at once."""
    price = tidy(spec.auction.start) if spec.auction is not None else 0
    act = Performative(spec.performative or Performative.CFP)
    number = 1 if act is Performative.CFP else 0
    return Draft(act, content={"item": spec.content, "price": price, "round": number})


def _check_english(spec: ConversationSpec) -> InvalidMessage | None:
    if spec.auction is None:
        return InvalidMessage("an auction needs its start and step - at `$.auction`")
    return None


def _check_dutch(spec: ConversationSpec) -> InvalidMessage | None:
    terms = spec.auction
    if terms is None:
        return InvalidMessage("an auction needs its start, step and reserve - at `$.auction`")
    if terms.reserve is None:
        return InvalidMessage("it is the last price, and is needed - at `$.auction.reserve`")
    if terms.reserve > terms.start:
        return InvalidMessage("it is above the first price - at `$.auction.reserve`")
    if (terms.start - terms.reserve) / terms.step >= MOST_ROUNDS:
        return InvalidMessage(f"it makes more than {MOST_ROUNDS} rounds - at `$.auction.step`")
    return None


def _report(conversation: Conversation, transcript: Transcript, _spec: ConversationSpec) -> Report:
    """Name the buyer and the price once it is sold."""
    buyer, floor = _buyer(conversation, transcript), conversation.floor
    if not buyer or floor is None or floor.state != "sold":
        return Report()
    return Report(buyer, {"price": _accepted(conversation, transcript)})


ENGLISH_INITIATIVE: Final = Initiative(
    takes=frozenset({"auction", "rounds"}), reply_by=REPLY_BY, check=_check_english, opening=_open,
    decide=decide_english, report=_report,
)  # fmt: skip
DUTCH_INITIATIVE: Final = Initiative(
    takes=frozenset({"auction"}), reply_by=REPLY_BY, check=_check_dutch, opening=_open,
    decide=decide_dutch, report=_report,
)  # fmt: skip
