"""Effects: what follows from a step that ended, well or badly."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.ports import Fault

from tests.server.runtime.nodes import Bench, Message, Script, Tools, asking, saying

BAD = {"no": "message"}
ADDRESS = "agent@caxton"


@pytest.mark.parametrize(
    ("fault", "content"),
    [
        (Fault("trap", "unreachable"), {"reason": "trap", "detail": "unreachable"}),
        (Fault("cpu", "50 ms"), {"reason": "cpu", "detail": "50 ms"}),
        (Fault("time", "1 s"), {"reason": "time", "detail": "1 s"}),
        (Fault("memory", "16 MiB"), {"reason": "memory", "detail": "16 MiB"}),
        (Fault("agent-error", "7"), {"reason": "agent-error", "detail": "7"}),
        (b"no json", {"reason": "bad-response", "detail": "JSON is malformed: invalid character (byte 4)"}),
        (
            BAD,
            {"reason": "bad-response", "detail": "Object contains unknown field `no`"},
        ),
        (
            {"performative": "inform", "content": "x" * 3000},
            {"reason": "too-large", "detail": "the response has 3038 bytes, 2048 are allowed"},
        ),
    ],
)  # fmt: skip
async def test_a_failed_delivery_is_answered_and_kept(fault: Any, content: Message) -> None:
    """The sender gets an AMS failure that names the reason, and the message is a dead letter."""
    bench = await Bench().start()
    await bench.deploy(
        "agent", Script(lambda _message, _tools: fault), limits={"message_size": 2048}
    )
    asker = asking(performative="request", receiver="agent", reply_with="r1", conversation_id="c")
    await bench.deploy("asker", asker)
    bench.post("asker")
    bench.settle()
    failure = asker.seen[1]
    assert failure["performative"] == "failure"
    assert failure["sender"] == "ams@caxton"
    assert failure["in_reply_to"] == "r1"
    assert failure["conversation_id"] == "c"
    assert failure["content"] == content
    (letter,) = await bench.letters()
    assert (letter.reason, letter.receiver, letter.attempts) == (content["reason"], ADDRESS, 1)
    assert letter.message["sender"] == "asker@caxton"
    assert bench.node.kernel.counters.failed == {"request": 1}


@pytest.mark.parametrize("act", ["failure", "not-understood"])
async def test_a_failure_that_cannot_be_handled_is_a_dead_letter_only(act: str) -> None:
    """Nobody is told of it, or two agents could go on for ever."""
    bench = await Bench().start()
    await bench.deploy("agent", Script(lambda _message, _tools: Fault("agent-error", "1")))
    asker = asking(performative=act, receiver="agent")
    await bench.deploy("asker", asker)
    bench.post("asker")
    bench.settle()
    assert len(asker.seen) == 1
    assert [letter.reason for letter in await bench.letters()] == ["agent-error"]


async def test_a_platform_message_that_cannot_be_handled_is_a_dead_letter_only() -> None:
    """A failing agent does not hear of its failing at the AMS's failure."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return Fault("agent-error", "1")
        assert tools.send(performative="request", receiver="stopped-later") == 0
        return None

    script = Script(act)
    await bench.deploy("agent", script)
    await bench.deploy("stopped-later")
    await bench.node.control("stopped-later", "suspend")
    bench.post("agent")
    bench.settle()
    await bench.node.control("stopped-later", "stop")
    bench.settle()
    assert [message["performative"] for message in script.seen] == ["inform", "failure"]
    assert sorted(letter.reason for letter in await bench.letters()) == [
        "agent-error",
        "undeliverable",
    ]


@pytest.mark.parametrize(
    ("response", "act", "reason", "detail"),
    [
        ({"performative": "inform", "receiver": "nobody"}, "failure", "undeliverable", "agent_not_found"),
        ({"performative": "inform", "receiver": "full"}, "failure", "undeliverable", "mailbox_full"),
        ({"performative": "inform", "receiver": "stopped"}, "failure", "undeliverable", "not_running"),
        ({"performative": "inform", "receiver": "small", "content": "x" * 999}, "failure", "undeliverable", "payload_too_large"),
        ({"performative": "agree", "receiver": "full"}, "not-understood", "not-admitted", "unknown-conversation"),
        ({"performative": "inform", "protocol": "x", "receiver": "full"}, "not-understood", "not-admitted", "unknown-protocol"),
        ({"performative": "failure", "receiver": "nobody"}, None, "undeliverable", "agent_not_found"),
        ({"performative": "not-understood", "receiver": "nobody"}, None, "undeliverable", "agent_not_found"),
    ],
)  # fmt: skip
async def test_a_response_that_may_not_be_delivered_is_answered_and_the_step_stands(
    response: Message, act: str | None, reason: str, detail: str
) -> None:
    """An illegal move gets a not-understood, the rest a failure, both of the AMS; what the step wrote is kept."""
    bench = await Bench().start()
    await bench.deploy("full", limits={"mailbox": 1})
    await bench.deploy("stopped")
    await bench.deploy("small", limits={"message_size": 300})
    for name in ("full", "small"):
        await bench.node.control(name, "suspend")
    await bench.node.control("stopped", "stop")
    bench.post("full")

    def handle(message: Message, tools: Tools) -> Any:
        if message["sender"] != "api@caxton":
            return None
        tools.host.state_put(b"done", b"1")
        return response

    script = Script(handle)
    await bench.deploy("agent", script)
    bench.post("agent")
    bench.settle()
    answers = script.seen[1:]
    assert [answer["performative"] for answer in answers] == ([] if act is None else [act])
    if act is not None:
        assert answers[0]["sender"] == "ams@caxton"
        assert detail in answers[0]["content"]["detail"]
        assert answers[0]["content"]["act"] == response["performative"]
    (letter,) = await bench.letters()
    assert letter.reason == reason
    assert letter.detail.startswith(detail)
    assert letter.message["receiver"] == response["receiver"]
    assert letter.message["sender"] == ADDRESS
    cell = bench.cell("agent")
    assert cell.data == {b"done": b"1"}
    assert cell.faults == 0


