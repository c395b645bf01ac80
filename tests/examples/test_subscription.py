"""The example of a subscription: every notification in order, through restarts and kills, until it is cancelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.examples.compilers import ROOT
from tests.examples.nodes import Platform

FOLDER = ROOT / "examples" / "subscription"


@pytest.fixture
async def house(sandbox: WasmSandbox, compiled: Callable[[Path], bytes]) -> Platform:
    """Deploy a thermometer, and two displays that watch it."""
    node = Platform(sandbox)
    await node.start()
    thermometer = compiled(FOLDER / "thermometer.ts")
    await node.agent("thermometer", thermometer, config={"every_ms": 500})
    for name in ("hall", "attic"):
        display = compiled(FOLDER / "display.c")
        await node.agent(name, display, config={"watch": "thermometer"})
    return node


def asked(node: Platform, receiver: str, content: str) -> Any:
    """Ask an agent, and return the content of its answer."""
    answers: list[Any] = []
    listeners = node.node.kernel.listeners.setdefault("c", [])
    listeners.append(lambda message: answers.append(message.content))
    node.post(receiver, "request", content=content, conversation_id="c")
    node.settle()
    listeners.clear()
    return answers[-1]


def pass_time(node: Platform, readings: int) -> None:
    """Let the thermometer read so often."""
    for _ in range(readings):
        node.advance(0.5)
        node.settle()


async def test_every_notification_arrives_in_order(house: Platform) -> None:
    """Both are told of each reading; a restart of the publisher and a kill lose neither subscriber nor reading."""
    assert asked(house, "hall", "start") == "started"
    assert asked(house, "attic", "start") == "started"
    pass_time(house, 4)
    assert asked(house, "hall", "show")["seen"] == 4
    await house.node.control("thermometer", "restart")
    pass_time(house, 3)
    again = await house.killed()
    pass_time(again, 3)
    for name in ("hall", "attic"):
        shown = asked(again, name, "show")
        assert shown["state"] == "subscribed"
        assert shown["seen"] == shown["last"]["reading"] == 10


async def test_a_cancel_ends_it(house: Platform) -> None:
    """The canceller hears no more, the other does."""
    asked(house, "hall", "start")
    asked(house, "attic", "start")
    pass_time(house, 2)
    assert asked(house, "hall", "stop") == "stopping"
    pass_time(house, 3)
    assert asked(house, "hall", "show") == {
        "seen": 2, "last": {"reading": 2, "celsius": 19}, "state": "cancelled",
    }  # fmt: skip
    assert asked(house, "attic", "show")["seen"] == 5
    assert sorted(map(str, await house.outcomes("fipa-subscribe"))) == ["None", "cancelled"]


async def test_there_is_nothing_to_stop_or_to_watch(house: Platform) -> None:
    """Without a subscription, or without a publisher, it says so."""
    assert asked(house, "hall", "stop") == "there is no subscription"
    await house.node.remove_agent("thermometer")
    assert asked(house, "hall", "start") == "nobody to subscribe to"
