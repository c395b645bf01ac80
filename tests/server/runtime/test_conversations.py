"""Conversations in the node: opened, moved, expired, counted, shown."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.conversations import Conversation, Leg
from caxton_core.errors import ConversationNotFound
from caxton_server.config import Config
from caxton_server.config_sections import RuntimeConfig
from caxton_server.runtime.conversations import CLOSED_KEPT
from returns.result import Failure

from tests.server.runtime.nodes import Bench, Message, Script, Tools

PROTOCOL = {"protocol": "fipa-request"}


def answering(*acts: str) -> Script:
    """Return an agent that answers a request with these acts, one after the other."""

    def act(message: Message, tools: Tools) -> None:
        if message["performative"] in ("request", "cfp"):
            for each in acts:
                fields = {
                    "conversation_id": message["conversation_id"],
                    "in_reply_to": message["id"],
                }
                tools.send(performative=each, receiver=message["sender"], **fields)

    return Script(act)


async def test_a_conversation_is_shown_as_it_goes() -> None:
    """Open ones from memory, closed ones from their rows, lists of both."""
    bench = await Bench().start()
    await bench.deploy("half", answering("agree"))
    await bench.deploy("whole", answering("agree", "inform"))
    for name in ("half", "whole"):
        bench.post(name, "request", conversation_id=name, **PROTOCOL)
    bench.settle()
    views = {view.id: view for view in (await bench.node.conversations()).items}
    assert {name: (view.state, view.phase, view.outcome) for name, view in views.items()} == {
        "half": ("awaiting-result", "in-progress", None), "whole": ("completed", "completed", "success"),
    }  # fmt: skip
    assert views["half"].initiator == "api@caxton"
    assert [leg.participant for leg in views["half"].legs] == ["half@caxton"]
    for state, names in (("awaiting-result", ["half"]), ("completed", ["whole"]), ("nothing", [])):
        page = await bench.node.conversations(state=state, protocol="fipa-request")
        assert [view.id for view in page.items] == names
    page = await bench.node.conversations(limit=1)
    assert page.next_cursor is not None
    rest = await bench.node.conversations(limit=1, cursor=page.next_cursor)
    assert [*page.items, *rest.items] == [views["half"], views["whole"]]
    assert await bench.node.conversation("none") == Failure(ConversationNotFound("none"))
    again = await bench.again().start()
    assert (await again.node.conversation("whole")).unwrap() == views["whole"]
    assert (await again.node.conversation("half")).unwrap() == views["half"]


@pytest.mark.parametrize(
    ("acts", "state", "outcome"),
    [
        (("refuse",), "completed", "refused"),
        (("failure",), "failed", "failed"),
        (("not-understood",), "failed", "not-understood"),
        (("agree", "failure"), "failed", "failed"),
        (("inform",), "completed", "success"),
    ],
)
async def test_conversations_end_as_their_legs_do(
    acts: tuple[str, ...], state: str, outcome: str
) -> None:
    """The end is an event, a row and a count."""
    bench = await Bench().start()
    await bench.deploy("agent", answering(*acts))
    bench.post("agent", "request", conversation_id="c", **PROTOCOL)
    bench.settle()
    view = (await bench.node.conversation("c")).unwrap()
    assert (view.state, view.outcome) == (state, outcome)
    node = bench.node
    assert node.kernel.counters.conversations_closed == {("fipa-request", outcome): 1}
    types = [row.columns["type"] for row in bench.storage.list("events", {}, after=None, limit=99)]
    assert types[-2:] == ["conversation.started", "conversation.ended"]
    assert +node.conversations_.per_agent == {}
    assert node.conversations_.armed == {}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"act": "agree"}, "unknown-conversation"),
        ({"act": "cancel", "conversation_id": "none"}, "unknown-conversation"),
        ({"act": "inform", **PROTOCOL}, "unknown-conversation"),
        ({"act": "inform", "conversation_id": "none", **PROTOCOL}, "out-of-sequence"),
        ({"act": "request", "conversation_id": "open", **PROTOCOL}, "out-of-sequence"),
        ({"act": "inform", "conversation_id": "open"}, "out-of-sequence"),
        ({"act": "cfp", "conversation_id": "open", "protocol": "fipa-contract-net"}, "wrong-protocol"),
        ({"act": "inform", "conversation_id": "done"}, "terminated"),
    ],
)  # fmt: skip
async def test_what_is_not_admitted_changes_nothing(fields: Message, reason: str) -> None:
    """The API is told the reason; it is counted, and nothing is delivered."""
    bench = await Bench().start()
    script = answering("agree")
    await bench.deploy("agent", script)
    await bench.deploy("quick", answering("inform"))
    bench.post("agent", "request", conversation_id="open", **PROTOCOL)
    bench.post("quick", "request", conversation_id="done", **PROTOCOL)
    bench.settle()
    before = dict(bench.node.conversations_.open), len(script.seen), bench.node.kernel.serial
    given = dict(fields)
    refused = bench.post("agent", given.pop("act"), **given)
    assert getattr(refused, "reason", "") == reason
    bench.settle()
    after = dict(bench.node.conversations_.open), len(script.seen), bench.node.kernel.serial
    assert after == before
    assert bench.node.kernel.counters.rejections[reason] == 1


async def test_deadlines_pass_one_millisecond_after_their_time() -> None:
    """A message exactly on the deadline is in time."""
    bench = await Bench().start()
    await bench.deploy("agent", Script())
    bench.post("agent", "request", conversation_id="c", reply_by="+2s", **PROTOCOL)
    bench.advance(2)
    assert (await bench.node.conversation("c")).unwrap().outcome is None
    bench.advance(0.001)
    assert (await bench.node.conversation("c")).unwrap().outcome == "expired"


async def test_every_conversation_has_a_time_to_live() -> None:
    """Whatever its state; the configuration says how long."""
    config = Config(runtime=RuntimeConfig(conversation_ttl=60_000))  # type: ignore[arg-type]  # a Duration
    bench = await Bench(config=config).start()
    await bench.deploy("agent", answering("agree"))
    bench.post("agent", "request", conversation_id="c", **PROTOCOL)
    bench.advance(60)
    assert (await bench.node.conversation("c")).unwrap().state == "awaiting-result"
    bench.advance(0.001)
    assert (await bench.node.conversation("c")).unwrap().state == "expired"
    assert +bench.node.conversations_.per_agent == {}


async def test_ended_conversations_leave_nothing_in_the_queue_of_timers() -> None:
    """Thousands of conversations of a day's life that end at once take no memory."""
    bench = await Bench().start()
    await bench.deploy("agent", answering("inform"), limits={"mailbox": 1000})
    for _ in range(3000):
        bench.post("agent", "request", reply_by="+9s", **PROTOCOL)
        bench.settle()
    conversations = bench.node.conversations_
    assert len(bench.node.timers) == 0
    assert len(bench.node.timers._heap) < 1100
    assert (conversations.open, conversations.armed, conversations.lifetimes) == ({}, {}, {})
    assert (conversations.reports, conversations.listeners) == ({}, {})
    assert len(conversations.closed) == 3000 <= CLOSED_KEPT


