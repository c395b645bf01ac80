"""Pointers and lengths that lie: in every import, in responses and in what `caxton_alloc` gives."""

from __future__ import annotations

import pytest
from caxton_core.ports import Fault
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.plugins.sandboxes.guests import PAGE, Host, handled, module, reply, started

END = 2 * PAGE
RANGES = [
    (END, 1),
    (END - 1, 2),
    (0, END + 1),
    (0, -1),
    (-1, 1),
    (-1, -1),
    (1, -1),
    (-END, END),
    (2147483647, 2147483647),
    (-2147483648, -2147483648),
]
CALLS = {
    "send": "(drop (call $send {range}))",
    "log": "(call $log (i32.const 1) {range})",
    "random": "(call $random {range})",
    "state_get key": "(drop (call $state_get {range} (i32.const 0) (i32.const 0)))",
    "state_get value": "(drop (call $state_get (i32.const 0) (i32.const 1) {range}))",
    "state_put key": "(drop (call $state_put {range} (i32.const 0) (i32.const 0)))",
    "state_put value": "(drop (call $state_put (i32.const 0) (i32.const 1) {range}))",
    "state_delete": "(drop (call $state_delete {range}))",
    "set_timer": "(drop (call $set_timer (i64.const 1) {range}))",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("at", "size"), RANGES)
def test_bytes_outside_the_memory_are_a_trap(
    sandbox: WasmSandbox, call: str, at: int, size: int
) -> None:
    """No import reads or writes outside the memory, and the fault names the import."""
    host = Host()
    span = f"(i32.const {at}) (i32.const {size})"
    guest = started(sandbox, module(CALLS[call].format(range=span) + "(i32.const 0)"), host)
    outcome = handled(guest)
    assert isinstance(outcome, Fault)
    assert outcome.reason == "trap"
    assert outcome.detail.startswith(call.split()[0] + ": ")
    assert "outside the memory" in outcome.detail
    assert host.calls == []
    assert host.state == {}
    assert not guest.alive


@pytest.mark.parametrize("call", [call for call in CALLS if call != "random"])
def test_nothing_at_the_very_end_is_within_the_memory(sandbox: WasmSandbox, call: str) -> None:
    """An empty range may stand at the end of the memory."""
    span = f"(i32.const {END}) (i32.const 0)"
    guest = started(sandbox, module(CALLS[call].format(range=span) + "(i32.const 0)"))
    assert handled(guest) is None


@pytest.mark.parametrize(("at", "size"), RANGES)
def test_a_response_outside_the_memory_is_a_bad_response(
    sandbox: WasmSandbox, at: int, size: int
) -> None:
    """A lying response fails the message and leaves the instance alive."""
    guest = started(sandbox, module(reply(at, size)))
    for _ in range(2):
        outcome = handled(guest)
        assert isinstance(outcome, Fault)
        assert outcome.reason == "bad-response"
        assert "outside its memory" in outcome.detail
    assert guest.alive


@pytest.mark.parametrize("at", [END, END - 1023, -1, -1024, 2147483647])
def test_an_inbox_outside_the_memory_is_a_trap(sandbox: WasmSandbox, at: int) -> None:
    """A buffer that `caxton_alloc` does not have is never written."""
    guest = started(sandbox, module(alloc=f"(i32.const {at})"))
    outcome = handled(guest)
    assert isinstance(outcome, Fault)
    assert outcome.reason == "trap"
    assert "caxton_alloc" in outcome.detail
    assert not guest.alive


def test_an_inbox_at_the_very_end_is_good(sandbox: WasmSandbox) -> None:
    """The last 1024 bytes of the memory will do."""
    assert handled(started(sandbox, module(alloc=f"(i32.const {END - 1024})"))) is None


def test_a_response_whose_place_is_in_a_tiny_message(sandbox: WasmSandbox) -> None:
    """The first 8 bytes of the inbox are the guest's to write even when the message was shorter."""
    assert handled(started(sandbox, module(reply(0, 3))), b"x") == bytes(3)


def test_long_keys_are_no_keys(sandbox: WasmSandbox) -> None:
    """A key over 1 KiB is absent, and can't be written."""
    key = "(i32.const 0) (i32.const 1025)"
    get = module(f"(call $state_get {key} (i32.const 0) (i32.const 0))")
    put = module(f"(call $state_put {key} (i32.const 0) (i32.const 0))")
    for data in (get, put):
        host = Host()
        assert handled(started(sandbox, data, host)) == Fault(
            "agent-error", "handle_message returned -1"
        )
        assert host.state == {}


def test_too_much_randomness_at_once_is_a_trap(sandbox: WasmSandbox) -> None:
    """The host makes 64 KiB of random bytes at once, no more."""
    guest = started(sandbox, module("(call $random (i32.const 0) (i32.const 65537)) (i32.const 0)"))
    outcome = handled(guest)
    assert isinstance(outcome, Fault)
    assert outcome.detail == "random: 65537 random bytes were asked for; 65536 are allowed at once"
