"""Limits: each one an agent reaches is counted, told as an event, and named to whoever is concerned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from caxton_core.events import AgentLimited
from caxton_core.ports import Fault
from caxton_core.views import EventView

from tests.server.runtime.nodes import Act, Bench, Message, Script, Tools, saying


def times(n: int, each: Callable[[Tools], object]) -> Act:
    """Return what does something often, in one step."""

    def act(_message: Message, tools: Tools) -> None:
        for _ in range(n):
            each(tools)

    return act


def told(bench: Bench) -> list[AgentLimited]:
    """Return what the events say of limits."""
    bench.node.kernel.journal.settle()
    rows = bench.storage.list("events", {"type": "agent.limited"}, after=None, limit=100)
    views = [msgspec.json.decode(row.body, type=EventView) for row in rows]
    return [AgentLimited(**view.data) for view in views]


def say(tools: Tools, **fields: Any) -> int:
    """Tell `other` something."""
    return tools.send(performative="inform", receiver="other", **fields)


def ask(tools: Tools) -> int:
    """Open a conversation with `other`."""
    return tools.send(performative="request", receiver="other", protocol="fipa-request")


def put(tools: Tools) -> int:
    """Store more than there is room for."""
    return tools.host.state_put(b"k", bytes(2000))


SOFT: dict[str, tuple[Act, dict[str, Any]]] = {
    "fan_out": (times(3, say), {"fan_out": 2}),
    "messages_per_s": (times(3, say), {"messages_per_s": 2}),
    "conversations": (times(3, ask), {"conversations": 2}),
    "message_size": (
        times(1, lambda tools: say(tools, content="x" * 2000)),
        {"message_size": 1000},
    ),
    "state": (times(1, put), {"state": 1000}),
    "timers": (times(101, lambda tools: tools.host.set_timer(1000, b"")), {}),
    "log_per_step": (times(9, lambda tools: tools.host.log(2, bytes(8192))), {}),
    "log_per_s": (times(2, lambda tools: tools.host.log(2, bytes(600))), {"log_per_s": 1000}),
}
"""What a guest is told at once: the limit it reaches by one, and how."""


@pytest.mark.parametrize("limit", SOFT)
async def test_a_limit_that_refuses_is_counted_and_told(limit: str) -> None:
    """The guest goes on; the metric, the statistics and an event name the limit."""
    act, limits = SOFT[limit]
    bench = await Bench().start()
    await bench.deploy("agent", Script(act), limits=limits)
    await bench.deploy("other")
    bench.post("agent")
    bench.settle()
    (event,) = told(bench)
    assert (event.agent, event.limit, event.times) == ("agent@caxton", limit, 1)
    assert bench.node.sample().limits == {limit: 1}
    stats = bench.node.stats("agent").unwrap()
    assert (stats.limits_reached, stats.faults) == ({limit: 1}, 0)


HARD = {
    "cpu_ms": "cpu",
    "time_ms": "time",
    "memory": "memory",
    "host_calls": "host-calls",
    "message_size": "too-large",
}
"""What ends a delivery: the limit, and the reason that the sender hears."""


@pytest.mark.parametrize("limit", HARD)
async def test_a_limit_that_ends_a_delivery_is_named_to_its_sender(limit: str) -> None:
    """The sender gets a failure with the reason, and the metric, the statistics and an event name the limit."""
    bench = await Bench().start()
    fault = Fault(HARD[limit], "it is used up")
    await bench.deploy("agent", Script(lambda _message, _tools: fault))
    heard = bench.heard("c")
    bench.post("agent", "request", conversation_id="c")
    bench.settle()
    (failure,) = heard
    assert failure["content"] == {"reason": HARD[limit], "detail": "it is used up"}
    (event,) = told(bench)
    assert (event.limit, event.detail) == (limit, "it is used up")
    assert bench.node.sample().limits == {limit: 1}
    assert bench.node.stats("agent").unwrap().limits_reached == {limit: 1}


async def test_a_trap_may_name_the_limit_behind_it() -> None:
    """A guest that could get no more memory ends with a trap, and the limit is counted all the same."""
    bench = await Bench().start()
    fault = Fault("trap", "unreachable; its memory had reached its limit", "memory")
    await bench.deploy("agent", Script(lambda _message, _tools: fault))
    bench.post("agent")
    bench.settle()
    assert [event.limit for event in told(bench)] == ["memory"]


async def test_a_full_mailbox_is_its_owners_limit() -> None:
    """Whoever sends too much is refused; what is counted is the limit of the receiver."""
    bench = await Bench().start()
    cell = await bench.deploy("agent", limits={"mailbox": 1})
    await bench.deploy("other")
    (await bench.node.control("agent", "suspend")).unwrap()
    for _ in range(3):
        bench.post("agent")
    assert cell.reached["mailbox"].times == 2
    # Also when it is missed by a message that reaches the others.
    bench.post(["agent", "other"], "cfp", protocol="fipa-contract-net")
    assert cell.reached["mailbox"].times == 3


async def test_the_rate_of_messages_is_that_of_a_second() -> None:
    """Over the rate `send` answers -7; a second later there is room again; responses are not counted."""
    seen: list[int] = []
    bench = await Bench().start()

    def act(_message: Message, tools: Tools) -> Message:
        seen.extend(say(tools) for _ in range(3))
        return {"performative": "inform"}

    await bench.deploy("agent", Script(act), limits={"messages_per_s": 4})
    await bench.deploy("other", saying(performative="inform", receiver="api"))
    for seconds in (0, 0.9, 0.1):
        bench.clock.advance(seconds)
        bench.post("agent")
        bench.settle()
    assert seen == [0, 0, 0, 0, -7, -7, 0, 0, 0]
    assert bench.cell("agent").messages_out == 7 + 3


async def test_the_rate_of_log_lines_is_that_of_a_second() -> None:
    """Lines over the rate are dropped and their bytes counted; a second later lines are kept again."""
    bench = await Bench().start()
    script = Script(times(3, lambda tools: tools.host.log(2, bytes(400))))
    cell = await bench.deploy("agent", script, limits={"log_per_s": 1000})
    for _ in range(2):
        bench.post("agent")
        bench.settle()
        bench.clock.advance(1)
    assert (cell.logs.seq, cell.log_bytes_dropped) == (4, 800)


async def test_a_flood_is_told_once_a_minute() -> None:
    """The first time is told at once; what follows is counted, and told together a minute later."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(times(1, put)), limits={"state": 1000})
    for seconds in (0, 1, 58, 1, 1):
        bench.clock.advance(seconds)
        bench.post("agent")
        bench.settle()
    assert [event.times for event in told(bench)] == [1, 3]
    assert bench.node.sample().limits == {"state": 5}
