"""Agents: their life as operators and supervision lead it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from caxton_core.agents import AGENT, AgentState
from caxton_core.errors import AgentExists, AgentNotFound, InvalidTransition
from caxton_core.ports import Fault
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.operators import VERBS
from returns.result import Failure, Success

from tests.server.runtime.nodes import Bench, Message, Script, Tools, control, reach

TRAP = Fault("trap", "unreachable")


@pytest.mark.parametrize("state", [s for s in AgentState if s not in ("unloaded", "loaded")])
@pytest.mark.parametrize("verb", VERBS)
async def test_verbs_follow_the_table(state: AgentState, verb: str) -> None:
    """What the table allows is done, what it forbids is refused with its reason and changes nothing."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    await reach(bench, state, script)
    before = bench.cell("agent").revision
    answer = AGENT.fire(state, verb)
    done = await control(bench, verb)
    if isinstance(answer, Success):
        # An idle agent has nothing to drain.
        assert done == ("stopped" if verb == "drain" else answer.unwrap())
    else:
        assert done == answer.failure()
        assert isinstance(done, InvalidTransition)
        assert (bench.cell("agent").state, bench.cell("agent").revision) == (state, before)


async def test_an_unknown_agent_is_not_found() -> None:
    """Whatever is asked of it."""
    bench = await Bench().start()
    for name in ("nobody", "api", "77"):
        assert await control(bench, "stop", name) == AgentNotFound(name)
        assert await bench.node.remove_agent(name) == Failure(AgentNotFound(name))
        assert bench.node.stats(name) == Failure(AgentNotFound(name))


async def test_an_agent_is_known_by_handle_name_and_address() -> None:
    """In any case of letters."""
    bench = await Bench().start()
    cell = await bench.deploy("agent")
    for ref in (str(int(cell.handle)), "agent", "AGENT", "agent@caxton", "Agent@Caxton"):
        assert bench.node.agent(ref).unwrap().id == str(int(cell.handle))


async def test_two_agents_have_two_names() -> None:
    """The names of the platform's own agents are taken too."""
    bench = await Bench().start()
    await bench.deploy("agent")
    manifest = bench.cell("agent").manifest
    assert await bench.node.deploy(manifest, b"agent") == Failure(AgentExists("agent"))


async def test_a_suspended_agent_rests_and_its_mailbox_fills() -> None:
    """It goes on where it was; the step it was in ends first."""
    bench = await Bench().start()
    ended: list[int] = []

    def act(_message: Message, _tools: Tools) -> Any:
        yield
        ended.append(1)

    script = Script(act)
    await bench.deploy("agent", script)
    bench.post("agent", content=1)
    bench.turn()
    assert await control(bench, "suspend") == "suspended"
    assert ended == [1]
    bench.post("agent", content=2)
    bench.settle()
    assert script.contents == [1]
    assert bench.node.agent("agent").unwrap().queue == 1
    assert await control(bench, "resume") == "running"
    assert script.contents == [1, 2]


async def test_suspending_and_resuming_in_the_middle_of_a_step_changes_nothing() -> None:
    """The guest is never called while it is in a call."""
    bench = await Bench().start()

    def act(_message: Message, _tools: Tools) -> Any:
        for _ in range(5):
            yield

    script = Script(act)
    await bench.deploy("agent", script)
    bench.post("agent", content=1)
    bench.post("agent", content=2)
    bench.turn()
    for verb in ("suspend", "resume", "suspend", "resume"):
        (await bench.node.control("agent", verb)).unwrap()
        bench.turn()
    bench.settle()
    assert script.contents == [1, 2]


async def test_stopping_answers_the_mailbox_and_the_message_in_hand() -> None:
    """Their senders get failures, and all are dead letters; the guest's last call is made when it is in none."""
    bench = await Bench().start()
    drained: list[int] = []

    def act(message: Message, _tools: Tools) -> Any:
        if message["content"] == "long":
            yield

    script = Script(act, drain=lambda _nothing, _tools: drained.append(1))
    await bench.deploy("agent", script)
    heard = bench.heard("c")
    bench.post("agent", content="long", conversation_id="c")
    bench.post("agent", content="next", conversation_id="c")
    bench.turn()
    assert (await bench.node.control("agent", "stop")).unwrap().state == "stopped"
    assert [message["content"]["reason"] for message in heard] == ["undeliverable"] * 2
    assert [letter.message["content"] for letter in await bench.letters()] == ["long", "next"]
    assert drained == []
    assert "is stopped" in str(bench.post("agent"))
    await control(bench, "start")
    await control(bench, "stop")
    assert drained == [1]


