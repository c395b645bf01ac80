"""Messages of the API: acknowledged once, answered once, refused for a reason."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from caxton_core.errors import (
    AgentNotFound,
    Conflict,
    InvalidMessage,
    MailboxFull,
    NotAdmitted,
    PayloadTooLarge,
    StorageFull,
    StorageUnavailable,
    Timeout,
    UnknownProtocol,
)
from caxton_core.ports import Fault
from returns.result import Failure

from tests.server.runtime.journals import Moody
from tests.server.runtime.nodes import Bench, Message, Script, Tools

OWN = "018bcfe5-6800-7000-8000-000000000001"


def body(**fields: Any) -> bytes:
    """Encode a message for `agent`."""
    return msgspec.json.encode({"performative": "request", "receiver": "agent", **fields})


async def exchange(bench: Bench, wait: float = 5.0, **fields: Any) -> Any:
    """Send a request and wait, running the node meanwhile."""
    task = asyncio.ensure_future(bench.node.request(body(**fields), wait=wait))
    while not task.done():
        bench.settle()
        await asyncio.sleep(0.001)
    return await task


ECHO = Script(lambda message, _tools: {"performative": "inform", "content": message["content"]})


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"receiver": "nobody"}, AgentNotFound("nobody")),
        ({"receiver": "stopped"}, Conflict("stopped@caxton is stopped")),
        ({"receiver": "full"}, MailboxFull("full@caxton")),
        ({"receiver": "small", "content": "x" * 500}, PayloadTooLarge),
        ({"sender": "agent"}, InvalidMessage("the server sets the sender - at `$.sender`")),
        ({"conversation_id": ""}, InvalidMessage),
        ({"id": "17"}, InvalidMessage),
        ({"receiver": []}, InvalidMessage),
        ({"performative": "shout"}, InvalidMessage),
        ({"performative": "agree"}, NotAdmitted),
        ({"protocol": "fipa-nonsense"}, UnknownProtocol("fipa-nonsense")),
        ({"content": [[[[]]]] * 2, "x_n": 1, "colour": 1}, InvalidMessage),
    ],
)
async def test_what_may_not_be_sent_is_an_error(fields: Message, error: Any) -> None:
    """Each reason has its own, and nothing is kept of the message."""
    bench = await Bench().start()
    await bench.deploy("agent")
    await bench.deploy("stopped")
    (await bench.node.control("stopped", "stop")).unwrap()
    await bench.deploy("full", limits={"mailbox": 1})
    (await bench.node.control("full", "suspend")).unwrap()
    bench.post("full")
    await bench.deploy("small", limits={"message_size": 300})
    serial = bench.node.kernel.serial
    failed = (await bench.node.send(body(**fields))).failure()
    if isinstance(error, type):
        assert isinstance(failed, error)
    else:
        assert failed == error
    assert bench.node.kernel.serial == serial
    assert await exchange(bench, **fields) == Failure(failed)
    assert bench.node.kernel.listeners == {}


async def test_an_acknowledgement_names_the_message() -> None:
    """Its id, its conversation, and how safe it is."""
    bench = await Bench().start()
    await bench.deploy("agent", ECHO)
    view = (await bench.node.send(body(conversation_id="c", id=OWN))).unwrap()
    assert (view.id, view.conversation_id, view.durability) == (OWN, "c", "memory")


async def test_the_first_reply_that_is_no_agree_is_the_answer() -> None:
    """An agree only says that there will be one."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        fields = {"conversation_id": message["conversation_id"], "in_reply_to": message["id"]}
        tools.send(performative="agree", receiver="api", **fields)
        yield
        return {"performative": "inform", "content": "done"}

    await bench.deploy("agent", Script(act))
    view = (await exchange(bench, protocol="fipa-request")).unwrap()
    assert view.message["performative"] == "request"
    assert (view.reply["performative"], view.reply["content"]) == ("inform", "done")
    assert bench.node.kernel.listeners == {}


