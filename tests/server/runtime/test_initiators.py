"""The server as initiator: of contract nets above all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from caxton_core.errors import (
    AgentNotFound,
    Conflict,
    ConversationNotFound,
    InvalidMessage,
    Timeout,
    UnknownProtocol,
)
from caxton_core.ports import Fault
from caxton_server.runtime.initiators import ConversationSpec
from returns.result import Failure

from tests.server.runtime.nodes import Bench, Message, Script, Tools

NET = "fipa-contract-net"


def bidder(offer: Any, *, result: Any = "done", report: str = "inform") -> Script:
    """Return a participant that offers something, or answers with another act, and reports when it has won."""

    def act(message: Message, _tools: Tools) -> Any:
        if message["performative"] == "cfp":
            return offer if isinstance(offer, dict) and "performative" in offer else {
                "performative": "propose", "content": offer,
            }  # fmt: skip
        if message["performative"] == "accept-proposal":
            return {"performative": report, "content": result}
        return None

    return Script(act)


async def start(bench: Bench, **fields: Any) -> Any:
    """Open a conversation, running the node meanwhile."""
    spec = ConversationSpec(**{"protocol": NET, **fields})
    task = asyncio.ensure_future(bench.node.start_conversation(spec))
    while not task.done():
        bench.settle()
        await asyncio.sleep(0.001)
    return await task


async def bidding(**bidders: Script) -> Bench:
    """Return a node with some bidders."""
    bench = await Bench().start()
    for name, script in bidders.items():
        await bench.deploy(name, script)
    return bench


@pytest.mark.parametrize(
    ("select", "winner"),
    [
        ({"min": "$.cost"}, "b@caxton"),
        ({"max": "$.cost"}, "c@caxton"),
        (None, "a@caxton"),
        ({"max": "$.speed"}, None),
    ],
)
async def test_the_selected_proposal_wins(select: Any, winner: str | None) -> None:
    """The others are rejected; the winner reports the result; without a rule the first offer wins."""
    scripts = {name: bidder({"cost": cost}) for name, cost in (("a", 5), ("b", 3), ("c", 9))}
    bench = await bidding(**scripts)
    view = (
        await start(bench, participants=list(scripts), content="work", select=select, wait="5s")
    ).unwrap()
    assert (view.state, view.winner) == ("completed", winner)
    assert (view.outcome, view.result) == (
        ("success", "done") if winner else ("all-rejected", None)
    )
    acts = {name: script.seen[1]["performative"] for name, script in scripts.items()}
    assert acts == {
        name: "accept-proposal" if f"{name}@caxton" == winner else "reject-proposal"
        for name in scripts
    }
    node = bench.node
    assert (node.kernel.listeners, node.conversations_.listeners) == ({}, {})
    assert bench.storage.list("meta", {}, after=None, limit=9) == []
    shown = (await node.conversation(view.id)).unwrap()
    assert shown == view


async def test_who_refuses_fails_or_is_silent_does_not_hold_up_the_rest() -> None:
    """The net is decided when everybody has answered or the time to answer has passed."""
    refuse = {"performative": "refuse"}
    bench = await bidding(
        a=bidder({"cost": 1}), b=bidder(refuse), c=Script(),
        d=Script(lambda _message, _tools: Fault("agent-error", "1")),
    )  # fmt: skip
    view = (await start(bench, participants=["a", "b", "c", "d"], reply_by="+3s")).unwrap()
    assert view.outcome is None
    bench.advance(3)
    assert (await bench.node.conversation(view.id)).unwrap().outcome is None
    bench.advance(0.001)
    view = (await bench.node.conversation(view.id)).unwrap()
    assert (view.outcome, view.winner, view.result) == ("success", "a@caxton", "done")
    assert [leg.outcome for leg in view.legs] == ["done", "refused", "expired", "failed"]


async def test_a_winner_that_fails_is_the_end() -> None:
    """The result says why."""
    bench = await bidding(a=bidder({"cost": 1}, report="failure", result="broken"))
    view = (await start(bench, participants=["a"], wait="5s")).unwrap()
    assert (view.state, view.winner, view.result) == ("failed", "a@caxton", "broken")


async def test_a_request_may_be_opened_too() -> None:
    """The answer is the result."""
    bench = await bidding(
        a=Script(lambda _message, _tools: {"performative": "inform", "content": 42})
    )
    view = (await start(bench, protocol="fipa-request", participants=["a"], wait="5s")).unwrap()
    assert (view.outcome, view.result) == ("success", 42)


async def test_waiting_has_an_end() -> None:
    """The conversation goes on; its time-to-live ends it."""
    bench = await bidding(a=Script())
    done = await start(bench, participants=["a"], wait="10ms", ttl="60s", reply_by="+300s")
    assert done == Failure(Timeout("end of the conversation", 0.01))
    (view,) = (await bench.node.conversations()).items
    assert view.state == "awaiting-proposal"
    bench.advance(60.001)
    assert (await bench.node.conversation(view.id)).unwrap().state == "expired"
    assert bench.node.conversations_.lifetimes == {}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"protocol": "fipa-contact-net"}, UnknownProtocol("fipa-contact-net", NET)),
        ({"participants": ["nobody"]}, AgentNotFound("nobody")),
        ({"participants": ["a", "nobody"]}, AgentNotFound("nobody")),
        ({"wait": "soon"}, InvalidMessage),
        ({"ttl": "-1"}, InvalidMessage),
        ({"select": {"least": "$.cost"}}, InvalidMessage),
        ({"reply_by": "soon"}, InvalidMessage),
    ],
)
async def test_what_cannot_be_opened_leaves_nothing(fields: Message, error: Any) -> None:
    """No conversation, no listener."""
    bench = await bidding(a=Script())
    failed = (await start(bench, **{"participants": ["a"], **fields})).failure()
    assert isinstance(failed, error) if isinstance(error, type) else failed == error
    node = bench.node
    assert (node.kernel.listeners, node.conversations_.listeners) == ({}, {})
    assert (node.conversations_.lifetimes, node.conversations_.open) == ({}, {})


async def test_the_server_cancels_what_it_has_opened() -> None:
    """Participants are asked; what others opened, or what has ended, it can't."""
    bench = await bidding(
        a=Script(
            lambda message, _tools: (
                {"performative": "inform"} if message["performative"] == "cancel" else None
            )
        )
    )
    view = (await start(bench, participants=["a"])).unwrap()
    cancelled = (await bench.node.cancel_conversation(view.id)).unwrap()
    assert cancelled.state == "cancelling"
    bench.settle()
    assert (await bench.node.conversation(view.id)).unwrap().state == "cancelled"
    assert isinstance((await bench.node.cancel_conversation(view.id)).failure(), Conflict)
    unknown = await bench.node.cancel_conversation("none")
    assert unknown == Failure(ConversationNotFound("none"))


