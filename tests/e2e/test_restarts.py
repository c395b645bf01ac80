"""What survives a restart, by SIGTERM and by kill -9: everything but the guests' memory."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.nodes import Api, Node, until
from tests.e2e.wat import ASKED, echo, fixed, guest, telling, text

HOWS = [signal.SIGTERM, signal.SIGKILL]
GET = "(call $state_get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))"
QUERIED = f"(i32.eq (call $act (local.get $p) (local.get $n)) (i32.const {int.from_bytes(b'quer', 'little')}))"
KEEP = f"""(if {QUERIED} (then (return {telling(GET)})))
  (local.set $x {GET})
  (if (i32.lt_s (local.get $x) (i32.const 0)) (then (local.set $x (i32.const 0))))
  (drop (call $state_put (i32.const 0) (i32.const 1) (i32.const 0) (i32.add (local.get $x) (i32.const 1))))
  (i32.const 0)"""
"""Body: the length of what is kept says how many messages were handled; a query tells it."""


def kept(api: Api, name: str) -> int:
    """Return how many messages an agent has handled, by its own account."""
    return int(api.ask(name, performative="query-ref")["content"])


@pytest.mark.parametrize("how", HOWS)
def test_agents_come_back_in_their_states(nodes: Callable[..., Node], how: signal.Signals) -> None:
    """Running, suspended, stopped and failed agents are that again; a removed one is not there."""
    node = nodes()
    api = node.api
    api.agent("runs", guest(KEEP))
    api.agent("sleeps", guest(KEEP))
    api.agent("stands", guest(KEEP))
    api.agent("fails", guest("(unreachable)"), restart={"max_restarts": 0})
    api.agent("gone", guest(KEEP))
    assert api.deploy("never", guest("(unreachable)"), limits={"memory": "1B"}).status >= 400
    bad = guest(more='(func (export "caxton_init") (param i32 i32) (result i32) (i32.const 1))')
    assert api.deploy("refused", bad).status == 422
    assert api.send("runs").status == 202
    assert api.post("agents/sleeps/suspend").status == 200
    for number in range(3):
        assert api.send("sleeps", number).status == 202
    assert api.post("agents/stands/stop").status == 200
    assert api.ask("fails")["performative"] == "failure"
    until(lambda: api.get("agents/fails")["state"] == "failed")
    assert api.call("DELETE", "/api/v1/agents/gone").status == 204
    until(lambda: kept(api, "runs") == 1)
    before = {agent["name"]: agent for agent in api.all("agents")}
    assert set(before) == {"runs", "sleeps", "stands", "fails"}

    api = node.again(how)
    after = {agent["name"]: agent for agent in api.all("agents")}
    for name, agent in before.items():
        same = ("id", "state", "version", "module", "address", "created_at", "queue")
        assert {key: after[name][key] for key in same} == {key: agent[key] for key in same}
    assert set(after) == set(before)
    assert kept(api, "runs") == 1
    assert api.get("agents/sleeps")["queue"] == 3
    assert api.post("agents/sleeps/resume").status == 200
    until(lambda: kept(api, "sleeps") == 3)
    assert api.post("agents/stands/start").status in (200, 409)
    assert api.send("gone").status == 404


@pytest.mark.parametrize("how", HOWS)
def test_timers_ring_after_a_restart(nodes: Callable[..., Node], how: signal.Signals) -> None:
    """Each once: one that was due meanwhile, one that is due later; one that was cancelled does not."""
    node = nodes()
    body = f"""(if {QUERIED} (then (return {telling(GET)})))
      (if {ASKED} (then
        (drop (call $set_timer (i64.const 1) (i32.const 100) (i32.const 4)))
        (drop (call $set_timer (i64.const 3000) (i32.const 100) (i32.const 4)))
        (drop (call $cancel_timer (call $set_timer (i64.const 2000) (i32.const 100) (i32.const 4))))
        (return (i32.const 0))))
      {KEEP}"""
    node.api.agent("alarm", guest(body, '(data (i32.const 100) "ring")'))
    assert node.api.send("alarm", performative="request").status == 202
    until(lambda: kept(node.api, "alarm") == 1)
    api = node.again(how)
    assert kept(api, "alarm") in (1, 2)
    until(lambda: kept(api, "alarm") == 2)
    assert api.get("agents/alarm/stats")["timers"] == 0
    rung = [
        item["message"]
        for item in api.all("messages?agent=alarm")
        if item["message"]["sender"] == "ams@caxton"
    ]
    assert [(each["content"], each["ontology"]) for each in rung] == [("ring", "caxton-timer")] * 2
    api = node.again(how)
    assert kept(api, "alarm") == 2


@pytest.mark.parametrize("how", HOWS)
def test_a_timer_that_nobody_heard_rings_once(
    nodes: Callable[..., Node], how: signal.Signals
) -> None:
    """It is a dead letter when its agent has stopped, and not another one after each restart."""
    node = nodes()
    body = f"(drop (call $set_timer (i64.const 1500) (i32.const 100) (i32.const 4))) {KEEP}"
    node.api.agent("alarm", guest(body, '(data (i32.const 100) "ring")'))
    assert node.api.send("alarm").status == 202
    until(lambda: node.api.get("agents/alarm/stats")["timers"] == 1)
    assert node.api.post("agents/alarm/stop").status == 200
    until(lambda: len(node.api.letters("alarm")) == 1)
    node.again(how)
    api = node.again(how)
    assert len(api.letters("alarm")) == 1


@pytest.mark.parametrize("how", HOWS)
def test_open_conversations_go_on(nodes: Callable[..., Node], how: signal.Signals) -> None:
    """A participant that agreed before a restart delivers its result after it; rules and deadlines still hold."""
    node = nodes()
    api = node.api
    agree = '{"performative":"agree"}'
    send = '{"performative":"inform","receiver":"api","content":"result","protocol":"fipa-request","conversation_id":"'
    # Asked, it agrees and keeps the conversation's id; told to go on, it sends the result.
    worker = f"""(if {ASKED} (then
        (drop (call $state_put (i32.const 300) (i32.const 3)
          (call $find (local.get $p) (local.get $n) (i32.const 300) (i32.const 19)) (i32.const 36)))
        (return (call $respond (local.get $p) (i32.const 0) (i32.const {len(agree)})))))
      (drop (call $state_get (i32.const 300) (i32.const 3) (i32.const {400 + len(send)}) (i32.const 36)))
      (i32.store16 (i32.const {436 + len(send)}) (i32.const 0x7d22))
      (if (call $send (i32.const 400) (i32.const {len(send) + 38})) (then (return (i32.const 7))))
      (i32.const 0)"""
    data = f"""(data (i32.const 0) {text(agree)}) (data (i32.const 300) {text('"conversation_id":"')})
      (data (i32.const 400) {text(send)})"""
    api.agent("worker", guest(worker, data))
    api.agent("mute", guest())
    for name in ("worker", "mute"):
        spec = {"protocol": "fipa-request", "participants": [name], "content": "do"}
        answer = api.post("conversations", spec)
        assert answer.status == 201, answer
    working, waiting = (
        next(item["id"] for item in api.all("conversations") if item["participants"] == [who])
        for who in ("worker@caxton", "mute@caxton")
    )
    until(lambda: api.get(f"conversations/{working}")["state"] == "awaiting-result")
    before = {item["id"]: item for item in api.all("conversations")}

    api = node.again(how)
    after = {item["id"]: item for item in api.all("conversations")}
    assert after == before
    refused = api.send("mute", performative="agree", conversation_id=waiting)
    assert refused.body["reason"] in ("out-of-sequence", "bad-in-reply-to")
    assert api.send("worker").status == 202
    ended = until(
        lambda: found if (found := api.get(f"conversations/{working}"))["outcome"] else None
    )
    assert (ended["state"], ended["outcome"], ended["result"]) == ("completed", "success", "result")
    assert api.post(f"conversations/{waiting}/cancel").status == 200
    assert api.get(f"conversations/{waiting}")["state"] == "cancelling"
    api = node.again(how)
    assert api.get(f"conversations/{working}") == ended
    assert api.get(f"conversations/{waiting}")["state"] == "cancelling"


@pytest.mark.parametrize("how", HOWS)
def test_the_servers_own_contract_net_is_awarded_after_a_restart(
    nodes: Callable[..., Node], how: signal.Signals
) -> None:
    """The server asked, some had proposed, it restarts: it still selects the best of all proposals."""
    node = nodes()
    api = node.api

    def bidder(cost: int) -> bytes:
        bid = f'{{"performative":"propose","content":{{"cost":{cost}}}}}'
        done = '{"performative":"inform","content":"built"}'
        cfp = f"(i32.eq (call $act (local.get $p) (local.get $n)) (i32.const {int.from_bytes(b'cfp' + chr(34).encode(), 'little')}))"
        accepted = f"(i32.eq (call $act (local.get $p) (local.get $n)) (i32.const {int.from_bytes(b'acce', 'little')}))"
        body = f"""(if {cfp} (then (return (call $respond (local.get $p) (i32.const 0) (i32.const {len(bid)})))))
          (if {accepted} (then (return (call $respond (local.get $p) (i32.const 200) (i32.const {len(done)})))))
          (i32.const 0)"""
        return guest(body, f"(data (i32.const 0) {text(bid)}) (data (i32.const 200) {text(done)})")

    for name, cost in (("dear", 9), ("cheap", 2), ("middling", 5)):
        api.agent(name, bidder(cost))
    assert api.post("agents/middling/suspend").status == 200
    spec = {
        "protocol": "fipa-contract-net", "participants": ["dear", "cheap", "middling"], "content": "a house",
        "select": {"min": "$.cost"}, "reply_by": "+60s",
    }  # fmt: skip
    answer = api.post("conversations", spec)
    assert answer.status == 201, answer
    net = answer.body["id"]

    def states() -> dict[str, str]:
        legs = node.api.get(f"conversations/{net}")["legs"]
        return {leg["participant"].partition("@")[0]: leg["state"] for leg in legs}

    until(lambda: list(states().values()).count("proposed") == 2)
    api = node.again(how)
    assert states() == {"dear": "proposed", "cheap": "proposed", "middling": "awaiting-proposal"}
    assert api.post("agents/middling/resume").status == 200
    ended = until(lambda: found if (found := api.get(f"conversations/{net}"))["outcome"] else None)
    assert (ended["state"], ended["winner"], ended["result"]) == (
        "completed",
        "cheap@caxton",
        "built",
    )
    outcomes = {leg["participant"]: leg["outcome"] for leg in ended["legs"]}
    assert outcomes == {
        "dear@caxton": "rejected",
        "middling@caxton": "rejected",
        "cheap@caxton": "done",
    }


@pytest.mark.parametrize("how", HOWS)
def test_dead_letters_survive_and_can_be_sent_again(
    nodes: Callable[..., Node], how: signal.Signals
) -> None:
    """Kept, redriven once, removed; what is gone stays gone."""
    node = nodes()
    api = node.api
    api.agent("fragile", guest("(unreachable)"), restart={"max_restarts": 100})
    for number in range(3):
        assert api.ask("fragile", number)["performative"] == "failure"
    before = api.all("dead-letters")
    assert [letter["message"]["content"] for letter in before] == [0, 1, 2]

    api = node.again(how)
    assert api.all("dead-letters") == before
    first, second, third = (letter["id"] for letter in before)
    assert api.call("DELETE", f"/api/v1/dead-letters/{first}").status == 204
    answer = api.post(f"dead-letters/{second}/redrive")
    assert answer.status in (200, 201, 202), answer
    found = until(
        lambda: (
            letters
            if len(letters := api.all("dead-letters")) == 2 and letters[0]["id"] == third
            else None
        )
    )
    assert [letter["message"]["content"] for letter in found] == [2, 1]
    assert api.post(f"dead-letters/{second}/redrive").status == 404

    api = node.again(how)
    assert api.all("dead-letters") == found


@pytest.mark.parametrize("how", HOWS)
def test_a_version_that_did_not_start_is_not_there_after_a_restart(
    nodes: Callable[..., Node], how: signal.Signals
) -> None:
    """A refused update leaves the version that runs, now and later."""
    node = nodes()
    api = node.api
    api.agent("steady", fixed('{"performative":"inform","content":"one"}'), version="1.0.0")
    bad = guest(more='(func (export "caxton_init") (param i32 i32) (result i32) (i32.const 1))')
    pushed = api.call("POST", "/api/v1/modules", bad, kind="application/wasm")
    assert pushed.status == 201, pushed
    digest = pushed.body["sha256"]
    module = digest if digest.startswith("sha256:") else f"sha256:{digest}"
    update = {"manifest": {"name": "steady", "version": "2.0.0", "module": module}}
    answer = api.post("deployments", update)
    assert answer.status in (202, 422), answer
    until(lambda: api.all("deployments")[-1]["state"] == "failed")
    assert api.get("agents/steady")["version"] == "1.0.0"
    api = node.again(how)
    assert api.get("agents/steady")["version"] == "1.0.0"
    assert api.ask("steady")["content"] == "one"


def test_a_request_that_was_running_is_answered_by_the_next_node(
    nodes: Callable[..., Node],
) -> None:
    """Nobody waits any more, but the reply is in the conversation."""
    node = nodes()
    node.api.agent("echo", echo())
    assert node.api.post("agents/echo/suspend").status == 200
    question = {"performative": "request", "receiver": "echo", "content": "there?"}
    accepted = node.api.post("messages", question).body
    api = node.again()
    assert api.post("agents/echo/resume").status == 200

    def acts() -> Any:
        found = api.all(f"messages?conversation_id={accepted['conversation_id']}")
        return [item["message"]["performative"] for item in found]

    until(lambda: acts() == ["request", "inform"])
