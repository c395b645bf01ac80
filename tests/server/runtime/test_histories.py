"""Histories: messages read back from the journal."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.errors import AgentNotFound, NotFound
from caxton_core.ports import Fault
from returns.result import Failure

from tests.server.runtime.nodes import Bench, Script, control


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


@pytest.mark.parametrize("how", ["stop", "remove", "fail"])
async def test_what_an_agent_will_not_handle_any_more_is_in_the_history(how: str) -> None:
    """Stopped, removed or failed: what it had before it says so, whatever the conversation, after a restart too."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    (await bench.node.control("agent", "suspend")).unwrap()
    messages = [bench.post("agent", conversation_id=conversation) for conversation in "cd"]
    (await bench.node.control("agent", "resume")).unwrap()
    if how == "remove":
        (await bench.node.remove_agent("agent")).unwrap()
    elif how == "stop":
        await control(bench, "stop")
    else:
        script.begin = lambda _config, _tools: Fault("agent-error", "no")
        await control(bench, "restart")
    for node in (bench.node, (await bench.again().start()).node):
        for message in messages:
            sent, failed = (await node.message(message.id)).unwrap().history
            assert (sent.event, failed.event) == ("sent", "failed")
            assert failed.detail.startswith("undeliverable: ")
            assert failed.agent == "agent@caxton" or how == "remove"


async def test_a_receiver_that_was_missed_is_in_the_history() -> None:
    """With those that got the message, and with the reason."""
    bench = await Bench().start()
    await bench.deploy("free", Script())
    await bench.deploy("full", limits={"mailbox": 1})
    (await bench.node.control("full", "suspend")).unwrap()
    bench.post("full")
    cfp = {"protocol": "fipa-contract-net", "conversation_id": "c", "receiver": ["free", "full"]}
    script = Script(
        lambda message, tools: (
            tools.send(performative="cfp", **cfp) if message["sender"] == "api@caxton" else None
        )
    )
    await bench.deploy("asker", script)
    bench.post("asker")
    bench.settle()
    bench.post(["free", "full"], "cfp", protocol="fipa-contract-net", conversation_id="d")
    bench.settle()
    full = "mailbox_full: the mailbox of full@caxton is full"
    for conversation, author in (("c", "asker@caxton"), ("d", "caxton")):
        first = (await bench.node.messages(conversation_id=conversation)).unwrap().items[0]
        assert [(entry.event, entry.agent, entry.detail) for entry in first.history] == [
            ("sent", author, ""), ("failed", "full@caxton", full), ("handled", "free@caxton", ""),
        ]  # fmt: skip
