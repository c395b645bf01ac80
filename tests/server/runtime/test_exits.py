"""What leaves the node: nothing that says what is not durable yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from caxton_core.initiators import ConversationSpec
from caxton_core.ports import Fault
from caxton_core.resources import Manifest
from returns.result import Success

from tests.server.runtime.journals import Moody
from tests.server.runtime.nodes import Bench, Script, saying
from tests.server.runtime.test_keys import claimed, inform

Exit = Callable[[Bench], Awaitable[Any]]


def manifest(name: str, **fields: Any) -> Manifest:
    """Return a manifest."""
    return Manifest.parse({"name": name, **fields}).unwrap()


async def opened(bench: Bench, **more: Any) -> Any:
    """Open a conversation."""
    spec = ConversationSpec(protocol="fipa-request", participants=["agent"], content=1, **more)
    return await bench.node.start_conversation(spec)


async def shown(bench: Bench) -> Any:
    """Open a conversation behind the API's back, and look at it."""
    asked = bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    return await bench.node.conversation(asked.conversation_id)


async def cancelled(bench: Bench) -> Any:
    """Open a conversation behind the API's back, and cancel it."""
    asked = bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    return await bench.node.cancel_conversation(asked.conversation_id)


async def listed(bench: Bench) -> Any:
    """Send a message behind the API's back, and list it."""
    bench.post("agent", conversation_id="c")
    page = (await bench.node.messages(conversation_id="c")).unwrap()
    assert len(page.items) >= 1
    return page


async def buried(bench: Bench) -> Any:
    """Make a dead letter, and list it."""
    bench.post("clumsy")
    bench.settle()
    page = await bench.node.dead_letters()
    assert len(page.items) == 1
    return page


async def redriven(bench: Bench) -> Any:
    """Make a dead letter, and send it again."""
    bench.post("clumsy")
    bench.settle()
    bench.storage.gate.set()  # type: ignore[attr-defined]  # a Moody
    (letter,) = (await bench.node.dead_letters()).items
    bench.storage.gate.clear()  # type: ignore[attr-defined]  # a Moody
    return await bench.node.redrive(letter.id)


async def heard(bench: Bench) -> Any:
    """Wait for the event of something that happens now."""
    stream = bench.node.events(types=["agent.suspended"])
    event = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    suspended = asyncio.ensure_future(bench.node.control("agent", "suspend"))
    seen = await event
    await suspended
    return seen


async def followed(bench: Bench) -> Any:
    """Wait for the message of something that is said now."""
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    return await anext(bench.node.follow_messages("c"))


async def replayed(bench: Bench) -> Any:
    """Ask for the answer that another request has just got, or is about to."""
    claim = await claimed(bench)
    first = asyncio.ensure_future(bench.node.send(inform(), claim=claim))
    await asyncio.sleep(0.01)
    assert claim.kept is not None
    claim.end()
    second = await bench.node.claim("", "k", "d")
    await first
    return second


async def again(bench: Bench) -> Any:
    """Send a message under an id that has just been used."""
    body = inform(id="01890000-0000-7000-8000-000000000000")
    first = asyncio.ensure_future(bench.node.send(body))
    await asyncio.sleep(0.01)
    second = await bench.node.send(body)
    await first
    return second


EXITS: dict[str, Exit] = {
    "send": lambda bench: bench.node.send(inform()),
    "request": lambda bench: bench.node.request(inform(), wait=60),
    "the same id": again,
    "the same key": replayed,
    "start a conversation": opened,
    "wait for its end": lambda bench: opened(bench, wait="60s"),
    "show it": shown,
    "cancel it": cancelled,
    "messages": listed,
    "dead letters": buried,
    "redrive": redriven,
    "events": heard,
    "messages that follow": followed,
    "deploy": lambda bench: bench.node.deploy(manifest("new"), bench.scripts.add("new", Script())),
    "update": lambda bench: bench.node.update(manifest("agent", version="2"), bench.scripts.add("2", Script())),
    "push": lambda bench: bench.node.push_module(bench.scripts.add("pushed", Script())),
    "remove": lambda bench: bench.node.remove_agent("agent"),
    "stop": lambda bench: bench.node.control("agent", "stop"),
    "drain": lambda bench: bench.node.control("agent", "drain"),
    "restart": lambda bench: bench.node.control("agent", "restart"),
}  # fmt: skip


@pytest.mark.parametrize("leaves", EXITS.values(), ids=EXITS)
async def test_what_leaves_waits_for_the_commit(leaves: Exit) -> None:
    """However long the storage takes; then it comes."""
    storage = Moody()
    bench = await Bench(storage=storage).start()
    await bench.deploy("agent", saying(performative="inform", content="here"))
    await bench.deploy("clumsy", Script(lambda _message, _tools: Fault("trap", "")))
    storage.gate.clear()
    task = asyncio.ensure_future(leaves(bench))
    try:
        for _ in range(30):
            await asyncio.sleep(0.002)
            bench.settle()
        assert not task.done()
        storage.gate.set()
        for _ in range(2000):
            await asyncio.sleep(0.002)
            bench.settle()
            if task.done():
                break
        answer = await asyncio.wait_for(task, 5)
        assert not hasattr(answer, "unwrap") or isinstance(answer, Success), answer
        assert msgspec.json.encode(
            answer.unwrap() if isinstance(answer, Success) else answer, enc_hook=str
        )
    finally:
        storage.gate.set()
        task.cancel()
        await bench.node.kernel.journal.close()
