"""Timers: the node's queue of them, and those that agents set."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from caxton_server.runtime.records import Effects, Step
from caxton_server.runtime.timers import SLACK, Timers

from tests.server.runtime.nodes import Bench, Message, Script, Tools


def test_timers_fire_in_order_and_equal_ones_as_they_were_set() -> None:
    """What is due earlier fires earlier; nothing fires before its time."""
    timers, fired = Timers(), list[str]()

    def naming(name: str) -> Callable[[int], None]:
        return lambda _now: fired.append(name)

    for due, name in ((20, "late"), (10, "a"), (10, "b"), (30, "never")):
        timers.at(due, naming(name))
    assert timers.next_due == 10
    assert timers.fire(20) == 3
    assert fired == ["a", "b", "late"]
    assert (len(timers), timers.next_due) == (1, 30)


def test_only_so_many_fire_at_a_time() -> None:
    """The rest is left for the next call."""
    timers, fired = Timers(), list[int]()
    for _ in range(5):
        timers.at(1, fired.append)
    assert timers.fire(9, limit=3) == 3
    assert timers.fire(9) == 2
    assert fired == [9] * 5


def test_a_cancelled_timer_does_not_fire() -> None:
    """It is gone, and so is its due time; cancelling again does nothing."""
    timers, fired = Timers(), list[int]()
    ticket = timers.at(1, fired.append)
    timers.at(2, fired.append)
    timers.cancel(ticket)
    timers.cancel(ticket)
    assert timers.next_due == 2
    timers.fire(1)
    assert fired == []


def test_an_earlier_timer_wakes_the_loop_and_a_later_one_does_not() -> None:
    """`on_change` is for a new earliest time only."""
    timers, woken = Timers(), list[int]()
    timers.on_change = lambda: woken.append(1)
    for due, times in ((10, 1), (11, 1), (10, 1), (9, 2)):
        timers.at(due, lambda _now: None)
        assert len(woken) == times


def test_cancelled_timers_take_no_memory() -> None:
    """The queue never holds many more entries than timers, in whatever order they go."""
    timers, chance, pending = Timers(), random.Random(5), list[int]()
    for due in range(20_000):
        pending.append(timers.at(1_000_000 - due, lambda _now: None))
        if len(pending) > 50:
            timers.cancel(pending.pop(chance.randrange(len(pending))))
    assert len(timers) == 50
    assert len(timers._heap) <= 2 * 50 + SLACK + 1
    assert timers.fire(2_000_000) == 50


def setting(*delays: int) -> Script:
    """Return an agent that sets timers at its start, and keeps what comes."""

    def start(_config: Message, tools: Tools) -> None:
        for delay in delays:
            assert tools.host.set_timer(delay, f"after {delay}".encode()) > 0

    return Script(start=start)


async def test_a_timer_becomes_a_message_of_the_ams() -> None:
    """It is an inform in the ontology of timers, without a conversation, once it is due and not before."""
    bench = await Bench().start()
    script = setting(1500)
    await bench.deploy("sleeper", script)
    bench.advance(1.499)
    assert script.seen == []
    bench.advance(0.001)
    (message,) = script.seen
    assert message["performative"] == "inform"
    assert message["sender"] == "ams@caxton"
    assert message["ontology"] == "caxton-timer"
    assert message["content"] == "after 1500"
    assert "conversation_id" not in message
    assert "encoding" not in message


async def test_bytes_that_are_no_text_are_sent_as_base64() -> None:
    """The encoding says so."""
    bench = await Bench().start()
    script = Script(start=lambda _config, tools: (tools.host.set_timer(1, b"\xff\x00"), None)[1])
    await bench.deploy("sleeper", script)
    bench.advance(1)
    assert script.seen[0]["content"] == "/wA="
    assert script.seen[0]["encoding"] == "base64"


async def test_an_answer_to_a_timer_begins_something_new() -> None:
    """What an agent sends when its timer rings has a conversation-id of its own each time."""
    bench = await Bench().start()
    other = Script()
    await bench.deploy("other", other)
    tell = Script(lambda _message, _tools: {"performative": "inform", "receiver": "other"})
    tell.begin = setting(1, 2).begin
    await bench.deploy("sleeper", tell)
    bench.advance(1)
    ids = [message["conversation_id"] for message in other.seen]
    assert len(set(ids)) == 2
    assert all(ids)


async def test_a_timer_is_cancelled_by_its_id() -> None:
    """Cancelling works in the same step and in a later one, and only once."""
    bench = await Bench().start()
    answers: list[int] = []

    def act(_message: Message, tools: Tools) -> None:
        host = tools.host
        answers.extend([host.cancel_timer(1), host.cancel_timer(1), host.cancel_timer(77)])
        new = host.set_timer(5, b"new")
        answers.extend([new, host.cancel_timer(new), host.cancel_timer(new)])

    script = setting(1000)
    script.act = act
    await bench.deploy("sleeper", script)
    bench.post("sleeper")
    bench.settle()
    assert answers == [0, -1, -1, 2, 0, -1]
    assert (bench.cell("sleeper").timers, bench.cell("sleeper").alarms) == ({}, {})
    bench.advance(10)
    assert len(script.seen) == 1


async def test_ids_are_unique_across_restarts() -> None:
    """Not even an id that was given and taken back in one step is given again."""
    bench = await Bench().start()
    ids: list[int] = []

    def act(_message: Message, tools: Tools) -> None:
        ids.append(tools.host.set_timer(60_000, b""))
        tools.host.cancel_timer(ids[-1])

    await bench.deploy("sleeper", Script(act))
    for _ in range(3):
        bench.post("sleeper")
        bench.settle()
        bench = await bench.again().start()
    assert ids == [1, 2, 3]


async def test_a_failed_step_sets_and_cancels_nothing() -> None:
    """The timers are as before."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] == "api@caxton":
            tools.host.set_timer(1, b"undone")
            tools.host.cancel_timer(1)
            return {"no": "message"}
        return None

    script = setting(1000)
    script.act = act
    await bench.deploy("sleeper", script)
    bench.post("sleeper")
    bench.advance(2)
    assert script.contents == [None, "after 1000"]


