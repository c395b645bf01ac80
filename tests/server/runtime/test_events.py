"""Events: numbered, kept, and streamed once they are durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from caxton_core.views import EventView

from tests.server.runtime.journals import Moody
from tests.server.runtime.nodes import Bench, Script


async def take(events: AsyncIterator[EventView], count: int) -> list[EventView]:
    """Return the next few events."""
    return [await asyncio.wait_for(anext(events), 5) for _ in range(count)]


async def test_a_reader_sees_what_happens_from_now_on() -> None:
    """In order, with consecutive numbers."""
    bench = await Bench().start()
    await bench.deploy("before")
    events: Any = bench.node.events()
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await bench.deploy("agent")
    got = [await asyncio.wait_for(first, 5), *await take(events, 5)]
    assert got[0].type == "agent.deployed"
    assert "agent.started" in [view.type for view in got]
    assert [view.seq for view in got] == list(range(got[0].seq, got[0].seq + 6))
    assert {view.agent for view in got} == {"agent@caxton"}
    await events.aclose()
    assert bench.node.event_log.readers == []


async def test_a_reader_resumes_where_it_was() -> None:
    """From the table, also after a restart of the node; the numbers go on."""
    bench = await Bench().start()
    await bench.deploy("agent")
    seen = await take(bench.node.events(after=0), 6)
    assert [view.seq for view in seen] == [1, 2, 3, 4, 5, 6]
    bench = await bench.again().start()
    again = await take(bench.node.events(after=3), 3)
    assert again == seen[3:]
    (await bench.node.control("agent", "suspend")).unwrap()
    last = (await take(bench.node.events(types=["agent.suspended"], after=0), 1))[0]
    assert last.seq > 6


@pytest.mark.parametrize(
    ("wanted", "types"),
    [
        ({"agent": "agent"}, ["agent.deployed", "deployment.started"]),
        ({"agent": "AGENT@caxton", "types": ["agent.started"]}, ["agent.started"]),
        ({"conversation": "c"}, ["conversation.started", "conversation.ended"]),
        ({"types": ["message.dead_lettered"]}, ["message.dead_lettered"]),
    ],
)
async def test_a_reader_gets_what_it_wants(wanted: dict[str, Any], types: list[str]) -> None:
    """By type, agent and conversation."""
    bench = await Bench().start()
    await bench.deploy("other")
    await bench.deploy("agent", Script(lambda _message, _tools: {"performative": "refuse"}))
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    bench.settle()
    (await bench.node.control("other", "suspend")).unwrap()
    bench.post("other")
    (await bench.node.control("other", "stop")).unwrap()
    bench.settle()
    views = await take(bench.node.events(**wanted, after=0), len(types))
    assert [view.type for view in views] == types


async def test_nobody_sees_an_event_before_its_commit() -> None:
    """What leaves the node waits for it."""
    storage = Moody()
    bench = await Bench(storage=storage).start()
    await bench.deploy("agent")
    events: Any = bench.node.events()
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    storage.gate.clear()
    bench.node.agents_.control(bench.cell("agent"), "suspend", lambda _fault: None)
    bench.settle()
    await asyncio.sleep(0.01)
    assert not first.done()
    storage.gate.set()
    assert (await asyncio.wait_for(first, 5)).type == "agent.suspended"
    await events.aclose()
    await bench.node.stop()


async def test_a_reader_that_is_too_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can resume from the table; the node keeps no more for it."""
    monkeypatch.setattr("caxton_server.runtime.events.BACKLOG", 3)
    bench = await Bench().start()
    got: list[EventView] = []

    async def read() -> None:
        got.extend([view async for view in bench.node.events()])

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    await bench.deploy("agent")
    await asyncio.wait_for(reading, 5)
    assert len(got) <= 3
    assert bench.node.event_log.readers == []
