"""Receivers that are missed, and what the platform says to it: once, to the right party, about the right leg."""

from __future__ import annotations

import asyncio
from typing import Any

from caxton_core.ports import Fault
from caxton_core.resources import Manifest

from tests.server.runtime.nodes import Bench, Message, Script, Tools


async def filled(bench: Bench, name: str) -> None:
    """Deploy an agent whose mailbox is full."""
    await bench.deploy(name, limits={"mailbox": 1})
    (await bench.node.control(name, "suspend")).unwrap()
    bench.post(name, conversation_id="other")


async def outcomes(bench: Bench, conversation: str = "c") -> dict[str, str | None]:
    """Return how the legs of a conversation have ended; None for those that are open."""
    view = (await bench.node.conversation(conversation)).unwrap()
    return {leg.participant: leg.outcome for leg in view.legs}


async def test_a_missed_leg_stays_closed_whatever_else_the_step_says() -> None:
    """A later message of the same step, judged before anything was delivered, does not open it again."""
    bench = await Bench().start()
    await bench.deploy("free")
    await filled(bench, "full")

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return
        cfp = {
            "protocol": "fipa-contract-net",
            "conversation_id": "c",
            "receiver": ["free", "full"],
        }
        assert tools.send(performative="cfp", **cfp) == 0
        cancel = {"conversation_id": "c", "reply_with": "x"}
        assert tools.send(performative="cancel", receiver="full", **cancel) == -5
        assert tools.send(performative="cancel", **cancel) == 0

    script = Script(act)
    await bench.deploy("asker", script)
    bench.post("asker")
    bench.settle()
    assert [message["performative"] for message in script.seen] == ["inform", "failure"]
    assert await outcomes(bench) == {"free@caxton": None, "full@caxton": "failed"}
    assert len(await bench.letters()) == 1
    bench.advance(86_401)
    assert await outcomes(bench) == {"free@caxton": "expired", "full@caxton": "failed"}
    assert +bench.node.conversations_.per_agent == {}


async def test_the_platform_answers_when_the_whole_step_is_delivered() -> None:
    """What a step says after a question to the directory does not undo the answer to it."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return
        ask = {"receiver": "df", "protocol": "fipa-request", "conversation_id": "c"}
        assert tools.send(performative="request", content="nonsense", **ask) == 0
        assert tools.send(performative="cancel", conversation_id="c", reply_with="x") == 0

    await bench.deploy("asker", Script(act))
    bench.post("asker")
    bench.settle()
    bench.advance(86_401)
    assert bench.node.conversations_.open == {}
    assert +bench.node.conversations_.per_agent == {}
    assert min(bench.node.conversations_.per_agent.values(), default=0) == 0


async def test_only_a_message_of_the_initiator_closes_a_leg() -> None:
    """An answer that went to another participant, and failed there, says nothing of that one's own part."""
    bench = await Bench().start()

    def bidder(message: Message, _tools: Tools) -> Any:
        return {"performative": "propose"} if message["performative"] == "cfp" else None

    await bench.deploy("one", Script(bidder))
    other = Script(lambda message, _tools: Fault("agent-error", "1") if message["performative"] == "propose" else None)  # fmt: skip
    await bench.deploy("two", other)
    bench.post(
        ["one", "two"], "cfp", protocol="fipa-contract-net", conversation_id="c", reply_to="two",
    )  # fmt: skip
    bench.settle()
    assert [message["performative"] for message in other.seen] == ["cfp", "propose"]
    assert [letter.reason for letter in await bench.letters()] == ["agent-error"]
    assert await outcomes(bench) == {"one@caxton": None, "two@caxton": None}


async def test_a_response_to_a_full_participant_closes_no_leg_of_another_sender() -> None:
    """The same, when the answer is refused on its way."""
    bench = await Bench().start()

    def bidder(message: Message, _tools: Tools) -> Any:
        return {"performative": "propose"} if message["performative"] == "cfp" else None

    await bench.deploy("one", Script(bidder))
    await bench.deploy("two", limits={"mailbox": 1})
    (await bench.node.control("two", "suspend")).unwrap()
    bench.post(
        ["one", "two"], "cfp", protocol="fipa-contract-net", conversation_id="c", reply_to="two"
    )
    bench.settle()
    assert [letter.reason for letter in await bench.letters()] == ["undeliverable"]
    assert await outcomes(bench) == {"one@caxton": None, "two@caxton": None}


