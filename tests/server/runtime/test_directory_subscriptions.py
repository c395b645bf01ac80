"""Tests of subscriptions to the DF: what is told, when, to whom, and that it ends."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_server.runtime import directory_subscriptions
from caxton_server.runtime.directory_subscriptions import IN_ALL, PER_AGENT

from tests.server.runtime.directories import (
    SUBSCRIBE,
    action,
    aid,
    asking_df,
    described,
    persistent,
)
from tests.server.runtime.nodes import Bench, Message, Script, Tools, control
from tests.server.runtime.recoveries import rebuilt

WANTED = persistent("(df-agent-description :services (set (service-description :type pricing)))")
PRICING = [{"type": "pricing"}]


async def subscribed(content: str = WANTED, **manifest: Any) -> tuple[Bench, Script]:
    """Return a node with an agent that has subscribed."""
    bench = await Bench().start()
    script = asking_df()
    await bench.deploy("watcher", script, **manifest)
    watch(bench, content)
    return bench, script


def watch(bench: Bench, content: str = WANTED, conversation: str = "c") -> None:
    """Let the watcher subscribe."""
    fields = {"performative": "subscribe", "receiver": "df", "content": content, "protocol": SUBSCRIBE,
              "conversation_id": conversation, "reply_with": "token"}  # fmt: skip
    bench.post("watcher", content=fields)
    bench.settle()


def told(script: Script) -> list[str]:
    """Return the sets the watcher was told, and forget them."""
    seen = [message for message in script.seen if message["sender"] == "df@caxton"]
    script.seen.clear()
    assert {message["in_reply_to"] for message in seen} <= {"token"}
    return [
        message["content"].partition("?x)) ")[2][:-2]
        if "content" in message
        else message["performative"]
        for message in seen
    ]


def entry(name: str) -> str:
    """Return what the DF says of an agent with a service for pricing."""
    service = "(service-description :name pricing :type pricing)"
    return f"(df-agent-description :name {aid(name)} :services (set {service}))"


async def test_a_subscriber_is_told_what_there_is_and_what_changes() -> None:
    """An agreement, the entries there are, then whatever comes, changes or goes, and nothing else."""
    bench, script = await subscribed()
    assert told(script) == ["agree", "(set)"]
    await bench.deploy("ann", services=PRICING)
    bench.settle()
    assert told(script) == [f"(set {entry('ann@caxton')})"]
    await bench.deploy("ben", services=[{"type": "weather"}])
    bench.settle()
    assert told(script) == []
    await control(bench, "suspend", "ann")
    assert told(script) == []
    await control(bench, "stop", "ann")
    assert told(script) == [f"(set (df-agent-description :name {aid('ann@caxton')}))"]
    await control(bench, "start", "ann")
    assert told(script) == [f"(set {entry('ann@caxton')})"]
    watch(bench, conversation="second")
    assert told(script) == ["agree", f"(set {entry('ann@caxton')})"]
    await bench.node.remove_agent("ann")
    bench.settle()
    assert told(script) == [f"(set (df-agent-description :name {aid('ann@caxton')}))"] * 2


async def test_changes_before_a_turn_of_the_directory_are_told_together() -> None:
    """Only the first and the last value count: what came and went is not told at all."""
    bench, script = await subscribed()
    told(script)
    for name in ("ann", "ben", "carl"):
        await bench.deploy(name, services=PRICING)
    await bench.node.remove_agent("ben")
    bench.settle()
    assert told(script) == [f"(set {entry('ann@caxton')} {entry('carl@caxton')})"]


async def test_a_cancel_ends_it() -> None:
    """The DF confirms by an inform that quotes the cancel; then nothing more is told, and nothing kept."""
    bench, script = await subscribed()
    fields = {
        "performative": "cancel",
        "receiver": "df",
        "conversation_id": "c",
        "reply_with": "stop",
    }
    bench.post("watcher", content=fields)
    bench.settle()
    confirmed = script.seen[-1]
    assert (confirmed["performative"], confirmed["in_reply_to"]) == ("inform", "stop")
    await bench.deploy("ann", services=PRICING)
    bench.settle()
    assert script.seen[-1] is confirmed
    directory = bench.node.directory_
    assert (directory.subscriptions.by_conversation, directory.entries.log) == ({}, [])
    assert bench.node.conversations_.open == {}
    assert bench.node.conversations_.listeners == {}
    assert (await bench.again().start()).node.directory_.subscriptions.by_conversation == {}


async def test_a_subscription_survives_a_kill() -> None:
    """What changes behind the kill is told, what was told before is not told again."""
    bench, script = await subscribed()
    await bench.deploy("ann", services=PRICING)
    bench.settle()
    told(script)
    again = await bench.again().start()
    again.settle()
    assert told(script) == []
    await again.deploy("ben", services=PRICING)
    again.settle()
    assert told(script) == [f"(set {entry('ben@caxton')})"]


async def test_what_had_changed_at_a_kill_is_told_after_it() -> None:
    """The changes are in the journal, and how far each subscriber was told."""
    bench, script = await subscribed()
    watch(bench, conversation="second")
    told(script)
    await bench.deploy("ann", services=PRICING)
    directory = bench.node.directory_
    assert directory.notices.tell() > 0
    again = await bench.again().start()
    again.settle()
    # One of the two was told before the kill, and finds that in its mailbox.
    assert told(script) == [f"(set {entry('ann@caxton')})"] * 2
    third = await rebuilt(again)
    assert third.node.directory_.entries.log == []
    assert len(third.node.directory_.subscriptions.by_conversation) == 2


@pytest.mark.parametrize("end", ["not-understood", "removed", "full", "expired"])
async def test_it_ends_with_whatever_ends_its_conversation(end: str) -> None:
    """The subscriber does not understand or is gone, its mailbox is full, or the time of the conversation is over."""
    bench, script = await subscribed(limits={"mailbox": 2})
    told(script)
    if end == "not-understood":
        bench.post(
            "watcher", content={"performative": end, "receiver": "df", "conversation_id": "c"}
        )
        bench.settle()
    elif end == "removed":
        await bench.node.remove_agent("watcher")
    elif end == "full":
        await control(bench, "suspend", "watcher")
        for name in ("ann", "ben", "carl"):
            await bench.deploy(name, services=PRICING)
            bench.settle()
        (letter,) = await bench.letters()
        assert letter.reason == "mailbox-full"
    else:
        bench.advance(100_000)
    directory = bench.node.directory_
    assert directory.subscriptions.by_conversation == {}
    assert directory.subscriptions.per_agent == {}
    assert bench.node.conversations_.open == {}
    assert bench.node.conversations_.listeners == {}


async def test_subscriptions_are_limited() -> None:
    """A hundred for an agent, a thousand in all; one more is a failure."""
    assert (PER_AGENT, IN_ALL) == (100, 1_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory_subscriptions, "PER_AGENT", 2)
        bench, script = await subscribed()
        for number in range(2):
            watch(bench, conversation=f"more-{number}")
        assert [message["performative"] for message in script.seen if message["sender"] != "api@caxton"] == [
            "agree", "inform", "agree", "inform", "failure",
        ]  # fmt: skip
        assert script.seen[-1]["content"].endswith('(internal-error "too many subscriptions"))')


@pytest.mark.parametrize("before", [False, True])
async def test_the_first_search_misses_nothing_that_changes_meanwhile(before: bool) -> None:
    """It looks at many agents over several turns; who comes or goes between them is in what it tells.

    Another subscriber may be told of the same changes in between, which are then forgotten.
    """
    bench = await Bench().start()
    script = asking_df()
    await bench.deploy("watcher", script)
    if before:
        bench.post("df", "subscribe", content=WANTED, protocol=SUBSCRIBE, conversation_id="before")
        bench.settle()
    for number in range(40):
        await bench.deploy(f"a{number}", services=PRICING)
    for _ in range(20):
        bench.advance(0.001)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("caxton_server.runtime.directory.UNITS", 60)
        watch(bench)
        assert bench.node.directory_.running is not None
        for _ in range(8):
            bench.advance(0.001)
        assert bench.node.directory_.running is not None
        await bench.node.remove_agent("a0")
        await bench.node.remove_agent("a39")
        await bench.deploy("late", services=PRICING)
        for _ in range(200):
            bench.advance(0.001)
    agreed, found = told(script)
    assert agreed == "agree"
    names = {f"a{number}" for number in range(1, 39)} | {"late"}
    assert {name for name in names if entry(f"{name}@caxton") in found} == names
    assert found.count("(df-agent-description") == 39


async def test_long_news_come_in_several_messages() -> None:
    """Each fits what its receiver takes."""
    bench, script = await subscribed(limits={"message_size": 3_000})
    told(script)
    for number in range(30):
        await bench.deploy(f"a{number}", services=PRICING)
    bench.settle()
    sets = told(script)
    assert len(sets) > 1
    assert sum(text.count("(df-agent-description") for text in sets) == 30
    watch(bench, conversation="second")
    bench.advance(0.01)
    agreed, *sets = told(script)
    assert agreed == "agree"
    assert len(sets) > 1
    assert sum(text.count("(df-agent-description") for text in sets) == 30


async def test_who_changes_something_at_every_notice_holds_nobody_up() -> None:
    """An agent that registers anew whenever it is told keeps itself busy until its conversation is full; others have their turns."""
    bench = await Bench().start()
    kinds = ["a", "b"]

    def act(message: Message, tools: Tools) -> None:
        if message["sender"] == "api@caxton":
            tools.send(**message["content"])
        elif "?x" in message.get("content", ""):
            kinds.reverse()
            content = action("modify", described("watcher", kinds[0]))
            tools.send(performative="request", receiver="df", content=content)

    script, other = Script(act), Script()
    await bench.deploy("watcher", script)
    await bench.deploy("other", other)
    content = action("register", described("watcher", "x"))
    bench.post("watcher", content={"performative": "request", "receiver": "df", "content": content})
    bench.settle()
    fields = {"performative": "subscribe", "receiver": "df", "protocol": SUBSCRIBE, "conversation_id": "c",
              "content": persistent("(df-agent-description)")}  # fmt: skip
    bench.post("watcher", content=fields)
    node = bench.node
    for turn in range(100):
        bench.post("other")
        before = len(script.seen)
        node.timers.fire(node.kernel.tick())
        node.scheduler.work(1.0)
        assert len(other.seen) == turn + 1
        assert len(script.seen) <= before + 5
    bench.settle()
    assert node.directory_.subscriptions.by_conversation == {}
    assert script.seen[-1]["performative"] == "failure"
