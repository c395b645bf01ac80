"""Supervision in real nodes: guests that trap, pauses by the clock, and kill -9 in the middle of them."""

from __future__ import annotations

import datetime
import http.client
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.nodes import Api, Node, tell, until
from tests.e2e.wat import IMPORTS, guest, telling, text
from tests.faults.guests import ledger

pytestmark = pytest.mark.once

EXIT = '(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))'
COUNTED = f"""(if (i32.eq (i32.load8_u offset=1 (call $content (local.get $p) (local.get $n))) (i32.const 98)) (then (unreachable)))
  (local.set $x (call $state_get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)))
  (if (i32.lt_s (local.get $x) (i32.const 0)) (then (local.set $x (i32.const 0))))
  (drop (call $state_put (i32.const 0) (i32.const 1) (i32.const 0) (i32.add (local.get $x) (i32.const 1))))
  {telling("(i32.add (local.get $x) (i32.const 1))")}"""
"""Body: trap at a content that begins with b; count the others, and tell how many there were."""


def trapper() -> bytes:
    """Build an agent that traps at what begins with b."""
    return guest(COUNTED)


def events(api: Api, agent: str, kind: str, count: int) -> list[Any]:
    """Return the first events of a kind of an agent."""
    connection = http.client.HTTPConnection(api.host, api.port, timeout=30)
    connection.request(
        "GET", f"/api/v1/events?types={kind}&agent={agent}", headers={"Last-Event-ID": "0"}
    )
    answer = connection.getresponse()
    found: list[Any] = []
    while len(found) < count:
        line = answer.readline()
        assert line, f"the stream ended after {found}"
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
    connection.close()
    return found


def at(event: Any) -> float:
    """Return when an event happened."""
    return datetime.datetime.fromisoformat(event["time"]).timestamp()


@pytest.mark.timeout(200)
def test_a_crash_looping_agent(nodes: Callable[..., Node]) -> None:
    """Five restarts with the documented pauses, then failed; its sibling handles every message meanwhile."""
    node = nodes()
    api = node.api
    api.agent("loops", trapper())
    api.agent("sibling", ledger())
    texts = [f"{number:036d}" for number in range(200)]
    for number in range(6):
        assert api.send("loops", f"bad {number}", conversation_id=str(number)).status == 202
    for each in texts:
        assert api.send("sibling", each).status == 202
    (failed,) = events(api, "loops", "agent.failed", 1)
    assert (failed["data"]["why"], failed["data"]["restarts"]) == ("too-many-restarts", 5)
    restarts = events(api, "loops", "agent.restarted", 5)
    delays = [event["data"]["delay_ms"] for event in restarts]
    assert [event["data"]["attempt"] for event in restarts] == [1, 2, 3, 4, 5]
    for delay, full in zip(delays, (0, 200, 400, 800, 1600), strict=True):
        assert 0.8 * full <= delay <= full
    # The next death is that of the instance that was waited for: it can't have come before it was due.
    for one, other, delay in zip(restarts, [*restarts[1:], failed], delays, strict=True):
        assert at(other) - at(one) >= delay / 1000 - 0.005
    tell(
        f"pauses {delays}, gaps {[round(at(b) - at(a), 3) for a, b in itertools.pairwise(restarts)]}"
    )
    letters = api.letters("loops")
    assert {letter["reason"] for letter in letters} <= {"trap", "undeliverable"}
    assert len(letters) == 6
    until(lambda: api.get("agents/sibling")["queue"] == 0)
    assert api.letters("sibling") == []
    counted = {int(api.ask("sibling", each, performative="query-ref")["content"]) for each in texts}
    assert counted == {1}
    assert api.send("loops", "good").status == 409
    assert api.post("agents/loops/restart").status == 200
    assert int(api.ask("loops", "good")["content"]) == 1


@pytest.mark.timeout(200)
@pytest.mark.parametrize("deliveries", [1, 3, 7])
def test_a_poisonous_message(nodes: Callable[..., Node], deliveries: int) -> None:
    """A dead letter after exactly as many attempts as the manifest says; sent again by hand, it is handled once."""
    node = nodes()
    api = node.api
    api.agent("agent", trapper(), deliveries=deliveries)
    assert api.send("agent", "bad", conversation_id="poison").status == 202
    longest, asked = 0.0, 0
    while not api.letters("agent"):
        began = time.monotonic()
        api.ask("agent", f"good {asked}", conversation_id=f"c{asked}")
        longest, asked = max(longest, time.monotonic() - began), asked + 1
    tell(f"{deliveries} attempts, {asked} messages beside them, the longest took {longest:.3f} s")
    (letter,) = api.letters("agent")
    assert (letter["reason"], letter["attempts"]) == ("trap", deliveries)
    view = api.get("agents/agent")
    assert (view["state"], view["restarts"]) == ("running", deliveries)
    assert int(api.ask("agent", "good", conversation_id="last")["content"]) == asked + 1
    better = guest(COUNTED.replace("(i32.const 98)", "(i32.const 99)"))
    module = api.call("POST", "/api/v1/modules", better, kind="application/wasm").body["sha256"]
    manifest = {"name": "agent", "version": "2", "module": module, "deliveries": deliveries}
    assert api.post("deployments", {"manifest": manifest}).status == 202
    assert api.post(f"dead-letters/{letter['id']}/redrive").status == 202
    until(lambda: api.get("agents/agent/stats")["queue"] == 0)
    assert int(api.ask("agent", "good", conversation_id="end")["content"]) == asked + 3
    assert api.letters("agent") == []


