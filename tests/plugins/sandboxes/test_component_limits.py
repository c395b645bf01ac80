"""Components that loop, trap, flood and grow: each ends in a fault that says what it did, and nobody else is hurt."""

from __future__ import annotations

import time

import pytest
from caxton_core.errors import LimitExceeded
from caxton_core.ids import ModuleDigest
from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis, Duration
from caxton_plugins.sandboxes.components import ComponentSandbox

from tests.plugins.sandboxes.components import (
    DATA,
    ECHO,
    LOOP,
    NOTHING,
    OUT,
    component,
    opened,
    reply,
    started,
)
from tests.plugins.sandboxes.guests import PAGE, Host, finish, handled

WIRE = b'{"performative":"request","sender":"ann@home","receiver":"ben@home","content":"hello"}'
ANSWER = b'{"performative":"inform","content":"hello"}'
SHORT = Limits(cpu_ms=CpuMillis(2))
LONG = Limits(cpu_ms=CpuMillis(60_000), time_ms=Duration(60_000))
SEND = "(call $send (local.get $p) (i32.const 4096))"


def dies(outcome: Outcome, reason: str, detail: str) -> bool:
    """Whether an outcome is a fault of this reason whose detail has this text."""
    assert isinstance(outcome, Fault), outcome
    assert outcome.reason in FATAL_REASONS
    return outcome.reason == reason and detail in outcome.detail


@pytest.mark.parametrize("where", ["start", "init"])
def test_an_endless_start_runs_out_of_cpu(component_sandbox: ComponentSandbox, where: str) -> None:
    """A loop in whatever runs at a start is preempted, then stopped."""
    data = component(more=f"(func $f {LOOP}) (start $f)") if where == "start" else component(init=LOOP)  # fmt: skip
    guest = opened(component_sandbox, data, limits=SHORT)
    outcome = guest.start(b"{}")
    assert outcome is SUSPENDED
    assert dies(finish(guest, outcome), "cpu", "CPU time")
    assert not guest.alive


@pytest.mark.parametrize("call", ["drain", "export_state"])
def test_an_endless_late_call_runs_out_of_cpu(
    component_sandbox: ComponentSandbox, call: str
) -> None:
    """A loop in drain or the hand-over is preempted, then stopped."""
    guest = started(component_sandbox, component(drain=LOOP, export_state=LOOP), limits=SHORT)
    assert dies(finish(guest, getattr(guest, call)()), "cpu", "CPU time")


def test_an_endless_message_runs_out_of_cpu(component_sandbox: ComponentSandbox) -> None:
    """A loop in `handle` is cut into slices until its CPU is used up."""
    guest = started(component_sandbox, component(LOOP), limits=SHORT)
    outcome, slices = guest.handle(WIRE), 1
    while outcome is SUSPENDED:
        outcome, slices = guest.resume(), slices + 1
    assert dies(outcome, "cpu", "CPU time")
    assert 50 < slices < 200


def test_an_endless_loop_stops_nobody(component_sandbox: ComponentSandbox) -> None:
    """While one guest loops, another answers between its slices."""
    looping = started(component_sandbox, component(LOOP), limits=LONG)
    other = started(component_sandbox, component(ECHO))
    outcome = looping.handle(WIRE)
    for _ in range(50):
        assert outcome is SUSPENDED
        assert handled(other, WIRE) == ANSWER
        outcome = looping.resume()
    looping.close()


def test_a_loop_where_memory_is_asked_for_is_preempted(
    component_sandbox: ComponentSandbox,
) -> None:
    """The function that gives the node room for a message, or for a value, is the guest's own code."""
    guest = opened(component_sandbox, component(realloc=LOOP), limits=SHORT)
    outcome = guest.start(b"{}")
    assert outcome is SUSPENDED
    assert dies(finish(guest, outcome), "cpu", "CPU time")
    random = (
        f"(global.set $top (i32.const 0)) (call $random (i32.const 9) (i32.const 4096)) {NOTHING}"
    )
    realloc = f"(if (i32.eqz (global.get $top)) (then {LOOP})) (i32.const 30000)"
    guest = started(component_sandbox, component(random, realloc=realloc), limits=SHORT)
    outcome = guest.handle(WIRE)
    assert outcome is SUSPENDED
    assert dies(finish(guest, outcome), "cpu", "CPU time")


