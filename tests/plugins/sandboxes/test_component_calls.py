"""A component's calls and what it may ask of the node."""

from __future__ import annotations

import json

import pytest
from caxton_core.ports import SUSPENDED, Fault
from caxton_core.resources import Limits
from caxton_core.units import ByteSize
from caxton_plugins.sandboxes.components import ComponentSandbox

from tests.plugins.sandboxes.components import (
    ACTS,
    CONTENT,
    DATA,
    ECHO,
    EXTRAS,
    LOOP,
    NOTHING,
    OUT,
    component,
    failing,
    opened,
    reply,
    saying,
    started,
    text,
)
from tests.plugins.sandboxes.guests import Host, finish, handled

WIRE = (
    b'{"performative":"request","sender":"ann@home","receiver":"ben@home","content":{"a":[1,"x"]}}'
)
INFORM = '{"performative":"inform","content":%s}'
RESULT = 4096
"""Where host calls write their results in these tests."""


def option(at: int, address: str, size: str) -> str:
    """WAT that writes an optional text or list."""
    return f"""(i32.store8 (i32.const {at}) (i32.const 1)) (i32.store (i32.const {at + 4}) {address})
      (i32.store (i32.const {at + 8}) {size})"""


def answering(truth: str) -> str:
    """WAT that answers 1 or 0: the content is one of two digits of the data, which begins with "01"."""
    return reply(
        option(OUT + 8 + CONTENT, f"(i32.add (i32.const {DATA}) {truth})", "(i32.const 1)")
    )


def test_a_message_is_answered(component_sandbox: ComponentSandbox) -> None:
    """The record that the function returns is the response."""
    guest = started(component_sandbox, component(ECHO))
    assert handled(guest, WIRE) == b'{"performative":"inform","content":{"a":[1,"x"]}}'
    assert handled(guest, b'{"performative":"inform","content":"\xc3\xa9"}') == (
        b'{"performative":"inform","content":"\xc3\xa9"}'
    )


def test_no_response_is_none(component_sandbox: ComponentSandbox) -> None:
    """A good result without a message is no response."""
    assert handled(started(component_sandbox, component()), WIRE) is None


def test_every_field_reaches_the_guest(component_sandbox: ComponentSandbox) -> None:
    """A guest that copies the whole record answers with every field that is its own to set."""
    whole = f"(memory.copy (i32.const {OUT + 8}) (local.get $p) (i32.const 184))"
    guest = started(component_sandbox, component(reply(whole)))
    fields = {
        "performative": "cfp", "receiver": ["a@p", "b@p"], "reply_to": "c@p", "content": None, "language": "l",
        "encoding": "e", "ontology": "o", "protocol": "p", "conversation_id": "c", "reply_with": "w",
        "in_reply_to": "i", "reply_by": "+5s", "x_a": {"b": 1}, "x_c": "",
    }  # fmt: skip
    host_only = {"sender": "s@p", "id": "1", "timestamp": "t", "traceparent": "00"}
    response = handled(guest, json.dumps({**fields, **host_only}).encode())
    assert isinstance(response, bytes)
    assert json.loads(response) == fields


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        ("no way", "handle: no way"),
        ("red \x1b[31m\nline\t\x00", "handle: red [31m line"),
        ("", "handle failed without a word"),
        ("é" * 3000, "handle: " + "é" * 500),
    ],
)
def test_an_error_is_the_agents_own(
    component_sandbox: ComponentSandbox, words: str, detail: str
) -> None:
    """The text of an error is in the fault, cut and printable, and the instance lives on."""
    guest = started(component_sandbox, component(failing(words), data=words))
    for _ in range(2):
        assert handled(guest, WIRE) == Fault("agent-error", detail)
    assert guest.alive


def test_init_gets_the_config(component_sandbox: ComponentSandbox) -> None:
    """The start hands over the configuration as JSON."""
    host = Host()
    data = component(init=f"(call $log (i32.const 4) (local.get $p) (local.get $n)) {NOTHING}")
    guest = opened(component_sandbox, data, host)
    assert finish(guest, guest.start(b'{"margin":0.1}')) is None
    assert host.calls == [("log", 4, b'{"margin":0.1}')]


def test_an_error_of_init_fails_the_start(component_sandbox: ComponentSandbox) -> None:
    """What `init` returns is the start's outcome."""
    guest = opened(component_sandbox, component(init=failing("no margin"), data="no margin"))
    assert finish(guest, guest.start(b"{}")) == Fault("agent-error", "init: no margin")


