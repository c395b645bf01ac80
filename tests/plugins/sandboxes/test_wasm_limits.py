"""Guests that loop, trap, flood and grow: each ends in a fault that says what it did."""

from __future__ import annotations

import time

import pytest
from caxton_core.errors import LimitExceeded
from caxton_core.ids import ModuleDigest
from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Outcome
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis, Duration
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.plugins.sandboxes.guests import (
    LOOP,
    PAGE,
    Host,
    finish,
    handled,
    module,
    opened,
    started,
)

SHORT = Limits(cpu_ms=CpuMillis(2))


def dies(outcome: Outcome, reason: str, detail: str) -> bool:
    """Whether an outcome is a fault of this reason whose detail has this text."""
    assert isinstance(outcome, Fault), outcome
    assert outcome.reason in FATAL_REASONS
    return outcome.reason == reason and detail in outcome.detail


@pytest.mark.parametrize(
    "more",
    [
        f"(func $f {LOOP}) (start $f)",
        f'(func (export "_initialize") {LOOP})',
        f'(func (export "caxton_init") (param i32 i32) (result i32) {LOOP})',
        f'(func (export "caxton_abi_version") (result i32) {LOOP})',
    ],
)
def test_an_endless_start_runs_out_of_cpu(sandbox: WasmSandbox, more: str) -> None:
    """A loop in whatever runs at a start is preempted, then stopped."""
    guest = opened(sandbox, module(more=more), limits=SHORT)
    outcome = guest.start(b"{}")
    assert outcome is SUSPENDED
    assert dies(finish(guest, outcome), "cpu", "CPU time")
    assert not guest.alive


def test_an_endless_alloc_at_init_runs_out_of_cpu(sandbox: WasmSandbox) -> None:
    """A loop in `caxton_alloc` is preempted, then stopped."""
    guest = started(sandbox, module(alloc=LOOP), limits=SHORT)
    assert dies(handled(guest), "cpu", "CPU time")


@pytest.mark.parametrize(
    ("call", "more"),
    [
        ("drain", f'(func (export "caxton_drain") (result i32) {LOOP})'),
        ("export_state", f'(func (export "caxton_export_state") (result i64) {LOOP})'),
    ],
)
def test_an_endless_late_call_runs_out_of_cpu(sandbox: WasmSandbox, call: str, more: str) -> None:
    """A loop in drain or the hand-over is preempted, then stopped."""
    guest = started(sandbox, module(more=more), limits=SHORT)
    assert dies(finish(guest, getattr(guest, call)()), "cpu", "CPU time")


def test_an_endless_message_runs_out_of_cpu(sandbox: WasmSandbox) -> None:
    """A loop in `handle_message` is cut into slices until its CPU is used up; the next guest is well."""
    guest = started(sandbox, module(LOOP), limits=SHORT)
    outcome, slices = guest.handle(b"x"), 1
    while outcome is SUSPENDED:
        outcome, slices = guest.resume(), slices + 1
    assert dies(outcome, "cpu", "CPU time")
    assert 50 < slices < 200
    assert handled(started(sandbox, module())) is None


def test_cpu_is_counted_anew_for_each_call(sandbox: WasmSandbox) -> None:
    """Calls that each stay below the limit never exceed it together."""
    body = """(local $i i32) (local.set $i (i32.const 300000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (i32.const 0)"""
    guest = started(sandbox, module(body), limits=Limits(cpu_ms=CpuMillis(20)))
    assert [handled(guest) for _ in range(50)] == [None] * 50


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("(unreachable)", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -1))", "out of bounds memory access"),
        (
            "(i32.store (i32.const 131072) (i32.const 1)) (i32.const 0)",
            "out of bounds memory access",
        ),
        ("(call $deep (i32.const 0))", "call stack exhausted"),
        ("(i32.trunc_f32_s (f32.const nan))", "invalid conversion to integer"),
        ("(call_indirect (type $t) (i32.const 0))", "uninitialized element"),
        ("(call_indirect (type $t) (i32.const 9))", "undefined element"),
    ],
)
def test_a_trap_kills_the_instance(sandbox: WasmSandbox, body: str, detail: str) -> None:
    """Every kind of trap is named, and the instance is never used again."""
    more = """(type $t (func (result i32))) (table 1 funcref)
      (func $deep (param i32) (result i32) (call $deep (i32.add (local.get 0) (i32.const 1))))"""
    guest = started(sandbox, module(body, more=more))
    assert dies(handled(guest), "trap", detail)
    assert not guest.alive
    guest.close()