@pytest.mark.parametrize(
    ("response", "seen"),
    [
        ({"performative": "request", "receiver": "nobody"}, ["request", "failure"]),
        ({"performative": "agree"}, ["request"]),
        ({"performative": "cfp"}, ["request", "not-understood"]),
        ({"performative": "request"}, ["request", "not-understood"]),
        ({"performative": "agree", "protocol": "x"}, ["request", "not-understood"]),
        ({"performative": "inform", "receiver": "ams"}, ["request"]),
        ({"performative": "not-understood", "receiver": "nobody"}, ["request"]),
    ],
)
async def test_an_agent_that_answers_everything_alike_does_not_loop(
    response: Message, seen: list[str]
) -> None:
    """The AMS says what is wrong once: what answers its own words gets no more of them."""
    bench = await Bench().start()
    script = saying(**response)
    await bench.deploy("agent", script)
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c")
    for _ in range(20):
        bench.turn()
    assert bench.node.scheduler.idle
    assert [message["performative"] for message in script.seen] == seen
    bench.settle()


@pytest.mark.parametrize(
    "response",
    [
        {"performative": "agree", "receiver": "api", "conversation_id": "other"},
        {"performative": "request", "receiver": "df", "protocol": "x"},
    ],
)
async def test_what_is_refused_on_its_way_to_the_platform_ends_there(response: Message) -> None:
    """It is counted, and that is all."""
    bench = await Bench().start()
    script = saying(**response)
    await bench.deploy("agent", script)
    bench.post("agent", conversation_id="c")
    bench.settle()
    assert len(script.seen) == 1
    assert await bench.letters() == []
    assert sum(bench.node.kernel.counters.rejections.values()) == 1


@pytest.mark.parametrize("receiver", ["ams", "df"])
@pytest.mark.parametrize(
    ("act", "protocol", "answered"),
    [
        ("request", None, True),
        ("query-ref", None, True),
        ("subscribe", None, True),
        ("request", "fipa-request", True),
        ("cfp", "fipa-contract-net", True),
        ("inform", None, False),
        ("failure", None, False),
        ("not-understood", None, False),
    ],
)
async def test_the_ams_and_the_directory_say_that_they_do_not_understand(
    receiver: str, act: str, protocol: str | None, answered: bool
) -> None:
    """A question gets a not-understood from whom it was put to, and ends its conversation; other acts end there."""
    bench = await Bench().start()
    fields = {} if protocol is None else {"protocol": protocol}
    script = asking(performative=act, receiver=receiver, conversation_id="c", **fields)
    await bench.deploy("agent", script)
    bench.post("agent")
    bench.settle()
    answers = script.seen[1:]
    assert len(answers) == answered
    for answer in answers:
        assert answer["performative"] == "not-understood"
        assert answer["sender"] == f"{receiver}@caxton"
        assert answer["conversation_id"] == "c"
        assert answer.get("protocol") == protocol
    assert bench.node.conversations_.open == {}
    heard = bench.heard("api")
    bench.post(receiver, act, conversation_id="api", **fields)
    bench.settle()
    assert [message["performative"] for message in heard] == ["not-understood"] * answered
    again = await bench.again().start()
    assert again.node.conversations_.open == {}


async def test_asking_back_for_ever_ends() -> None:
    """A question that answers the directory's not-understood gets no answer."""
    bench = await Bench().start()
    script = saying(performative="request", receiver="df")
    await bench.deploy("agent", script)
    bench.post("agent")
    bench.settle()
    assert len(script.seen) == 1


async def test_one_receiver_of_several_may_fail() -> None:
    """In a conversation the others get the message, and the leg of the one that does not is closed by a failure."""
    bench = await Bench().start()
    free, late = Script(), Script()
    await bench.deploy("free", free)
    await bench.deploy("full", limits={"mailbox": 1})
    await bench.deploy("late", late)
    await bench.node.control("full", "suspend")
    bench.post("full")
    asker = asking(
        performative="cfp", receiver=["free", "full", "late"], protocol="fipa-contract-net",
        conversation_id="c", content="work",
    )  # fmt: skip
    await bench.deploy("asker", asker)
    bench.post("asker")
    bench.settle()
    assert len(free.seen) == len(late.seen) == 1
    (failure,) = asker.seen[1:]
    assert failure["sender"] == "ams@caxton"
    assert failure["content"] == {
        "reason": "undeliverable",
        "detail": "mailbox_full: the mailbox of full@caxton is full",
    }
    view = (await bench.node.conversation("c")).unwrap()
    assert [leg.outcome for leg in view.legs] == [None, "failed", None]
    await bench.node.remove_agent("late")
    bench.settle()
    bench.post("full", conversation_id="other")
    again = await bench.again().start()
    view = (await again.node.conversation("c")).unwrap()
    assert view.legs[1].outcome == "failed"


async def test_nobody_reached_is_a_refusal() -> None:
    """When no receiver can be reached nothing is sent, and no conversation is opened."""
    bench = await Bench().start()
    for name in ("a", "b"):
        await bench.deploy(name)
        await bench.node.control(name, "stop")
    refused = bench.post(["a", "b"], "cfp", protocol="fipa-contract-net", conversation_id="c")
    assert "a@caxton is stopped" in str(refused)
    assert bench.node.conversations_.get("c") is None
