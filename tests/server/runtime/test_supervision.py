"""Agents whose instances die, and commands that cross."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from caxton_core.errors import Conflict, StartFailed
from caxton_core.events import AgentFailed, AgentRestarted
from caxton_core.ports import Fault
from caxton_core.times import format_time

from tests.server.runtime.nodes import Bench, Message, Script, Tools, control

TRAP = Fault("trap", "unreachable")


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
    """It counts as running; the wait doubles from 0.2 s, shortened at random by at most a fifth."""
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
    bench.advance(0.159)
    assert script.starts == 2
    bench.advance(0.041)
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


@pytest.mark.parametrize(
    ("policy", "reason", "state"),
    [
        ("permanent", "trap", "running"),
        ("permanent", "exit", "running"),
        ("transient", "trap", "running"),
        ("transient", "exit", "stopped"),
        ("temporary", "trap", "failed"),
        ("temporary", "exit", "stopped"),
    ],
)
async def test_policies(policy: str, reason: str, state: str) -> None:
    """After a fault and after an orderly end; what an agent did before it ended itself stands."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        tools.host.state_put(b"done", b"1")
        return Fault(reason, "x") if message["content"] == "bad" else None

    script = Script(act)
    await bench.deploy("agent", script, restart={"policy": policy})
    await bench.deploy("sibling", Script())
    heard = bench.heard("c")
    for content in ("bad", "good"):
        bench.post("agent", content=content, conversation_id="c")
    bench.settle()
    cell = bench.cell("agent")
    assert cell.state == state
    assert script.contents == (["bad", "good"] if state == "running" else ["bad"])
    orderly = reason == "exit"
    assert (b"done" in cell.data) is (orderly or state == "running")
    assert (cell.messages_in, cell.faults) == (
        (1 if orderly else 0) + (state == "running"),
        not orderly,
    )
    reasons = {"trap": ["trap"], "exit": []}[reason] + ["undeliverable"] * (state != "running")
    assert [message["content"]["reason"] for message in heard] == reasons
    assert len(await bench.letters()) == len(reasons)
    after = (await bench.again().start()).cell("agent")
    assert (after.state, after.data) == (state, cell.data)


async def test_an_agent_that_ends_itself_again_and_again_is_given_up() -> None:
    """A permanent one is to run, and can't: that is a failure; an end while it starts is one, too."""
    bench = await Bench().start()
    script = Script(lambda _message, _tools: Fault("exit", "x"))
    await bench.deploy("agent", script, restart={"max_restarts": 2})
    for _ in range(3):
        bench.post("agent")
        bench.advance(1)
    assert bench.node.agent("agent").unwrap().state == "failed"
    script.begin = script.act
    failed = await control(bench, "restart")
    assert failed == StartFailed("agent", "exit", "x")


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


async def test_a_poisonous_message_is_tried_as_often_as_its_manifest_says() -> None:
    """However often that kills the agent: its siblings' messages, and those behind it, are handled meanwhile."""
    bench = await Bench().start()
    script = trapping()
    sibling = Script()
    await bench.deploy("agent", script, deliveries=9)
    await bench.deploy("sibling", sibling)
    bench.post("agent", content="bad", conversation_id="c")
    for number in range(60):
        bench.post("agent", content="good", conversation_id=str(number))
        bench.post("sibling", content=number)
        bench.advance(1)
        assert bench.cell("agent").mailbox.queue == bench.cell("sibling").mailbox.queue
    assert script.contents.count("bad") == 9
    assert script.contents.count("good") == len(sibling.seen) == 60
    (letter,) = await bench.letters()
    assert (letter.reason, letter.attempts) == ("trap", 9)
    view = bench.node.agent("agent").unwrap()
    assert (view.state, view.restarts) == ("running", 9)
    assert bench.node.stats("agent").unwrap().recent_restarts == 1
    (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    assert script.contents.count("bad") == 10


async def test_messages_that_each_kill_an_agent_are_charged_to_it() -> None:
    """Trying again is no way around the policy: the first attempt at each message counts."""
    bench = await Bench().start()
    await bench.deploy("agent", trapping(), deliveries=3)
    for number in range(6):
        bench.post("agent", content="bad", conversation_id=str(number))
    for _ in range(40):
        bench.advance(0.25)
    assert bench.node.agent("agent").unwrap().state == "failed"


async def test_what_a_supervisor_did_is_told() -> None:
    """Events with reason, attempt and pause; gauges and counters; the statistics of the agent."""
    bench = await Bench().start()
    told: list[Any] = []
    bench.node.kernel.publish = bench.node.conversations_.publish = told.append
    await bench.deploy("agent", trapping(), restart={"max_restarts": 2})
    told.clear()
    for _ in range(3):
        bench.post("agent", content="bad")
    bench.settle()
    sample = bench.node.sample()
    assert (sample.backing_off, sample.give_ups, sample.restarts) == (1, {}, {"trap": 2})
    stats = bench.node.stats("agent").unwrap()
    due = bench.cell("agent").restart_due
    assert (
        stats.restarting_at == bench.node.agent("agent").unwrap().restarting_at == format_time(due)
    )
    assert (stats.recent_restarts, stats.restart_reason) == (2, "trap: unreachable")
    delay = due - bench.node.kernel.now
    bench.advance(0.2)
    why = "trap: unreachable"
    assert [event for event in told if isinstance(event, AgentRestarted | AgentFailed)] == [
        AgentRestarted("agent@caxton", why, attempt=1, delay_ms=0),
        AgentRestarted("agent@caxton", why, attempt=2, delay_ms=delay),
        AgentFailed("agent@caxton", "trap", "unreachable", "too-many-restarts", restarts=2),
    ]
    sample = bench.node.sample()
    assert (sample.backing_off, sample.give_ups) == (0, {"too-many-restarts": 1})
    assert bench.node.agent("agent").unwrap().restarting_at is None


async def test_an_older_pause_does_not_cut_a_newer_one_short() -> None:
    """An operator's restart takes back the instance that was waited for, not only its agent."""
    bench = await Bench().start()
    script = trapping()
    await bench.deploy("agent", script, restart={"max_restarts": 50})
    for _ in range(5):
        bench.post("agent", content="bad")
    while bench.cell("agent").restarts < 5:
        bench.advance(0.1)
    first = bench.cell("agent").restart_due
    await control(bench, "restart")
    bench.clock.advance((first - bench.node.kernel.now) / 1000 - 0.15)
    for _ in range(2):
        bench.post("agent", content="bad")
    bench.settle()
    second = bench.cell("agent").restart_due
    assert second > first
    starts = script.starts
    bench.advance((second - 1 - bench.node.kernel.now) / 1000)
    assert script.starts == starts
    bench.advance(0.001)
    assert script.starts == starts + 1


async def test_an_agent_that_rests_is_not_started_before_it_is_due() -> None:
    """To suspend and resume it is no way around the pause."""
    bench = await Bench().start()
    script = trapping()
    await bench.deploy("agent", script)
    for _ in range(2):
        bench.post("agent", content="bad")
    bench.settle()
    due = bench.cell("agent").restart_due
    await control(bench, "suspend")
    assert await control(bench, "resume") == "running"
    assert (script.starts, bench.cell("agent").restart_due) == (2, due)
    bench.advance(0.2)
    assert script.starts == 3


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
