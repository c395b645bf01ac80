"""Messages that may not go out: what `send` returns, what REST answers, and what becomes of such a response."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.nodes import Api, until
from tests.e2e.wat import INBOX, PAGE, PARROT, RELAY, fixed, guest, saying, telling, text

LOOP = "(loop $for_ever (br $for_ever)) (unreachable)"


@pytest.fixture(scope="module")
def crowd(shared: Any) -> None:
    """Deploy the agents that send, answer, are full, are small and are asked."""
    api: Api = shared.api
    relay, parrot, silent = guest(RELAY), guest(PARROT), guest()
    api.agent("relay", relay)
    api.agent("shy", relay, send_to=["echo", "public-*", "pricing"])
    api.agent("narrow", relay, limits={"fan_out": 2})
    api.agent("brief", relay, limits={"message_size": "1KiB"})
    api.agent("parrot", parrot)
    api.agent("shy-parrot", parrot, send_to=["echo"])
    api.agent("silent", silent)
    api.agent("public-1", silent)
    api.agent("pricer", silent, services=[{"type": "pricing"}])
    api.agent("tiny", silent, limits={"message_size": "1KiB"})
    api.agent("full", silent, limits={"mailbox": 2})
    assert api.post("agents/full/suspend").status == 200
    for _ in range(2):
        assert api.send("full").status == 202


def sent(api: Api, agent: str, message: Any, **fields: Any) -> int:
    """Have an agent send a message, and return what `send` returned."""
    reply = api.ask(agent, message, **fields)
    assert reply["performative"] == "inform", reply
    return int(reply["content"])


def inform(receiver: str | list[str], content: Any = "x", **fields: Any) -> dict[str, Any]:
    """Return an inform."""
    return {"performative": "inform", "receiver": receiver, "content": content, **fields}


CASES: list[tuple[str, Any, int]] = [
    ("relay", inform("echo"), 0),
    ("relay", inform(["echo", "silent"]), 0),
    ("relay", "no message", -1),
    ("relay", {"performative": "shout", "receiver": "echo"}, -1),
    ("relay", {"performative": "inform", "content": "to nobody"}, -1),
    ("relay", inform("echo", colour="red"), -1),
    ("relay", inform("echo", reply_by="tomorrow"), -1),
    ("relay", inform("echo", id="7"), -1),
    ("relay", inform("echo", conversation_id=7), -1),
    ("relay", inform("nobody"), -2),
    ("relay", inform("echo@elsewhere"), -2),
    ("relay", inform("123456789"), -2),
    ("relay", inform(["echo", "nobody"]), -2),
    ("relay", inform("full"), -3),
    ("shy", inform("echo"), 0),
    ("shy", inform("public-1"), 0),
    ("shy", inform("pricer"), 0),
    ("shy", inform("silent"), -4),
    ("shy", inform(["echo", "silent"]), -4),
    ("relay", {"performative": "agree", "receiver": "echo"}, -5),
    ("relay", {"performative": "agree", "receiver": "echo", "conversation_id": "none"}, -5),
    ("relay", inform("echo", protocol="fipa-request"), -5),
    ("relay", inform("echo", protocol="fipa-request", conversation_id="none"), -5),
    ("relay", inform("echo", protocol="fipa-nonsense"), -5),
    ("relay", {"performative": "request", "receiver": "relay", "protocol": "fipa-request"}, -5),
    ("relay", inform("tiny", "x" * 1100), -6),
    ("brief", inform("echo"), 0),
    ("narrow", inform(["echo", "silent"]), 0),
    ("narrow", inform(["echo", "silent", "parrot"]), -7),
]


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(("agent", "message", "result"), CASES, ids=range(len(CASES)))
def test_send_answers_at_once(api: Api, agent: str, message: Any, result: int) -> None:
    """The number is the whole answer: nothing else comes of a message that was refused."""
    before = len(api.all("dead-letters"))
    assert sent(api, agent, message) == result
    assert len(api.all("dead-letters")) == before


@pytest.mark.usefixtures("crowd")
def test_more_than_a_message_may_have_is_minus_6(api: Api) -> None:
    """What a guest hands over is measured before it is read."""
    size = 300_000
    body = telling(f"(call $send (i32.const {INBOX}) (i32.const {size}))")
    api.agent("long", guest(body))
    assert int(api.ask("long")["content"]) == -6


def test_more_open_conversations_than_allowed_is_minus_7(api: Api) -> None:
    """An agent may have so many conversations open, and no more."""
    opener = '{"performative":"request","receiver":"never","protocol":"fipa-request"}'
    api.agent("never", guest())
    body = telling(f"(call $send (i32.const 0) (i32.const {len(opener)}))")
    data = f"(data (i32.const 0) {text(opener)})"
    api.agent("opener", guest(body, data), limits={"conversations": 3})
    assert [int(api.ask("opener")["content"]) for _ in range(5)] == [0, 0, 0, -7, -7]


def test_fan_out_counts_each_receiver_of_a_step(api: Api) -> None:
    """One `send` after the other in a step, until it is too many; what was queued before goes out."""
    message = '{"performative":"inform","receiver":"sink","content":"x"}'
    api.agent("sink", guest())
    count = f"""(loop $more
        (local.set $x (call $send (i32.const 0) (i32.const {len(message)})))
        (if (i32.eqz (local.get $x)) (then
          (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $more))))
      {telling("(i32.sub (i32.mul (local.get $i) (i32.const 10)) (local.get $x))")}"""
    api.agent("spray", guest(count, f"(data (i32.const 0) {text(message)})"), limits={"fan_out": 5})
    assert int(api.ask("spray")["content"]) == 57
    until(lambda: api.get("agents/sink/stats")["messages_in"] == 5)


# Over REST


@pytest.mark.usefixtures("crowd")
def test_rest_refuses_each_with_its_status_and_code(api: Api) -> None:
    """Contract.md section 4, one by one."""
    deep = {"performative": "inform", "receiver": "echo"}
    cases: list[tuple[Any, int, str, str]] = [
        (inform("nobody"), 404, "agent_not_found", "nobody"),
        (inform(["echo", "nobody"]), 404, "agent_not_found", "nobody"),
        (inform("full"), 503, "mailbox_full", "full"),
        (inform("tiny", "x" * 1100), 413, "payload_too_large", "1024"),
        (inform("echo", "x" * 300_000), 413, "payload_too_large", ""),
        ({**deep, "performative": "agree"}, 409, "not_admitted", ""),
        ({**deep, "performative": "inform", "protocol": "fipa-request"}, 409, "not_admitted", ""),
        (inform("echo", protocol="fipa-reqest"), 422, "unknown_protocol", "fipa-reqest"),
        ({**deep, "performative": "shout"}, 422, "invalid_message", "shout"),
        (inform("echo", colour="red"), 422, "invalid_message", "colour"),
        (inform("echo", sender="ams"), 400, "sender_not_allowed", "sender"),
        (inform("echo", id="7"), 422, "invalid_message", "id"),
        (inform("echo", reply_by="soon"), 422, "invalid_message", "reply_by"),
        (inform([]), 422, "invalid_message", "receiver"),
        ({"performative": "inform"}, 422, "invalid_message", "receiver"),
        ([], 422, "invalid_message", ""),
        ("text", 422, "invalid_message", ""),
        (None, 422, "invalid_message", ""),
    ]
    for document, status, code, word in cases:
        answer = api.call(
            "POST",
            "/api/v1/messages",
            json.dumps(document),
            kind="application/json",
        )
        problem = answer.body
        assert (answer.status, problem["code"]) == (status, code), (document, answer)
        assert word in problem["detail"], problem
        if code == "not_admitted":
            assert problem["reason"] in ("unknown-conversation", "out-of-sequence")
        if code == "mailbox_full":
            assert int(answer.headers["Retry-After"]) >= 1


def test_bodies_over_the_limit_are_413(api: Api) -> None:
    """4 MiB is the most that a route for messages takes, 1 MiB any other."""
    limits = {"messages": 4 << 20, "conversations": 4 << 20, "agents/echo/start": 1 << 20}
    for path, limit in limits.items():
        size = limit + 1
        answer = api.call("POST", f"/api/v1/{path}", b" " * size, kind="application/json")
        assert (answer.status, answer.body["code"]) == (413, "payload_too_large")


def test_an_illegal_move_over_rest_says_why(api: Api) -> None:
    """409 with the reason of the engine, at each step of a request that is over."""
    api.agent("done", fixed('{"performative":"inform","content":"done"}'))
    opener = {"performative": "request", "receiver": "done", "protocol": "fipa-request"}
    answer = api.post("messages?wait=30s", opener)
    assert answer.status == 200, answer
    conversation = answer.body["message"]["conversation_id"]
    assert api.get(f"conversations/{conversation}")["outcome"] == "success"
    for act in ("cancel", "request", "inform"):
        again = {"performative": act, "receiver": "done", "conversation_id": conversation}
        refused = api.post("messages", again)
        assert (refused.status, refused.body["code"]) == (409, "not_admitted"), refused
        assert refused.body["reason"] == "terminated"
    wrong = {
        **opener,
        "performative": "cfp",
        "protocol": "fipa-contract-net",
        "conversation_id": conversation,
    }
    assert api.post("messages", wrong).body["reason"] == "wrong-protocol"


# Responses that may not be delivered: the author hears of it, and a dead letter is kept

NOTE = f"""
  (if (call $find (local.get $p) (local.get $n) (i32.const 600) (i32.const 15)) (then
    (memory.copy (i32.const 1000) (local.get $p) (local.get $n))
    (drop (call $state_put (i32.const 600) (i32.const 3) (i32.const 1000) (local.get $n)))
    (return (i32.const 0))))
  (if (i32.eq (call $act (local.get $p) (local.get $n)) (i32.const {int.from_bytes(b"quer", "little")})) (then
    (local.set $x (call $state_get (i32.const 600) (i32.const 3) (i32.const 1026) (i32.const {PAGE - 1100})))
    (if (i32.lt_s (local.get $x) (i32.const 0)) (then (return (i32.const 99))))
    (memory.copy (i32.const 991) (i32.const 700) (i32.const 35))
    (i32.store8 (i32.add (i32.const 1026) (local.get $x)) (i32.const 125))
    (return (call $respond (local.get $p) (i32.const 991) (i32.add (i32.const 36) (local.get $x))))))