async def test_a_closed_conversation_is_forgotten_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only so many are remembered to tell late messages that they are late."""
    monkeypatch.setattr("caxton_server.runtime.conversations.CLOSED_KEPT", 3)
    bench = await Bench().start()
    await bench.deploy("agent", answering("inform"))
    for number in range(5):
        bench.post("agent", "request", conversation_id=f"c{number}", **PROTOCOL)
        bench.settle()
    assert list(bench.node.conversations_.closed) == ["c2", "c3", "c4"]


async def test_traffic_without_a_protocol_has_no_record() -> None:
    """Its conversation-id is a label; any act goes, in any order, but those that answer something."""
    bench = await Bench().start()
    script = Script()
    await bench.deploy("agent", script)
    for act in ("inform", "propose", "request", "inform", "cfp"):
        bench.post("agent", act, conversation_id="label", in_reply_to="whatever")
    bench.settle()
    assert len(script.seen) == 5
    assert (await bench.node.conversations()).items == []
    views: Any = (await bench.node.messages(conversation_id="label")).unwrap()
    assert len(views.items) == 5


async def test_a_full_conversation_takes_no_more() -> None:
    """After ten thousand messages the next is refused."""
    bench = await Bench().start()
    answers: list[int] = []

    def act(message: Message, tools: Tools) -> None:
        if message["performative"] == "cancel":
            fields = {"conversation_id": "c", "in_reply_to": message["reply_with"]}
            answers.append(tools.send(performative="failure", receiver="api", **fields))

    await bench.deploy("agent", Script(act))
    bench.post("agent", "request", conversation_id="c", **PROTOCOL)
    results = set()
    for number in range(5_100):
        results.add(
            type(
                bench.post("agent", "cancel", conversation_id="c", reply_with=f"r{number}")
            ).__name__
        )
        bench.settle()
    assert results == {"FipaMessage", "NotAdmitted"}
    assert (await bench.node.conversation("c")).unwrap().messages == 10_000


async def test_a_conversation_without_its_protocol_is_not_taken_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a plugin that is gone began is left alone after a restart, and said so."""
    bench = await Bench().start()
    conversations = bench.node.conversations_
    lost = Conversation("c", "x-gone", "a@caxton", 0, 1, {"b@caxton": Leg("asked")}, 1, 1, 1)
    conversations.restore(lost)
    assert "c" not in conversations.open
    assert "no plugin brings x-gone" in caplog.text
