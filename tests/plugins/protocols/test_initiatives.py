"""How the server plays the initiator: auctions, questions and terms, played to the end against the engine."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.conversations import Protocol
from caxton_core.initiators import ConversationSpec, Report, first_failure, opening_of
from caxton_core.messages import FipaMessage
from caxton_plugins.protocols import (
    auctions,
    contract_net,
    iterated_contract_net,
    negotiation,
    query,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.protocols.plays import Answer, Play, Role

ENGLISH, DUTCH = auctions.PROTOCOLS
ITERATED, NET = iterated_contract_net.PROTOCOL, contract_net.PROTOCOL
PRICES = st.integers(0, 60) | st.sampled_from([0.5, 12.25, 59.9])


def priced(message: FipaMessage) -> float:
    """Return the price in a message of the server."""
    assert isinstance(message.content, dict)
    price: float = message.content["price"]
    return price


def ceiling(limit: float, *, jump: float = 0) -> Role:
    """Return a bidder that bids what is asked, or so much more, up to its limit."""

    def role(message: FipaMessage) -> Answer:
        if message.performative != "cfp" or priced(message) > limit:
            return None
        return "propose", {"price": min(priced(message) + jump, limit)} if jump else None

    return role


def blunt(content: Any) -> Role:
    """Return a bidder that always makes the same bid."""
    return lambda message: ("propose", content) if message.performative == "cfp" else None


def leaving(role: Role, calls: int, how: str) -> Role:
    """Return a bidder that is gone, or understands nothing any more, after some calls."""
    heard: list[FipaMessage] = []

    def left(message: FipaMessage) -> Answer:
        heard.append(message)
        return (how, None) if len(heard) > calls else role(message)

    return left


# English auctions


def english(*roles: Role, start: float = 10, step: float = 5, **more: Any) -> Play:
    """Return an English auction among bidders b0, b1 ..."""
    terms = {"start": start, "step": step, **more.pop("auction", {})}
    named = {f"b{number}@p": role for number, role in enumerate(roles)}
    return Play(ENGLISH, named, content="vase", auction=terms, **more)


def test_an_english_auction_goes_round_by_round() -> None:
    """Calls rise by a step above the accepted bid; who bids less is told why; the leader is asked to carry it out."""
    play = english(ceiling(22), ceiling(31), ceiling(14, jump=100))
    assert play.run() == ("completed", "sold")
    assert play.said("cfp") == [
        {"item": "vase", "price": price, "round": number}
        for number, price in enumerate([10, 19, 24, 29], 1)
    ]
    assert play.said("accept-proposal") == [
        {"item": "vase", "price": price} for price in (14, 19, 24)
    ]
    assert play.said("reject-proposal") == [
        {"reason": "outbid", "price": 14}, {"reason": "outbid", "price": 14}, {"reason": "outbid", "price": 19},
        {"reason": "leading", "price": 24},
    ]  # fmt: skip
    assert play.said("inform") == [{"item": "vase", "sold": True, "price": 24}]
    assert play.said("request") == [{"item": "vase", "price": 24}]
    assert play.report == Report("b1@p", {"price": 24})


@pytest.mark.parametrize(
    ("roles", "more", "outcome", "report"),
    [
        ([ceiling(9)], {}, "unsold", Report()),
        ([ceiling(30)], {"auction": {"reserve": 31}}, "unsold", Report()),
        ([ceiling(30)], {"auction": {"reserve": 30}}, "sold", Report("b0@p", {"price": 30})),
        ([blunt({"price": 50}), blunt({"price": 50})], {}, "sold", Report("b0@p", {"price": 50})),
        ([blunt({"price": 9}), blunt({"price": True})], {}, "sold", Report("b1@p", {"price": 10})),
        ([blunt({"price": 1e300}), blunt(-1)], {}, "sold", Report("b1@p", {"price": 10})),
        ([blunt({"price": 9})], {}, "unsold", Report()),
        ([ceiling(1000)], {}, "sold", Report("b0@p", {"price": 10})),
        ([ceiling(1000), ceiling(1000)], {"rounds": 3}, "sold", Report("b0@p", {"price": 20})),
        ([ceiling(1000), ceiling(1000)], {"ttl": 10_000}, "sold", Report("b0@p", {"price": 1000})),
        ([ceiling(40), ceiling(40), lambda _: None], {"ttl": 4_500}, "sold", Report("b0@p", {"price": 20})),
        ([ceiling(30), leaving(ceiling(99), 2, "gone")], {}, "sold", Report("b0@p", {"price": 10})),
        ([leaving(ceiling(30, jump=15), 1, "gone"), ceiling(26)], {}, "unsold", Report()),
        ([ceiling(40), ceiling(22)], {"performative": "inform"}, "sold", Report("b0@p", {"price": 20})),
    ],
)  # fmt: skip
def test_an_english_auction_ends_well(
    roles: list[Role], more: Any, outcome: str, report: Report
) -> None:
    """Reserve, strange bids, bounds and bidders that vanish: it is sold to the leader, or it is not sold."""
    play = english(*roles, **more)
    assert play.run() == ("completed", outcome)
    assert play.report == report


def test_an_english_auction_ends_before_its_messages_run_out() -> None:
    """The conversation holds 10,000 messages; the sale is among them."""
    play = english(*[ceiling(10**9) for _ in range(40)], step=1)
    assert play.run() == ("completed", "sold")
    assert 9_000 < play.conversation.messages <= 10_000


MARKET = st.lists(
    st.tuples(PRICES, st.integers(0, 9), st.none() | st.tuples(st.integers(0, 4), st.sampled_from(["gone", "not-understood"]))),
    min_size=1, max_size=6,
)  # fmt: skip


def bidders(market: list[Any]) -> list[Role]:
    """Return bidders: how much they pay, by how much they jump, and when and how they leave."""
    return [
        ceiling(limit, jump=jump) if leave is None else leaving(ceiling(limit, jump=jump), *leave)
        for limit, jump, leave in market
    ]


@settings(max_examples=150, deadline=None)
@given(MARKET, PRICES, st.sampled_from([1, 2.5, 7]), PRICES)
def test_a_random_english_market_sells_to_the_highest_bidder(
    market: list[Any], start: float, step: float, reserve: float
) -> None:
    """Every move is legal, it ends, never below the reserve, and nobody who stayed has bid more than the buyer paid."""
    play = english(*bidders(market), start=start, step=step, auction={"reserve": reserve})
    state, outcome = play.run()
    report = play.report
    stayed = all(leave is None for _, _, leave in market)
    best = max((limit for limit, _, _ in market), default=0)
    if outcome == "sold":
        assert state == "completed"
        assert report.winner is not None
        price = report.result["price"]
        assert price >= reserve
        limit, _, _ = market[int(report.winner[1])]
        assert start <= price <= limit
        if stayed:
            # Whoever would pay another step is the buyer.
            rivals = [pays for at, (pays, _, _) in enumerate(market) if at != int(report.winner[1])]
            assert price + step > max(rivals, default=0)
    else:
        assert report == Report()
        if stayed:
            assert best < start or best < reserve + step


# Dutch auctions


def dutch(
    *roles: Role, start: float = 50, step: float = 15, reserve: float = 10, **more: Any
) -> Play:
    """Return a Dutch auction among bidders b0, b1 ..."""
    terms = {"start": start, "step": step, "reserve": reserve}
    named = {f"b{number}@p": role for number, role in enumerate(roles)}
    return Play(DUTCH, named, content="tulips", auction=terms, **more)


def test_a_dutch_auction_sells_to_the_first_bidder() -> None:
    """Prices fall by steps; the first bid buys, the others are told that it is sold."""
    play = dutch(ceiling(19), ceiling(36), ceiling(40))
    assert play.run() == ("completed", "sold")
    assert [content["price"] for content in play.said("cfp")] == [50, 35]
    assert play.said("accept-proposal") == [{"item": "tulips", "price": 35}]
    assert play.said("reject-proposal") == []
    assert play.report == Report("b1@p", {"price": 35})


@pytest.mark.parametrize(
    ("roles", "more", "outcome", "report", "prices"),
    [
        ([ceiling(9)], {}, "unsold", Report(), [50, 35, 20, 10]),
        ([ceiling(10)], {}, "sold", Report("b0@p", {"price": 10}), [50, 35, 20, 10]),
        ([ceiling(99), ceiling(99)], {}, "sold", Report("b0@p", {"price": 50}), [50]),
        ([blunt({"price": 49}), ceiling(99)], {}, "sold", Report("b1@p", {"price": 50}), [50]),
        ([blunt({"price": 34}), ceiling(9)], {}, "sold", Report("b0@p", {"price": 20}), [50, 35, 20]),
        ([ceiling(9)], {"ttl": 3_500}, "unsold", Report(), [50, 35]),
        ([ceiling(9)], {"start": 10}, "unsold", Report(), [10]),
        ([ceiling(36), leaving(ceiling(99), 0, "gone")], {}, "sold", Report("b0@p", {"price": 35}), [50, 35]),
        ([ceiling(36)], {"performative": "inform"}, "sold", Report("b0@p", {"price": 35}), [50, 35]),
    ],
)  # fmt: skip
def test_a_dutch_auction_ends_well(
    roles: list[Role], more: Any, outcome: str, report: Report, prices: list[float]
) -> None:
    """Down to the reserve and no further, and unfair bids buy nothing."""
    play = dutch(*roles, **more)
    assert play.run() == ("completed", outcome)
    assert play.report == report
    assert [content["price"] for content in play.said("cfp")] == prices


@settings(max_examples=100, deadline=None)
@given(MARKET, PRICES, st.sampled_from([1, 2.5, 7]), PRICES)
def test_a_random_dutch_market_sells_once_at_the_first_price_somebody_pays(
    market: list[Any], reserve: float, step: float, above: float
) -> None:
    """Every move is legal, it ends, never below the reserve, and sold means that one bid was accepted."""
    play = dutch(*bidders(market), start=reserve + above, step=step, reserve=reserve)
    _, outcome = play.run()
    accepts = play.said("accept-proposal")
    assert len(accepts) == (outcome == "sold")
    if outcome == "sold":
        assert play.report.result["price"] >= reserve
        assert play.report.result == {"price": play.said("cfp")[-1]["price"]}
    elif all(leave is None for _, _, leave in market):
        assert all(limit < reserve for limit, _, _ in market)


@pytest.mark.parametrize(
    ("protocol", "fields", "text"),
    [
        (ENGLISH, {}, "an auction needs its start and step - at `$.auction`"),
        (DUTCH, {}, "an auction needs its start, step and reserve - at `$.auction`"),
        (DUTCH, {"auction": {"start": 1, "step": 1}}, "it is the last price, and is needed - at `$.auction.reserve`"),
        (DUTCH, {"auction": {"start": 1, "step": 1, "reserve": 2}}, "it is above the first price - at `$.auction.reserve`"),
        (DUTCH, {"auction": {"start": 1e9, "step": 1, "reserve": 2}}, "it makes more than 1000 rounds - at `$.auction.step`"),
        (DUTCH, {"rounds": 2}, "fipa-auction-dutch takes no rounds - at `$.rounds`"),
        (ITERATED, {}, "it says which offer is better, and is needed - at `$.select`"),
        (negotiation.PROTOCOL, {"rounds": 2}, "it needs accept - at `$.rounds`"),
        (negotiation.PROTOCOL, {"accept": {"limit": 1}}, "give min or max, the path of the number - at `$.accept`"),
        (negotiation.PROTOCOL, {"accept": {"limit": 1, "min": "$", "max": "$"}},
         "give min or max, the path of the number - at `$.accept`"),
        (negotiation.PROTOCOL, {"accept": {"limit": 1, "min": "price"}},
         "'price' is no path: it begins with $, as in $.cost - at `$.accept.min`"),
        (negotiation.PROTOCOL, {"accept": {"limit": 1, "min": "$.price", "step": 1}, "content": {"cost": 1}},
         "it has no number at $.price - at `$.content`"),
        (negotiation.PROTOCOL, {"accept": {"limit": 1, "max": "$", "step": 1}, "content": 0.5},
         "the first offer is beyond the limit already - at `$.accept.limit`"),
    ],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(protocol: Protocol, fields: Any, text: str) -> None:
    """The error names the field."""
    given = {"protocol": protocol.name, "participants": ["a"], **fields}
    failure = first_failure(protocol, msgspec.convert(given, ConversationSpec))
    assert failure is not None
    assert failure.detail == text


# Contract nets


@pytest.mark.parametrize(
    ("fields", "act"),
    [
        ({"content": True}, "query-if"),
        ({"content": {"which": 1}}, "query-ref"),
        ({}, "query-ref"),
        ({"content": "p", "performative": "query-if"}, "query-if"),
    ],
)
def test_a_question_is_opened_by_its_kind(fields: Any, act: str) -> None:
    """A truth value asks whether, anything else asks which, unless the act is given."""
    spec = ConversationSpec(protocol="fipa-query", participants=["a"], **fields)
    assert opening_of(query.PROTOCOL, spec).performative == act


# After a crash


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_decider_goes_on_from_any_point(every: int) -> None:
    """Asked again after each message of its own, as if the rest of what it wanted had been lost, it ends the same."""

    class Crashing(Play):
        def decide(self) -> bool:
            assert self.protocol.initiative is not None
            assert self.protocol.initiative.decide is not None
            wanted = self.protocol.initiative.decide(
                self.conversation, self.transcript, self.spec, self.now
            ).messages
            for draft in wanted[:every]:
                self.say(draft)
            return bool(wanted)

    terms = {"start": 10, "step": 5}
    names = {f"b{n}@p": ceiling(20 + n, jump=n) for n in range(5)}
    whole = Play(ENGLISH, names, content="vase", auction=terms)
    broken = Crashing(ENGLISH, names, content="vase", auction=terms)
    assert broken.run() == whole.run()
    assert broken.report == whole.report
    assert broken.said("request") == whole.said("request")
