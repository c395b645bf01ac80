"""Deliveries that fail: the sender is told {reason, detail}, the message is kept, the node goes on."""

from __future__ import annotations

from typing import Any

import pytest
from wasmtime import wat2wasm

from tests.e2e.nodes import Api, until
from tests.e2e.wat import (
    ASKED,
    AT,
    DESK,
    INBOX,
    LENGTH,
    PAGE,
    PAGES,
    PARROT,
    RELAY,
    guest,
    telling,
    text,
)

END = PAGES * PAGE
LOOP = "(loop $for_ever (br $for_ever)) (unreachable)"


def hosts(call: str) -> str:
    """Body: make a host call for ever."""
    return f"(loop $for_ever {call} (br $for_ever)) (unreachable)"


def failed(api: Api, name: str, content: Any = "hello", **fields: Any) -> tuple[str, str]:
    """Ask an agent that fails; check the failure and its dead letter, and return reason and detail."""
    reply = api.ask(name, content, **fields)
    assert reply["performative"] == "failure", reply
    assert reply["sender"] == "ams@caxton"
    assert reply["receiver"] == "api@caxton"
    assert set(reply["content"]) == {"reason", "detail"}
    reason, detail = reply["content"]["reason"], reply["content"]["detail"]
    letter = api.letters(name)[-1]
    assert (letter["reason"], letter["detail"]) == (reason, detail)
    assert letter["receiver"] == f"{name}@caxton"
    assert letter["attempts"] == 1
    assert letter["message"]["content"] == content
    assert letter["message"]["sender"] == "api@caxton"
    assert letter["message"]["id"] == reply["in_reply_to"]
    return reason, detail