"""
"""Body: keep what the AMS says, and tell it when queried; anything else goes on."""
NOTE_DATA = f"""(data (i32.const 600) {text('"sender":"ams@c')})
  (data (i32.const 700) {text('{"performative":"inform","content":')})"""


def noting(name: str, response: str, api: Api, **manifest: Any) -> str:
    """Deploy an agent that always gives one response and keeps what the AMS says to it."""
    module = guest(NOTE + saying(response), f"(data (i32.const 0) {text(response)}) {NOTE_DATA}")
    return api.agent(name, module, profile="standard", **manifest)


def noted(api: Api, name: str) -> Any:
    """Return the message of the AMS that an agent has kept."""

    def look() -> Any:
        reply = api.ask(name, performative="query-ref")
        return reply["content"] if reply["performative"] == "inform" else None

    return until(look)


def test_a_response_to_nobody_is_answered_with_a_failure(api: Api) -> None:
    """The step stands, its author gets the failure, and the response is a dead letter."""
    noting("lost", '{"performative":"inform","receiver":"nobody","content":"hi"}', api)
    assert api.send("lost").status == 202
    failure = noted(api, "lost")
    assert (failure["performative"], failure["sender"]) == ("failure", "ams@caxton")
    assert failure["content"]["reason"] == "undeliverable"
    assert "nobody" in failure["content"]["detail"]
    letter = next(item for item in api.all("dead-letters") if item["receiver"] == "nobody")
    assert letter["reason"] == "undeliverable"
    assert letter["message"]["sender"] == "lost@caxton"
    assert letter["message"]["content"] == "hi"


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("name", "response", "word"),
    [
        ("to-full", '{"performative":"inform","receiver":"full"}', "full"),
        (
            "to-tiny",
            '{"performative":"inform","receiver":"tiny","content":"%s"}' % ("x" * 500),
            "1024",
        ),
        ("to-silent", '{"performative":"inform","receiver":"silent"}', "silent"),
    ],
)
def test_a_response_that_may_not_arrive(api: Api, name: str, response: str, word: str) -> None:
    """Full, too small, forbidden: a failure to the author and a dead letter, each with its reason."""
    response = response.replace("x" * 500, "x" * 500)
    send_to = ["echo"] if name == "to-silent" else ["*"]
    if name == "to-tiny":
        api.agent("tinier", guest(), limits={"message_size": "300B"})
        response, word = response.replace('"tiny"', '"tinier"'), "300"
    noting(name, response, api, send_to=send_to)
    assert api.send(name).status == 202
    failure = noted(api, name)
    assert failure["performative"] == "failure"
    assert failure["content"]["reason"] == "undeliverable"
    assert word in failure["content"]["detail"]
    letters = [
        each
        for each in api.all("dead-letters")
        if each["message"].get("sender") == f"{name}@caxton"
    ]
    assert [letter["reason"] for letter in letters] == ["undeliverable"]


def test_an_illegal_response_is_not_understood(api: Api) -> None:
    """A response that the conversation does not allow is answered with a not-understood of the AMS."""
    noting("rude", '{"performative":"propose","content":"instead"}', api)
    opener = {"performative": "request", "receiver": "rude", "protocol": "fipa-request"}
    conversation = api.post("messages", opener).body["conversation_id"]
    answer = noted(api, "rude")
    assert (answer["performative"], answer["sender"]) == ("not-understood", "ams@caxton")
    assert answer["conversation_id"] == conversation
    assert answer["content"]["reason"] == "out-of-sequence"
    assert api.get(f"conversations/{conversation}")["state"] == "awaiting-response"
    letters = [
        each for each in api.all("dead-letters") if each["message"].get("sender") == "rude@caxton"
    ]
    assert [letter["reason"] for letter in letters] == ["not-admitted"]


def test_a_failed_answer_closes_its_leg(api: Api) -> None:
    """A participant that traps has failed its conversation; the initiator is told why."""
    api.agent("trapper", guest("(unreachable)"))
    opener = {"performative": "request", "receiver": "trapper", "protocol": "fipa-request"}
    answer = api.post("messages?wait=30s", opener)
    assert answer.body["reply"]["content"]["reason"] == "trap"
    found = api.get(f"conversations/{answer.body['reply']['conversation_id']}")
    assert (found["state"], found["outcome"]) == ("failed", "failed")


def test_messages_to_an_agent_that_is_stopped(api: Api) -> None:
    """Stopping answers the mailbox with failures; then nobody is there."""
    api.agent("ending", guest())
    assert api.post("agents/ending/suspend").status == 200
    waiting = api.send("ending")
    assert waiting.status == 202
    assert api.post("agents/ending/stop").status in (200, 409)
    if api.get("agents/ending")["state"] != "stopped":
        assert api.post("agents/ending/resume").status == 200
        assert api.post("agents/ending/stop").status == 200
    else:
        letter = api.letters("ending")[-1]
        assert letter["reason"] == "undeliverable"
        conversation = waiting.body["conversation_id"]
        acts = [
            item["message"]["performative"]
            for item in api.all(f"messages?conversation_id={conversation}")
        ]
        assert acts == ["inform", "failure"]
    refused = api.send("ending")
    assert refused.status == 409, refused
    again = api.post("agents/ending/suspend")
    assert (again.status, again.body["code"]) == (409, "invalid_transition")


def test_removing_an_agent_answers_what_it_was_doing(api: Api) -> None:
    """The message it is in the middle of, and those behind it: each gets a failure and is kept."""
    api.agent("doomed", guest(LOOP), limits={"cpu_ms": 600_000, "time_ms": 600_000})
    accepted = [api.send("doomed", number).body for number in range(3)]
    until(lambda: api.get("agents/doomed/stats")["queue"] == 2)
    assert api.call("DELETE", "/api/v1/agents/doomed").status == 204
    assert [letter["message"]["content"] for letter in api.letters("doomed")] == [0, 1, 2]
    for each in accepted:
        found = api.all(f"messages?conversation_id={each['conversation_id']}")
        assert [item["message"]["performative"] for item in found] == ["inform", "failure"]
        assert found[1]["message"]["content"]["reason"] == "undeliverable"


# State and timers


def test_the_quota_of_state_is_kept(api: Api) -> None:
    """Over the quota is -1 and changes nothing; room that is given back can be used again."""
    put = "(call $state_put (i32.const {key}) (i32.const 1) (i32.const 0) (i32.const {size}))"
    steps = [put.format(key=0, size=900), put.format(key=1, size=900), put.format(key=0, size=1023),
             put.format(key=0, size=1024), "(call $state_delete (i32.const 0) (i32.const 1))", put.format(key=1, size=1023),
             "(call $state_get (i32.const 0) (i32.const 1) (i32.const 9) (i32.const 0))"]  # fmt: skip
    body = "".join(
        f"(local.set $i (i32.add (i32.mul (local.get $i) (i32.const 10)) (i32.sub (i32.const 0) {step})))"
        for step in steps
    )
    data = '(data (i32.const 0) "ab")'
    api.agent("hoarder", guest(body + telling("(local.get $i)"), data), limits={"state": "1KiB"})
    assert int(api.ask("hoarder")["content"]) == 101001
    assert api.get("agents/hoarder/stats")["state_bytes"] == 1024


def test_timers_are_limited(api: Api) -> None:
    """100 in a step, 4 KiB each, none in the past; an id that is unknown can't be cancelled."""
    body = f"""
      (loop $more
        (local.set $x (call $set_timer (i64.const 3600000) (i32.const 0) (i32.const 0)))
        (if (i32.ge_s (local.get $x) (i32.const 0)) (then
          (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $more))))
      (if (i32.ne (i32.const -1) (call $set_timer (i64.const 1) (i32.const 0) (i32.const 4097))) (then (unreachable)))
      (if (i32.ne (i32.const -1) (call $set_timer (i64.const -1) (i32.const 0) (i32.const 1))) (then (unreachable)))
      (if (i32.ne (i32.const -1) (call $cancel_timer (i32.const -7))) (then (unreachable)))
      {telling("(local.get $i)")}"""
    api.agent("alarmist", guest(body))
    assert [int(api.ask("alarmist")["content"]) for _ in range(11)] == [100] * 10 + [0]
    assert api.get("agents/alarmist/stats")["timers"] == 1_000
