"""The example market: auctions and purchases among real agents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from caxton_core.initiators import content_of
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.examples.compilers import ROOT
from tests.examples.nodes import Platform

MARKET = ROOT / "examples" / "market"
BIDDING = [{"type": "bidding"}]


@pytest.fixture
async def market(sandbox: WasmSandbox, compiled: Callable[[Path], bytes]) -> Platform:
    """Open the market of the README."""
    node = Platform(sandbox)
    await node.start()
    for name, price in (("ann", 40), ("ben", 35)):
        await node.agent(name, compiled(MARKET / "seller.c"), config={"price": price})
    for name, limit in (("kim", 50), ("lee", 90), ("max", 35)):
        buyer = compiled(MARKET / "buyer.ts")
        await node.agent(name, buyer, config={"limit": limit}, services=BIDDING)
    return node


def asked(node: Platform, receiver: str, content: Any) -> list[Any]:
    """Ask for something, and return the acts and contents of the answers as they come."""
    answers: list[Any] = []
    conversation = f"c{len(node.node.kernel.listeners)}"
    node.node.kernel.listeners.setdefault(conversation, []).append(
        lambda message: answers.append((str(message.performative), content_of(message)))
    )
    node.post(
        receiver, "request", content=content, protocol="fipa-request", conversation_id=conversation
    )
    node.settle()
    return answers


def auction(node: Platform, **terms: Any) -> list[Any]:
    """Ask ann for an auction."""
    return asked(node, "ann", {"lot": "a chair", **terms})


def rounds(node: Platform, number: int) -> None:
    """Let rounds of an auction pass."""
    for _ in range(number):
        node.advance(0.6)
        node.settle()


async def test_the_highest_limit_wins(market: Platform) -> None:
    """The price rises until one is left; the buyer is asked to take it, and everybody else knows of the end."""
    answers = auction(market, start=30, step=10)
    rounds(market, 10)
    sold = {"lot": "a chair", "buyer": "lee@caxton", "price": 90}
    assert answers == [("agree", None), ("inform", sold)]
    assert await market.outcomes("fipa-auction-english") == ["sold"]
    assert market.said("lee")[-1] == 'bought {"lot":"a chair","price":90}'
    assert market.said("max") == [] or "bought" not in market.said("max")[-1]
    assert "auction" not in market.kept("ann")


async def test_below_the_reserve_nothing_is_sold(market: Platform) -> None:
    """Ann lets nothing go below its price."""
    answers = auction(market, start=10, step=25)
    await market.node.remove_agent("lee")
    await market.node.remove_agent("kim")
    rounds(market, 5)
    assert answers[-1] == ("failure", "the reserve is not met")
    assert await market.outcomes("fipa-auction-english") == ["unsold"]


async def test_nobody_bids(market: Platform) -> None:
    """A price that nobody pays ends the auction at once; an auction without terms is refused."""
    answers = auction(market, start=1000, step=1)
    rounds(market, 2)
    assert answers == [("agree", None), ("failure", "nobody bids")]
    assert asked(market, "ann", "sell")[-1][0] == "refuse"


async def test_an_auction_goes_on_after_a_kill(market: Platform) -> None:
    """What the rounds rest on is durable: it sells once, to the same buyer, at the same price."""
    auction(market, start=30, step=10)
    rounds(market, 3)
    again = await market.killed()
    rounds(again, 10)
    assert await again.outcomes("fipa-auction-english") == ["sold"]
    assert again.said("lee").count('bought {"lot":"a chair","price":90}') == 1


async def test_a_buyer_takes_the_cheaper_seller(market: Platform) -> None:
    """Two offers, one award; what is dearer than the limit is not bought."""
    answers = asked(market, "kim", {"buy": "a lamp", "of": ["ann", "ben"]})
    assert answers == [("agree", None), ("inform", {"price": 35})]
    assert await market.outcomes("fipa-contract-net") == ["success"]


async def test_what_is_too_dear_is_not_bought(market: Platform) -> None:
    """Max pays 35 at most, and ann asks for 40."""
    assert asked(market, "max", {"buy": "a lamp", "of": ["ann"]})[-1] == ("failure", "too dear")
