"""Dead letters: kept until somebody sends them again or removes them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from caxton_core.errors import Conflict, NotAdmitted, NotFound, StorageUnavailable
from caxton_core.ports import Fault
from returns.result import Failure, Success

from tests.server.runtime.journals import Moody
from tests.server.runtime.nodes import Bench, Message, Script, Tools, asking, control


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


def bidding(*, deaf: list[str]) -> tuple[Script, Script]:
    """Return an initiator of a contract net, that fails at the acts in `deaf`, and a bidder that proposes and reports."""

    def initiator(message: Message, tools: Tools) -> Any:
        act = message["performative"]
        if act in deaf:
            return Fault("agent-error", "1")
        if message["sender"] == "api@caxton":
            cfp = {
                "protocol": "fipa-contract-net",
                "conversation_id": "c",
                "receiver": ["bidder", "idle"],
            }
            assert tools.send(performative="cfp", **cfp) == 0
        return {"performative": "accept-proposal"} if act == "propose" else None

    def bidder(message: Message, _tools: Tools) -> Any:
        if message["performative"] == "cfp":
            return {"performative": "propose", "content": 5}
        return {"performative": "inform"} if message["performative"] == "accept-proposal" else None

    return Script(initiator), Script(bidder)


async def called(deaf: list[str]) -> tuple[Bench, Script, Script]:
    """Return a node in which a call for proposals was answered."""
    bench = await Bench().start()
    initiator, bidder = bidding(deaf=deaf)
    await bench.deploy("bidder", bidder)
    await bench.deploy("idle", Script())
    await bench.deploy("initiator", initiator)
    bench.post("initiator", "inform-ref")
    bench.settle()
    return bench, initiator, bidder


async def test_a_move_that_was_made_is_handed_out_again() -> None:
    """A proposal whose receiver failed stands; redriven it is not judged as a second one, and can be accepted."""
    deaf = ["propose"]
    bench, initiator, bidder = await called(deaf)
    (letter,) = await bench.letters()
    assert (letter.message["performative"], letter.receiver) == ("propose", "initiator@caxton")
    before = bench.node.conversations_.open["c"]
    assert before.legs["bidder@caxton"].state == "proposed"
    deaf.clear()
    bench = await bench.again().start()
    view = (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    first, second = [each for each in initiator.seen if each["performative"] == "propose"]
    assert (second["id"], second["content"], second["in_reply_to"]) == (
        view.id,
        5,
        first["in_reply_to"],
    )
    assert [message["performative"] for message in bidder.seen] == [
        "cfp", "failure", "accept-proposal",
    ]  # fmt: skip
    leg = bench.node.conversations_.get("c")
    assert leg is not None
    assert leg.legs["bidder@caxton"].state == "done"
    assert await bench.letters() == []


async def test_a_move_is_handed_out_again_to_an_initiator_that_was_stopped() -> None:
    """Started again, it gets what the stop had bounced; one that is not running does not."""
    bench = await Bench().start()
    initiator, bidder = bidding(deaf=[])
    await bench.deploy("bidder", bidder)
    await bench.deploy("idle", Script())
    await bench.deploy("initiator", initiator)
    bench.post("initiator", "inform-ref")
    bench.turn()
    await bench.node.control("initiator", "suspend")
    bench.settle()
    await control(bench, "stop", "initiator")
    (letter,) = await bench.letters()
    assert (letter.message["performative"], letter.reason) == ("propose", "undeliverable")
    assert "is stopped" in str((await bench.node.redrive(letter.id)).failure())
    await control(bench, "start", "initiator")
    (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    assert [message["performative"] for message in bidder.seen] == [
        "cfp", "failure", "accept-proposal",
    ]  # fmt: skip


async def test_what_a_leg_that_has_failed_was_told_is_not_told_again() -> None:
    """The leg is closed: its participant could answer nothing."""
    bench = await Bench().start()

    def act(message: Message, _tools: Tools) -> Any:
        if message["performative"] == "cfp":
            return {"performative": "propose", "content": 5}
        return Fault("agent-error", "1")

    for name in ("one", "two"):
        await bench.deploy(name, Script(act))
    bench.post(["one", "two"], "cfp", protocol="fipa-contract-net", conversation_id="c")
    bench.settle()
    proposal = (
        (await bench.node.messages(conversation_id="c", agent="one")).unwrap().items[1].message
    )
    bench.post("one", "accept-proposal", conversation_id="c", in_reply_to=proposal["id"])
    bench.settle()
    (letter,) = await bench.letters()
    refused = (await bench.node.redrive(letter.id)).failure()
    assert isinstance(refused, NotAdmitted)
    assert refused.reason == "leg-closed"
    assert len(await bench.letters()) == 1


async def test_a_timer_that_could_not_be_handled_rings_again() -> None:
    """It is what it was: of the AMS, in no conversation, under the platform's allowance."""
    bench = await Bench().start()
    fails = iter([True])

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] == "api@caxton":
            tools.host.set_timer(0, b"ring")
            return None
        return Fault("agent-error", "1") if next(fails, False) else None

    script = Script(act)
    await bench.deploy("agent", script)
    bench.post("agent")
    bench.settle()
    (letter,) = await bench.letters()
    await control(bench, "suspend")
    (await bench.node.redrive(letter.id)).unwrap()
    assert bench.cell("agent").mailbox.platform_count == 1
    bench = await bench.again().start()
    await control(bench, "resume")
    bench.settle()
    first, second = script.seen[1:]
    assert {**first, "id": "", "timestamp": ""} == {**second, "id": "", "timestamp": ""}
    assert await bench.letters() == []


