"""Instructions that take longer than their fuel: slices stay short, and the CPU limit holds."""

from __future__ import annotations

import time

from caxton_core.ports import SUSPENDED, Fault
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis, Duration
from caxton_plugins.sandboxes.budgets import MANY_CALLS
from caxton_plugins.sandboxes.wasm import WasmSandbox
from caxton_plugins.sandboxes.wasm.calls import memory_data
from caxton_plugins.sandboxes.wasm.guest import WasmGuest

from tests.plugins.sandboxes.guests import LOOP, PAGE, Host, finish, handled, module, started

REFUSED = "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)"
"""At the limit each round is a call into the runtime, for the fuel of four instructions."""


def test_a_memory_grows_where_it_is(sandbox: WasmSandbox) -> None:
    """Growing copies nothing: a copy for each page would be work without fuel, and without an end to the slice."""
    body = "(drop (memory.grow (i32.const 1))) (i32.const 0)"
    guest = started(sandbox, module(body), limits=Limits(memory=ByteSize(300 * PAGE)))
    assert isinstance(guest, WasmGuest)
    assert handled(guest) is None
    places = set()
    for _ in range(200):
        assert handled(guest) is None
        places.add(memory_data(guest.context, guest.memory))
    assert guest.memory_bytes == 203 * PAGE
    assert len(places) == 1


def test_slow_instructions_get_smaller_slices(sandbox: WasmSandbox) -> None:
    """A guest whose slices take too long yields sooner; one that computes has the slices it should have."""
    full = sandbox.fuel_per_ms("strict") // 50
    slow = started(sandbox, module(REFUSED), limits=Limits(cpu_ms=CpuMillis(10_000)))
    assert isinstance(slow, WasmGuest)
    assert slow.handle(b"x") is SUSPENDED
    least = full
    for _ in range(100):
        assert slow.resume() is SUSPENDED
        least = min(least, slow._slice_fuel)
    assert least < full / 2
    slow.close()


def test_slow_instructions_end_at_the_cpu_limit(sandbox: WasmSandbox) -> None:
    """What burns more CPU than fuel is stopped by the thread's clock, long before its fuel is used up."""
    limits = Limits(cpu_ms=CpuMillis(20))
    guest = started(sandbox, module(REFUSED), limits=limits)
    outcome = handled(guest)
    assert isinstance(outcome, Fault)
    assert (outcome.reason, outcome.detail) == ("cpu", "the CPU time of a call, 20 ms, is used up")
    assert guest.fuel_used < 20 * sandbox.fuel_per_ms("strict")


def test_the_clock_is_set_anew_for_each_call(sandbox: WasmSandbox) -> None:
    """CPU that a call burnt is not held against the next one."""
    body = f"""(local $i i32) (local.set $i (i32.const 300000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (if (i32.eq (local.get $n) (i32.const 3)) (then {LOOP})) (i32.const 0)"""
    guest = started(sandbox, module(body), limits=Limits(cpu_ms=CpuMillis(20)))
    for _ in range(100):
        assert finish(guest, guest.handle(b"x")) is None
    assert isinstance(handled(guest, b"end"), Fault)


def test_a_flood_of_host_calls_gets_smaller_slices(sandbox: WasmSandbox) -> None:
    """Up to some calls a step may make several in a slice; beyond them each slice ends much sooner."""
    host = Host()
    calls = 0

    def slow(_data: bytes) -> int:
        nonlocal calls
        calls += 1
        until = time.perf_counter() + 50e-6
        while time.perf_counter() < until:
            pass
        return 0

    host.on_send = slow
    body = "(loop (drop (call $send (i32.const 0) (i32.const 1))) (br 0)) (unreachable)"
    limits = Limits(cpu_ms=CpuMillis(60_000), time_ms=Duration(60_000))
    guest = started(sandbox, module(body), host, limits=limits)
    slices = {MANY_CALLS: 0, 2 * MANY_CALLS: 0}
    outcome = guest.handle(b"x")
    for most in slices:
        while calls < most:
            assert outcome is SUSPENDED
            outcome = guest.resume()
            slices[most] += 1
    assert slices[2 * MANY_CALLS] > 0.9 * MANY_CALLS / 2
    assert slices[MANY_CALLS] < 0.75 * slices[2 * MANY_CALLS]
    guest.close()
