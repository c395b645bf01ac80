"""Tests of the AMS and the DF in a node: requests, registrations that last, leases, bounded turns."""

from __future__ import annotations

import pytest

from tests.server.runtime.directories import DF, action, aid, ask, asking_df, described
from tests.server.runtime.nodes import Bench, control
from tests.server.runtime.recoveries import rebuilt

AMS = aid("ams@caxton")


@pytest.mark.parametrize("protocol", [None, "fipa-request"])
async def test_a_search_finds_what_manifests_offer(protocol: str | None) -> None:
    """The DF answers for every agent whose manifest has services; without a constraint with one of them."""
    bench = await Bench().start()
    for name in ("ann", "ben"):
        await bench.deploy(name, services=[{"type": "pricing", "protocols": ["fipa-request"]}])
    await bench.deploy("carl")
    fields = {} if protocol is None else {"protocol": protocol}
    search = action("search", described(type="pricing").replace(":name pricing-1 ", ""))
    answer = ask(bench, search, **fields)
    assert answer["performative"] == "inform"
    assert answer["content"] == (
        f"((result {search[1:-1]} (set (df-agent-description :name {aid('ann@caxton')} :protocols (set fipa-request) "
        ":services (set (service-description :name pricing :type pricing :protocols (set fipa-request)))))))"
    )
    assert (answer["sender"], answer["language"], answer["ontology"], answer.get("protocol")) == (
        "df@caxton", "fipa-sl0", "fipa-agent-management", protocol,
    )  # fmt: skip
    everything = action("search", "(df-agent-description)", "(search-constraints :max-results -1)")
    assert ask(bench, everything)["content"].count("df-agent-description :name") == 2
    assert bench.node.conversations_.open == {}


async def test_registrations_last_until_they_are_taken_back() -> None:
    """What an agent registers is found after a kill, replaces what its manifest says, and goes when it deregisters."""
    bench = await Bench().start()
    script = asking_df()
    await bench.deploy("ann", script, services=[{"type": "old"}])

    def tell(content: str) -> str:
        bench.post("ann", content={"performative": "request", "receiver": "df", "content": content})
        bench.settle()
        return str(script.seen[-1]["content"])

    assert tell(action("deregister", described("ann"))).endswith("(not-registered))")
    done = tell(action("register", described("ann", "new")))
    assert done.startswith("((done (action")
    assert [view.type for view in bench.node.directory().items] == ["new"]
    assert tell(action("register", described("ann", "new"))).endswith("(already-registered))")
    again = await bench.again().start()
    assert [view.type for view in again.node.directory().items] == ["new"]
    bench = again
    script.seen.clear()
    tell(action("modify", described("Ann", "newer")))
    assert [view.type for view in bench.node.directory().items] == ["newer"]
    tell(action("deregister", described("ann@caxton")))
    assert [view.type for view in bench.node.directory().items] == ["old"]
    assert tell(action("register", described("ben", "x"))).endswith("(unauthorised))")


async def test_an_agent_that_takes_no_messages_is_not_shown() -> None:
    """Stopped it is absent, with its registration; started it is there again; removed it is gone for good."""
    bench = await Bench().start()
    script = asking_df()
    await bench.deploy("ann", script)
    content = action("register", described("ann", "pricing"))
    bench.post("ann", content={"performative": "request", "receiver": "df", "content": content})
    bench.settle()
    assert len(bench.node.directory(type="pricing").items) == 1
    await control(bench, "stop", "ann")
    assert bench.node.directory().items == []
    bench = await bench.again().start()
    assert bench.node.directory().items == []
    await control(bench, "start", "ann")
    assert len(bench.node.directory().items) == 1
    await bench.node.remove_agent("ann")
    assert bench.node.directory().items == []
    await bench.deploy("ann", script, module="other")
    assert bench.node.directory().items == []
    assert (await rebuilt(bench)).node.directory().items == []


async def test_a_lease_ends() -> None:
    """The DF says which lease it granted; after it the entry is gone, also when the node was down at that time."""
    bench = await Bench().start()
    leased = described("api", "x", lease_time="+00000000T000010000")
    answer = ask(bench, action("register", leased))
    assert ":lease-time 2" in answer["content"]
    assert len(bench.node.directory().items) == 1
    down = bench.again()
    bench.advance(9)
    assert len(bench.node.directory().items) == 1
    bench.advance(1.001)
    assert bench.node.directory().items == []
    await down.start()
    assert down.node.directory().items == []
    assert ask(down, action("register", leased))["performative"] == "inform"


