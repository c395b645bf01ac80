"""The compiled path of a message is the one in Python, only faster."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from caxton_core.hookspecs import SandboxOptions
from caxton_core.ports import SUSPENDED, Fault, Outcome
from caxton_plugins.sandboxes import slices, wasm
from caxton_plugins.sandboxes.wasm import WasmSandbox, imports
from caxton_plugins.sandboxes.wasm.guest import WasmGuest
from caxton_plugins.sandboxes.wasm.native import guest_class
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.sandboxes.guests import INBOX, LOOP, PAGE, module, reply
from tests.plugins.sandboxes.pairs import (
    CLOCK,
    LARGEST,
    MOST,
    OBEDIENT,
    TOP,
    Forgetful,
    Pair,
    Raised,
    attempt,
    order,
)

compiled = pytest.mark.skipif(
    importlib.util.find_spec("caxton_native") is None, reason="caxton-native is not installed"
)


@pytest.fixture(scope="module")
def engine() -> Iterator[WasmSandbox]:
    """Yield the one engine of all pairs, on which time is what `CLOCK` says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imports, "_now", CLOCK)
        patch.setattr(slices, "_now", CLOCK)
        patch.setattr(slices, "_cpu", CLOCK)
        made = WasmSandbox()
        yield made
        made.close()


EDGES = [
    base + more
    for base in (0, INBOX, INBOX + 1024, 2 * PAGE, 3 * PAGE, 4 * PAGE, MOST, 1 << 31, TOP)
    for more in (-2, -1, 0, 1, 2)
]
anywhere = st.sampled_from(EDGES) | st.integers(0, TOP - 1) | st.integers(0, MOST)
rarely = st.sampled_from([0] * 8 + [1])
orders = st.builds(
    order,
    wire_size=st.sampled_from([32, 32, 32, 300, 1024, 1025, 2 * PAGE, LARGEST])
    | st.integers(0, 40),
    at=anywhere,
    size=anywhere | st.integers(0, 400),
    code=st.sampled_from([1] * 8 + [0, 0, 2, TOP - 1, 1 << 31]),
    grow=st.sampled_from([0] * 6 + [1, 2, 65_535]),
    sends=st.sampled_from([0] * 6 + [1, 3, 10_001]),
    spins=st.sampled_from([0] * 8 + [1000, 300_000]),
    trap=rarely,
)


@compiled
@settings(max_examples=300, deadline=None)
@given(wires=st.lists(orders, min_size=1, max_size=8))
def test_both_paths_do_the_same(engine: WasmSandbox, wires: list[bytes]) -> None:
    """After every message of any guest the outcome, the state, the fuel and the memory are the same."""
    pair = Pair(engine, module(OBEDIENT))
    try:
        for wire in wires:
            outcome = pair.handle(wire)
            if not pair.guests[0].alive:
                assert isinstance(outcome, Fault)
                with pytest.raises(RuntimeError):
                    pair.handle(wire)
                break
    finally:
        pair.close()


@compiled
def test_both_paths_see_every_edge_alike(engine: WasmSandbox) -> None:
    """A response is given out exactly when it is within the memory and small enough, and so by both paths."""
    pair = Pair(engine, module(OBEDIENT, memory="4"))
    sizes = [*EDGES, 300, LARGEST, LARGEST + 1]
    for at, size in itertools.product({at % TOP for at in EDGES}, {size % TOP for size in sizes}):
        outcome = pair.handle(order(at=at, size=size, code=1))
        if isinstance(outcome, Fault):
            assert outcome.reason == ("bad-response" if at + size > 4 * PAGE else "too-large")
        else:
            assert isinstance(outcome, bytes)
            assert len(outcome) == size <= LARGEST
            assert at + size <= 4 * PAGE
    pair.close()


@compiled
@pytest.mark.parametrize("body", [reply(2 * PAGE - 300, 300), reply(2 * PAGE, 0), "(i32.const 0)"])
def test_an_ordinary_message_runs_no_python(engine: WasmSandbox, body: str) -> None:
    """Up to the last byte of the memory, the compiled path hands nothing over."""
    pair = Pair(engine, module(body))
    pair.handle(b"x" * 300)
    guest, wire, calls = pair.guests[1], b"y" * 300, []
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    guest.handle(wire)
    sys.setprofile(None)
    assert "call" not in calls
    pair.close()