def test_a_trap_at_start_is_a_fault_of_the_start(sandbox: WasmSandbox) -> None:
    """A start function that traps, and a data segment outside the memory, fail the start."""
    for more in ("(func $f (unreachable)) (start $f)", '(data (i32.const 131071) "ab")'):
        assert dies(opened(sandbox, module(more=more)).start(b"{}"), "trap", "")


def test_too_much_memory_is_refused_before_an_instance_is_made(sandbox: WasmSandbox) -> None:
    """A module that needs more memory than its limit is not opened."""
    info = sandbox.check(module(memory="300"), "strict").unwrap()
    refused = sandbox.open(ModuleDigest(info.sha256), "strict", Limits(), Host())
    assert refused.failure() == LimitExceeded("memory", 16 << 20, 300 * PAGE)


def test_memory_grows_to_its_limit_and_no_further(sandbox: WasmSandbox) -> None:
    """Beyond the limit `memory.grow` answers -1."""
    body = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.const 0)"
    guest = started(sandbox, module(body), limits=Limits(memory=ByteSize(20 * PAGE)))
    assert handled(guest) is None
    assert guest.memory_bytes == 20 * PAGE


def test_a_trap_for_want_of_memory_names_the_limit(sandbox: WasmSandbox) -> None:
    """A guest that traps when it can get no more memory dies of a trap that says so; one with memory left does not."""
    body = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)"
    guest = started(sandbox, module(body), limits=Limits(memory=ByteSize(20 * PAGE)))
    size = 20 * PAGE
    assert handled(guest) == Fault(
        "trap",
        f"wasm `unreachable` instruction executed; its memory had reached {size} of {size} bytes",
        "memory",
    )
    early = started(sandbox, module("(drop (memory.grow (i32.const 1))) (unreachable)"))
    assert handled(early) == Fault("trap", "wasm `unreachable` instruction executed")


def test_a_table_over_its_limit_fails_the_start(sandbox: WasmSandbox) -> None:
    """Tables count too."""
    outcome = opened(sandbox, module(more="(table 20000 funcref)")).start(b"{}")
    assert isinstance(outcome, Fault)
    assert "table" in outcome.detail


@pytest.mark.parametrize(
    "call",
    [
        "(drop (call $send (i32.const 0) (i32.const 1)))",
        "(call $log (i32.const 4) (i32.const 0) (i32.const 1))",
        "(drop (call $now_ms))",
        "(drop (call $set_timer (i64.const 0) (i32.const 0) (i32.const 0)))",
    ],
)
def test_an_endless_loop_of_host_calls_is_stopped(sandbox: WasmSandbox, call: str) -> None:
    """After 10,000 host calls in a step the guest is killed, having been suspended on its way."""
    host = Host()
    limits = Limits(cpu_ms=CpuMillis(60_000), time_ms=Duration(60_000))
    guest = started(sandbox, module(f"(loop {call} (br 0)) (unreachable)"), host, limits=limits)
    outcome = guest.handle(b"x")
    assert outcome is SUSPENDED
    assert dies(finish(guest, outcome), "host-calls", "10000")


def test_host_calls_are_counted_for_each_step(sandbox: WasmSandbox) -> None:
    """A step's host calls are not charged to the next."""
    body = """(local $i i32) (local.set $i (i32.const 3000))
      (loop (drop (call $now_ms)) (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (i32.const 0)"""
    guest = started(sandbox, module(body), limits=Limits(time_ms=Duration(60_000)))
    assert [handled(guest) for _ in range(5)] == [None] * 5


def test_a_long_line_of_log_is_cut(sandbox: WasmSandbox) -> None:
    """A line is cut at 8 KiB; how many a step may log is the host's to say, who counts what it drops."""
    host = Host()
    body = """(local $i i32) (local.set $i (i32.const 20))
      (loop (call $log (i32.const 9) (i32.const 0) (i32.const 60000))
        (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (i32.const 0)"""
    guest = started(sandbox, module(body), host)
    assert handled(guest) is None
    assert host.calls == [("log", 4, bytes(8192))] * 20