async def test_the_ams_knows_every_agent() -> None:
    """With its state in FIPA's words, and whose it says it is."""
    bench = await Bench().start()
    script = asking_df()
    await bench.deploy("ann", script)
    await bench.deploy("ben")
    await control(bench, "suspend", "ben")
    await bench.deploy("carl")
    await control(bench, "stop", "carl")
    found = ask(bench, action("search", "(ams-agent-description)", service=AMS), receiver="ams")
    for name, state in (
        ("ann", "active"),
        ("ben", "suspended"),
        ("carl", "initiated"),
        ("df", "active"),
    ):
        assert (
            f"(ams-agent-description :name {aid(name + '@caxton')} :state {state})"
            in found["content"]
        )
    owned = action(
        "modify",
        f"(ams-agent-description :name {aid('ann')} :state active :ownership me)",
        service=AMS,
    )
    bench.post("ann", content={"performative": "request", "receiver": "ams", "content": owned})
    bench.settle()
    assert script.seen[-1]["performative"] == "inform"
    bench = await bench.again().start()
    mine = ask(
        bench,
        action("search", "(ams-agent-description :ownership me)", service=AMS),
        receiver="ams",
    )
    assert mine["content"].count("ams-agent-description :name") == 1
    described_ = ask(bench, action("get-description", service=AMS), receiver="ams")
    assert (
        "(ap-description :name caxton :ap-services (set (ap-service :name rest"
        in described_["content"]
    )


async def test_what_was_asked_before_a_kill_is_answered_after_it() -> None:
    """Once: the question is in the journal, and so is that it was served."""
    bench = await Bench().start()
    script = asking_df()
    await bench.deploy("ann", script)
    content = action("register", described("ann", "pricing"))
    fields = {"performative": "request", "receiver": "df", "content": content, "protocol": "fipa-request", "conversation_id": "c"}  # fmt: skip
    bench.post("ann", content=fields)
    bench.turn()
    assert len(bench.node.directory_.arrivals.queue) == 1
    again = await bench.again().start()
    again.settle()
    assert [message["performative"] for message in script.seen] == ["inform", "inform"]
    assert len(again.node.directory(type="pricing").items) == 1
    script.seen.clear()
    third = await again.again().start()
    assert script.seen == []
    assert len(third.node.directory(type="pricing").items) == 1


async def test_a_question_whose_conversation_is_over_changes_nothing() -> None:
    """What had to be answered by a time that has passed is not done either."""
    bench = await Bench().start()
    register = action("register", described("api", "x"))
    bench.post("df", "request", content=register, protocol="fipa-request", reply_by="+0.001s")
    bench.clock.advance(1)
    bench.settle()
    assert bench.node.directory().items == []


async def test_nobody_holds_the_thread_with_searches() -> None:
    """A flood of questions is served over many turns, and who has too many waiting is refused."""
    bench = await Bench().start()
    for number in range(30):
        await bench.deploy(f"a{number}", services=[{"type": f"t{number % 3}"}])
    script = asking_df()
    refusals: list[int] = []

    def flood(message: object, tools: object) -> None:
        search = action("search", "(df-agent-description)", "(search-constraints :max-results -1)")
        refusals.extend(
            tools.send(performative="request", receiver="df", content=search)  # type: ignore[attr-defined]  # Tools
            for _ in range(60)
        )

    script.act = lambda message, tools: (
        flood(message, tools) if message["sender"] == "api@caxton" else None
    )
    await bench.deploy("flooder", script)
    for _ in range(3):
        bench.post("flooder")
    bench.settle()
    assert set(refusals) == {0, -3}
    assert len(bench.node.directory_.arrivals.queue) > 0
    waiting = len(bench.node.directory_.arrivals.queue)
    bench.advance(0.001)
    assert 0 < len(bench.node.directory_.arrivals.queue) < waiting
    for _ in range(200):
        bench.advance(0.001)
    assert len(script.seen) == 3 + refusals.count(0)
    assert bench.node.directory_.arrivals.per_agent == {}


async def test_a_search_id_is_searched_once() -> None:
    """A DF that has seen the id does not search again."""
    bench = await Bench().start()
    await bench.deploy("ann", services=[{"type": "x"}])
    search = action("search", "(df-agent-description)", "(search-constraints :search-id s1)")
    assert "ann@caxton" in ask(bench, search)["content"]
    assert ask(bench, search)["content"].endswith(" (set)))")
    assert DF in ask(bench, search)["content"]