def opening(receivers: list[str]) -> Any:
    """Return a start that calls for proposals."""

    def start(_config: Message, tools: Tools) -> Any:
        cfp = {"protocol": "fipa-contract-net", "conversation_id": "c"}
        assert tools.send(performative="cfp", receiver=receivers, **cfp) == 0
        yield

    return start


async def test_an_agent_hears_of_what_its_start_missed() -> None:
    """Though nobody knows it before its start has succeeded."""
    bench = await Bench().start()
    await bench.deploy("free")
    await filled(bench, "full")
    heard = bench.heard("c")
    script = Script(start=opening(["free", "full"]))
    task = asyncio.ensure_future(bench.deploy("asker", script))
    while not task.done():
        bench.settle()
        await asyncio.sleep(0)
    bench.settle()
    assert [message["performative"] for message in script.seen] == ["failure"]
    assert heard == []
    assert await outcomes(bench) == {"free@caxton": None, "full@caxton": "failed"}
    script.begin = None
    again = await bench.again().start()
    assert [message["performative"] for message in script.seen] == ["failure"]
    assert [letter.reason for letter in await again.letters()] == ["undeliverable"]


async def test_what_the_start_of_a_next_version_could_not_send_is_told_to_the_agent() -> None:
    """The mailbox is the agent's: a failure told while the next version starts is handled, and once."""
    bench = await Bench().start()
    for name in ("free", "full"):
        await bench.deploy(name, limits={"mailbox": 1})
    first = Script()
    await bench.deploy("asker", first)
    (await bench.node.control("asker", "suspend")).unwrap()
    next_one = Script(start=opening(["full"]))
    data = bench.scripts.add("next", next_one)
    manifest = Manifest.parse({"name": "asker", "version": "2"}).unwrap()
    task = asyncio.ensure_future(bench.node.update(manifest, data))
    while not next_one.starts:  # noqa: ASYNC110 - a guest knows no asyncio
        await asyncio.sleep(0.001)
    (await bench.node.control("full", "suspend")).unwrap()
    bench.post("full", conversation_id="other")
    while not task.done():
        bench.settle()
        await asyncio.sleep(0.001)
    task.result().unwrap()
    assert len(bench.cell("asker").mailbox) == 1
    (await bench.node.control("asker", "resume")).unwrap()
    bench.settle()
    seen = [message["performative"] for message in (*first.seen, *next_one.seen)]
    assert seen == ["failure"]


async def test_failures_told_to_the_api_are_counted_like_any_other() -> None:
    """A message of the platform that was delivered is a routed one."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(lambda _message, _tools: Fault("agent-error", "1")))
    heard = bench.heard("c")
    bench.post("agent", conversation_id="c")
    bench.settle()
    assert [message["performative"] for message in heard] == ["failure"]
    assert bench.node.kernel.counters.delivered == {"inform": 1, "failure": 1}


async def test_an_agent_that_is_removed_leaves_its_conversations() -> None:
    """Its open legs fail and their initiator is told, once each; the next agent of that name has no part in them."""
    bench = await Bench().start()
    for name in ("one", "two"):
        await bench.deploy(name)
    heard = bench.heard("c")
    bench.post(["one", "two"], "cfp", protocol="fipa-contract-net", conversation_id="c")
    bench.settle()
    (await bench.node.remove_agent("one")).unwrap()
    bench.settle()
    assert [message["content"]["detail"] for message in heard] == ["one@caxton was removed"]
    assert await outcomes(bench) == {"one@caxton": "failed", "two@caxton": None}
    again = await bench.again().start()
    assert await outcomes(again) == {"one@caxton": "failed", "two@caxton": None}
    (await again.node.remove_agent("two")).unwrap()
    assert +again.node.conversations_.per_agent == {}
