"""Histories: messages read back from the journal."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.errors import AgentNotFound, NotFound
from caxton_core.ports import Fault
from returns.result import Failure

from tests.server.runtime.nodes import Bench, Script


async def stocked() -> Bench:
    """Return a node in which some things were said."""
    bench = await Bench().start()
    await bench.deploy(
        "agent",
        Script(
            lambda message, _tools: (
                Fault("agent-error", "7")
                if message["content"] == "bad"
                else {"performative": "inform", "content": f"re {message['content']}"}
            )
        ),
    )
    await bench.deploy("other", Script())
    for content in ("one", "bad", "two"):
        bench.post("agent", content=content, conversation_id="c")
        bench.settle()
        bench.clock.advance(1)
    bench.post("other", content="aside", conversation_id="d")
    bench.settle()
    return bench


async def test_messages_are_listed_in_the_order_they_were_sent() -> None:
    """Of a conversation, of an agent, of both, or all of them."""
    bench = await stocked()

    async def contents(**asked: Any) -> list[object]:
        page = (await bench.node.messages(**asked)).unwrap()
        return [view.message.get("content") for view in page.items]

    failure = {"reason": "agent-error", "detail": "7"}
    spoken = ["one", "re one", "bad", failure, "two", "re two"]
    assert await contents(conversation_id="c") == spoken
    assert await contents(agent="agent") == spoken
    assert await contents(agent="other") == ["aside"]
    assert await contents(agent="other", conversation_id="c") == []
    assert await contents() == [*spoken, "aside"]
    assert await contents(conversation_id="none") == []
    assert await bench.node.messages(agent="nobody") == Failure(AgentNotFound("nobody"))


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
async def test_pages_follow_each_other(limit: int) -> None:
    """Together they hold every message once, whatever their size."""
    bench = await stocked()
    choices: tuple[dict[str, Any], ...] = ({}, {"conversation_id": "c"}, {"agent": "agent"})
    for asked in choices:
        whole = (await bench.node.messages(**asked, limit=99)).unwrap().items
        parts, cursor = [], None
        while True:
            page = (await bench.node.messages(**asked, limit=limit, cursor=cursor)).unwrap()
            parts += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [view.message["id"] for view in parts] == [view.message["id"] for view in whole]


async def test_a_message_has_its_history() -> None:
    """When it was sent, by whom it was handled, or why it failed."""
    bench = await stocked()
    items = (await bench.node.messages(conversation_id="c")).unwrap().items
    histories = {}
    for view in items:
        shown = (await bench.node.message(view.message["id"])).unwrap()
        assert shown.message == view.message
        histories[str(view.message["content"])] = [
            (entry.event, entry.agent, entry.detail) for entry in shown.history
        ]
    assert histories["one"] == [("sent", "caxton", ""), ("handled", "agent@caxton", "")]
    assert histories["bad"] == [
        ("sent", "caxton", ""),
        ("failed", "agent@caxton", "agent-error: 7"),
    ]
    assert histories["re one"] == [("sent", "agent@caxton", "")]


async def test_a_message_is_found_by_an_id_of_its_clients_own() -> None:
    """Even one that says nothing of its time."""
    bench = await stocked()
    own = "11111111-2222-4333-8444-555555555555"
    sent = b'{"performative":"inform","receiver":"other","content":"own","id":"%s"}' % own.encode()
    (await bench.node.send(sent)).unwrap()
    assert (await bench.node.message(own)).unwrap().message["content"] == "own"
    for unknown in ("11111111-2222-4333-8444-555555555556", "nonsense"):
        assert await bench.node.message(unknown) == Failure(NotFound("message", unknown))


async def test_tries_are_part_of_the_history() -> None:
    """Each one that failed, and the one that did not."""
    bench = await Bench().start()
    fails = iter([True, True, False])
    await bench.deploy(
        "agent",
        Script(lambda _message, _tools: Fault("agent-error", "no") if next(fails) else None),
        deliveries=3,
    )
    message = bench.post("agent")
    bench.settle()
    for _ in range(3):
        bench.advance(1)
    history = (await bench.node.message(message.id)).unwrap().history
    assert [entry.event for entry in history] == ["sent", "retried", "retried", "handled"]