@compiled
def test_a_memory_that_grows_in_the_call(engine: WasmSandbox) -> None:
    """The response may lie in the part that this very call has added, with a host call after the growth or without."""
    for sends in (0, 1):
        pair = Pair(engine, module(OBEDIENT))
        wire = order(at=4 * PAGE - 8, size=8, code=1, grow=2, sends=sends)
        assert pair.handle(wire) == bytes(8)
        assert pair.guests[1].memory_bytes == 4 * PAGE
        assert pair.handle(order(at=4 * PAGE - 7, size=8, code=1)) == Fault(
            "bad-response", f"8 bytes at {4 * PAGE - 7} are outside its memory"
        )
        pair.close()


@compiled
def test_a_slice_cut_short_by_its_host_calls(
    engine: WasmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest whose host calls use up their time is throttled, suspended and let go on by both paths alike."""
    monkeypatch.setattr(CLOCK, "step", 30e-6)
    pair = Pair(engine, module(OBEDIENT))
    # At first what is left of a slice is nothing, so that is the second poll; then it is the first.
    for _ in range(3):
        assert pair.both(lambda guest: guest.handle(order(sends=20, code=0))) is SUSPENDED
        outcome: Outcome = SUSPENDED
        while outcome is SUSPENDED:
            outcome = pair.both(lambda guest: guest.resume())
        assert outcome is None
    # Here the last host call throttles it, and nothing that counts fuel follows.
    for sends in (6, 7, 8, 9):
        assert pair.handle(order(sends=sends, code=1, at=0, size=3)) == bytes(3)
    pair.close()


@compiled
def test_a_call_inside_a_call_is_a_mistake(engine: WasmSandbox) -> None:
    """A host call that has the same guest handle something is told that a call is under way; so sees the guest a trap."""
    pair = Pair(engine, module(OBEDIENT))
    for guest, host in zip(pair.guests, pair.hosts, strict=True):

        def again(data: bytes, guest: WasmGuest = guest) -> int:
            guest.handle(b"again")
            return 0

        host.on_send = again
    outcome = pair.handle(order(sends=1))
    assert isinstance(outcome, Fault)
    assert "a call is suspended" in outcome.detail


@compiled
def test_what_is_no_bytes_takes_the_slow_way(engine: WasmSandbox) -> None:
    """A buffer of another type is taken as Python takes it, and what is no buffer is refused as Python refuses it."""
    pair = Pair(engine, module(OBEDIENT))
    wire = order(at=INBOX, size=3, code=1, wire_size=40)
    for kind in (bytearray, memoryview):
        assert pair.handle(kind(wire)) == pair.handle(wire)  # type: ignore[arg-type]  # the mistake is meant
    for wrong in (None, 7, "text", [1]):
        with pytest.raises(Raised):
            pair.handle(wrong)  # type: ignore[arg-type]  # the mistake is meant
    del pair.guests[0].room, pair.guests[1].room
    raised = [attempt(lambda guest: guest.handle(wire), guest) for guest in pair.guests]
    assert isinstance(raised[0], Raised)
    assert raised[0].args[0] == raised[1].args[0] == "AttributeError"  # type: ignore[union-attr]  # see above


@compiled
@pytest.mark.parametrize(
    ("body", "count"),
    [
        (reply(INBOX, 300), 20_000),
        ("(i32.const 0)", 20_000),
        ("(i32.const 7)", 20_000),
        (reply(-1, 1), 20_000),
        ("(drop (call $send (i32.const 0) (i32.const 300))) (i32.const 0)", 5_000),
    ],
)
def test_nothing_leaks(engine: WasmSandbox, body: str, count: int) -> None:
    """Neither objects nor the memory of wasmtime stay behind, however often a guest is called."""
    pair = Pair(engine, module(body))
    guest, wire = pair.guests[1], b"x" * 300
    pair.hosts[1].calls = Forgetful()
    held = (wire, guest, guest.place, guest.turn, guest.view, guest.host, WasmGuest.handle)

    def run(times: int) -> None:
        for _ in range(times):
            guest.handle(wire)

    run(2000)
    gc.collect()
    before = [sys.getrefcount(thing) for thing in held]
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    run(count)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < count / 10
    assert [sys.getrefcount(thing) for thing in held] == before
    # What wasmtime would leave behind of a call is no object: some hundred bytes and a stack.
    assert resident_bytes() - resident < 200 * count
    pair.close()


@compiled
@pytest.mark.parametrize("body", [reply(0, 3), LOOP, "(unreachable)", "(i32.const 7)"])
def test_a_guest_that_is_closed_goes_away(engine: WasmSandbox, body: str) -> None:
    """However its last call ended, a closed guest and its host are freed."""
    pair = Pair(engine, module(body))
    pair.both(lambda guest: guest.handle(b"x"))
    pair.close()
    hosts = [weakref.ref(host) for host in pair.hosts]
    del pair
    gc.collect()
    assert [host() for host in hosts] == [None, None]


@compiled
def test_what_does_not_fit_is_not_installed() -> None:
    """Classes or frames that do not fit are refused and change nothing, and so is a second installation."""
    script = """
import caxton_native

class Guest:
    __slots__ = ("room", "future", "inbox", "view", "place", "turn", "host_calls", "throttled", "largest")
    def handle(self, wire): return 7
    def _suspend(self): pass
    def response(self): pass
class Place:
    __slots__ = ("slots",)
class Turn:
    __slots__ = ("guest",)
class Computed(Guest):
    room = property(lambda self: 0)

def fails(kind, *arguments):
    try:
        caxton_native.install(*arguments)
    except kind:
        assert Guest().handle(None) == 7
    else:
        raise AssertionError(arguments)

classes, functions = (Guest, Place, Turn), (1, 2, 3, 4)
frame = (320, 0, 8, 16, 24, 32, 40, 48, 56, 64)
fails(TypeError)
fails(TypeError, *classes, functions[1:], frame)
fails(TypeError, *classes, functions, frame[1:])
fails(TypeError, 1, 2, 3, functions, frame)
for wrong in (320, 313, -8, 3, 1 << 40):
    fails(ValueError, *classes, functions, (*frame[:9], wrong))
fails(AttributeError, Turn, Place, Turn, functions, frame)
fails(AttributeError, Guest, Turn, Turn, functions, frame)
fails(TypeError, Computed, Place, Turn, functions, frame)
caxton_native.install(*classes, functions, frame)
assert Guest.handle.__doc__
guest = Guest()
guest.room = "no number"
assert guest.handle(b"") == 7
fails(RuntimeError, *classes, functions, frame)
"""
    assert output_of(script) == ""


def test_an_extension_of_another_version_is_not_used() -> None:
    """An extension that does not fit is as good as none, and a warning says so."""
    script = """
import sys, types
sys.modules["caxton_native"] = types.SimpleNamespace(API=99)
from caxton_plugins.sandboxes.wasm.guest import WasmGuest
from caxton_plugins.sandboxes.wasm.native import guest_class
assert guest_class(native=True) is WasmGuest
"""
    assert output_of(script) == (
        "caxton-native has interface 99, not 1, and is not used: install the one of this Caxton\n"
    )


@compiled
def test_the_compiled_path_is_the_default() -> None:
    """Where it is installed it is taken, unless somebody says otherwise."""
    assert issubclass(guest_class(native=True), WasmGuest)
    assert guest_class(native=True) is not WasmGuest
    assert guest_class(native=False) is WasmGuest


def test_the_setting_turns_the_compiled_path_off(tmp_path: Path) -> None:
    """`plugins.settings.wasm.native` is auto or off; YAML reads a bare off as false."""
    (kind,) = wasm.caxton_sandboxes()
    for given_value, native in [("auto", True), ("off", False), (False, False)]:
        options = SandboxOptions(str(tmp_path), {"native": given_value})
        made = kind.make(options).unwrap()
        assert isinstance(made, WasmSandbox)
        assert made._guest_class is guest_class(native=native)
        made.close()
    for wrong in ("on", True, None, "False"):
        refused = kind.make(SandboxOptions(str(tmp_path), {"native": wrong})).failure()
        assert f"{wrong!r} is neither auto nor off" in str(refused)


def resident_bytes() -> int:
    """Return how much memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def output_of(script: str) -> str:
    """Run a script in a Python of its own, and return what it wrote to stderr."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
