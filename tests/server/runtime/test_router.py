"""The router: whom a message reaches, and what is filled in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.server.runtime.nodes import Bench, Message, Script


async def answered(response: Message, **asked: Any) -> Message:
    """Return what `other` gets when `agent` answers a question of its own with a response."""
    bench = await Bench().start()
    other = Script(
        lambda message, tools: (
            tools.send(performative="request", receiver="agent", **asked)
            if message["sender"] == "api@caxton" else None
        )
    )  # fmt: skip
    third = Script()
    await bench.deploy("other", other)
    await bench.deploy("third", third)
    agent = Script(lambda _message, _tools: response)
    await bench.deploy("agent", agent)
    bench.post("other")
    bench.settle()
    (got,) = [*other.seen[1:], *third.seen]
    return {**got, "asked": agent.seen[0]}


async def test_a_response_fills_in_what_it_leaves_out() -> None:
    """Receiver, conversation, ontology, language, in-reply-to and trace come from the message it answers."""
    got = await answered(
        {"performative": "inform"}, ontology="o", language="l", conversation_id="c", encoding="e"
    )
    asked = got["asked"]
    assert got["sender"] == "agent@caxton"
    assert got["receiver"] == "other@caxton"
    assert got["conversation_id"] == "c"
    assert (got["ontology"], got["language"], got.get("encoding")) == ("o", "l", None)
    assert got["in_reply_to"] == asked["id"]
    assert got["traceparent"] == asked["traceparent"]
    assert got["id"] != asked["id"]


@pytest.mark.parametrize(
    ("response", "asked", "expected"),
    [
        ({}, {"reply_with": "r"}, {"in_reply_to": "r"}),
        ({"in_reply_to": "mine"}, {"reply_with": "r"}, {"in_reply_to": "mine"}),
        ({}, {"reply_to": "third"}, {"receiver": "third@caxton"}),
        ({"receiver": "third"}, {}, {"receiver": "third@caxton", "conversation_id": "c"}),
        ({"conversation_id": "new"}, {}, {"conversation_id": "new", "in_reply_to": None, "receiver": "other@caxton"}),
        ({"conversation_id": "c"}, {"reply_with": "r"}, {"in_reply_to": "r"}),
        ({"ontology": "mine"}, {"ontology": "o"}, {"ontology": "mine"}),
        ({"sender": "forged@caxton"}, {}, {"sender": "agent@caxton"}),
        ({"timestamp": "1970-01-01T00:00:00Z"}, {}, {"timestamp": "2023-11-14T22:13:20.000Z"}),
        ({"reply_by": "+5s"}, {}, {"reply_by": "2023-11-14T22:13:25.000Z"}),
        ({"reply_to": ["third", "far@elsewhere"]}, {}, {"reply_to": ["third@caxton", "far@elsewhere"]}),
        ({"x_note": {"a": 1}}, {}, {"x_note": {"a": 1}}),
        ({"receiver": {"name": "THIRD", "addresses": []}}, {}, {"receiver": "third@caxton"}),
    ],
)  # fmt: skip
async def test_what_a_response_says_counts(
    response: Message, asked: Message, expected: Message
) -> None:
    """Its own fields win, except those that only the host sets."""
    got = await answered({"performative": "inform", **response}, conversation_id="c", **asked)
    assert {name: got.get(name) for name in expected} == expected


async def test_every_message_has_an_id_a_time_a_trace_and_a_conversation() -> None:
    """Ids are in order of time; a client's own are kept."""
    bench = await Bench().start()
    await bench.deploy("agent")
    first, second = bench.post("agent"), bench.post("agent")
    assert first.id < second.id
    assert first.conversation_id != second.conversation_id
    assert first.timestamp == "2023-11-14T22:13:20.000Z"
    assert len(first.traceparent) == 55
    own = "018bcfe5-6800-7000-8000-000000000001"
    given = bench.post("agent", id=own, conversation_id="mine", traceparent=first.traceparent)
    assert (given.id, given.conversation_id) == (own, "mine")
    assert given.traceparent == first.traceparent


async def test_each_receiver_gets_its_codec() -> None:
    """A message is encoded once for each, and both say the same."""
    bench = await Bench().start()
    scripts = {"text": Script(), "packed": Script(), "too": Script()}
    for name, script in scripts.items():
        await bench.deploy(name, script, codec="msgpack" if name == "packed" else "json")
    for name in scripts:
        (await bench.node.control(name, "suspend")).unwrap()
    bench.post(["text", "packed", "too", "text"], content={"a": [1, None]}, x_n=1)
    wires = {name: bench.cell(name).mailbox.queue[0].wire for name in scripts}
    assert msgspec.json.decode(wires["text"]) == msgspec.msgpack.decode(wires["packed"])
    assert wires["text"] is wires["too"]
    assert msgspec.json.decode(wires["text"])["receiver"] == [
        "text@caxton", "packed@caxton", "too@caxton",
    ]  # fmt: skip


@pytest.mark.parametrize("named", ["third", "THIRD@Caxton", "{handle}"])
async def test_a_reply_to_is_known_to_the_conversation_by_its_address(named: str) -> None:
    """A participant may answer to it however the initiator wrote it."""
    bench = await Bench().start()
    third = Script()
    cell = await bench.deploy("third", third)
    await bench.deploy("agent", Script(lambda _message, _tools: {"performative": "agree"}))
    reply_to = named.format(handle=int(cell.handle))
    bench.post("agent", "request", protocol="fipa-request", conversation_id="c", reply_to=reply_to)
    bench.settle()
    assert [message["performative"] for message in third.seen] == ["agree"]
    assert (await bench.node.conversation("c")).unwrap().messages == 2


async def test_answering_is_allowed_whatever_the_manifest_says() -> None:
    """An agent that may address nobody may still answer whoever wrote to it, and the platform."""
    bench = await Bench().start()
    heard = bench.heard("c")
    asker = Script(
        lambda message, tools: (
            tools.send(performative="request", receiver="mute", conversation_id="d")
            if message["sender"] == "api@caxton" else None
        )
    )  # fmt: skip
    await bench.deploy("asker", asker)
    await bench.deploy(
        "mute", Script(lambda _message, _tools: {"performative": "inform"}), send_to=[]
    )
    bench.post("asker")
    bench.post("mute", conversation_id="c")
    bench.settle()
    assert len(asker.seen) == 2
    assert len(heard) == 1