FAULTS = {
    "trap": ("(unreachable)", "trap", "unreachable"),
    "division": ("(i32.div_u (i32.const 1) (i32.const 0))", "trap", "divide"),
    "read outside": ("(i32.load (i32.const -8))", "trap", "out of bounds"),
    "endless recursion": ("(call $down (i32.const 0))", "trap", "stack"),
    "endless loop": (LOOP, "cpu", "50 ms"),
    "endless now_ms": (hosts("(drop (call $now_ms))"), "host-calls", "10000"),
    "endless log": (hosts("(call $log (i32.const 2) (i32.const 0) (i32.const 8000))"), "host-calls", "10000"),
    "endless send": (hosts("(drop (call $send (i32.const 0) (i32.const 0)))"), "host-calls", "10000"),
    "endless state": (
        hosts("(drop (call $state_put (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 60000)))"), "host-calls", "10000",
    ),
    "endless random": (hosts("(call $random (i32.const 0) (i32.const 1))"), "host-calls", "10000"),
    "error code": ("(i32.const 5)", "agent-error", "5"),
    "negative error code": ("(i32.const -5)", "agent-error", "-5"),
    "code two": ("(i32.const 2)", "agent-error", "2"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_kept(api: Api, fault: str) -> None:
    """Reason and detail say what was wrong; the agent is there for the next message."""
    body, reason, word = FAULTS[fault]
    down = (
        "(func $down (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0))))"
    )
    name = api.agent(fault.replace(" ", "-"), guest(body, down))
    limits = {"cpu", "time"} if reason == "host-calls" else {reason}
    for _ in range(2):
        found, detail = failed(api, name)
        assert found in limits | {reason}
        if found == reason:
            assert word in detail
    assert api.get(f"agents/{name}")["state"] == "running"
    assert api.call("DELETE", f"/api/v1/agents/{name}").status == 204


def test_memory_that_is_not_given_is_the_guests_to_handle(api: Api) -> None:
    """`memory.grow` over the limit answers -1, and the agent lives."""
    body = telling("(memory.grow (i32.const 1000))")
    name = api.agent("grows", guest(body), limits={"memory": "1MiB"})
    assert api.ask(name)["content"] == "-00000000001"


def test_a_log_flood_is_cut_and_counted(api: Api) -> None:
    """64 KiB of log in a step are kept, in lines of 8 KiB; the rest is counted, and the step is good."""
    flood = """(loop $more (call $log (i32.const 2) (i32.const 0) (i32.const 60000))
      (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))"""
    name = api.agent("floods", guest(f"{flood} {telling('(i32.const 1)')}"))
    assert api.ask(name)["content"] == "+00000000001"
    lines = api.get(f"agents/{name}/logs")["items"]
    assert 0 < len(lines) <= 10
    stats = api.get(f"agents/{name}/stats")
    assert stats["log_bytes_dropped"] > 0, stats


# Pointers and lengths

RANGES = [
    (END, 1), (END - 1, 2), (0, END + 1), (0, -1), (-1, 1), (-1, -1), (1, -1), (-8, 16),
    (2147483647, 2147483647), (-2147483648, -2147483648), (-2147483648, 1),
]  # fmt: skip
CALLS = {
    "send": "(drop (call $send {range}))",
    "log": "(call $log (i32.const 1) {range})",
    "random": "(call $random {range})",
    "state_get-key": "(drop (call $state_get {range} (i32.const 0) (i32.const 0)))",
    "state_get-value": "(drop (call $state_get (i32.const 0) (i32.const 1) {range}))",
    "state_put-key": "(drop (call $state_put {range} (i32.const 0) (i32.const 0)))",
    "state_put-value": "(drop (call $state_put (i32.const 0) (i32.const 1) {range}))",
    "state_delete": "(drop (call $state_delete {range}))",
    "set_timer": "(drop (call $set_timer (i64.const 1) {range}))",
}


def by_number(cases: list[str]) -> str:
    """Body: do the case whose number the content is, two digits."""
    chosen = "".join(
        f"(if (i32.eq (local.get $x) (i32.const {number})) (then {case}))"
        for number, case in enumerate(cases)
    )
    return f"""{AT} (local.set $x (i32.add
        (i32.mul (i32.sub (i32.load8_u offset=1 (local.get $at)) (i32.const 48)) (i32.const 10))
        (i32.sub (i32.load8_u offset=2 (local.get $at)) (i32.const 48))))
      {chosen} (i32.const 0)"""


@pytest.mark.parametrize("call", CALLS)
def test_no_host_call_reaches_outside_the_memory(api: Api, call: str) -> None:
    """Each wrong pointer or length is a trap that names the call; what the step did before is undone."""
    before = "(drop (call $state_put (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)))"
    spans = [f"(i32.const {at}) (i32.const {size})" for at, size in RANGES]
    cases = [before + CALLS[call].format(range=span) for span in spans]
    cases.append(
        telling("(call $state_get (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0))").join(
            ("(return ", ")")
        )
    )
    module = guest(by_number(cases), '(data (i32.const 0) "key")')
    for number in range(len(RANGES)):
        name = api.agent("outside", module)
        reason, detail = failed(api, name, f"{number:02}")
        assert reason == "trap"
        assert detail.startswith(f"{call.partition('-')[0]}: "), detail
        assert "outside the memory" in detail
        if number == len(RANGES) - 1:
            assert api.ask(name, f"{len(RANGES):02}")["content"] == "-00000000001"
        assert api.call("DELETE", f"/api/v1/agents/{name}").status == 204


def test_no_response_reaches_outside_the_memory(api: Api) -> None:
    """A response that is not in the guest's memory, or too large, fails the delivery."""
    cases = [
        f"(return (call $respond (local.get $p) (i32.const {at}) (i32.const {size})))"
        for at, size in [*RANGES, (0, 0), (0, 300_000)]
    ]
    name = api.agent("response", guest(by_number(cases)))
    reasons = [failed(api, name, f"{number:02}")[0] for number in range(len(cases))]
    assert set(reasons) <= {"bad-response", "too-large"}, reasons
    assert reasons[-2:] == ["bad-response", "too-large"]
    assert api.get(f"agents/{name}/stats")["restarts"] == 0


@pytest.mark.parametrize("at", [END - 10, END, -1, -4096])
def test_an_inbox_outside_the_memory_is_a_fault(api: Api, at: int) -> None:
    """`caxton_alloc` is not believed either."""
    module = bytes(
        wat2wasm(f"""(module (memory (export "memory") {PAGES})
        (func (export "caxton_alloc") (param i32) (result i32) (i32.const {at}))
        (func (export "handle_message") (param i32 i32) (result i32) (i32.const 0)))""")
    )
    answer = api.deploy("alloc", module)
    if answer.status != 201:
        assert answer.body["code"] == "start_failed"
        assert "caxton_alloc" in answer.body["detail"]
        return
    _, detail = failed(api, "alloc")
    assert "caxton_alloc" in detail
    assert api.call("DELETE", "/api/v1/agents/alloc").status == 204


# Responses

BAD = [
    "garbage",
    {"no": "message"},
    {"performative": "shout"},
    {"performative": 5},
    {"performative": "inform", "colour": "red"},
    {"performative": "inform", "receiver": []},
    {"performative": "inform", "reply_by": "tomorrow"},
    {"performative": "inform", "id": "not-a-uuid"},
]


@pytest.mark.parametrize("response", BAD, ids=range(len(BAD)))
def test_a_response_that_is_no_message_fails_the_delivery(api: Api, response: Any) -> None:
    """The sender learns what was wrong with it, and the instance lives on."""
    name = api.agent("parrot", guest(PARROT))
    try:
        reason, detail = failed(api, name, response)
        assert reason == "bad-response"
        assert detail
        assert api.get(f"agents/{name}/stats")["restarts"] == 0
    finally:
        api.call("DELETE", f"/api/v1/agents/{name}")


def test_a_forged_sender_is_replaced(api: Api) -> None:
    """Neither what a guest sends nor what it answers can carry another's name."""
    name = api.agent("forger", guest(PARROT))
    for forged in ("ams", "echo@caxton", "ams@elsewhere", "1"):
        reply = api.ask(name, {"performative": "inform", "sender": forged, "content": "mine"})
        assert (reply["sender"], reply["content"]) == ("forger@caxton", "mine")
    sender = api.agent("sender", guest(RELAY))
    content = {"performative": "inform", "sender": "ams", "receiver": "api", "content": "sent"}
    assert int(api.ask(sender, content)["content"]) == 0
    found = [item["message"] for item in api.all("messages?agent=sender")]
    assert {item["sender"] for item in found if item.get("content") == "sent"} == {"sender@caxton"}


# Nesting

HEAD = '{"performative":"inform","receiver":"echo","content":'
DEEP = f"""
  (data (i32.const {DESK + 512}) {text(HEAD)})
  ;; $nested: write a message whose content is that many lists within each other; gives its size.
  (func $nested (param $depth i32) (result i32)
    (memory.copy (i32.const 0) (i32.const {DESK + 512}) (i32.const {len(HEAD)}))
    (memory.fill (i32.const {len(HEAD)}) (i32.const 91) (local.get $depth))
    (memory.fill (i32.add (i32.const {len(HEAD)}) (local.get $depth)) (i32.const 93) (local.get $depth))
    (i32.store8 (i32.add (i32.const {len(HEAD)}) (i32.mul (local.get $depth) (i32.const 2))) (i32.const 125))
    (i32.add (i32.const {len(HEAD) + 1}) (i32.mul (local.get $depth) (i32.const 2))))
  (func $down (param $left i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $left)) (then (return (call $send (i32.const 0) (local.get $size)))))
    (i32.add (i32.const 0) (call $down (i32.sub (local.get $left) (i32.const 1)) (local.get $size))))
  (func $number (param $at i32) (result i32) (local $value i32)
    (loop $digit
      (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10)) (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $digit (i32.ge_u (i32.load8_u (local.get $at)) (i32.const 48))))
    (local.get $value))
"""
DIVE = f"""{AT} (call $say (local.get $p) (call $down
  (call $number (i32.add (local.get $at) (i32.const 8)))
  (call $nested (call $number (i32.add (local.get $at) (i32.const 1))))))"""
"""Content `nnnnnn,ddddd`: at recursion d, send a message nested n deep."""


def test_the_deepest_guest_may_send_the_deepest_json(api: Api) -> None:
    """At the guest's deepest recursion what is nested too deep is -1, and what is not is sent; nothing aborts."""
    strict, loose = guest(DIVE, DEEP, pages=12), {"cpu_ms": 10_000, "time_ms": 10_000}

    def dive(nesting: int, depth: int) -> str:
        name = api.agent("diver", strict, limits=loose, profile="standard")
        reply = api.ask(name, f"{nesting:06},{depth}")
        assert api.call("DELETE", f"/api/v1/agents/{name}").status == 204
        if reply["performative"] == "failure":
            assert reply["content"]["reason"] == "trap", reply
            assert "stack" in reply["content"]["detail"]
            return "trap"
        return str(int(reply["content"]))

    low, high = 0, 1 << 17
    while high - low > 1:
        middle = (low + high) // 2
        if dive(1, middle) == "trap":
            high = middle
        else:
            low = middle
    assert low > 500
    found = [dive(nesting, low) for nesting in (1, 63, 64, 65, 500, 9_000, 30_000)]
    assert found == ["0", "0", "-1", "-1", "-1", "-1", "-1"]


def test_nesting_from_outside_is_refused(api: Api) -> None:
    """The API has the same limit for messages, and one for every other body."""
    for nesting in (65, 1_000, 100_000):
        deep = "[" * nesting + "]" * nesting
        message = f'{{"performative":"inform","receiver":"echo","content":{deep}}}'
        kind = "application/json"
        answer = api.call("POST", "/api/v1/messages", message, kind=kind)
        assert (answer.status, answer.body["code"]) == (422, "invalid_message")
        for path in ("agents", "conversations", "deployments"):
            answer = api.call("POST", f"/api/v1/{path}", f'{{"a":{deep}}}', kind=kind)
            assert 400 <= answer.status < 500, answer


# Loops of messages

PING = '{"performative":"inform","receiver":"%s","content":"again"}'


def test_two_guests_that_answer_each_other_for_ever(api: Api) -> None:
    """Outside a conversation nothing stops them, and nothing else stops either; removing one ends it."""
    size = len(PING % "pong")
    body = f"(drop (call $send (i32.const 0) (i32.const {size}))) (i32.const 0)"
    for name, other in (("ping", "pong"), ("pong", "ping")):
        api.agent(name, guest(body, f"(data (i32.const 0) {text(PING % other)})"))
    assert api.send("ping").status == 202
    until(lambda: api.get("agents/pong/stats")["messages_in"] > 1_000)
    assert api.ask("echo")["content"] == "here"
    assert api.call("GET", "/livez").status == 200
    assert api.call("DELETE", "/api/v1/agents/ping").status == 204
    assert api.get("agents/pong")["state"] == "running"
    assert api.call("DELETE", "/api/v1/agents/pong").status == 204


OPEN = '{"performative":"request","receiver":"denier","protocol":"fipa-request","content":"do"}'
CANCEL = '{"performative":"cancel","conversation_id":"'
INSIST = f"""
  (if {ASKED}
    (then (drop (call $send (i32.const 0) (i32.const {len(OPEN)}))) (return (i32.const 0))))
  (if (call $find (local.get $p) (local.get $n) (i32.const 320) (i32.const 15)) (then (return (i32.const 0))))
  (memory.copy (i32.const {200 + len(CANCEL)})
    (call $find (local.get $p) (local.get $n) (i32.const 340) (i32.const 19)) (i32.const 36))
  (i32.store16 (i32.const {200 + len(CANCEL) + 36}) (i32.const 0x7d22))
  (drop (call $send (i32.const 200) (i32.const {len(CANCEL) + 38})))
  (i32.const 0)"""
"""Body: open a request when asked to; then cancel it at every answer."""
INSIST_DATA = f"""(data (i32.const 0) {text(OPEN)}) (data (i32.const 200) {text(CANCEL)})
  (data (i32.const 320) {text('"sender":"ams@c')}) (data (i32.const 340) {text('"conversation_id":"')})"""
DENY = f"""
  (if {ASKED}
    (then (return (call $respond (local.get $p) (i32.const 0) (i32.const 24)))))
  (call $respond (local.get $p) (i32.const 100) (i32.const 26))"""
"""Body: agree to a request, and deny every cancel."""
DENY_DATA = f"""(data (i32.const 0) {text('{"performative":"agree"}')})
  (data (i32.const 100) {text('{"performative":"failure"}')})"""


def test_a_conversation_holds_ten_thousand_messages(api: Api) -> None:
    """A request whose cancel is denied may be cancelled again, for ever but for the limit."""
    api.agent("denier", guest(DENY, DENY_DATA))
    api.agent("insister", guest(INSIST, INSIST_DATA), profile="standard")
    assert api.send("insister", performative="request").status == 202

    def ended() -> Any:
        items = api.all("conversations?protocol=fipa-request")
        found = next(item for item in items if item["initiator"] == "insister@caxton")
        return found if found["messages"] >= 10_000 else None

    conversation = until(ended)
    until(lambda: api.get("agents/denier")["queue"] == 0 == api.get("agents/insister")["queue"])
    assert conversation["messages"] == 10_000
    assert conversation["outcome"] is None
    assert api.letters("denier") == []
    for name in ("insister", "denier"):
        assert api.call("DELETE", f"/api/v1/agents/{name}").status == 204


def test_the_inbox_of_these_guests_is_where_it_is_thought_to_be() -> None:
    """The desk and the test's own page stay clear of the inbox."""
    assert DESK < INBOX < END
    assert LENGTH
