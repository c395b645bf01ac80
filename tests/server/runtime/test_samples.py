"""Samples: what a scrape of the metrics takes from the node."""

from __future__ import annotations

from caxton_core.ports import Fault

from tests.server.runtime.nodes import Bench, Script


async def test_a_sample_counts_what_happened() -> None:
    """Messages by act and outcome, agents by state, traps, restarts, conversations and dead letters."""
    bench = await Bench().start()
    await bench.deploy(
        "agent",
        Script(
            lambda message, _tools: (
                Fault("trap", "unreachable")
                if message["content"] == "bad"
                else {"performative": "refuse"}
            )
        ),
    )
    await bench.deploy("idle")
    bench.post("agent", "request", protocol="fipa-request", content="bad")
    bench.post("agent", "request", protocol="fipa-request", content="good")
    bench.post("agent", "agree")
    bench.settle()
    (await bench.node.control("idle", "suspend")).unwrap()
    for _ in range(3):
        bench.post("idle")
    bench.clock.advance(2)
    sample = bench.node.sample()
    assert sample.agents == {"running": 1, "suspended": 1}
    assert sample.routed["request", "delivered"] == 2
    assert sample.routed["agree", "refused"] == 1
    assert sample.processed == {("request", "ok"): 1, ("request", "failed"): 1}
    assert (sample.mailbox_sum, sample.mailbox_max, sample.oldest_message_age) == (3, 3, 2.0)
    assert sample.conversations_closed == {
        ("fipa-request", "failed"): 1, ("fipa-request", "refused"): 1,
    }  # fmt: skip
    assert not any(sample.conversations_open.values())
    assert (sample.dead_letters, sample.traps) == ({"trap": 1}, {"unreachable": 1})
    assert sample.restarts == {"trap": 1}
    assert sample.agent_events["restarted"] == 1
    assert sample.deployments == {("direct", "running"): 2}
    assert sample.fuel >= 2


async def test_observations_are_taken_once() -> None:
    """The next sample has only what came since."""
    bench = await Bench().start()
    bench.clock.advance(1)
    await bench.deploy("agent", limits={"mailbox": 1000})
    for _ in range(200):
        bench.post("agent")
    bench.settle()
    first, second = bench.node.sample(), bench.node.sample()
    assert len(first.delivery_times) >= 3
    assert (second.delivery_times, second.durations) == ([], {})
    assert second.processed == first.processed
