"""Nodes that end in the middle of something: an endless step, a message that kills nodes, the demo."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from caxton_server.client import Client
from caxton_server.demo.runs import Status, Watcher, run
from caxton_server.demo.shops import DISPATCHER, bundled, job_name
from caxton_server.jobshop import Placement, check_schedule, parse_instance
from returns.result import Success

from tests.e2e.nodes import Node, tell, until
from tests.e2e.wat import ASKED, guest, telling, text

pytestmark = pytest.mark.once


def test_sigterm_does_not_wait_for_an_endless_step(nodes: Callable[..., Node]) -> None:
    """A step that does not end is dropped, and runs again at the next start."""
    node = nodes()
    spin = guest("(loop $for_ever (br $for_ever)) (unreachable)")
    node.api.agent("spins", spin, limits={"cpu_ms": 600_000, "time_ms": 600_000})
    accepted = node.api.send("spins").body
    until(lambda: node.api.get("agents/spins/stats")["queue"] == 0)
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < 30
    api = node.start()
    until(
        lambda: (
            api.get("agents/spins/stats")["fuel"] > 0 or api.get("agents/spins/stats")["queue"] == 0
        )
    )
    assert api.letters("spins") == []
    history = api.get(f"messages/{accepted['id']}")["history"]
    assert [entry["event"] for entry in history] == ["sent"]
    assert api.call("DELETE", "/api/v1/agents/spins").status == 204


# A message that kills nodes


def running(node: Node) -> bool:
    """Tell whether the node's mark says that a message is running."""
    mark = (node.data / "running").read_bytes()
    return mark[:16] != bytes(16)


SPIN = "(loop $for_ever (br $for_ever)) (unreachable)"
FROM_AMS = '"sender":"ams@'
BOMB = '{"performative":"request","receiver":"bomb","content":"tick"}'


@pytest.mark.timeout(200)
def test_a_message_that_kills_nodes_becomes_a_dead_letter(nodes: Callable[..., Node]) -> None:
    """After three deaths the message is given up, its sender is told, and what waits behind it is handled."""
    node = nodes()
    patient = {"cpu_ms": 3_600_000, "time_ms": 3_600_000}
    # Whoever is asked spins; whoever is told only answers.
    node.api.agent("bomb", guest(f"(if {ASKED} (then {SPIN})) (i32.const 0)"), limits=patient)
    # Deployed later, so recovered later: it must still hear of the failure.
    keep = f"""(if (call $find (local.get $p) (local.get $n) (i32.const 100) (i32.const 14)) (then
        (drop (call $state_put (i32.const 100) (i32.const 1) (i32.const 0) (i32.const 5)))
        (return (i32.const 0))))
      (if {ASKED} (then (drop (call $send (i32.const 0) (i32.const {len(BOMB)}))) (return (i32.const 0))))
      {telling("(call $state_get (i32.const 100) (i32.const 1) (i32.const 0) (i32.const 0))")}"""
    data = f"(data (i32.const 0) {text(BOMB)}) (data (i32.const 100) {text(FROM_AMS)})"
    node.api.agent("lighter", guest(keep, data))
    assert node.api.send("lighter", performative="request").status == 202
    until(lambda: node.api.get("agents/lighter/stats")["messages_out"] == 1)
    until(lambda: node.api.get("agents/bomb")["queue"] == 0)
    assert node.api.send("bomb").status == 202
    for _ in range(3):
        until(lambda: running(node))
        assert node.api.letters("bomb") == []
        node.kill()
        node.start()
    letter = until(lambda: node.api.letters("bomb"))[0]
    assert letter["reason"] == "crash"
    assert letter["attempts"] == 3
    assert (letter["message"]["content"], letter["message"]["sender"]) == ("tick", "lighter@caxton")
    until(lambda: node.api.get("agents/bomb/stats")["messages_in"] == 1)

    def told() -> bool:
        return int(node.api.ask("lighter", performative="query-ref")["content"]) == 5

    until(told)
    failure = next(
        item["message"]
        for item in node.api.all("messages?agent=lighter")
        if item["message"]["performative"] == "failure"
    )
    assert failure["content"]["reason"] == "crash"
    history = node.api.get(f"messages/{letter['message']['id']}")["history"]
    assert [entry["event"] for entry in history] == ["sent", "failed"]
    node.again()
    assert len(node.api.letters("bomb")) == 1


# The demo


class Killer(Watcher):
    """Kills a node when so many operations are placed."""

    def __init__(self, node: Node, at: int) -> None:
        self.node, self.at = node, at

    def placed(self, status: Status) -> None:
        """Kill, once it has come so far."""
        if status.placed >= self.at:
            self.node.kill()


@pytest.mark.timeout(200)
def test_kill_in_the_middle_of_the_demo(nodes: Callable[..., Node]) -> None:
    """After each restart the agents go on by themselves; the schedule is whole, feasible, and the same as ever."""
    node = nodes()
    instance = parse_instance(bundled()["ft10"], name="ft10").unwrap()
    total = sum(len(job) for job in instance.jobs)
    kills = 0
    for at in (1, total // 4, total // 2):
        client = Client(node.api.url)
        killed = run(client, instance, Killer(node, at))
        client.close()
        if isinstance(killed, Success):
            break
        kills += 1
        node.stop()
        node.start()
    client = Client(node.api.url)

    def done() -> Any:
        reply = client.request({"performative": "query-ref", "receiver": DISPATCHER}, wait=10.0)
        status = reply.unwrap().reply["content"]
        assert status["state"] in ("running", "done"), status
        return status["state"] == "done"

    until(done)
    schedule = []
    for job in range(len(instance.jobs)):
        question = {"performative": "query-ref", "receiver": job_name(job)}
        booked = client.request(question, wait=10.0).unwrap().reply["content"]["schedule"]
        schedule += [Placement(job, number, *booking) for number, booking in enumerate(booked)]
    client.close()
    makespan = check_schedule(instance, schedule).unwrap()
    assert makespan <= 1.35 * (instance.optimum or makespan)
    nets = node.api.all("conversations?protocol=fipa-contract-net")
    assert len(nets) == total
    assert {net["state"] for net in nets} == {"completed"}
    assert node.api.all("dead-letters") == []
    assert kills
    tell(f"{kills} kills, makespan {makespan}")
