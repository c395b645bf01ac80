"""Steps that were suspended, deliveries that are tried again, and content that has no JSON form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.ports import Fault

from tests.server.runtime.nodes import Bench, Message, Script, Tools

BAD = {"no": "message"}
ADDRESS = "agent@caxton"


async def test_a_suspended_step_is_judged_again() -> None:
    """What has become undeliverable meanwhile is answered like a refused response; the rest stands."""
    bench = await Bench().start()
    other, going = Script(), Script()
    await bench.deploy("other", other)
    await bench.deploy("going", going)

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return None
        assert tools.send(performative="inform", receiver="going", content=1) == 0
        assert tools.send(performative="inform", receiver="other", content=2) == 0
        tools.host.state_put(b"k", b"v")
        yield
        return {"performative": "inform", "content": "done"}

    script = Script(act)
    await bench.deploy("agent", script)
    heard = bench.heard("c")
    bench.post("agent", conversation_id="c")
    bench.turn()
    assert other.seen == []
    await bench.node.control("going", "stop")
    bench.settle()
    assert other.contents == [2]
    assert going.seen == []
    assert [message["content"] for message in heard] == ["done"]
    failure = script.seen[1]
    assert (failure["performative"], failure["content"]["reason"]) == ("failure", "undeliverable")
    assert bench.cell("agent").data == {b"k": b"v"}
    (letter,) = await bench.letters()
    assert letter.message["receiver"] == "going"


async def test_two_suspended_steps_share_the_room_of_a_mailbox() -> None:
    """Each was told that there is room; the one that ends last is refused what no longer fits."""
    bench = await Bench().start()
    await bench.deploy("narrow", limits={"mailbox": 3})
    await bench.node.control("narrow", "suspend")

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return
        assert [tools.send(performative="inform", receiver="narrow") for _ in range(2)] == [0, 0]
        yield

    scripts = {name: Script(act) for name in ("one", "two")}
    for name, script in scripts.items():
        await bench.deploy(name, script)
        bench.post(name)
    bench.settle()
    assert len(bench.cell("narrow").mailbox) == 3
    assert sorted(len(script.seen) for script in scripts.values()) == [1, 2]


async def test_a_conversation_that_moved_on_under_a_suspended_step_refuses_its_move() -> None:
    """An agree that was legal when it was sent is answered with a not-understood once the conversation has expired."""
    bench = await Bench().start()
    results: list[int] = []

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return
        results.append(
            tools.send(
                performative="agree", receiver="api", conversation_id="c", in_reply_to=message["id"]
            )
        )
        yield

    script = Script(act)
    await bench.deploy("agent", script)
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c", reply_by="+2s")
    bench.turn()
    bench.clock.advance(3)
    bench.settle()
    assert results == [0]
    assert (await bench.node.conversation("c")).unwrap().state == "expired"
    answer = script.seen[1]
    assert (answer["performative"], answer["content"]["reason"]) == ("not-understood", "terminated")
    assert [letter.reason for letter in await bench.letters()] == ["not-admitted"]


async def test_content_that_json_cannot_hold_is_described() -> None:
    """A MessagePack agent may say what has no form in JSON; as a dead letter it is text, and the node lives on."""
    bench = await Bench().start()
    odd = {(1, 2): msgspec.msgpack.Ext(5, b"x")}
    await bench.deploy(
        "other", Script(lambda _message, _tools: Fault("agent-error", "1")), codec="msgpack"
    )

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return None
        assert tools.send(performative="inform", receiver="other", content=odd) == 0
        assert tools.send(performative="inform", receiver="json", content=odd) == -1
        return msgspec.msgpack.encode(
            {"performative": "inform", "receiver": "stopped", "content": odd}
        )

    await bench.deploy("json")
    await bench.deploy("stopped", codec="msgpack")
    await bench.node.control("stopped", "stop")
    await bench.deploy("agent", Script(act), codec="msgpack")
    bench.post("agent")
    bench.settle()
    letters = await bench.letters()
    assert sorted(letter.reason for letter in letters) == ["agent-error", "undeliverable"]
    assert all("(1, 2)" in letter.message["content"] for letter in letters)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_delivery_is_tried_as_often_as_the_manifest_says(codec: str) -> None:
    """A message that fails is handed out again with back-off, its later ones wait behind it, others do not."""
    bench = await Bench().start()
    fails = 2

    def act(message: Message, _tools: Tools) -> Any:
        nonlocal fails
        if message["content"] == "hard" and fails:
            fails -= 1
            return Fault("agent-error", "not yet")
        return None

    script = Script(act)
    await bench.deploy("agent", script, deliveries=3, codec=codec)
    for content, conversation in (("hard", "a"), ("behind", "a"), ("aside", "b")):
        bench.post("agent", content=content, conversation_id=conversation)
    bench.settle()
    assert script.contents == ["hard", "aside"]
    assert len(bench.cell("agent").mailbox) == 2
    bench.advance(0.199)
    assert len(script.seen) == 2
    bench.advance(0.001)
    assert script.contents == ["hard", "aside", "hard"]
    bench.post("agent", content="last", conversation_id="a")
    bench.settle()
    bench.advance(0.4)
    assert script.contents == ["hard", "aside", "hard", "hard", "behind", "last"]
    assert len(bench.cell("agent").mailbox) == 0
    assert await bench.letters() == []


async def test_the_last_attempt_fails_for_good() -> None:
    """Then the sender is told, the message is a dead letter, and what waited behind it is handled."""
    bench = await Bench().start()
    script = Script(
        lambda message, _tools: Fault("trap", "boom") if message["content"] == "bad" else None
    )
    await bench.deploy("agent", script, deliveries=2)
    heard = bench.heard("a")
    bench.post("agent", content="bad", conversation_id="a")
    bench.post("agent", content="good", conversation_id="a")
    bench.settle()
    assert heard == []
    bench.advance(60)
    assert script.contents == ["bad", "bad", "good"]
    assert [message["performative"] for message in heard] == ["failure"]
    (letter,) = await bench.letters()
    assert (letter.reason, letter.attempts) == ("trap", 2)


async def test_what_is_held_back_fills_the_mailbox() -> None:
    """Messages that wait behind a failing one are not taken without bound."""
    bench = await Bench().start()
    await bench.deploy(
        "agent", Script(lambda _message, _tools: Fault("agent-error", "1")), deliveries=5,
        limits={"mailbox": 3},
    )  # fmt: skip
    taken = 0
    for _ in range(10):
        taken += "full" not in str(bench.post("agent", conversation_id="a"))
        bench.settle()
    assert taken == 3


async def test_traps_of_any_text_are_counted_under_a_few_names() -> None:
    """A guest can't make the metrics grow."""
    bench = await Bench().start()
    for number in range(100):
        bench.node.kernel.count_trap(f"text {number}")
    traps = bench.node.kernel.counters.traps
    assert len(traps) == 31
    assert (traps["text 0"], traps["other"]) == (1, 70)
