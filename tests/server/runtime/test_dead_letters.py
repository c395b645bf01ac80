"""Dead letters: kept until somebody sends them again or removes them."""

from __future__ import annotations

import asyncio
from typing import Any

from caxton_core.errors import Conflict, NotAdmitted, NotFound
from caxton_core.ports import Fault
from returns.result import Failure, Success

from tests.server.runtime.nodes import Bench, Message, Script, Tools


def failing_first() -> Script:
    """Return an agent that fails at its first message."""
    fails = iter([True])
    return Script(
        lambda _message, _tools: Fault("agent-error", "1") if next(fails, False) else None
    )


async def test_a_dead_letter_is_sent_again() -> None:
    """To the receiver that did not get it, from its old sender, with everything it said; then it is gone."""
    bench = await Bench().start()
    script = failing_first()
    await bench.deploy("agent", script)
    bench.post("agent", content={"a": 1}, conversation_id="c", x_note="n", reply_with="r")
    bench.settle()
    (letter,) = await bench.letters()
    view = (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    first, second = script.seen
    assert second["id"] == view.id != first["id"]
    same = ("sender", "receiver", "content", "conversation_id", "x_note", "reply_with")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert await bench.letters() == []
    assert await bench.node.redrive(letter.id) == Failure(NotFound("dead letter", letter.id))
    again = await bench.again().start()
    assert await again.letters() == []


async def test_an_opener_is_sent_again_in_a_new_conversation() -> None:
    """Which says where it came from."""
    bench = await Bench().start()
    script = failing_first()
    await bench.deploy("agent", script)
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c", reply_by="+1s")
    bench.settle()
    bench.advance(5)
    (letter,) = await bench.letters()
    view = (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    assert view.conversation_id != "c"
    assert script.seen[1]["x_redrive_of"] == "c"
    assert "reply_by" not in script.seen[1]
    assert view.conversation_id in bench.node.conversations_.open


async def test_another_message_of_a_closed_conversation_stays() -> None:
    """It can only be removed."""
    bench = await Bench().start()

    def act(message: Message, _tools: Tools) -> Any:
        if message["performative"] == "request":
            return {"performative": "agree"}
        return Fault("agent-error", "1")

    await bench.deploy("agent", Script(act))
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    bench.settle()
    bench.post("agent", "cancel", conversation_id="c", reply_with="r")
    bench.settle()
    (letter,) = await bench.letters()
    assert isinstance((await bench.node.redrive(letter.id)).failure(), Conflict | NotAdmitted)
    assert len(await bench.letters()) == 1
    assert await bench.node.remove_dead_letter(letter.id) == Success(None)
    assert await bench.letters() == []
    assert isinstance((await bench.node.remove_dead_letter(letter.id)).failure(), NotFound)


async def test_two_who_send_it_again_send_it_once() -> None:
    """The second finds nothing."""
    bench = await Bench().start()
    script = failing_first()
    await bench.deploy("agent", script)
    bench.post("agent")
    bench.settle()
    (letter,) = await bench.letters()
    done = await asyncio.gather(*[bench.node.redrive(letter.id) for _ in range(3)])
    bench.settle()
    assert sum(isinstance(each, Success) for each in done) == 1
    assert len(script.seen) == 2


async def test_a_response_that_went_nowhere_can_be_sent_again() -> None:
    """It has a receiver and an id of its own even if the agent named neither."""
    bench = await Bench().start()
    asker = Script(
        lambda message, tools: (
            tools.send(performative="request", receiver="agent")
            if message["sender"] == "api@caxton" else None
        )
    )  # fmt: skip
    await bench.deploy("asker", asker, limits={"mailbox": 2})

    def act(_message: Message, _tools: Tools) -> Any:
        yield
        return {"performative": "inform", "content": "late", "x_n": 1}

    await bench.deploy("agent", Script(act))
    bench.post("asker")
    bench.turn()
    bench.turn()
    (await bench.node.control("asker", "suspend")).unwrap()
    for _ in range(2):
        bench.post("asker")
    bench.settle()
    (letter,) = await bench.letters()
    assert letter.message["receiver"] == "asker@caxton"
    assert letter.message["x_n"] == 1
    (await bench.node.control("asker", "resume")).unwrap()
    bench.settle()
    (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    assert asker.seen[-1]["content"] == "late"
    assert asker.seen[-1]["sender"] == "agent@caxton"


async def test_letters_are_listed_in_pages() -> None:
    """The oldest first."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(lambda _message, _tools: Fault("agent-error", "1")))
    for content in range(5):
        bench.post("agent", content=content)
    bench.settle()
    first = await bench.node.dead_letters(limit=2)
    rest = await bench.node.dead_letters(limit=9, cursor=first.next_cursor)
    assert [letter.message["content"] for letter in (*first.items, *rest.items)] == [0, 1, 2, 3, 4]
    assert rest.next_cursor is None
