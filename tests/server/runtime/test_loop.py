"""The loop: it drives the node, sleeps when there is nothing to do, and stops in order."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from caxton_server.runtime.assembly import SystemClock
from caxton_server.runtime.records import Step

from tests.server.runtime.nodes import Bench, Message, Script, Tools


async def running(bench: Bench) -> Bench:
    """Start a node with its loop."""
    (await bench.node.start()).unwrap()
    return bench


def request(content: Any = None) -> bytes:
    """Encode a request to `agent`."""
    return msgspec.json.encode({"performative": "request", "receiver": "agent", "content": content})


async def test_a_request_is_answered_by_a_node_that_slept() -> None:
    """Whoever sends wakes the loop, and nothing polls meanwhile."""
    bench = await running(Bench())
    await bench.deploy(
        "agent", Script(lambda m, _tools: {"performative": "inform", "content": m["content"]})
    )
    for number in range(3):
        await asyncio.sleep(0.01)
        view = (await bench.node.request(request(number), wait=5)).unwrap()
        assert view.reply["content"] == number
    await bench.node.stop()


async def test_timers_ring_by_themselves() -> None:
    """The loop sleeps until the next one is due."""
    bench = Bench()
    bench.node.clock = SystemClock()
    await running(bench)
    rung = asyncio.Event()

    def act(_message: Message, _tools: Tools) -> None:
        rung.set()

    await bench.deploy("agent", Script(act, start=lambda _c, tools: tools.host.set_timer(20, b"x")))
    await asyncio.wait_for(rung.wait(), 5)
    await bench.node.stop()


async def test_timers_that_are_due_together_leave_room_for_turns() -> None:
    """Of a hundred timers of one moment some ring, agents have their turn, and others follow; all of them ring."""
    bench = Bench()
    bench.node.clock = SystemClock()
    await running(bench)
    timers, scheduler = bench.node.timers, bench.node.scheduler
    rung: list[int] = []
    done = asyncio.Event()

    def ring(_now: int) -> None:
        rung.append(scheduler.handled)
        if len(rung) == 100:
            done.set()

    await bench.deploy("agent", Script())
    for _ in range(1_000):
        bench.post("agent")
    due = bench.node.kernel.tick()
    for _ in range(100):
        timers.at(due, ring)
    await asyncio.wait_for(done.wait(), 5)
    assert len(set(rung)) > 1
    await bench.node.stop()


async def test_running_steps_end_before_the_node_stops() -> None:
    """What they did is committed; what waits in mailboxes is handled after the next start."""
    bench = await running(Bench())
    handled: list[Any] = []

    def act(message: Message, tools: Tools) -> Any:
        for _ in range(5):
            yield
        handled.append(message["content"])
        tools.host.state_put(b"last", str(message["content"]).encode())

    await bench.deploy("agent", Script(act))
    for number in range(2):
        bench.post("agent", content=number)
    await bench.node.loop.stop(0)
    bench.turn()
    bench.node.loop._stopping = False
    bench.node.loop.start()
    stopping = asyncio.ensure_future(bench.node.stop())
    await asyncio.wait_for(stopping, 5)
    assert handled in ([0], [0, 1])
    again = await bench.again().start()
    assert handled == [0, 1]
    assert again.cell("agent").data == {b"last": b"1"}


async def test_a_step_without_end_is_dropped_and_runs_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the time that stopping takes at most."""
    monkeypatch.setattr("caxton_server.runtime.assembly.STOP_SECONDS", 0.0)
    bench = Bench()
    bench.node.clock = SystemClock()
    await running(bench)
    endless, begun = True, asyncio.Event()

    def act(_message: Message, tools: Tools) -> Any:
        begun.set()
        tools.host.state_put(b"k", b"v")
        while endless:
            yield

    script = Script(act)
    await bench.deploy("agent", script)
    bench.post("agent", content=1)
    await asyncio.wait_for(begun.wait(), 5)
    await asyncio.wait_for(bench.node.stop(), 5)
    assert not any(isinstance(r, Step) and r.consumed for r in bench.records())
    endless = False
    again = await bench.again().start()
    assert script.contents == [1, 1]
    assert again.cell("agent").data == {b"k": b"v"}


async def test_a_bug_ends_the_loop_and_readiness(caplog: pytest.LogCaptureFixture) -> None:
    """The node says so instead of waiting for ever; it can still be stopped."""
    bench = await running(Bench())

    def broken(_now: int) -> None:
        raise RuntimeError("a bug")

    bench.node.timers.at(0, broken)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [check.name for check in bench.node.ready() if not check.ok] == ["node"]
    assert bench.node.health().status == "degraded"
    assert "the kernel's loop ended" in caplog.text
    await bench.node.stop()