@pytest.mark.parametrize(
    ("spoil", "error"), [("full", "mailbox"), ("stopped", "is stopped"), ("gone", "not found")]
)
async def test_a_letter_whose_receiver_cannot_take_it_stays(spoil: str, error: str) -> None:
    """Of an agent's, of a made move, and of the platform's; the error says why."""
    bench, _, _ = await called(["propose"])
    script = failing_first()
    await bench.deploy("agent", script)
    await bench.deploy("asker", asking(performative="inform", receiver="agent"))
    bench.post("asker")
    bench.settle()
    ring = Script(
        lambda message, tools: (
            tools.host.set_timer(0, b"") if message["sender"] == "api@caxton" else Fault("agent-error", "1")
        )
    )  # fmt: skip
    await bench.deploy("ring", ring)
    bench.post("ring")
    bench.settle()
    letters = await bench.letters()
    assert [letter.receiver for letter in letters] == [
        "initiator@caxton", "agent@caxton", "ring@caxton",
    ]  # fmt: skip
    for letter in letters:
        name = letter.receiver.partition("@")[0]
        if spoil == "full":
            bench.cell(name).mailbox.resize(0, message_size=1)
        elif spoil == "stopped":
            await control(bench, "stop", name)
        else:
            (await bench.node.remove_agent(name)).unwrap()
        assert error in str((await bench.node.redrive(letter.id)).failure())
    assert [letter.id for letter in await bench.letters()][:3] == [letter.id for letter in letters]


async def test_content_without_a_json_form_is_sent_again_as_it_was() -> None:
    """The letter describes it; the journal has the message itself."""
    bench = await Bench().start()
    content = {(1, 2): msgspec.msgpack.Ext(5, b"x"), "b": b"bytes"}
    seen: list[Any] = []
    fails = iter([True])

    def act(message: Message, _tools: Tools) -> Any:
        seen.append(message["content"])
        return Fault("agent-error", "1") if next(fails, False) else None

    await bench.deploy("agent", Script(act), codec="msgpack")
    asker = asking(performative="inform", receiver="agent", content=content)
    await bench.deploy("asker", asker, codec="msgpack")
    bench.post("asker")
    bench.settle()
    (letter,) = await bench.letters()
    (await bench.node.redrive(letter.id)).unwrap()
    bench.settle()
    assert seen == [content, content]


async def test_nothing_is_sent_again_while_too_much_is_uncommitted() -> None:
    """As for any other message, the answer is a 503, and the letter stays."""
    storage = Moody()
    bench = await Bench(storage=storage).start()
    await bench.deploy("agent", failing_first())
    bench.post("agent")
    bench.settle()
    (letter,) = await bench.letters()
    storage.gate.clear()
    bench.post("agent")
    bench.settle()
    bench.clock.advance(10)
    assert isinstance((await bench.node.redrive(letter.id)).failure(), StorageUnavailable)
    storage.gate.set()
    assert len(await bench.letters()) == 1
    await bench.node.stop()