@pytest.mark.parametrize(
    "at", ["(i32.const -1)", "(i32.const 65535)", "(i32.const 0x7fffffff)", "(i32.const 65537)"]
)
def test_room_outside_the_memory_is_a_trap(component_sandbox: ComponentSandbox, at: str) -> None:
    """Wherever the guest says that there is room, the node writes nothing outside its memory."""
    guest = opened(component_sandbox, component(realloc=at))
    assert dies(finish(guest, guest.start(b"{}  ")), "trap", "realloc")


def test_cpu_is_counted_anew_for_each_call(component_sandbox: ComponentSandbox) -> None:
    """Calls that each stay below the limit never exceed it together."""
    body = f"""(local $i i32) (local.set $i (i32.const 300000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) {NOTHING}"""
    guest = started(component_sandbox, component(body), limits=Limits(cpu_ms=CpuMillis(20)))
    assert [handled(guest, WIRE) for _ in range(50)] == [None] * 50


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("(unreachable)", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -1))", "out of bounds memory access"),
        ("(call $deep (i32.const 0))", "call stack exhausted"),
        ("(call_indirect (type $t) (i32.const 0))", "uninitialized element"),
    ],
)
def test_a_trap_kills_the_instance(
    component_sandbox: ComponentSandbox, body: str, detail: str
) -> None:
    """Every kind of trap is named, and the instance is never used again."""
    more = """(type $t (func (result i32))) (table 1 funcref)
      (func $deep (param i32) (result i32) (call $deep (i32.add (local.get 0) (i32.const 1))))"""
    guest = started(component_sandbox, component(body, more=more))
    assert dies(handled(guest, WIRE), "trap", detail)
    assert not guest.alive
    assert handled(started(component_sandbox, component(ECHO)), WIRE) == ANSWER


@pytest.mark.parametrize(
    ("result", "detail"),
    [
        ("(i32.const -4)", "out of bounds"),
        ("(i32.const 65532)", "out of bounds"),
        ("(i32.const 8193)", "align"),
        (f"(i32.store8 (i32.const {OUT}) (i32.const 2)) (i32.const {OUT})", "discriminant"),
        (reply(f"(i32.store8 (i32.const {OUT + 8}) (i32.const 22))"), "discriminant"),
        (reply(f"(i32.store (i32.const {OUT + 28}) (i32.const -1))"), "out of bounds"),
        (reply(f"(i64.store (i32.const {OUT + 24}) (i64.const {1 << 32 | 65532}))"), "out of bounds"),
    ],
)  # fmt: skip
def test_lying_results_are_traps(
    component_sandbox: ComponentSandbox, result: str, detail: str
) -> None:
    """Addresses, lengths and discriminants are checked by the canonical ABI, before the node sees a value."""
    guest = started(component_sandbox, component(result))
    assert dies(handled(guest, WIRE), "trap", detail)


@pytest.mark.parametrize(
    "change",
    [
        f"(i64.store (i32.const {OUT + 24}) (i64.const {7_000_000 << 32}))",
        f"(i64.store (i32.const {OUT + 8 + 176}) (i64.const {3_900_000 << 32}))",
    ],
    ids=["receivers", "extras"],
)
def test_a_huge_list_is_a_trap(component_sandbox: ComponentSandbox, change: str) -> None:
    """wasmtime bounds what one call may make the node allocate."""
    data = component(reply(change), memory="960")
    guest = started(component_sandbox, data, limits=Limits(memory=ByteSize(64 << 20)))
    assert dies(handled(guest, WIRE), "trap", "too much data")


def test_a_long_list_is_too_large(component_sandbox: ComponentSandbox) -> None:
    """A list that wasmtime admits, of names that are many but empty, is refused before it is walked."""
    change = f"(i64.store (i32.const {OUT + 24}) (i64.const {1_001 << 32 | 30_000}))"
    guest = started(component_sandbox, component(reply(change)))
    assert handled(guest, WIRE) == Fault(
        "too-large", "the message has a list of 1001; 1000 are allowed"
    )
    assert guest.alive


