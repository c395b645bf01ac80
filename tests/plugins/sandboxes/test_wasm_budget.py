"""Real guests in a budget: they are counted as they are, and growing ends where the node's memory does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from caxton_core.budgets import OVERHEAD, Budget
from caxton_core.ids import ModuleDigest
from caxton_core.ports import SUSPENDED, Fault, Guest, Outcome
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.plugins.sandboxes.conftest import PATHS
from tests.plugins.sandboxes.guests import PAGE, Host, finish, module, reply

BIG = Limits(memory=ByteSize(1 << 32), cpu_ms=CpuMillis(1000))
GROW = module(
    "(i32.store (i32.const 8) (memory.grow (i32.load8_u (local.get $p))))" + reply(8, 4), memory="2"
)
"""Grows by as many pages as the message's first byte says, and answers with what memory.grow said."""
Make = Callable[[int | None], WasmSandbox]


@pytest.fixture(scope="module", params=PATHS)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, bool]:
    """Compile the modules once: every sandbox of these tests has the same cache."""
    return str(tmp_path_factory.mktemp("cache")), request.param == "native"


@pytest.fixture
def make(shared: tuple[str, bool]) -> Iterator[Make]:
    """Make sandboxes with a budget."""
    made: list[WasmSandbox] = []

    def sandbox(limit: int | None) -> WasmSandbox:
        budget = Budget(limit)
        made.append(WasmSandbox(shared[0], native=shared[1], budget=budget))
        return made[-1]

    yield sandbox
    for each in made:
        each.close()


def begin(sandbox: WasmSandbox, data: bytes = GROW, host: Host | None = None) -> Guest:
    """Start a guest."""
    info = sandbox.check(data, "strict").unwrap()
    guest = sandbox.open(ModuleDigest(info.sha256), "strict", BIG, host or Host()).unwrap()
    assert finish(guest, guest.start(b"{}")) is None
    return guest


def grow(guest: Guest, pages: int) -> int:
    """Let a guest grow; returns how many pages it had before, -1 when it could not."""
    answer: Outcome = finish(guest, guest.handle(bytes([pages]) + bytes(8)))
    assert isinstance(answer, bytes)
    return int.from_bytes(answer, "little", signed=True)


def test_what_a_guest_has_is_counted_until_it_is_closed(make: Make) -> None:
    """Its memory as it begins, as it grows, and nothing when it is gone."""
    sandbox = make(None)
    assert sandbox.check(GROW, "strict").unwrap().memory == 2 * PAGE
    budget = sandbox._budget
    guest, other = begin(sandbox), begin(sandbox)
    assert budget.used == 4 * PAGE + 2 * OVERHEAD
    assert grow(guest, 3) == 2
    assert guest.memory_bytes == 5 * PAGE
    assert budget.linear == 7 * PAGE
    guest.close()
    guest.close()
    assert budget.linear == 2 * PAGE
    other.close()
    assert budget.used == 0


def test_growing_ends_where_the_nodes_memory_does(make: Make) -> None:
    """All guests together never have more; the one that asks too much gets -1 and lives on."""
    sandbox = make(100 * PAGE)
    guests = [begin(sandbox) for _ in range(4)]
    budget = sandbox._budget
    failed = 0
    for turn in range(200):
        failed += grow(guests[turn % 4], 1 + turn % 3) == -1
        assert budget.linear == sum(guest.memory_bytes for guest in guests)
        assert budget.used <= 100 * PAGE
    assert failed > 100
    assert budget.used > 90 * PAGE
    guests.pop().close()
    while grow(guests[0], 1) != -1:
        assert budget.used <= 100 * PAGE
    assert budget.used > 90 * PAGE
    assert grow(guests[1], 0) > 0


def test_a_guest_whose_own_limit_is_below_the_room_never_notices(make: Make) -> None:
    """With memory to spare an instance may grow to its own limit at once."""
    sandbox = make(1 << 40)
    info = sandbox.check(GROW, "strict").unwrap()
    limits = Limits(memory=ByteSize(200 * PAGE))
    guest = sandbox.open(ModuleDigest(info.sha256), "strict", limits, Host()).unwrap()
    assert finish(guest, guest.start(b"{}")) is None
    assert grow(guest, 198) == 2
    assert grow(guest, 1) == -1
    guest.close()


def test_what_grows_in_a_call_that_is_suspended_is_counted_at_once(make: Make) -> None:
    """Others have their turns before the call ends: they find only what it has left."""
    spin = "(loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    body = f"(drop (memory.grow (i32.const 8))) (local.set $n (i32.const 10000000)) {spin} (i32.const 0)"
    sandbox = make(64 * PAGE)
    slow, other = begin(sandbox, module(body)), begin(sandbox)
    outcome = slow.handle(b"x")
    assert outcome is SUSPENDED
    assert sandbox._budget.linear == 12 * PAGE
    while grow(other, 1) != -1:
        pass
    assert sandbox._budget.used <= 64 * PAGE
    assert finish(slow, outcome) is None
    for guest in (slow, other):
        guest.close()


