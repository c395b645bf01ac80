"""The messages of a conversation as a stream: durable, in order, resumable, and over when the conversation is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from caxton_core.initiators import ConversationSpec
from caxton_server.runtime import histories

from tests.server.runtime.nodes import Bench, Script, Tools, saying


async def opened(bench: Bench, *participants: str) -> str:
    """Open a request, and return its id."""
    spec = ConversationSpec(protocol="fipa-request", participants=list(participants), content="go")
    view = (await bench.node.start_conversation(spec)).unwrap()
    return view.id


async def followed(bench: Bench, conversation: str, *, after: int = 0) -> list[tuple[int, str]]:
    """Follow a conversation to its end, running the node meanwhile; return serials and acts."""
    found: list[tuple[int, str]] = []

    async def read() -> None:
        async for serial, view in bench.node.follow_messages(conversation, after=after):
            found.append((serial, view.message["performative"]))

    task = asyncio.ensure_future(read())
    while not task.done():
        await asyncio.sleep(0.001)
        bench.settle()
    await task
    return found


def agreeing() -> Script:
    """Return an agent that agrees first and informs a second later."""

    def act(message: Any, tools: Tools) -> Any:
        if message["sender"].startswith("ams@"):
            tools.send(
                performative="inform", receiver="api", conversation_id=asked[0],
                in_reply_to=asked[1], protocol="fipa-request",
            )  # fmt: skip
            return None
        asked[:] = message["conversation_id"], message["id"]
        tools.host.set_timer(1000, b"later")
        return {"performative": "agree"}

    asked: list[str] = []
    return Script(act)


async def test_a_stream_goes_from_the_opener_to_the_end() -> None:
    """Every message once, in order; what came before the stream began is in it too."""
    bench = await Bench().start()
    await bench.deploy("a", agreeing())
    await bench.deploy("b", saying(performative="inform", content=1))
    conversation = await opened(bench, "a", "b")
    bench.settle()
    task = asyncio.ensure_future(followed(bench, conversation))
    await asyncio.sleep(0.05)
    assert not task.done()
    bench.advance(1)
    found = await task
    assert [act for _, act in found] == ["request", "agree", "inform", "inform"]
    assert found == sorted(found)
    assert bench.node.conversations_.listeners == {}
    assert await followed(bench, conversation) == found
    assert await followed(bench, conversation, after=found[1][0]) == found[2:]


async def test_a_long_conversation_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little is read at a time, nothing is left out and nothing comes twice."""
    bench = await Bench().start()
    names = [f"a{number}" for number in range(7)]
    for name in names:
        await bench.deploy(name, saying(performative="inform"))
    conversation = await opened(bench, *names)
    bench.settle()
    whole = await followed(bench, conversation)
    monkeypatch.setattr(histories, "SOME_MESSAGES", 1)
    assert await followed(bench, conversation) == whole
    assert len(whole) == 8


async def test_a_reader_that_leaves_is_forgotten() -> None:
    """Nothing of it stays."""
    bench = await Bench().start()
    await bench.deploy("a")
    conversation = await opened(bench, "a")
    source = bench.node.follow_messages(conversation)
    assert (await anext(source))[1].message["performative"] == "request"
    listeners = bench.node.conversations_.listeners
    assert len(listeners[conversation]) == 2
    await source.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert len(listeners[conversation]) == 1