@pytest.mark.parametrize(
    "body",
    [
        f"(drop (call $state-put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 2200000))) {NOTHING}",
        reply(f"(i64.store (i32.const {OUT + 24}) (i64.const {200_000 << 32 | 65_536}))"),
    ],
    ids=["value", "receivers"],
)
def test_a_swarm_of_values_is_made_once(component_sandbox: ComponentSandbox, body: str) -> None:
    """A list far over its limit kills the instance, as making it held up the node."""
    guest = started(component_sandbox, component(body, memory="60"), limits=LONG)
    assert dies(handled(guest, WIRE), "trap", "far more than")
    assert not guest.alive


@pytest.mark.parametrize(
    ("field", "texts", "outcome"),
    [
        (24, 60, "too-large"),
        (24, 70, "trap"),
        (32, 60, "too-large"),
        (32, 70, "trap"),
        (184, 60, "too-large"),
        (184, 70, "trap"),
    ],
)
def test_a_flood_of_texts_is_read_once(
    component_sandbox: ComponentSandbox, field: int, texts: int, outcome: str
) -> None:
    """Texts that are too large in sum are refused; of 16 MiB they kill the instance, in whichever list they stand."""
    count = texts // 2 if field == 184 else texts
    where = "(i32.add (i32.const 1048576) (i32.shl (local.get $i) (i32.const 3)))"
    body = f"""(local $i i32) (loop
      (i32.store {where} (i32.const 2097152)) (i32.store offset=4 {where} (i32.const 250000))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {texts}))))
      {reply(f"(i64.store (i32.const {OUT + field}) (i64.const {count << 32 | 1_048_576}))")}"""
    guest = started(component_sandbox, component(body, memory="60"))
    fault = handled(guest, WIRE)
    assert isinstance(fault, Fault)
    assert fault.reason == outcome
    assert guest.alive == (outcome == "too-large")
    assert ("far more than any" in fault.detail) == (outcome == "trap")


def test_too_much_memory_is_refused_before_an_instance_is_made(
    component_sandbox: ComponentSandbox,
) -> None:
    """A component that needs more memory than its limit is not opened."""
    info = component_sandbox.check(component(memory="300"), "component").unwrap()
    refused = component_sandbox.open(ModuleDigest(info.sha256), "component", Limits(), Host())
    assert refused.failure() == LimitExceeded("memory", 16 << 20, 300 * PAGE)


def test_memory_grows_to_its_limit_and_no_further(component_sandbox: ComponentSandbox) -> None:
    """Beyond the limit `memory.grow` answers -1: the number of pages is kept to show it."""
    body = f"""(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (i32.store8 (i32.const {DATA}) (memory.size))
      (drop (call $state-put (i32.const 0) (i32.const 1) (i32.const {DATA}) (i32.const 1))) {NOTHING}"""
    host = Host()
    limits = Limits(memory=ByteSize(20 * PAGE))
    assert handled(started(component_sandbox, component(body), host, limits=limits), WIRE) is None
    assert list(host.state.values()) == [bytes([20])]


@pytest.mark.parametrize(
    "more",
    [
        "(core module $m (table 30000 funcref)) (core instance (instantiate $m))",
        "(core module $m (memory 1)) (core instance (instantiate $m))",
        "(core module $m) " + "(core instance (instantiate $m))" * 200,
        "(core module $m (table 1 funcref)) " + "(core instance (instantiate $m))" * 11,
    ],
    ids=["table", "memories", "instances", "tables"],
)
def test_a_store_has_a_limit_for_everything(component_sandbox: ComponentSandbox, more: str) -> None:
    """Tables, further memories and swarms of instances fail the start."""
    guest = opened(component_sandbox, component(parts=more))
    outcome = finish(guest, guest.start(b"{}"))
    assert isinstance(outcome, Fault)
    assert outcome.reason in FATAL_REASONS
    assert "too high" in outcome.detail or "exceeds" in outcome.detail


@pytest.mark.parametrize(
    "call",
    [
        SEND,
        "(call $log (i32.const 4) (i32.const 0) (i32.const 1))",
        "(drop (call $now-ms))",
        "(call $set-timer (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 4096))",
    ],
)
def test_an_endless_loop_of_host_calls_is_stopped(
    component_sandbox: ComponentSandbox, call: str
) -> None:
    """After 10,000 host calls in a step the guest is killed, having been suspended on its way."""
    guest = started(
        component_sandbox, component(f"(loop {call} (br 0)) (unreachable)"), limits=LONG
    )
    outcome = guest.handle(WIRE)
    assert outcome is SUSPENDED
    assert dies(finish(guest, outcome), "host-calls", "10000")