@pytest.mark.timeout(200)
def test_kills_during_pauses(nodes: Callable[..., Node]) -> None:
    """Whenever the node dies, five restarts are five, pauses go on, and the agent's mailbox waits."""
    node = nodes()
    node.api.agent("loops", trapper())
    node.api.agent("sibling", ledger())
    handled = 0
    for number in range(6):
        assert node.api.send("loops", f"bad {number}", conversation_id=str(number)).status == 202
    for _ in range(12):
        key = f"{handled:036d}"
        assert node.api.send("sibling", key).status == 202
        handled += 1
        stats = node.api.get("agents/loops/stats")
        due = stats["restarting_at"]
        api = node.again()
        after = api.get("agents/loops/stats")
        if after["state"] == "failed":
            break
        assert after["restarts"] >= stats["restarts"]
        if due is not None and after["restarts"] == stats["restarts"]:
            assert after["restarting_at"] in (due, None)
    until(lambda: node.api.get("agents/loops")["state"] == "failed")
    assert node.api.get("agents/loops")["restarts"] == 5
    assert len(node.api.letters("loops")) == 6
    until(lambda: node.api.get("agents/sibling")["queue"] == 0)
    total = int(node.api.ask("sibling", "." * 36, performative="query-ref")["content"])
    assert (total, node.api.letters("sibling")) == (handled, [])
    assert node.again().get("agents/loops")["state"] == "failed"


@pytest.mark.timeout(200)
def test_kills_while_a_message_waits_to_be_tried_again(nodes: Callable[..., Node]) -> None:
    """It is tried as often as the manifest says, through as many kills as there are pauses; the others don't wait."""
    node = nodes()
    node.api.agent("agent", trapper(), deliveries=5)
    assert node.api.send("agent", "bad", conversation_id="poison").status == 202
    assert node.api.send("agent", "later", conversation_id="poison").status == 202
    kills = 0
    for kill in range(6):
        if node.api.letters("agent"):
            break
        node.again()
        kills += 1
        # Beside the poison, each is answered.
        node.api.ask("agent", f"good {kill}", conversation_id=f"c{kill}")
    letter = until(lambda: node.api.letters("agent"))[0]
    assert (letter["reason"], letter["attempts"]) == ("trap", 5)
    (entry,) = [
        item
        for item in node.api.all("messages?conversation_id=poison")
        if item["message"]["content"] == "bad"
    ]
    said = [event["event"] for event in entry["history"]]
    assert said == ["sent", *["retried"] * 4, "failed"], said
    until(lambda: node.api.get("agents/agent/stats")["queue"] == 0)
    assert int(node.api.ask("agent", "good", conversation_id="end")["content"]) == kills + 2
    tell(f"{kills} kills")


@pytest.mark.timeout(100)
def test_an_agent_that_traps_at_its_start(nodes: Callable[..., Node]) -> None:
    """It started once and never again: each failing start counts, through restarts of the node, until it is failed."""
    node = nodes()
    key = "(i32.const 0) (i32.const 1)"
    init = f"""(func (export "caxton_init") (param i32 i32) (result i32)
      (if (i32.ge_s (call $state_get {key} (i32.const 8) (i32.const 4)) (i32.const 0)) (then (unreachable)))
      (i32.const 0))"""
    keep = f"""(if (i32.eq (i32.load8_u offset=1 (call $content (local.get $p) (local.get $n))) (i32.const 98)) (then (unreachable)))
      (drop (call $state_put {key} (i32.const 8) (i32.const 4))) (i32.const 0)"""
    node.api.agent("loops", guest(keep, init))
    node.api.agent("sibling", guest(telling("(i32.const 1)")))
    assert node.api.send("loops", "good").status == 202
    assert node.api.send("loops", "bad").status == 202
    until(lambda: node.api.get("agents/loops")["restarts"] >= 3)
    api = node.again()
    assert int(api.ask("sibling")["content"]) == 1
    until(lambda: api.get("agents/loops")["state"] == "failed")
    assert api.get("agents/loops")["restarts"] == 5


@pytest.mark.timeout(100)
@pytest.mark.parametrize(
    ("policy", "state"),
    [("permanent", "running"), ("transient", "stopped"), ("temporary", "stopped")],
)
def test_an_orderly_end(nodes: Callable[..., Node], policy: str, state: str) -> None:
    """proc_exit(0): what the step said goes out, nobody is told of a failure, and the policy decides what follows."""
    said = '{"performative":"inform","receiver":"api","content":"bye","conversation_id":"c"}'
    body = f"(drop (call $send (i32.const 0) (i32.const {len(said)}))) (call $proc_exit (i32.const 0)) (unreachable)"
    module = guest(body, f"(data (i32.const 0) {text(said)})", imports=EXIT + IMPORTS)
    node = nodes()
    node.api.agent("ends", module, restart={"policy": policy}, profile="standard")
    reply = node.api.ask("ends", conversation_id="c")
    assert (reply["sender"], reply["content"]) == ("ends@caxton", "bye")
    until(lambda: node.api.get("agents/ends")["state"] == state)
    assert node.api.letters("ends") == []
    assert node.again().get("agents/ends")["state"] == state
