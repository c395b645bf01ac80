"""The server as initiator of protocols that take more than one decision: auctions, rounds, bargains, subscriptions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from caxton_core.initiators import Acceptance, Auction, ConversationSpec

from tests.server.runtime.nodes import Bench, Message, Script, Tools

ENGLISH, DUTCH = "fipa-auction-english", "fipa-auction-dutch"


def bidder(limit: float) -> Script:
    """Return an agent that bids what is called up to its limit."""

    def act(message: Message, _tools: Tools) -> Any:
        if message["performative"] == "cfp" and message["content"]["price"] <= limit:
            return {"performative": "propose", "content": {"price": message["content"]["price"]}}
        return None

    return Script(act)


async def auction(bench: Bench, protocol: str, *limits: float, **terms: Any) -> str:
    """Open an auction among bidders with these limits, and return its id."""
    names = [f"b{number}" for number in range(len(limits))]
    for name, limit in zip(names, limits, strict=True):
        await bench.deploy(name, bidder(limit))
    spec = ConversationSpec(
        protocol=protocol, participants=names, content="vase", auction=Auction(**terms), reply_by="+1s"
    )  # fmt: skip
    opened = asyncio.ensure_future(bench.node.start_conversation(spec))
    while not opened.done():
        await asyncio.sleep(0.001)
        bench.node.kernel.journal.flush()
    return (await opened).unwrap().id


async def ended(bench: Bench, conversation: str) -> Any:
    """Let time pass until a conversation has ended."""
    for _ in range(100):
        bench.settle()
        view = (await bench.node.conversation(conversation)).unwrap()
        if view.outcome is not None:
            return view
        bench.advance(1.001)
    raise AssertionError("it does not end")


async def acts(bench: Bench, conversation: str) -> list[tuple[str, Any]]:
    """List what the server has said in a conversation."""
    bench.settle()
    page = await bench.node.messages(conversation_id=conversation, limit=1000)
    messages = [view.message for view in page.unwrap().items]
    return [
        (message["performative"], message.get("content"))
        for message in messages
        if message["sender"] == "api@caxton"
    ]


@pytest.mark.parametrize(
    ("protocol", "terms", "outcome", "winner", "result"),
    [
        (ENGLISH, {"start": 10, "step": 5}, "sold", "b1@caxton", {"price": 25}),
        (ENGLISH, {"start": 10, "step": 5, "reserve": 30}, "sold", "b1@caxton", {"price": 30}),
        (ENGLISH, {"start": 10, "step": 5, "reserve": 50}, "unsold", None, None),
        (DUTCH, {"start": 50, "step": 10, "reserve": 10}, "sold", "b1@caxton", {"price": 30}),
        (DUTCH, {"start": 80, "step": 15, "reserve": 40}, "unsold", None, None),
    ],
)
async def test_an_auction_is_held(
    protocol: str, terms: Any, outcome: str, winner: str | None, result: Any
) -> None:
    """The answer has the outcome, the buyer and the price; afterwards nothing is left of it in memory."""
    bench = await Bench().start()
    view = await ended(bench, await auction(bench, protocol, 21, 31, **terms))
    assert (view.state, view.outcome, view.winner, view.result) == (
        "completed", outcome, winner, result,
    )  # fmt: skip
    node = bench.node
    assert (node.kernel.listeners, node.conversations_.listeners) == ({}, {})
    assert (node.conversations_.reports, node.messages_.said) == ({}, {})
    assert bench.storage.list("meta", {}, after=None, limit=9) == []
    again = await bench.again().start()
    assert (await again.node.conversation(view.id)).unwrap() == view


@pytest.mark.parametrize("protocol", [ENGLISH, DUTCH])
async def test_an_auction_goes_on_through_a_crash_after_every_turn(protocol: str) -> None:
    """What the server says is the same as without crashes: nothing is lost, and nothing is said twice."""
    terms = {"start": 30 if protocol == ENGLISH else 90, "step": 5, "reserve": 15}
    whole = await Bench().start()
    calm = await auction(whole, protocol, 42, 51, 60, **terms)
    view = await ended(whole, calm)
    bench = await Bench().start()
    rough = await auction(bench, protocol, 42, 51, 60, **terms)
    crashes = 0
    while True:
        node = bench.node
        node.timers.fire(node.kernel.tick())
        bench.turn()
        node.kernel.journal.flush()
        seen = (await node.conversation(rough)).unwrap()
        if seen.outcome is not None:
            break
        if node.scheduler.idle and (node.timers.next_due or 0) > node.kernel.now:
            bench.clock.advance(0.5005)
        again = bench.again(seed=100 + crashes)
        (await again.node.start()).unwrap()
        await again.node.loop.stop(0)
        bench, crashes = again, crashes + 1
        assert crashes < 300
    assert crashes > 10
    assert (seen.outcome, seen.result) == (view.outcome, view.result)
    assert sorted(map(repr, await acts(bench, rough))) == sorted(map(repr, await acts(whole, calm)))


async def test_a_negotiation_is_answered() -> None:
    """The server concedes until the other accepts; the result is the offer that was taken."""
    bench = await Bench().start()

    def act(message: Message, _tools: Tools) -> Any:
        enough = message["content"]["price"] >= 18
        return {"performative": "accept-proposal"} if enough else {
            "performative": "propose", "content": {"price": 40},
        }  # fmt: skip

    await bench.deploy("a", Script(act))
    spec = ConversationSpec(
        protocol="caxton-negotiation", participants=["a"], content={"price": 10},
        accept=Acceptance(min="$.price", limit=30, step=8),
    )  # fmt: skip
    view = await ended(bench, (await bench.node.start_conversation(spec)).unwrap().id)
    assert (view.outcome, view.result) == ("accepted", {"price": 18})


async def test_an_iterated_net_is_held() -> None:
    """Several rounds of offers, one award."""
    bench = await Bench().start()
    for name, offers in (("a", [9, 7, 6]), ("b", [8, 7, 5])):

        def act(message: Message, _tools: Tools, offers: list[int] = offers) -> Any:
            if message["performative"] == "cfp":
                return {"performative": "propose", "content": {"cost": offers.pop(0)}}
            won = message["performative"] == "accept-proposal"
            return {"performative": "inform", "content": "done"} if won else None

        await bench.deploy(name, Script(act))
    spec = ConversationSpec(
        protocol="fipa-iterated-contract-net", participants=["a", "b"], content="work",
        select={"min": "$.cost"},
    )  # fmt: skip
    view = await ended(bench, (await bench.node.start_conversation(spec)).unwrap().id)
    assert (view.outcome, view.winner, view.result) == ("success", "b@caxton", "done")


async def test_notifications_are_followed_until_the_cancel() -> None:
    """A subscription's stream has every notification once, and ends when the cancel is answered."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        if message["performative"] == "cancel":
            return {"performative": "inform", "content": "stopped"}
        if message["performative"] == "subscribe":
            for number in range(3):
                tools.send(
                    performative="inform", receiver="api", content=number, protocol="fipa-subscribe",
                    conversation_id=message["conversation_id"], in_reply_to=message["id"],
                )  # fmt: skip
        return None

    await bench.deploy("weather", Script(act))
    spec = ConversationSpec(protocol="fipa-subscribe", participants=["weather"], content="oslo")
    conversation = (await bench.node.start_conversation(spec)).unwrap().id
    found: list[Any] = []

    async def read() -> None:
        async for _, view in bench.node.follow_messages(conversation):
            found.append((view.message["performative"], view.message.get("content")))
            if view.message.get("content") == 2:
                (await bench.node.cancel_conversation(conversation)).unwrap()

    reader = asyncio.ensure_future(read())
    while not reader.done():
        await asyncio.sleep(0.001)
        bench.settle()
    await reader
    assert found == [
        ("subscribe", "oslo"), ("inform", 0), ("inform", 1), ("inform", 2), ("cancel", None), ("inform", "stopped"),
    ]  # fmt: skip
    view = (await bench.node.conversation(conversation)).unwrap()
    assert (view.outcome, view.result) == ("cancelled", "stopped")


async def test_the_servers_own_last_word_is_part_of_the_report() -> None:
    """An offer that the server accepts is the result, though its acceptance ends the conversation."""
    bench = await Bench().start()
    counter = {"performative": "propose", "content": {"price": 25}}
    await bench.deploy("a", Script(lambda _message, _tools: counter))
    spec = ConversationSpec(
        protocol="caxton-negotiation", participants=["a"], content={"price": 10},
        accept=Acceptance(min="$.price", limit=30),
    )  # fmt: skip
    view = await ended(bench, (await bench.node.start_conversation(spec)).unwrap().id)
    assert (view.outcome, view.result) == ("accepted", {"price": 25})