def test_slow_host_calls_end_the_slice(sandbox: WasmSandbox) -> None:
    """A slice whose host calls take long is cut, and the slice length is restored afterwards."""
    host = Host()

    def slow(data: bytes) -> int:
        time.sleep(0.001)
        return 0

    host.on_send = slow
    body = """(local $i i32) (local.set $i (i32.const 6))
      (loop (drop (call $send (i32.const 0) (i32.const 1)))
        (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (i32.const 0)"""
    guest = started(sandbox, module(body), host)
    outcome, slices = guest.handle(b"x"), 1
    while outcome is SUSPENDED:
        outcome, slices = guest.resume(), slices + 1
    assert outcome is None
    assert 3 <= slices <= 7
    host.on_send = lambda data: 0
    assert handled(guest) is None


def test_host_calls_without_a_loop_are_limited_too(sandbox: WasmSandbox) -> None:
    """Straight code has no place to be suspended at: it is stopped when its host calls take too much CPU."""
    host = Host()

    def slow(data: bytes) -> int:
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass
        return 0

    host.on_send = slow
    send = "(drop (call $send (i32.const 0) (i32.const 1)))"
    guest = started(sandbox, module(f"{send * 200} (i32.const 0)"), host)
    assert dies(handled(guest), "time", "never let go")
    assert len(host.calls) < 20


def test_time_in_host_calls_is_limited(sandbox: WasmSandbox) -> None:
    """A guest that holds the thread through its host calls runs out of time."""
    host = Host()

    def slow(data: bytes) -> int:
        time.sleep(0.002)
        return 0

    host.on_send = slow
    body = "(loop (drop (call $send (i32.const 0) (i32.const 1))) (br 0)) (unreachable)"
    guest = started(sandbox, module(body), host, limits=Limits(time_ms=Duration(20)))
    assert dies(handled(guest), "time", "hold the thread")


def test_waiting_for_its_turn_costs_a_guest_nothing(sandbox: WasmSandbox) -> None:
    """Time between slices is not the guest's."""
    body = """(local $i i32) (local.set $i (i32.const 500000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (i32.const 0)"""
    limits = Limits(cpu_ms=CpuMillis(5000), time_ms=Duration(300))
    guest = started(sandbox, module(body), limits=limits)
    outcome = guest.handle(b"x")
    assert outcome is SUSPENDED
    time.sleep(0.4)
    assert finish(guest, outcome) is None


def test_what_a_host_raises_ends_the_call(
    sandbox: WasmSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in a host call is logged, named in the fault, and does not reach the caller."""
    host = Host()

    def broken(data: bytes) -> int:
        raise KeyError("lost")

    host.on_send = broken
    guest = started(sandbox, module("(call $send (i32.const 0) (i32.const 1))"), host)
    assert handled(guest) == Fault("trap", "send: the host failed: KeyError: 'lost'")
    assert "host call send failed" in caplog.text


def test_a_dropped_call_takes_its_store_along(sandbox: WasmSandbox) -> None:
    """Closing a guest in the middle of a call, or just forgetting it, is safe."""
    for _ in range(20):
        guest = started(sandbox, module(LOOP))
        assert guest.handle(b"x") is SUSPENDED
        guest.close()
        forgotten = started(sandbox, module(LOOP))
        assert forgotten.handle(b"x") is SUSPENDED
        del forgotten
    assert handled(started(sandbox, module())) is None


def test_a_guest_may_be_dropped_while_another_runs(sandbox: WasmSandbox) -> None:
    """A host call may be the moment at which Python collects guests, suspended ones too."""
    victims = [started(sandbox, module(LOOP)) for _ in range(5)]
    for victim in victims:
        assert victim.handle(b"x") is SUSPENDED
    host = Host()

    def collect(data: bytes) -> int:
        victims.pop().close()
        return 0

    host.on_send = collect
    body = "(drop (call $send (local.get $p) (local.get $n)))"
    guest = started(sandbox, module(f"{body * 5} (i32.const 0)"), host)
    assert handled(guest) is None
    assert victims == []
    assert host.calls == [("send", b"hello")] * 5
