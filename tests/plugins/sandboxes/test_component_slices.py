"""Components whose instructions take longer than their fuel: slices stay short, and the CPU limit holds."""

from __future__ import annotations

from caxton_core.ports import SUSPENDED, Fault
from caxton_core.resources import Limits
from caxton_core.units import CpuMillis
from caxton_plugins.sandboxes.components import ComponentSandbox
from caxton_plugins.sandboxes.components.guest import ComponentGuest

from tests.plugins.sandboxes.components import LOOP, NOTHING, component, started
from tests.plugins.sandboxes.guests import handled

WIRE = b'{"performative":"request","sender":"ann@home","receiver":"ben@home","content":"hello"}'
REFUSED = "(loop (drop (memory.grow (i32.const 60000))) (br 0)) (unreachable)"
"""At the limit each round is a call into the runtime, for the fuel of four instructions."""


def test_slow_instructions_get_smaller_slices(component_sandbox: ComponentSandbox) -> None:
    """A component whose slices take too long yields sooner."""
    limits = Limits(cpu_ms=CpuMillis(10_000))
    guest = started(component_sandbox, component(REFUSED), limits=limits)
    assert isinstance(guest, ComponentGuest)
    full = guest._slice_fuel
    assert guest.handle(WIRE) is SUSPENDED
    least = full
    for _ in range(100):
        assert guest.resume() is SUSPENDED
        least = min(least, guest._slice_fuel)
    assert least < full / 2
    guest.close()


def test_slow_instructions_end_at_the_cpu_limit(component_sandbox: ComponentSandbox) -> None:
    """What burns more CPU than fuel is stopped by the thread's clock, long before its fuel is used up."""
    limits = Limits(cpu_ms=CpuMillis(20))
    guest = started(component_sandbox, component(REFUSED), limits=limits)
    outcome = handled(guest, WIRE)
    assert isinstance(outcome, Fault)
    assert (outcome.reason, outcome.detail) == ("cpu", "the CPU time of a call, 20 ms, is used up")
    assert guest.fuel_used < 20 * component_sandbox.fuel_per_ms("component")


def test_the_clock_is_set_anew_for_each_call(component_sandbox: ComponentSandbox) -> None:
    """CPU that a call burnt is not held against the next one."""
    body = f"""(local $i i32) (local.set $i (i32.const 200000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (if (i32.load8_u offset=44 (local.get $p)) (then {LOOP})) {NOTHING}"""
    guest = started(component_sandbox, component(body), limits=Limits(cpu_ms=CpuMillis(20)))
    assert [handled(guest, WIRE) for _ in range(60)] == [None] * 60
    assert isinstance(handled(guest, WIRE.replace(b"}", b',"language":"x"}')), Fault)