def test_state_is_read_through_the_node(component_sandbox: ComponentSandbox) -> None:
    """What one instance puts, the next one gets: a counter that lives in the node."""
    host = Host()
    body = f"""
      (call $state-get (i32.const {DATA}) (i32.const 1) (i32.const {RESULT}))
      (if (i32.load8_u (i32.const {RESULT}))
        (then (i32.store8 (i32.const {DATA + 1})
          (i32.add (i32.const 1) (i32.load8_u (i32.load (i32.const {RESULT + 4})))))))
      (drop (call $state-put (i32.const {DATA}) (i32.const 1) (i32.const {DATA + 1}) (i32.const 1)))
      {reply(option(OUT + 8 + CONTENT, f"(i32.const {DATA + 1})", "(i32.const 1)"))}"""
    data = component(body, data="k1")
    first = started(component_sandbox, data, host)
    answers = [handled(first, WIRE) for _ in range(2)]
    first.close()
    answers.append(handled(started(component_sandbox, data, host), WIRE))
    assert answers == [(INFORM % number).encode() for number in (1, 2, 3)]
    assert host.state == {b"k": b"3"}


@pytest.mark.parametrize(
    ("call", "truth"),
    [
        (f"(call $state-put (i32.const {DATA}) (i32.const 1024) (i32.const {DATA}) (i32.const 9))", 1),
        (f"(call $state-put (i32.const {DATA}) (i32.const 1025) (i32.const {DATA}) (i32.const 9))", 0),
        (f"(call $state-put (i32.const {DATA}) (i32.const 1) (i32.const 0) (i32.const 2001))", 0),
        (f"(call $state-put (i32.const {DATA}) (i32.const 0) (i32.const 0) (i32.const 0))", 1),
        (f"(call $state-delete (i32.const {DATA}) (i32.const 2))", 1),
        (f"(call $state-delete (i32.const {DATA}) (i32.const 3))", 0),
        (f"(call $state-delete (i32.const {DATA}) (i32.const 1025))", 0),
        ("(call $cancel-timer (i32.const 7))", 1),
        ("(call $cancel-timer (i32.const 8))", 0),
    ],
)  # fmt: skip
def test_what_the_node_does_not_do_is_false(
    component_sandbox: ComponentSandbox, call: str, truth: int
) -> None:
    """Keys over 1 KiB, values over the quota and what is unknown are answered, not suffered."""
    host = Host()
    host.state[b"01"] = b"here"
    limits = Limits(state=ByteSize(2000))
    guest = started(component_sandbox, component(answering(call), data="01"), host, limits=limits)
    assert handled(guest, WIRE) == (INFORM % truth).encode()


@pytest.mark.parametrize(
    ("size", "found"), [(2, 1), (3, 0), (1025, 0)], ids=["present", "absent", "too long"]
)
def test_a_value_is_there_or_not(
    component_sandbox: ComponentSandbox, size: int, found: int
) -> None:
    """`state-get` answers none for what is absent, and for a key longer than any key."""
    host = Host()
    host.state[b"01"] = b""
    get = f"(call $state-get (i32.const {DATA}) (i32.const {size}) (i32.const {RESULT}))"
    body = f"{get} {answering(f'(i32.load8_u (i32.const {RESULT}))')}"
    guest = started(component_sandbox, component(body, data="01"), host)
    assert handled(guest, WIRE) == (INFORM % found).encode()


@pytest.mark.parametrize(
    ("level", "words", "line"),
    [(0, "hello", b"hello"), (4, "", b""), (2, "é" * 5000, b"\xc3\xa9" * 4096)],
)
def test_a_line_of_log_is_cut(
    component_sandbox: ComponentSandbox, level: int, words: str, line: bytes
) -> None:
    """Lines reach the host with their level, cut at 8 KiB."""
    host = Host()
    size = len(words.encode())
    nothing = NOTHING.replace(str(OUT), "40000")  # long lines reach as far as OUT
    body = f"(call $log (i32.const {level}) (i32.const {DATA}) (i32.const {size})) {nothing}"
    data = component(body, data=words, init=nothing)
    assert handled(started(component_sandbox, data, host), WIRE) is None
    assert host.calls == [("log", level, line)]


def test_time_and_randomness_are_the_hosts(component_sandbox: ComponentSandbox) -> None:
    """The clock is the step's, and random bytes arrive as they were given."""
    host = Host()
    body = f"""(i64.store (i32.const {RESULT}) (call $now-ms))
      (call $random (i32.const 3) (i32.const {RESULT + 8}))
      (drop (call $state-put (i32.const 0) (i32.const 0) (i32.const {RESULT}) (i32.const 8)))
      (drop (call $state-put (i32.const {RESULT + 8}) (i32.const 1)
        (i32.load (i32.const {RESULT + 8})) (i32.load (i32.const {RESULT + 12})))) {NOTHING}"""
    assert handled(started(component_sandbox, component(body), host), WIRE) is None
    first, second = host.state.values()
    assert (int.from_bytes(first, "little"), second) == (host.now_ms(), b"rrr")