def test_what_grows_between_host_calls_is_counted_and_held_back(make: Make) -> None:
    """A guest that grows and sends in one call gets no further than the others."""
    body = """(loop $l (drop (memory.grow (i32.const 1)))
        (drop (call $send (i32.const 0) (i32.const 0)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.const 0)"""
    sandbox = make(64 * PAGE)
    greedy, other = begin(sandbox, module(body)), begin(sandbox)
    assert finish(greedy, greedy.handle(bytes(200))) is None
    assert sandbox._budget.linear == greedy.memory_bytes + other.memory_bytes
    assert 55 * PAGE < sandbox._budget.used <= 64 * PAGE
    for guest in (greedy, other):
        guest.close()


def test_a_start_function_that_grows_and_spins_is_reckoned_with_all_it_could_take(
    make: Make,
) -> None:
    """Its memory can't be seen until it has started, so nobody else is given what it might have."""
    spin = "(local.set 0 (i32.const 10000000)) (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
    more = f"(func $s (local i32) (drop (memory.grow (i32.const 6))) {spin}) (start $s)"
    sandbox = make(64 * PAGE)
    other = begin(sandbox)
    info = sandbox.check(module(more=more), "strict").unwrap()
    starting = sandbox.open(ModuleDigest(info.sha256), "strict", BIG, Host()).unwrap()
    outcome = starting.start(b"{}")
    assert outcome is SUSPENDED
    assert sandbox._budget.linear >= 10 * PAGE
    assert finish(starting, outcome) is None
    assert starting.memory_bytes == 8 * PAGE
    assert sandbox._budget.linear == 10 * PAGE
    for guest in (starting, other):
        guest.close()
    assert sandbox._budget.used == 0


def test_a_start_function_may_call_the_host(make: Make) -> None:
    """What needs no memory is answered; a pointer is outside a memory that is not there yet, and only that agent fails."""
    sandbox = make(None)
    grows = "(func (drop (memory.grow (i32.const 1))))"
    fine = module(more=f"{grows} (func $s (drop (call $now_ms))) (start $s)")
    begin(sandbox, fine).close()
    log = "(call $log (i32.const 1) (i32.const 0) (i32.const 4))"
    info = sandbox.check(module(more=f"{grows} (func $s {log}) (start $s)"), "strict").unwrap()
    guest = sandbox.open(ModuleDigest(info.sha256), "strict", BIG, Host()).unwrap()
    fault = finish(guest, guest.start(b"{}"))
    assert isinstance(fault, Fault)
    assert fault.reason == "trap"
    assert "outside the memory" in fault.detail


def test_a_start_function_gets_no_more_than_is_free(make: Make) -> None:
    """What it takes before anybody can look is limited as if it had been seen."""
    more = "(func $s (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))) (start $s)"
    sandbox = make(64 * PAGE)
    budget = sandbox._budget
    for free in range(3, 40):
        others = 64 * PAGE - OVERHEAD - free * PAGE
        budget.grew(others)
        guest = begin(sandbox, module(more=more))
        assert budget.linear - others == guest.memory_bytes
        assert 2 * PAGE <= guest.memory_bytes <= free * PAGE
        guest.close()
        budget.grew(-others)


def test_a_module_without_memory_at_first_is_counted_as_it_is(make: Make) -> None:
    """No pages are no bytes, and a call that is suspended reckons with none."""
    spin = "(loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
    body = f"(local.set $n (i32.const 10000000)) {spin} (i32.const 0)"
    sandbox = make(64 * PAGE)
    data = module(body, memory="0", alloc="(i32.const 0)")
    info = sandbox.check(data, "strict").unwrap()
    guest = sandbox.open(ModuleDigest(info.sha256), "strict", BIG, Host()).unwrap()
    finish(guest, guest.start(b"{}"))
    assert (info.memory, sandbox._budget.used) == (0, OVERHEAD)
    guest.close()
    assert sandbox._budget.used == 0


def test_a_guest_whose_growth_was_noticed_at_a_host_call_may_grow_on(make: Make) -> None:
    """The room it then has is taken over when its slice ends, although its answer shows no growth any more."""
    body = """(drop (memory.grow (i32.const 4)))
      (drop (call $send (i32.const 0) (i32.const 0))) (i32.const 0)"""
    sandbox = make(64 * PAGE)
    guest = begin(sandbox, module(body))
    for _ in range(20):
        assert finish(guest, guest.handle(b"x")) is None
    assert 40 * PAGE < sandbox._budget.used <= 64 * PAGE
    guest.close()
