"""The server as initiator: of contract nets above all."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pytest
from caxton_core.conversations import Protocol
from caxton_core.errors import (
    AgentNotFound,
    Conflict,
    ConversationNotFound,
    InvalidMessage,
    Timeout,
    UnknownProtocol,
)
from caxton_core.initiators import ConversationSpec, Decision, Initiative
from caxton_core.messages import Draft, FipaMessage, Performative
from caxton_core.ports import Fault, Row
from caxton_plugins.protocols.request import PROTOCOL as REQUEST
from caxton_server.runtime.initiator import Initiator
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
    assert done == Failure(
        Timeout(f"end of conversation {(await bench.node.conversations()).items[0].id}", 0.01)
    )
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


async def test_several_may_win() -> None:
    """The best so many are accepted, the first of them is the winner, and every leg says what it did."""
    bench = await bidding(**{n: bidder({"cost": c}) for n, c in (("a", 5), ("b", 3), ("c", 4))})
    view = (
        await start(
            bench, participants=["a", "b", "c"], select={"min": "$.cost"}, winners=2, wait="5s"
        )
    ).unwrap()
    assert [(leg.outcome, leg.result) for leg in view.legs] == [
        ("rejected", {"cost": 5}), ("done", "done"), ("done", "done"),
    ]  # fmt: skip
    assert view.outcome == "success"


def full(offer: Any) -> Script:
    """Return a bidder whose mailbox of one message is full once it has made its offer, until it is let go on."""

    def act(message: Message, tools: Tools) -> Any:
        if message["performative"] == "cfp":
            return {"performative": "propose", "content": offer}
        return {"performative": "inform", "content": "done"}

    return Script(act)


async def refused_award(bench: Bench) -> Any:
    """Open a net whose best bidder can take no message when it is to be awarded."""
    for name, cost in (("best", 1), ("next", 2)):
        await bench.deploy(name, full({"cost": cost}), limits={"mailbox": 1})
    view = (
        await start(
            bench, participants=["best", "next", "late"], select={"min": "$.cost"}, reply_by="+5s"
        )
    ).unwrap()
    bench.settle()
    (await bench.node.control("best", "suspend")).unwrap()
    bench.post("best", "inform", content="fills the mailbox")
    bench.advance(5.001)
    return view.id


async def test_a_winner_whose_mailbox_is_full_is_tried_again() -> None:
    """It gets the award as soon as there is room, and nobody was rejected before."""
    bench = await bidding(late=Script())
    net = await refused_award(bench)
    bench.advance(0.5)
    legs = (await bench.node.conversation(net)).unwrap().legs
    assert [leg.state for leg in legs] == ["proposed", "proposed", "closed"]
    (await bench.node.control("best", "resume")).unwrap()
    bench.settle()
    bench.advance(3)
    view = (await bench.node.conversation(net)).unwrap()
    assert (view.outcome, view.winner) == ("success", "best@caxton")


async def test_the_next_best_steps_in_for_a_winner_that_cannot_be_reached() -> None:
    """After some seconds the leg of the best fails, long before the conversation expires."""
    bench = await bidding(late=Script())
    net = await refused_award(bench)
    for _ in range(6):
        bench.advance(1.6)
    view = (await bench.node.conversation(net)).unwrap()
    assert (view.outcome, view.winner) == ("success", "next@caxton")
    assert [leg.outcome for leg in view.legs] == ["failed", "done", "expired"]


async def test_the_next_best_steps_in_for_a_winner_that_is_gone() -> None:
    """A removed agent is not waited for."""
    bench = await bidding(a=bidder({"cost": 1}), b=bidder({"cost": 2}), late=Script())
    view = (
        await start(
            bench, participants=["a", "b", "late"], select={"min": "$.cost"}, reply_by="+5s"
        )
    ).unwrap()
    bench.settle()
    (await bench.node.remove_agent("a")).unwrap()
    bench.advance(5.001)
    view = (await bench.node.conversation(view.id)).unwrap()
    assert (view.outcome, view.winner) == ("success", "b@caxton")


def raises(*_given: Any) -> Any:
    """Be a broken plugin."""
    raise ZeroDivisionError


def shouts(conversation: Any, *_given: Any) -> Decision:
    """Want what is never legal."""
    return Decision((Draft(Performative.AGREE, receiver=list(conversation.legs)),))


@pytest.mark.parametrize("decide", [raises, shouts])
async def test_a_broken_decider_ends_its_conversation(
    decide: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails and is logged; the node goes on."""
    bench = await bidding(a=Script(), b=bidder({"cost": 1}))
    protocols = cast("dict[str, Protocol]", bench.node.conversations_.protocols)
    protocols["x-broken"] = Protocol(
        "x-broken", REQUEST.table, initiative=Initiative(decide=decide, report=raises)
    )
    view = (await start(bench, protocol="x-broken", participants=["a"], wait="5s")).unwrap()
    assert (view.state, view.outcome, view.winner) == ("failed", "failed", None)
    assert "x-broken" in caplog.text
    assert (await start(bench, participants=["b"], wait="5s")).unwrap().outcome == "success"