async def test_participants_that_are_gone_do_not_stop_a_cancel() -> None:
    """Their legs fail, the others are asked."""
    script = Script(
        lambda message, _tools: (
            {"performative": "inform"} if message["performative"] == "cancel" else None
        )
    )
    bench = await bidding(a=Script(), b=script)
    view = (await start(bench, participants=["a", "b"])).unwrap()
    (await bench.node.remove_agent("a")).unwrap()
    (await bench.node.cancel_conversation(view.id)).unwrap()
    bench.settle()
    legs = (await bench.node.conversation(view.id)).unwrap().legs
    assert [leg.outcome for leg in legs] == ["failed", "cancelled"]


async def test_the_server_goes_on_after_a_restart() -> None:
    """Proposals heard before it are decided upon after it."""
    scripts = {"a": bidder({"cost": 2}), "b": bidder({"cost": 1})}
    bench = await bidding(**scripts)
    (await bench.node.control("b", "suspend")).unwrap()
    view = (await start(bench, participants=["a", "b"], select={"min": "$.cost"})).unwrap()
    bench = await bench.again().start()
    (await bench.node.control("b", "resume")).unwrap()
    bench.settle()
    view = (await bench.node.conversation(view.id)).unwrap()
    assert (view.outcome, view.winner, view.result) == ("success", "b@caxton", "done")
