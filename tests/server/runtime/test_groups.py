"""Tests of receivers named by what they offer: one in turn, all, everybody."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.errors import AgentNotFound, NotAdmitted
from caxton_core.initiators import ConversationSpec

from tests.server.runtime.directories import action, described
from tests.server.runtime.nodes import Bench, Message, Script, Tools, control

PRICING = [{"type": "pricing"}]


async def offering(*names: str) -> tuple[Bench, dict[str, Script]]:
    """Return a node whose agents offer pricing."""
    bench = await Bench().start()
    scripts = {name: Script() for name in names}
    for name, script in scripts.items():
        await bench.deploy(name, script, services=PRICING)
    return bench, scripts


def got(scripts: dict[str, Script]) -> dict[str, int]:
    """Count what each agent was handed."""
    return {name: len(script.seen) for name, script in scripts.items()}


async def test_one_of_those_who_offer_a_service_is_chosen_in_turn() -> None:
    """Each gets its share, and the message names it."""
    bench, scripts = await offering("ann", "ben", "carl")
    for _ in range(6):
        message = bench.post("service:pricing")
        assert message.receiver in {"ann@caxton", "ben@caxton", "carl@caxton"}
    bench.settle()
    assert got(scripts) == {"ann": 2, "ben": 2, "carl": 2}
    await control(bench, "stop", "ben")
    for _ in range(4):
        bench.post("service:pricing")
    bench.settle()
    assert got(scripts) == {"ann": 4, "ben": 2, "carl": 4}
    again = await bench.again().start()
    again.settle()
    assert got(scripts) == {"ann": 4, "ben": 2, "carl": 4}


async def test_all_who_offer_a_service_and_everybody() -> None:
    """With the author left out; a list may mix groups and names, and nobody gets a message twice."""
    bench, scripts = await offering("ann", "ben")
    scripts["carl"] = Script()
    await bench.deploy("carl", scripts["carl"])
    assert bench.post("service:pricing*").receiver == ["ann@caxton", "ben@caxton"]
    assert bench.post("*").receiver == ["ann@caxton", "ben@caxton", "carl@caxton"]
    assert bench.post(["ben", "service:pricing*", "carl"]).receiver == [
        "ben@caxton", "ann@caxton", "carl@caxton",
    ]  # fmt: skip
    bench.settle()
    assert got(scripts) == {"ann": 3, "ben": 3, "carl": 2}


@pytest.mark.parametrize("receiver", ["service:nothing", "service:nothing*", "service:", "*"])
async def test_a_group_of_nobody_is_no_receiver(receiver: str) -> None:
    """The error names the group."""
    bench = await Bench().start()
    assert bench.post(receiver) == AgentNotFound(receiver)


async def sent_by(receiver: Any, **manifest: Any) -> tuple[int, dict[str, Script]]:
    """Return what `send` returns to an agent that addresses a group, among three that offer pricing."""
    bench, scripts = await offering("ann", "ben", "carl")
    results: list[int] = []

    def act(_message: Message, tools: Tools) -> None:
        results.append(tools.send(performative="inform", receiver=receiver))

    await bench.deploy("asker", Script(act), services=PRICING, **manifest)
    bench.post("asker")
    bench.settle()
    return results[0], scripts


@pytest.mark.parametrize(
    ("receiver", "manifest", "result", "count"),
    [
        ("service:pricing", {}, 0, 1),
        ("service:pricing*", {}, 0, 3),
        ("*", {}, 0, 3),
        ("service:weather", {}, -2, 0),
        ("service:pricing*", {"send_to": ["a*", "ben"]}, 0, 2),
        ("*", {"send_to": ["carl"]}, 0, 1),
        ("service:pricing", {"send_to": ["carl"]}, 0, 1),
        ("service:pricing*", {"send_to": ["pricing"]}, 0, 3),
        ("service:pricing", {"send_to": ["weather"]}, -4, 0),
        ("*", {"send_to": []}, -4, 0),
        ("service:pricing*", {"limits": {"fan_out": 2}}, -7, 0),
        ("*", {"limits": {"fan_out": 3}}, 0, 3),
    ],
)
async def test_an_agent_reaches_those_it_may_address(
    receiver: str, manifest: dict[str, Any], result: int, count: int
) -> None:
    """Whom `send_to` does not name is left out; too many for `fan_out` is over a rate."""
    returned, scripts = await sent_by(receiver, **manifest)
    assert (returned, sum(got(scripts).values())) == (result, count)


async def test_a_full_mailbox_is_passed_over() -> None:
    """Unless everyone's is full."""
    bench = await Bench().start()
    for name in ("ann", "ben"):
        await bench.deploy(name, services=PRICING, limits={"mailbox": 1})
        await control(bench, "suspend", name)
    receivers = [bench.post("service:pricing").receiver for _ in range(2)]
    assert sorted(receivers) == ["ann@caxton", "ben@caxton"]
    assert "mailbox" in str(bench.post("service:pricing"))


async def test_in_openers_a_group_defines_the_participants() -> None:
    """Of a contract net all who offer the service, of a request one of them; `POST /conversations` takes them too."""
    bench, scripts = await offering("ann", "ben")
    bench.post("service:pricing*", "cfp", protocol="fipa-contract-net", conversation_id="c")
    assert bench.node.conversations_.open["c"].participants == ("ann@caxton", "ben@caxton")
    bench.post("service:pricing", "request", protocol="fipa-request", conversation_id="d")
    assert len(bench.node.conversations_.open["d"].participants) == 1
    spec = ConversationSpec(protocol="fipa-contract-net", participants=["service:pricing*"])
    view = (await bench.node.start_conversation(spec)).unwrap()
    assert view.participants == ["ann@caxton", "ben@caxton"]
    bench.settle()
    assert sum(got(scripts).values()) == 5


async def test_inside_a_conversation_parties_are_named() -> None:
    """A group there is refused, whoever is in it: a message to all of a conversation names nobody."""
    bench, _ = await offering("ann")
    bench.post("service:pricing", "request", protocol="fipa-request", conversation_id="c")
    refused = bench.post("service:pricing", "cancel", conversation_id="c")
    assert isinstance(refused, NotAdmitted)
    assert refused.reason == "not-a-party"
    assert bench.post(None, "cancel", conversation_id="c").receiver == "ann@caxton"


async def test_who_registers_a_service_is_found_by_it() -> None:
    """A registration by message counts, but not for what `send_to` allows: that is the operator's word."""
    bench = await Bench().start()
    reached: list[int] = []

    def ask(message: Message, tools: Tools) -> None:
        if message["sender"] == "api@caxton":
            content = action("register", described("ann", "pricing"))
            tools.send(performative="request", receiver="df", content=content)

    def tell(_message: Message, tools: Tools) -> None:
        reached.append(tools.send(performative="inform", receiver="service:pricing"))

    await bench.deploy("ann", Script(ask))
    await bench.deploy("free", Script(tell))
    await bench.deploy("bound", Script(tell), send_to=["pricing"])
    bench.post("ann")
    bench.settle()
    bench.post(["free", "bound"])
    bench.settle()
    assert sorted(reached) == [-4, 0]
