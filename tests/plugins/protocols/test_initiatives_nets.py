"""How the server plays the initiator: nets and negotiations, played to the end against the engine."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.conversations import Protocol
from caxton_core.initiators import Report
from caxton_core.messages import FipaMessage
from caxton_plugins.protocols import (
    auctions,
    contract_net,
    iterated_contract_net,
    negotiation,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.protocols.plays import Answer, Play, Role

ENGLISH, DUTCH = auctions.PROTOCOLS
ITERATED, NET = iterated_contract_net.PROTOCOL, contract_net.PROTOCOL
PRICES = st.integers(0, 60) | st.sampled_from([0.5, 12.25, 59.9])


def offering(*offers: Any) -> Role:
    """Return a participant with an offer for each call, the last for all further ones, that reports when it has won."""
    left = list(offers)

    def role(message: FipaMessage) -> Answer:
        if message.performative == "accept-proposal":
            return "inform", "done"
        if message.performative != "cfp":
            return None
        offer = left.pop(0) if len(left) > 1 else left[0]
        return ("refuse", None) if offer is None else ("propose", {"cost": offer})

    return role


def net(protocol: Protocol, *roles: Role, **spec: Any) -> Play:
    """Return a contract net among a, b, c ..."""
    named = {f"{name}@p": role for name, role in zip("abcdef", roles, strict=False)}
    return Play(protocol, named, content="work", select={"min": "$.cost"}, **spec)


def test_an_iterated_net_calls_again_while_offers_improve() -> None:
    """Each call names the round and the best offer so far; without a better one the best of the last round wins."""
    play = net(ITERATED, offering(9, 7, 5, 5), offering(8, 8, 6, 6), offering("dear"), rounds=9)
    assert play.run() == ("completed", "success")
    assert play.said("cfp") == [
        {"task": "work", "round": number, "best": best}
        for number, best in ((1, None), (2, 8), (3, 7), (4, 5))
    ]
    assert play.said("reject-proposal") == ["not selected", "not selected"]
    assert play.report == Report("a@p", "done")


@pytest.mark.parametrize(
    ("roles", "spec", "calls", "winner"),
    [
        ([offering(9, 8, 7, 6)], {}, 3, "a@p"),
        ([offering(9, 8, 7, 6)], {"rounds": 1}, 1, "a@p"),
        ([offering(9, 8), offering(8, None)], {"rounds": 2}, 2, "a@p"),
        ([offering(9, 8), offering(8, 7)], {"rounds": 2, "ttl": 1_500}, 1, "b@p"),
        ([offering(None)], {}, 1, None),
        ([offering("x")], {}, 1, None),
    ],
)
def test_an_iterated_net_ends(roles: list[Role], spec: Any, calls: int, winner: str | None) -> None:
    """After its rounds, in time, or when nobody offers anything."""
    play = net(ITERATED, *roles, **spec)
    play.run()
    assert (len(play.said("cfp")), play.report.winner) == (calls, winner)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([NET, ITERATED]),
    st.lists(st.lists(st.none() | st.integers(0, 9) | st.just("x"), min_size=1, max_size=4), min_size=1, max_size=6),
    st.integers(1, 4),
)  # fmt: skip
def test_a_random_net_ends_and_awards_the_best(
    protocol: Protocol, offers: list[list[Any]], winners: int
) -> None:
    """Every move is legal, and nobody loses with a better offer than a winner's."""
    play = net(protocol, *[offering(*each) for each in offers], winners=winners)
    play.run()
    won = [content["cost"] for content in play.said("accept-proposal")]
    assert len(won) <= winners
    assert won == sorted(won)
    latest = [play.said("propose", name)[-1]["cost"] for name, leg in play.conversation.legs.items() if leg.state == "rejected"]  # fmt: skip
    numbers = [cost for cost in latest if isinstance(cost, int)]
    if protocol is NET and won:
        assert max(won) <= min(numbers, default=max(won))


# Negotiations


def stubborn(*counters: Any, limit: float = -1) -> Role:
    """Return a participant that counters in turn, and accepts an offer at or above its limit."""
    left = list(counters)

    def role(message: FipaMessage) -> Answer:
        if message.performative != "propose":
            return None
        if limit >= 0 and isinstance(message.content, dict) and message.content["price"] >= limit:
            return "accept-proposal", None
        return ("propose", {"price": left.pop(0)}) if left else ("reject-proposal", "enough")

    return role


BUY = {"min": "$.price", "limit": 30, "step": 8}


@pytest.mark.parametrize(
    ("role", "spec", "outcome", "mine", "result"),
    [
        (stubborn(40, 30), {}, "accepted", [10, 18], {"price": 30}),
        (stubborn(40, limit=18), {}, "accepted", [10, 18], {"price": 18, "for": "a chair"}),
        (stubborn(40, 39, 38, 37), {}, "rejected", [10, 18, 26, 30], {"price": 37}),
        (stubborn(40, 39, 38), {"rounds": 2}, "rejected", [10, 18], {"price": 39}),
        (stubborn(), {}, "rejected", [10], "enough"),
        (stubborn(40), {"accept": {"min": "$.price", "limit": 30}}, "rejected", [10], {"price": 40}),
        (stubborn("dear"), {"accept": None}, "rejected", [10], {"price": "dear"}),
        (stubborn(3, 6), {"accept": {"max": "$.price", "limit": 5, "step": 1.5}}, "accepted", [10, 8.5], {"price": 6}),
    ],
)  # fmt: skip
def test_a_negotiation_ends(
    role: Role, spec: Any, outcome: str, mine: list[float], result: Any
) -> None:
    """The server concedes by steps up to its limit, takes what is good enough, and breaks off otherwise."""
    given = {"accept": BUY, **spec}
    content = {"price": 10, "for": "a chair"}
    play = Play(negotiation.PROTOCOL, {"a@p": role}, content=content, **given)
    assert play.run() == ("completed", outcome)
    assert play.said("propose") == [{"price": price, "for": "a chair"} for price in mine]
    assert play.report == Report(None, result)