async def test_the_last_call_may_send() -> None:
    """What it sends is delivered."""
    bench = await Bench().start()
    other = Script()
    await bench.deploy("other", other)

    def drain(_nothing: Message, tools: Tools) -> Any:
        tools.send(performative="inform", receiver="other", content="bye")
        yield

    await bench.deploy("agent", Script(drain=drain))
    assert await control(bench, "stop") == "stopped"
    assert other.contents == ["bye"]


async def test_a_restart_handles_the_message_in_hand_again() -> None:
    """A fresh instance gets it first, and then the rest in order; nothing of the first try remains."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        tools.host.state_put(b"count", (tools.host.state_get(b"count") or b"") + b"x")
        if script.starts == 1:
            yield
            yield

    script = Script(act)
    await bench.deploy("agent", script)
    for content in (1, 2):
        bench.post("agent", content=content)
    bench.turn()
    (await bench.node.control("agent", "restart")).unwrap()
    bench.settle()
    assert script.contents == [1, 1, 2]
    assert bench.cell("agent").data == {b"count": b"xx"}


async def test_removing_an_agent_answers_everything_it_had() -> None:
    """The message it was in the middle of, its mailbox, and what waited for another attempt."""
    bench = await Bench().start()

    def act(message: Message, _tools: Tools) -> Any:
        if message["content"] == "bad":
            return Fault("agent-error", "1")
        yield
        return None

    cell = await bench.deploy("agent", Script(act), deliveries=9)
    heard = bench.heard("c")
    for content in ("bad", "behind", "long", "next"):
        conversation = "c" if content in ("bad", "behind") else "d"
        bench.post("agent", content=content, conversation_id=conversation)
    heard_too = bench.heard("d")
    for _ in range(1):
        bench.turn()
    (await bench.node.remove_agent("agent")).unwrap()
    bench.settle()
    assert [message["performative"] for message in heard + heard_too] == ["failure"] * 4
    assert len(await bench.letters()) == 4
    assert bench.node.agent("agent") == Failure(AgentNotFound("agent"))
    assert "agent" in str(bench.post("agent"))
    again = await bench.again().start()
    assert again.node.kernel.cells == {}
    new = await bench.deploy("agent")
    assert new.handle != cell.handle


async def test_an_agent_that_wrote_to_itself_is_removed_without_a_trace() -> None:
    """The failure that would answer its own message is a dead letter, not a message to nobody."""
    bench = await Bench().start()
    await bench.deploy(
        "agent", Script(lambda _m, tools: tools.send(performative="inform", receiver="agent"))
    )
    bench.post("agent")
    bench.turn()
    assert len(bench.cell("agent").mailbox) == 1
    (await bench.node.remove_agent("agent")).unwrap()
    assert sorted(letter.reason for letter in await bench.letters()) == [
        "not-running",
        "undeliverable",
    ]


async def test_draining_ends_what_is_open_and_refuses_what_is_new() -> None:
    """It handles its mailbox and its conversations, then makes its last call and is stopped."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        if message["performative"] == "request":
            return {"performative": "agree"}
        if message["performative"] == "inform":
            return None
        return {"performative": "inform", "content": "result"}

    script = Script(act)
    await bench.deploy("agent", script)
    bench.post("agent", content="queued")
    request = bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    assert (await bench.node.control("agent", "drain")).unwrap().state == "draining"
    bench.settle()
    cell = bench.cell("agent")
    assert cell.state == "draining"
    assert script.contents[0] == "queued"
    for fields in (
        {"act": "inform"},
        {"act": "request", "protocol": "fipa-request", "conversation_id": "new"},
        {"act": "inform", "conversation_id": "label"},
    ):
        assert "is draining" in str(bench.post("agent", **fields))
    bench.post("agent", "cancel", conversation_id="c", in_reply_to=None, reply_with="x")
    bench.settle()
    assert [letter.reason for letter in await bench.letters()] == []
    assert script.seen[-1]["performative"] == "cancel"
    assert (await bench.node.conversation("c")).unwrap().state == "cancelled"
    assert request.conversation_id == "c"
    assert cell.state == "stopped"
    assert script.closed == 1


async def test_an_idle_agent_is_drained_at_once() -> None:
    """There is nothing to wait for."""
    bench = await Bench().start()
    await bench.deploy("agent")
    assert await control(bench, "drain") == "stopped"


async def test_an_agent_that_is_removed_is_freed() -> None:
    """Nothing is left of it in memory, even when the last it did was to write to itself."""

    def act(_message: Message, tools: Tools) -> Any:
        assert tools.send(performative="inform", receiver="agent", content=1) == 0
        yield

    bench = await Bench().start()
    await bench.deploy("agent", Script(act))
    bench.post("agent")
    bench.turn()
    assert bench.cell("agent").parked
    (await bench.node.remove_agent("agent")).unwrap()
    bench.settle()
    gc.collect()
    left = [
        each
        for each in gc.get_objects()
        if type(each) is Cell and each.step.kernel is bench.node.kernel
    ]
    assert left == []