def test_too_many_random_bytes_end_the_call(component_sandbox: ComponentSandbox) -> None:
    """64 KiB is the most that is given at once."""
    body = f"(call $random (i32.const 65537) (i32.const {RESULT})) {NOTHING}"
    outcome = handled(started(component_sandbox, component(body)), WIRE)
    detail = "random: 65537 random bytes were asked for; 65536 are allowed at once"
    assert outcome == Fault("trap", detail)


@pytest.mark.parametrize("answer", [7, -1])
def test_a_timer_is_asked_for(component_sandbox: ComponentSandbox, answer: int) -> None:
    """A timer has an id, or there is none."""
    host = Host()
    host.on_timer = lambda delay, payload: answer
    body = f"""(call $set-timer (i64.const -1) (i32.const {DATA}) (i32.const 2) (i32.const {RESULT}))
      {answering(f"(i32.load8_u (i32.const {RESULT}))")}"""
    guest = started(component_sandbox, component(body, data="01"), host)
    assert handled(guest, WIRE) == (INFORM % int(answer > 0)).encode()
    assert host.calls == [("set_timer", (1 << 63) - 1, b"01")]


@pytest.mark.parametrize("code", range(-7, 1))
def test_a_message_is_queued_or_refused(component_sandbox: ComponentSandbox, code: int) -> None:
    """`send` hands the host a wire and the guest the reason, which is the host's number."""
    host = Host()
    host.on_send = lambda data: code
    body = f"""(call $send (local.get $p) (i32.const {RESULT}))
      {answering(f"(i32.add (i32.load8_u (i32.const {RESULT})) (i32.load8_u (i32.const {RESULT + 1})))")}"""
    guest = started(component_sandbox, component(body, data="01234567"), host)
    # 0 when it is queued; else 1 for the error, and the number of the reason
    assert handled(guest, WIRE) == (INFORM % -code).encode()
    wire = b'{"performative":"request","receiver":"ben@home","content":{"a":[1,"x"]}}'
    assert host.calls == [("send", wire)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (option(OUT + 8 + CONTENT, f"(i32.const {DATA})", "(i32.const 3)"), 0),  # no JSON: invalid
        (option(OUT + 8 + CONTENT, "(i32.const 30000)", "(i32.const 20000)"), 5),  # too large
        (
            f"(i64.store (i32.const {OUT + 8 + EXTRAS}) (i64.const {1001 << 32 | 30000}))",
            5,
        ),
        (f"(i32.store (i32.const {OUT + 8 + EXTRAS + 4}) (i32.const 1))", 0),
    ],
)
def test_what_is_no_message_is_not_sent(
    component_sandbox: ComponentSandbox, change: str, reason: int
) -> None:
    """A message that is none, or is too large, is refused before the host sees it."""
    host = Host()
    body = f"""(drop (block (result i32) {reply(change)}))
      (call $send (i32.const {OUT + 8}) (i32.const {RESULT}))
      {answering(f"(i32.load8_u (i32.const {RESULT + 1}))")}"""
    limits = Limits(message_size=ByteSize(1000))
    data = component(body, data="01{4567")
    guest = started(component_sandbox, data.replace(b"01{4567", b"012345{"), host, limits=limits)
    assert handled(guest, WIRE) == (INFORM % reason).encode()
    assert host.calls == []


def test_a_response_over_the_limit_is_refused(component_sandbox: ComponentSandbox) -> None:
    """Neither its texts nor the wire may be larger than a message may be."""
    large = reply(option(OUT + 8 + CONTENT, "(i32.const 0)", "(i32.const 1001)"))
    exact = saying(json.dumps("x" * 980))
    limits = Limits(message_size=ByteSize(1000))
    guest = started(component_sandbox, component(large), limits=limits)
    assert handled(guest, WIRE) == Fault(
        "too-large", "the message has more than the 1000 bytes that are allowed"
    )
    assert guest.alive
    guest = started(component_sandbox, component(exact, data=json.dumps("x" * 980)), limits=limits)
    assert handled(guest, WIRE) == Fault(
        "too-large", "the response has 1018 bytes; 1000 are allowed"
    )


def test_a_response_that_is_no_message_is_refused(component_sandbox: ComponentSandbox) -> None:
    """A content that is not JSON is a bad response, and the instance lives on."""
    guest = started(component_sandbox, component(saying("[1,"), data="[1,"))
    outcome = handled(guest, WIRE)
    assert isinstance(outcome, Fault)
    assert (outcome.reason, guest.alive) == ("bad-response", True)
    assert outcome.detail.startswith("content is not JSON")