@pytest.mark.parametrize(
    ("delay", "size", "ok"),
    [(0, 4096, True), (0, 4097, False), (-1, 0, False), (1 << 62, 0, False)],
)
async def test_timers_are_bounded(delay: int, size: int, ok: bool) -> None:
    """A delay must be sensible, a payload at most 4 KiB."""
    bench = await Bench().start()
    ids: list[int] = []
    act = lambda _message, tools: ids.append(tools.host.set_timer(delay, b"x" * size))  # noqa: E731
    await bench.deploy("sleeper", Script(act))
    bench.post("sleeper")
    bench.node.scheduler.work(1)
    assert (ids[0] > 0) is ok


async def test_a_step_sets_a_hundred_timers_and_an_agent_has_a_thousand() -> None:
    """More are refused; those that were cancelled make room."""
    bench = await Bench().start()
    given: list[int] = []

    def act(message: Message, tools: Tools) -> None:
        if message["content"] == "cancel":
            for timer in given[:10]:
                tools.host.cancel_timer(timer)
        for _ in range(110):
            timer = tools.host.set_timer(1_000_000, b"")
            if timer > 0:
                given.append(timer)

    await bench.deploy("sleeper", Script(act))
    bench.post("sleeper", content=0)
    bench.settle()
    assert len(given) == 100
    for number in range(11):
        bench.post("sleeper", content=number)
    bench.settle()
    assert len(given) == len(bench.cell("sleeper").timers) == 1000
    bench.post("sleeper", content="cancel")
    bench.settle()
    assert len(bench.cell("sleeper").timers) == 1000
    assert given[-1] == 1010


async def test_timers_outlive_the_node_and_late_ones_ring_at_once() -> None:
    """One that was due while the node was down rings at its start, in order, and only once."""
    bench = await Bench().start()
    script = setting(1000, 500, 90_000)
    await bench.deploy("sleeper", script)
    script.begin = None
    bench.clock.advance(5)
    bench = await bench.again().start()
    assert script.contents == ["after 500", "after 1000"]
    bench = await bench.again().start()
    assert len(script.seen) == 2
    bench.advance(90)
    assert script.contents[2:] == ["after 90000"]


async def test_a_timer_of_a_stopped_agent_is_a_dead_letter_once() -> None:
    """It has rung, also for the node that starts next."""
    bench = await Bench().start()
    await bench.deploy("sleeper", setting(1000))
    await bench.node.control("sleeper", "stop")
    bench.advance(2)
    (letter,) = await bench.letters()
    assert (letter.reason, letter.receiver) == ("not-running", "sleeper@caxton")
    assert Effects(cancelled=(1,)) in [r.effects for r in bench.records() if isinstance(r, Step)]
    bench = await bench.again().start()
    assert len(await bench.letters()) == 1


async def test_a_removed_agent_leaves_no_timer() -> None:
    """Nothing is pending any more."""
    bench = await Bench().start()
    before = len(bench.node.timers)
    await bench.deploy("sleeper", setting(1000, 2000))
    assert len(bench.node.timers) == before + 2
    await bench.node.remove_agent("sleeper")
    assert len(bench.node.timers) == before


async def test_a_timer_cancelled_by_an_unfinished_step_waits_for_its_end() -> None:
    """If the step succeeds it never rings; if it fails it rings after all."""
    for response, rung in ((None, 0), ({"no": "message"}, 1)):
        bench = await Bench().start()

        def act(message: Message, tools: Tools, response: Any = response) -> Any:
            if message["sender"] != "api@caxton":
                return None
            assert tools.host.cancel_timer(1) == 0
            yield
            yield
            return response

        script = setting(1000)
        script.act = act
        await bench.deploy("sleeper", script)
        bench.post("sleeper")
        bench.turn()
        bench.clock.advance(1)
        bench.node.timers.fire(bench.node.kernel.tick())
        assert len(script.seen) == 1
        bench.settle()
        bench.advance(1)
        assert script.contents.count("after 1000") == rung
