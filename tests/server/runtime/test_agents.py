"""Agents: their life as operators and supervision lead it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from caxton_core.agents import AGENT, AgentState
from caxton_core.errors import AgentExists, AgentNotFound, Conflict, InvalidTransition, StartFailed
from caxton_core.ports import Fault
from caxton_server.runtime.node import VERBS
from returns.result import Failure, Success

from tests.server.runtime.nodes import Bench, Message, Script, Tools

TRAP = Fault("trap", "unreachable")


async def control(bench: Bench, verb: str, name: str = "agent") -> Any:
    """Do what an operator asks, running the node meanwhile; return the state, or the error."""
    task = asyncio.ensure_future(bench.node.control(name, verb))
    for _ in range(3):
        await asyncio.sleep(0)
        bench.settle()
    done = await task
    return done.unwrap().state if isinstance(done, Success) else done.failure()


async def reach(bench: Bench, state: AgentState, script: Script) -> None:
    """Bring the agent into a state."""
    if state is AgentState.DRAINING:
        bench.post("agent", "request", protocol="fipa-request", conversation_id="open")
        bench.settle()
    verbs = {"draining": "drain", "suspended": "suspend", "stopped": "stop"}
    if state is AgentState.FAILED:
        script.begin = lambda _config, _tools: Fault("agent-error", "no")
        await control(bench, "restart")
        script.begin = None
    elif state in verbs:
        await control(bench, verbs[state])
    assert bench.cell("agent").state is state


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


# Supervision


def trapping(**fields: Any) -> Script:
    """Return an agent that traps at every message but a good one."""
    return Script(lambda message, _tools: None if message["content"] == "good" else TRAP, **fields)


async def test_a_trapped_instance_is_replaced_and_never_called_again() -> None:
    """The first restart is at once; what is in the mailbox is handled by the new instance."""
    bench = await Bench().start()
    script = trapping()
    await bench.deploy("agent", script)
    for content in ("bad", "good"):
        bench.post("agent", content=content)
    bench.settle()
    assert (script.starts, script.closed) == (2, 1)
    assert script.contents == ["bad", "good"]
    view = bench.node.agent("agent").unwrap()
    assert (view.state, view.restarts) == ("running", 1)
    assert bench.node.kernel.counters.restarts == {"trap": 1}


@pytest.mark.parametrize("reason", ["agent-error", "bad-response", "too-large"])
async def test_after_a_fault_that_is_not_fatal_the_instance_lives_on(reason: str) -> None:
    """Its memory is its own affair."""
    bench = await Bench().start()
    script = Script(lambda _message, _tools: Fault(reason, ""))
    await bench.deploy("agent", script)
    for _ in range(20):
        bench.post("agent")
    bench.settle()
    assert (script.starts, len(script.seen)) == (1, 20)


async def test_while_it_waits_to_be_restarted_its_mailbox_fills() -> None:
    """It counts as running; the wait doubles from 0.2 s, shortened at random by at most a half."""
    bench = await Bench().start()
    script = trapping()
    await bench.deploy("agent", script)
    bench.post("agent", content=1)
    bench.settle()
    bench.post("agent", content=2)
    bench.settle()
    assert script.starts == 2
    bench.post("agent", content="good")
    bench.settle()
    view = bench.node.agent("agent").unwrap()
    assert (view.state, view.queue) == ("running", 1)
    bench.advance(0.099)
    assert script.starts == 2
    bench.advance(0.101)
    assert script.starts == 3
    assert script.contents == [1, 2, "good"]


@pytest.mark.parametrize(
    ("policy", "starts"), [("permanent", 4), ("transient", 4), ("temporary", 1)]
)
async def test_too_many_restarts_fail_an_agent(policy: str, starts: int) -> None:
    """Then its mailbox is answered with failures, and it takes nothing any more until it is started again."""
    bench = await Bench().start()
    script = trapping()
    restart = {"policy": policy, "max_restarts": 3, "within_s": 60}
    await bench.deploy("agent", script, restart=restart)
    heard = bench.heard("c")
    for _ in range(10):
        bench.post("agent", conversation_id="c", content="bad")
    for _ in range(10):
        bench.advance(1)
    view = bench.node.agent("agent").unwrap()
    assert view.state == "failed"
    assert view.detail == "trap: unreachable"
    assert script.starts == starts
    assert len(heard) == len(await bench.letters()) == 10
    assert {message["content"]["reason"] for message in heard} == {"trap", "undeliverable"}
    assert "is failed" in str(bench.post("agent"))
    assert await control(bench, "restart") == "running"
    bench.post("agent", content="good")
    bench.settle()
    assert script.contents[-1] == "good"


async def test_old_restarts_are_forgiven() -> None:
    """Only those within the span count."""
    bench = await Bench().start()
    await bench.deploy("agent", trapping(), restart={"max_restarts": 2, "within_s": 10})
    for _ in range(12):
        bench.post("agent", content="bad")
        bench.advance(6)
    assert bench.node.agent("agent").unwrap().state == "running"


async def test_a_start_that_fails_again_and_again_fails_the_agent() -> None:
    """Each failing start of a supervised agent counts as a restart."""
    bench = await Bench().start()
    script = trapping()
    await bench.deploy("agent", script)
    script.begin = lambda _config, _tools: Fault("agent-error", "no")
    bench.post("agent", content="bad")
    for _ in range(20):
        bench.advance(2)
    assert bench.node.agent("agent").unwrap().state == "failed"
    assert script.starts == 6


@pytest.mark.parametrize("verb", ["stop", "suspend", "restart", "drain"])
async def test_operators_may_act_while_it_waits_to_be_restarted(verb: str) -> None:
    """The pending restart does not bring back what was stopped."""
    bench = await Bench().start()
    script = trapping()
    await bench.deploy("agent", script)
    for _ in range(2):
        bench.post("agent", content="bad")
        bench.settle()
    assert bench.cell("agent").guest is None
    state = await control(bench, verb)
    bench.advance(1)
    expected = {"stop": "stopped", "suspend": "suspended", "restart": "running", "drain": "stopped"}
    assert state == bench.cell("agent").state == expected[verb]
    assert (bench.cell("agent").guest is None) is (state == "stopped")


# Commands that cross


def slow(steps: int) -> Callable[[Message, Tools], Any]:
    """Return what takes so many slices."""

    def act(_message: Message, _tools: Tools) -> Any:
        for _ in range(steps):
            yield

    return act


async def crossing(first: str, second: str, script: Script) -> tuple[Any, Any]:
    """Ask two things of an agent, the second while the first is under way."""
    bench = await Bench().start()
    await bench.deploy("agent", script)
    script.begin = script.end = slow(4)
    tasks = []
    for verb in (first, second):
        tasks.append(asyncio.ensure_future(bench.node.control("agent", verb)))
        await asyncio.sleep(0)
    for _ in range(5):
        bench.settle()
        await asyncio.sleep(0)
    one, two = await asyncio.wait_for(asyncio.gather(*tasks), 5)
    return one, two


async def test_two_stops_are_one() -> None:
    """Both wait for the same last call."""
    one, two = await crossing("stop", "stop", Script())
    assert one.unwrap().state == two.unwrap().state == "stopped"


async def test_a_command_that_was_overtaken_says_so() -> None:
    """Nobody waits for ever."""
    one, two = await crossing("restart", "stop", Script())
    assert isinstance(one.failure(), Conflict)
    assert two.unwrap().state == "stopped"
    one, two = await crossing("stop", "restart", Script())
    assert isinstance(one.failure(), Conflict)
    assert two.unwrap().state == "running"
    one, two = await crossing("restart", "restart", Script())
    assert isinstance(one.failure(), Conflict)
    assert two.unwrap().state == "running"


async def test_an_agent_that_is_removed_while_it_starts_is_gone() -> None:
    """Who waited for its start is told."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    script.begin = slow(9)
    task = asyncio.ensure_future(bench.node.control("agent", "restart"))
    await asyncio.sleep(0)
    (await bench.node.remove_agent("agent")).unwrap()
    bench.settle()
    assert isinstance((await asyncio.wait_for(task, 5)).failure(), Conflict)
    assert bench.node.kernel.cells == {}


async def test_a_restart_that_fails_is_an_error_and_fails_the_agent() -> None:
    """The answer says why."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    script.begin = lambda _config, _tools: Fault("agent-error", "7")
    assert await control(bench, "restart") == StartFailed("agent", "agent-error", "7")
    assert bench.cell("agent").state == "failed"


async def test_what_a_start_sends_reaches_agents_that_sleep() -> None:
    """A message sent outside any turn wakes the loop."""
    bench = await Bench().start()
    other = Script()
    await bench.deploy("other", other)
    woken: list[int] = []
    bench.node.scheduler.on_wake = lambda: woken.append(1)
    start = Script(start=lambda _c, tools: tools.send(performative="inform", receiver="other"))
    await bench.deploy("agent", start)
    assert woken
    bench.settle()
    assert len(other.seen) == 1