def test_drain_is_the_last_call(component_sandbox: ComponentSandbox) -> None:
    """`drain` runs, and may ask the node for what any call may."""
    host = Host()
    data = component(
        drain=f"(call $log (i32.const 1) (i32.const {DATA}) (i32.const 3))", data="bye"
    )
    guest = started(component_sandbox, data, host)
    assert finish(guest, guest.drain()) is None
    assert host.calls == [("log", 1, b"bye")]


def test_state_is_handed_over(component_sandbox: ComponentSandbox) -> None:
    """One version's state is the next one's, and none is none."""
    host = Host()
    giving = f"{option(OUT, f'(i32.const {DATA})', '(i32.const 5)')} (i32.const {OUT})"
    taking = f"(call $log (i32.const 0) (local.get $p) (local.get $n)) {NOTHING}"
    guest = started(
        component_sandbox, component(export_state=giving, import_state=taking, data="state"), host
    )
    state = finish(guest, guest.export_state())
    assert state == b"state"
    assert finish(guest, guest.import_state(state)) is None
    assert finish(guest, guest.import_state(b"")) is None
    assert host.calls == [("log", 0, b"state"), ("log", 0, b"")]
    empty = started(component_sandbox, component())
    assert finish(empty, empty.export_state()) is None


def test_a_state_that_is_refused_says_why(component_sandbox: ComponentSandbox) -> None:
    """An error of `import-state` is the agent's own; a state over the quota is not taken."""
    guest = started(component_sandbox, component(import_state=failing("too old"), data="too old"))
    assert finish(guest, guest.import_state(b"x")) == Fault("agent-error", "import-state: too old")
    giving = f"{option(OUT, '(i32.const 0)', '(i32.const 101)')} (i32.const {OUT})"
    limits = Limits(state=ByteSize(100))
    guest = started(component_sandbox, component(export_state=giving), limits=limits)
    assert finish(guest, guest.export_state()) == Fault(
        "too-large", "the state has more than the 100 bytes that are allowed"
    )


def test_what_a_host_raises_ends_the_call(
    component_sandbox: ComponentSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in a host call is logged, named in the fault, and does not reach the caller."""
    host = Host()

    def broken(data: bytes) -> int:
        raise KeyError("lost")

    host.on_send = broken
    body = f"(call $send (local.get $p) (i32.const {RESULT})) {NOTHING}"
    guest = started(component_sandbox, component(body), host)
    assert handled(guest, WIRE) == Fault("trap", "send: the host failed: KeyError: 'lost'")
    assert not guest.alive
    assert "host call send failed" in caplog.text


def test_a_suspended_guest_takes_no_other_call(component_sandbox: ComponentSandbox) -> None:
    """Only `resume` and `close` may follow SUSPENDED, and nothing but `close` a death."""
    guest = opened(component_sandbox, component(LOOP))
    with pytest.raises(RuntimeError, match="never started"):
        guest.handle(WIRE)
    assert finish(guest, guest.start(b"{}")) is None
    with pytest.raises(RuntimeError, match="started before"):
        guest.start(b"{}")
    with pytest.raises(RuntimeError, match="no call is suspended"):
        guest.resume()
    assert guest.handle(WIRE) is SUSPENDED
    with pytest.raises(RuntimeError, match="suspended"):
        guest.drain()
    guest.close()
    guest.close()
    assert not guest.alive
    with pytest.raises(RuntimeError, match="dead"):
        guest.handle(WIRE)


def test_fuel_is_counted_and_memory_is_what_it_began_with(
    component_sandbox: ComponentSandbox,
) -> None:
    """Fuel grows with every call and is known after the end."""
    guest = started(component_sandbox, component(ECHO, memory="3"))
    before = guest.fuel_used
    assert handled(guest, WIRE) is not None
    assert (guest.fuel_used > before, guest.memory_bytes) == (True, 3 * 65_536)
    used = guest.fuel_used
    guest.close()
    assert (guest.fuel_used, guest.memory_bytes) == (used, 0)


def test_guests_share_an_engine_and_nothing_else(component_sandbox: ComponentSandbox) -> None:
    """Each host call reaches the host of the guest that runs, though calls of others are suspended."""
    hosts = [Host(), Host()]
    data = component(f"(call $send (local.get $p) (i32.const {RESULT})) {LOOP}")
    guests = [started(component_sandbox, data, host) for host in hosts]
    for guest in guests:
        assert guest.handle(WIRE) is SUSPENDED
    for guest in guests:
        assert guest.resume() is SUSPENDED
        guest.close()
    assert [len(host.calls) for host in hosts] == [1, 1]


def test_the_acts_have_the_order_of_the_world() -> None:
    """The library of these tests writes enumerations by number."""
    assert len(ACTS) == 22
    assert text(0, "é").endswith("(i32.const 2))")