def test_host_calls_are_counted_for_each_step(component_sandbox: ComponentSandbox) -> None:
    """A step's host calls are not charged to the next."""
    body = f"""(local $i i32) (local.set $i (i32.const 3000))
      (loop (drop (call $now-ms)) (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      {NOTHING}"""
    guest = started(component_sandbox, component(body), limits=LONG)
    assert [handled(guest, WIRE) for _ in range(5)] == [None] * 5


def slow_host(seconds: float) -> Host:
    """Return a host whose `send` takes its time."""
    host = Host()

    def slow(data: bytes) -> int:
        time.sleep(seconds)
        return 0

    host.on_send = slow
    return host


def test_slow_host_calls_end_the_slice(component_sandbox: ComponentSandbox) -> None:
    """A slice whose host calls take long is cut, and the slice length is restored afterwards."""
    body = f"""(local $i i32) (local.set $i (i32.const 6))
      (loop {SEND} (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (local.set $i (i32.const 1000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) {NOTHING}"""
    guest = started(component_sandbox, component(body), slow_host(0.001))
    outcome, slices = guest.handle(WIRE), 1
    while outcome is SUSPENDED:
        outcome, slices = guest.resume(), slices + 1
    assert outcome is None
    assert 3 <= slices <= 20


def test_host_calls_without_a_loop_are_limited_too(component_sandbox: ComponentSandbox) -> None:
    """Straight code has no place to be suspended at: it is stopped when its host calls take too long."""
    host = slow_host(0.002)
    guest = started(component_sandbox, component(f"{SEND * 200} {NOTHING}"), host)
    assert dies(handled(guest, WIRE), "time", "never let go")
    assert len(host.calls) < 100


def test_time_in_host_calls_is_limited(component_sandbox: ComponentSandbox) -> None:
    """A guest that holds the thread through its host calls runs out of time."""
    body = f"(loop {SEND} (br 0)) (unreachable)"
    limits = Limits(time_ms=Duration(20))
    guest = started(component_sandbox, component(body), slow_host(0.002), limits=limits)
    assert dies(handled(guest, WIRE), "time", "hold the thread")


def test_waiting_for_its_turn_costs_a_guest_nothing(component_sandbox: ComponentSandbox) -> None:
    """Time between slices is not the guest's."""
    body = f"""(local $i i32) (local.set $i (i32.const 500000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) {NOTHING}"""
    limits = Limits(cpu_ms=CpuMillis(5000), time_ms=Duration(300))
    guest = started(component_sandbox, component(body), limits=limits)
    outcome = guest.handle(WIRE)
    assert outcome is SUSPENDED
    time.sleep(0.4)
    assert finish(guest, outcome) is None


def test_a_dropped_call_takes_its_store_along(component_sandbox: ComponentSandbox) -> None:
    """Closing a guest in the middle of a call, or just forgetting it, is safe."""
    for _ in range(20):
        guest = started(component_sandbox, component(LOOP))
        assert guest.handle(WIRE) is SUSPENDED
        guest.close()
        forgotten = started(component_sandbox, component(LOOP))
        assert forgotten.handle(WIRE) is SUSPENDED
        del forgotten
    assert handled(started(component_sandbox, component(ECHO)), WIRE) == ANSWER


def test_a_host_function_has_a_stack_for_a_deep_content(
    component_sandbox: ComponentSandbox,
) -> None:
    """What a host call reads is bounded in depth before it is decoded, however deep the guest itself is."""
    deep = "[" * 60 + "]" * 60
    wire = WIRE.replace(b'"hello"', deep.encode())
    more = f"""(func $down (param $n i32) (param $p i32)
      (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $p)))
        (else {SEND})))"""
    host = Host()
    body = f"(call $down (i32.const 5000) (local.get $p)) {NOTHING}"
    guest = started(component_sandbox, component(body, more=more), host)
    outcome = handled(guest, wire)
    assert outcome is None or dies(outcome, "trap", "call stack exhausted")
    shallow = started(component_sandbox, component(body.replace("5000", "500"), more=more), host)
    host.calls.clear()
    assert handled(shallow, wire) is None
    assert len(host.calls) == 1