async def test_a_decider_is_asked_again_when_it_wants() -> None:
    """At the time it named, though nothing has moved; and never for a time that has passed."""
    times: list[int] = []

    def decide(_conversation: Any, _transcript: Any, _spec: Any, now: int) -> Decision:
        times.append(now)
        return Decision(look_again=now + 1000 if len(times) < 3 else now - 5)

    bench = await bidding(a=Script())
    protocols = cast("dict[str, Protocol]", bench.node.conversations_.protocols)
    protocols["x-patient"] = Protocol(
        "x-patient", REQUEST.table, initiative=Initiative(decide=decide)
    )
    (await start(bench, protocol="x-patient", participants=["a"])).unwrap()
    bench.settle()
    bench.advance(1)
    bench.advance(1)
    assert [time - times[0] for time in times] == [0, 1000, 2000]
    bench.advance(0.001)
    assert len(times) == 4


async def test_a_large_net_is_settled_in_bursts() -> None:
    """More losers than one turn may hold are all told."""
    names = [f"b{number}" for number in range(120)]
    bench = await bidding(**{name: bidder({"cost": 1}) for name in names})
    view = (await start(bench, participants=names)).unwrap()
    for _ in range(4):
        bench.advance(0.001)
    view = (await bench.node.conversation(view.id)).unwrap()
    outcomes = [leg.outcome for leg in view.legs]
    assert (outcomes.count("done"), outcomes.count("rejected")) == (1, 119)


async def test_what_the_server_keeps_of_a_conversation_is_bounded() -> None:
    """Contents only of the latest message of each act of each party, and in a view one MiB of them."""
    bench = await bidding(a=Script(), b=Script())
    spec = ConversationSpec(protocol=NET, participants=["a", "b"])
    node = bench.node
    net = node.conversations_.protocols[NET]
    send = node.messages_.route
    keeper = Initiator("c", net, spec, node.kernel, node.conversations_, node.timers, send)
    for number in range(3):
        for act in (Performative.PROPOSE, Performative.INFORM):
            keeper.note(FipaMessage(act, "a@caxton", "api@caxton", number, extras={"x_a": 1}))
    kept = list(keeper.lines.values())
    assert [line.content for line in kept] == [msgspec.UNSET] * 4 + [2, 2]
    assert {line.extras for line in kept} == {None}
    keeper.note(FipaMessage(Performative.INFORM, "a@caxton", "api@caxton", "x" * 700_000))
    keeper.note(FipaMessage(Performative.INFORM, "b@caxton", "api@caxton", "y" * 700_000))
    view = (await start(bench, participants=["a", "b"])).unwrap()
    conversation = node.conversations_.open[view.id]
    said = keeper.report(conversation)[1]
    assert {name: content is None for name, content in said.items()} == {
        "a@caxton": False, "b@caxton": True,
    }  # fmt: skip


async def test_a_cancel_that_nobody_answers_is_over_after_a_while() -> None:
    """A participant that is silent does not hold a cancelled conversation."""
    bench = await bidding(a=Script())
    view = (await start(bench, participants=["a"])).unwrap()
    (await bench.node.cancel_conversation(view.id)).unwrap()
    bench.advance(10.001)
    assert (await bench.node.conversation(view.id)).unwrap().state == "cancelled"


async def test_a_row_of_another_version_does_not_stop_the_start() -> None:
    """The conversation is left to its time-to-live."""
    bench = await bidding(a=bidder({"cost": 1}))
    (await bench.node.control("a", "suspend")).unwrap()
    view = (await start(bench, participants=["a"])).unwrap()
    row = Row("meta", f"initiator:{view.id}", {}, b'{"goal": "min"}')
    bench.node.kernel.journal.put_row(row)
    bench.settle()
    again = await bench.again().start()
    assert again.storage.list("meta", {}, after=None, limit=9) == []
    assert (await again.node.conversation(view.id)).unwrap().outcome is None