async def test_a_failure_is_an_answer_too() -> None:
    """Of the AMS, or of the directory that does not understand."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(lambda _message, _tools: {"no": "message"}))
    assert (await exchange(bench)).unwrap().reply["performative"] == "failure"
    view = (await exchange(bench, receiver="df")).unwrap()
    assert (view.reply["performative"], view.reply["sender"]) == ("not-understood", "df@caxton")


async def test_no_reply_in_time_is_a_timeout() -> None:
    """And nobody listens any more."""
    bench = await Bench().start()
    await bench.deploy("agent", Script())
    assert await exchange(bench, wait=0.01) == Failure(Timeout("reply", 0.01))
    assert bench.node.kernel.listeners == {}


async def test_the_same_id_is_handled_once() -> None:
    """The same body in other words gets the first answer, another body is a conflict; also after a restart."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    first = await bench.node.send(body(id=OWN, content=1))
    bench.settle()
    again = (
        b' {"content": 1, "id": "%s",\n"receiver":"agent","performative":"request"}' % OWN.encode()
    )
    for _ in range(2):
        assert await bench.node.send(again) == first
        assert await bench.node.send(body(id=OWN.upper(), content=1)) != first
        assert isinstance((await bench.node.send(body(id=OWN, content=2))).failure(), Conflict)
        bench.settle()
        assert len(script.seen) == 1
        bench = await bench.again().start()


async def test_the_same_id_at_the_same_time_is_handled_once() -> None:
    """However the two interleave."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    answers = await asyncio.gather(*[bench.node.send(body(id=OWN)) for _ in range(5)])
    bench.settle()
    assert len({answer.unwrap().id for answer in answers}) == 1
    assert len(script.seen) == 1


async def test_a_request_sent_again_gets_the_first_reply() -> None:
    """Without being handled again, even by the next node."""
    bench = await Bench().start()
    script = Script(ECHO.act)
    await bench.deploy("agent", script)
    first = (await exchange(bench, id=OWN, content=1)).unwrap()
    bench = await bench.again().start()
    second = (await exchange(bench, id=OWN, content=1)).unwrap()
    assert second.reply["id"] == first.reply["id"]
    assert len(script.seen) == 1


async def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    """The answer waits for the commit; what is inside the node does not."""
    storage = Moody()
    bench = await Bench(storage=storage).start()
    script = Script()
    await bench.deploy("agent", script)
    storage.gate.clear()
    task = asyncio.ensure_future(bench.node.send(body(content=1)))
    await asyncio.sleep(0.01)
    bench.settle()
    assert script.contents == [1]
    assert not task.done()
    storage.gate.set()
    (await asyncio.wait_for(task, 5)).unwrap()
    await bench.node.stop()


@pytest.mark.parametrize("error", [StorageUnavailable("gone"), StorageFull("full")])
async def test_a_node_that_cannot_commit_takes_nothing_new(error: Any) -> None:
    """After two seconds the API is refused with the reason; when the storage is back it goes on."""
    storage = Moody()
    bench = await Bench(storage=storage).start()
    script = Script()
    await bench.deploy("agent", script)
    storage.errors = [error] * 3
    storage.gate.clear()
    task = asyncio.ensure_future(bench.node.send(body(content=1)))
    await asyncio.sleep(0.01)
    bench.clock.advance(2.5)
    assert bench.node.kernel.journal.commits.congested
    bench.node.kernel.journal.commits.failing = error
    assert isinstance((await bench.node.send(body(content=2))).failure(), type(error))
    assert not all(check.ok for check in bench.node.ready())
    storage.gate.set()
    (await asyncio.wait_for(task, 5)).unwrap()
    await asyncio.sleep(0.05)
    bench.settle()
    assert script.contents == [1]
    (await bench.node.send(body(content=3))).unwrap()
    await bench.node.stop()


async def test_what_was_acknowledged_is_found_by_every_read() -> None:
    """Even where the acknowledgement did not wait for the storage: messages, conversations, dead letters, events."""
    storage = Moody()
    storage.durability = "memory"
    bench = await Bench(storage=storage).start()
    await bench.deploy("agent", Script(lambda _message, _tools: Fault("agent-error", "1")))
    node = bench.node
    storage.gate.clear()
    sent = (
        await node.send(b'{"performative":"request","protocol":"fipa-request","receiver":"agent"}')
    ).unwrap()
    bench.settle()

    async def first_event() -> Any:
        async for view in node.events(after=0, types=["message.dead_lettered"]):
            return view.data["message"]
        return None

    reads = [
        asyncio.ensure_future(read) for read in (
            node.message(sent.id), node.conversation(sent.conversation_id), node.dead_letters(), first_event(),
        )
    ]  # fmt: skip
    await asyncio.sleep(0.01)
    assert not any(read.done() for read in reads)
    storage.gate.set()
    message, conversation, letters, event = await asyncio.wait_for(asyncio.gather(*reads), 30)
    assert message.unwrap().message["id"] == event == sent.id
    assert conversation.unwrap().outcome == "failed"
    assert [letter.message["id"] for letter in letters.items] == [sent.id]
    await node.stop()
