"""Tests of where the answers of the AMS and the DF go, of those that would be too large, and of pages of the directory."""

from __future__ import annotations

import pytest
from caxton_server.runtime import directory

from tests.server.runtime.directories import (
    SUBSCRIBE,
    action,
    aid,
    ask,
    asking_df,
    described,
    persistent,
)
from tests.server.runtime.nodes import Bench, Message, Script

EVERYTHING = action("search", "(df-agent-description)", "(search-constraints :max-results -1)")
PRICING = [{"type": "pricing"}]


def told(bench: Bench, script: Script, **fields: object) -> list[Message]:
    """Let an agent that `script` drives send something to the DF; return what it is answered."""
    script.seen.clear()
    bench.post("asker", content={"receiver": "df", **fields})
    for _ in range(20):
        bench.advance(0.001)
    return script.seen[1:]


@pytest.mark.parametrize("reply_to", ["desk", ["desk@caxton"]])
async def test_answers_go_where_reply_to_says(reply_to: str | list[str]) -> None:
    """To the agent named in reply-to instead of the sender, and the conversation ends all the same."""
    bench = await Bench().start()
    asker, desk = asking_df(), Script()
    await bench.deploy("asker", asker)
    await bench.deploy("desk", desk)
    fields = {"performative": "request", "content": EVERYTHING, "protocol": "fipa-request", "conversation_id": "c"}  # fmt: skip
    assert told(bench, asker, **fields, reply_to=reply_to, reply_with="t") == []
    (answer,) = desk.seen
    assert (answer["performative"], answer["receiver"], answer["in_reply_to"]) == ("inform", "desk@caxton", "t")  # fmt: skip
    assert bench.node.conversations_.open == {}


async def test_a_subscription_is_told_where_reply_to_says() -> None:
    """From the agreement to the confirmed cancel, and after a kill too."""
    bench = await Bench().start()
    asker, desk = asking_df(), Script()
    await bench.deploy("asker", asker)
    await bench.deploy("desk", desk)
    wanted = persistent(described(type="pricing").replace(":name pricing-1 ", ""))
    told(bench, asker, performative="subscribe", protocol=SUBSCRIBE, conversation_id="c", content=wanted, reply_to="desk")  # fmt: skip
    assert [message["performative"] for message in desk.seen] == ["agree", "inform"]
    bench = await bench.again().start()
    await bench.deploy("ann", services=PRICING)
    bench.settle()
    assert aid("ann@caxton") in desk.seen[-1]["content"]
    cancel = {"performative": "cancel", "protocol": SUBSCRIBE, "conversation_id": "c"}
    assert told(bench, asker, **cancel, reply_to="desk") == []
    assert [message["performative"] for message in desk.seen] == ["agree", "inform", "inform", "inform"]  # fmt: skip
    assert bench.node.conversations_.open == {}


@pytest.mark.parametrize("reply_to", ["nobody", ["desk", "other"], "other"])
async def test_a_reply_to_that_cannot_be_followed_is_not_understood(
    reply_to: str | list[str],
) -> None:
    """Who is unknown, who may not be addressed by the sender, and more than one: the sender is told."""
    bench = await Bench().start()
    asker = asking_df()
    await bench.deploy("asker", asker, send_to=["df", "desk"])
    desk, other = Script(), Script()
    await bench.deploy("desk", desk)
    await bench.deploy("other", other)
    (answer,) = told(bench, asker, performative="request", content=EVERYTHING, reply_to=reply_to)
    assert answer["performative"] == "not-understood"
    assert answer["content"].endswith("(unsupported-value reply-to))")
    assert desk.seen == other.seen == []


async def test_a_result_too_large_to_send_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how many fit, and so many can be asked for; a subscription does not begin with a part either."""
    bench = await Bench().start()
    asker = asking_df()
    await bench.deploy("asker", asker, limits={"message_size": "8KiB"})
    for number in range(60):
        await bench.deploy(f"a{number}", services=PRICING)
    (answer,) = told(bench, asker, performative="request", content=EVERYTHING)
    assert answer["performative"] == "failure"
    action_, _, rest = answer["content"].partition(' (internal-error "')
    assert action_ == EVERYTHING[:-1]
    fits = int(rest.partition(" ")[0])
    fewer = EVERYTHING.replace("-1", str(fits))
    (answer,) = told(bench, asker, performative="request", content=fewer)
    assert answer["content"].count(":name pricing ") == fits
    monkeypatch.setattr(directory, "ANSWER_BYTES", 4_096)
    wanted = persistent("(df-agent-description)")
    (answer,) = told(bench, asker, performative="subscribe", protocol=SUBSCRIBE, content=wanted)
    assert (answer["performative"], "internal-error" in answer["content"]) == ("failure", True)
    assert bench.node.conversations_.open == {}
    assert bench.node.directory_.subscriptions.by_conversation == {}
    assert ask(bench, EVERYTHING)["content"].count(":name pricing ") == 60


async def test_pages_of_the_directory() -> None:
    """Page by page every service is listed once, those of one agent over several pages too."""
    bench = await Bench().start()
    for name, count in (("ann", 1), ("ben", 3), ("carl", 0), ("dora", 2)):
        await bench.deploy(name, services=[{"type": f"t{number}"} for number in range(count)])
    expected = ["ann t0", "ben t0", "ben t1", "ben t2", "dora t0", "dora t1"]
    for limit in range(1, 8):
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = bench.node.directory(limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += [f"{view.agent.partition('@')[0]} {view.type}" for view in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == expected
    assert bench.node.directory(cursor="ben@caxton x").items[0].type == "t0"
