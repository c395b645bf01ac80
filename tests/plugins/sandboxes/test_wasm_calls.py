"""What a guest and its host tell each other, by docs/guests.md."""

from __future__ import annotations

import pytest
from caxton_core.ids import ModuleDigest
from caxton_core.ports import SUSPENDED, Fault
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.plugins.sandboxes.guests import (
    INBOX,
    PAGE,
    Host,
    finish,
    handled,
    module,
    opened,
    reply,
    started,
)


def test_a_response_is_copied_out(sandbox: WasmSandbox) -> None:
    """Code 1 hands over the bytes whose address and length stand in the inbox."""
    guest = started(sandbox, module(reply(16, 5), more='(data (i32.const 16) "reply")'))
    assert [handled(guest) for _ in range(3)] == [b"reply"] * 3


def test_an_echo_may_point_into_its_inbox(sandbox: WasmSandbox) -> None:
    """A response may overlap the message, whose first 8 bytes are then the answer's place."""
    guest = started(
        sandbox,
        module(
            "(i32.store (local.get $p) (i32.add (local.get $p) (i32.const 8)))"
            "(i32.store offset=4 (local.get $p) (i32.sub (local.get $n) (i32.const 8))) (i32.const 1)"
        ),
    )
    assert handled(guest, b"12345678the rest") == b"the rest"


def test_code_0_is_no_response(sandbox: WasmSandbox) -> None:
    """Code 0 ends a call without a response."""
    assert handled(started(sandbox, module())) is None


@pytest.mark.parametrize("code", [2, -1, -2147483648, 2147483647])
def test_any_other_code_is_the_agents_own_error(sandbox: WasmSandbox, code: int) -> None:
    """Other codes fail the message, carry the number and leave the instance alive."""
    guest = started(sandbox, module(f"(i32.const {code})"))
    assert handled(guest) == Fault("agent-error", f"handle_message returned {code}")
    assert guest.alive
    assert handled(guest) == Fault("agent-error", f"handle_message returned {code}")


def test_an_empty_message_and_an_empty_response(sandbox: WasmSandbox) -> None:
    """Nothing is a message of length 0, and a response of length 0 is still one."""
    assert handled(started(sandbox, module(reply(0, 0))), b"") == b""


def test_the_inbox_is_reused_until_a_larger_one_is_needed(sandbox: WasmSandbox) -> None:
    """`caxton_alloc` is called once for small messages, and once more for a larger one."""
    counting = (
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))"
        f"(i32.store (i32.const 0) (global.get $calls)) (i32.const {INBOX})"
    )
    guest = started(
        sandbox,
        module(reply(0, 4), alloc=counting, more="(global $calls (mut i32) (i32.const 0))"),
    )
    sizes = (10, 1000, 10, 1024, 1025, 2000, 10)
    answers = [handled(guest, b"x" * size) for size in sizes]
    assert answers == [count.to_bytes(4, "little") for count in (1, 1, 1, 1, 2, 2, 2)]


def test_a_guest_that_cannot_allocate_lives_on(sandbox: WasmSandbox) -> None:
    """0 from `caxton_alloc` fails the message only; a smaller one is served."""
    guest = started(
        sandbox,
        module(
            alloc=f"(select (i32.const {INBOX}) (i32.const 0)"
            " (i32.le_u (local.get $size) (i32.const 1024)))"
        ),
    )
    assert handled(guest, b"x" * 1025) == Fault("agent-error", "caxton_alloc has no 2048 bytes")
    assert handled(guest, b"x" * 1024) is None


def test_the_configuration_reaches_init(sandbox: WasmSandbox) -> None:
    """`caxton_init` gets the configuration as it was given, and may send."""
    host = Host()
    init = """(func (export "caxton_init") (param i32 i32) (result i32)
      (call $send (local.get 0) (local.get 1)))"""
    guest = opened(sandbox, module(more=init), host)
    assert guest.start(b'{"margin":0.1}') is None
    assert host.calls == [("send", b'{"margin":0.1}')]


def test_a_failing_init_fails_the_start(sandbox: WasmSandbox) -> None:
    """A code of `caxton_init` is the start's fault."""
    init = '(func (export "caxton_init") (param i32 i32) (result i32) (i32.const 3))'
    guest = opened(sandbox, module(more=init))
    assert guest.start(b"{}") == Fault("agent-error", "caxton_init returned 3")


def test_initialize_runs_first(sandbox: WasmSandbox) -> None:
    """`_initialize` has run when `caxton_init` is called."""
    both = """(global $ready (mut i32) (i32.const 5))
      (func (export "_initialize") (global.set $ready (i32.const 0)))
      (func (export "caxton_init") (param i32 i32) (result i32) (global.get $ready))"""
    assert opened(sandbox, module(more=both)).start(b"{}") is None


def test_drain_is_optional(sandbox: WasmSandbox) -> None:
    """Without `caxton_drain` nothing happens; with it its code counts."""
    assert started(sandbox, module()).drain() is None
    drain = '(func (export "caxton_drain") (result i32) (i32.const 9))'
    guest = started(sandbox, module(more=drain))
    assert guest.drain() == Fault("agent-error", "caxton_drain returned 9")


def test_state_is_handed_over(sandbox: WasmSandbox) -> None:
    """What one guest exports another imports and exports again."""
    state = """(global $size (mut i32) (i32.const 3))
      (data (i32.const 65536) "abc")
      (func (export "caxton_export_state") (result i64)
        (i64.or (i64.const 65536)
          (i64.shl (i64.extend_i32_u (global.get $size)) (i64.const 32))))
      (func (export "caxton_import_state") (param i32 i32) (result i32)
        (global.set $size (local.get 1)) (i32.const 0))"""
    data = module(more=state)
    first, second = started(sandbox, data), started(sandbox, data)
    assert first.export_state() == b"abc"
    assert second.import_state(b"longer state") is None
    assert second.export_state() == b"longer state"


def test_there_may_be_no_state(sandbox: WasmSandbox) -> None:
    """Without the exports, or when it answers 0, a guest has no state to give."""
    plain = started(sandbox, module())
    none = '(func (export "caxton_export_state") (result i64) (i64.const 0))'
    assert plain.export_state() is None
    assert plain.import_state(b"lost") is None
    assert started(sandbox, module(more=none)).export_state() is None


def test_exported_state_outside_the_memory_is_a_bad_response(sandbox: WasmSandbox) -> None:
    """A lying range of state is refused without touching the instance."""
    lie = '(func (export "caxton_export_state") (result i64) (i64.const -1))'
    guest = started(sandbox, module(more=lie))
    outcome = guest.export_state()
    assert isinstance(outcome, Fault)
    assert outcome.reason == "bad-response"
    assert guest.alive


def test_an_abi_version_that_is_computed_is_asked_at_start(sandbox: WasmSandbox) -> None:
    """A version the section walk can't see fails the start; 1 passes."""

    def version(number: int) -> bytes:
        return module(
            more='(func (export "caxton_abi_version") (result i32)'
            f" (i32.add (i32.const {number}) (i32.const 0)))"
        )

    assert opened(sandbox, version(1)).start(b"{}") is None
    assert opened(sandbox, version(2)).start(b"{}") == Fault(
        "agent-error", "ABI version 2 is not supported; this node has 1"
    )


def test_every_import_does_its_duty(sandbox: WasmSandbox) -> None:
    """Each import of the table gives and takes what docs/guests.md says."""
    host = Host()
    body = f"""
      (drop (call $send (i32.const 0) (i32.const 3)))
      (call $log (i32.const 2) (i32.const 0) (i32.const 6))
      (i64.store (i32.const 100) (call $now_ms))
      (call $random (i32.const 108) (i32.const 4))
      (i32.store (i32.const 112) (call $state_get (i32.const 0) (i32.const 3) (i32.const 200) (i32.const 9)))
      (i32.store (i32.const 116) (call $state_put (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 3)))
      (i32.store (i32.const 120) (call $state_get (i32.const 0) (i32.const 3) (i32.const 200) (i32.const 2)))
      (i32.store (i32.const 124) (call $state_get (i32.const 0) (i32.const 3) (i32.const 128) (i32.const 3)))
      (i32.store (i32.const 132) (call $state_delete (i32.const 0) (i32.const 3)))
      (i32.store (i32.const 136) (call $state_delete (i32.const 0) (i32.const 3)))
      (i32.store (i32.const 140) (call $set_timer (i64.const 5000000000) (i32.const 0) (i32.const 6)))
      (i32.store (i32.const 144) (call $cancel_timer (i32.const 7)))
      (i32.store (i32.const 148) (call $cancel_timer (i32.const 8)))
      {reply(100, 52)}"""
    guest = started(sandbox, module(body, more='(data (i32.const 0) "keyval")'), host)
    answer = handled(guest)
    assert isinstance(answer, bytes)
    assert int.from_bytes(answer[:8], "little") == host.now_ms()
    assert answer[8:12] == b"rrrr"
    assert answer[28:31] == b"val"
    numbers = [
        int.from_bytes(answer[at : at + 4], "little", signed=True)
        for at in (12, 16, 20, 24, 32, 36, 40, 44, 48)
    ]
    assert numbers == [-1, 0, 3, 3, 0, -1, 7, 0, -1]
    assert host.calls == [
        ("send", b"key"),
        ("log", 2, b"keyval"),
        ("set_timer", 5_000_000_000, b"keyval"),
    ]


def test_what_send_returns_reaches_the_guest(sandbox: WasmSandbox) -> None:
    """A negative answer to `send` is the whole answer."""
    host = Host()
    host.on_send = lambda data: -3
    assert handled(started(sandbox, module("(call $send (i32.const 0) (i32.const 1))"), host)) == (
        Fault("agent-error", "handle_message returned -3")
    )


def test_a_memory_that_grows_is_found_again(sandbox: WasmSandbox) -> None:
    """After growing, in a call and under a host call, pointers into the new part are good."""
    host = Host()
    body = f"""(drop (memory.grow (i32.const 8)))
      (i32.store8 (i32.const {9 * PAGE}) (i32.const 65))
      (drop (call $send (i32.const {9 * PAGE}) (i32.const 1)))
      {reply(9 * PAGE, 1)}"""
    guest = started(sandbox, module(body), host)
    assert handled(guest) == b"A"
    assert host.calls == [("send", b"A")]
    assert guest.memory_bytes == 10 * PAGE
    assert handled(guest) == b"A"


def test_a_memory_that_does_not_grow_stays_in_place(sandbox: WasmSandbox) -> None:
    """Growing by nothing, or by more than the limit, leaves the memory where it is: the view relies on it."""
    body = f"""(drop (memory.grow (i32.const 0)))
      (i32.store (i32.const 0) (memory.grow (i32.const 60000)))
      (i32.store8 (i32.const 4) (i32.const 66)) {reply(0, 5)}"""
    guest = started(sandbox, module(body))
    assert [handled(guest) for _ in range(3)] == [b"\xff\xff\xff\xffB"] * 3
    assert guest.memory_bytes == 2 * PAGE


def test_large_messages_go_both_ways(sandbox: WasmSandbox) -> None:
    """A message of the largest size is taken and given back."""
    echo = (
        "(i32.store (local.get $p) (local.get $p))"
        "(i32.store offset=4 (local.get $p) (local.get $n)) (i32.const 1)"
    )
    guest = started(sandbox, module(echo, memory="10"))
    message = bytes(8) + b"x" * (256 * 1024 - 8)
    answer = handled(guest, message)
    assert isinstance(answer, bytes)
    assert answer[8:] == message[8:]


def test_messages_over_the_limit_are_refused(sandbox: WasmSandbox) -> None:
    """A response over `message_size` is too large, and of a longer message `send` copies only what shows that it is."""
    limits = Limits(message_size=ByteSize(100))
    guest = started(sandbox, module(reply(0, 101)), limits=limits)
    assert handled(guest) == Fault("too-large", "the response has 101 bytes; 100 are allowed")
    assert guest.alive
    host = Host()
    sending = started(
        sandbox, module("(call $send (i32.const 0) (i32.const 60000))"), host, limits=limits
    )
    host.on_send = lambda _data: -6
    assert handled(sending) == Fault("agent-error", "handle_message returned -6")
    assert host.calls == [("send", bytes(101))]


def test_a_long_call_is_cut_into_slices_and_ends_well(sandbox: WasmSandbox) -> None:
    """A call of many slices suspends, and gives its response when it is resumed to the end."""
    body = f"""(local $i i32) (local.set $i (i32.const 1000000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) {reply(0, 2)}"""
    guest = started(
        sandbox,
        module(body, more='(data (i32.const 0) "ok")'),
        limits=Limits(cpu_ms=CpuMillis(5000)),
    )
    outcome = guest.handle(b"x")
    assert outcome is SUSPENDED
    assert finish(guest, outcome) == b"ok"
    assert handled(guest) == b"ok"
    assert guest.fuel_used > 2_000_000


def test_two_suspended_guests_take_turns(sandbox: WasmSandbox) -> None:
    """Host calls go to the host of the guest whose slice it is."""
    body = """(local $i i32) (local.set $i (i32.const 300000))
      (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (drop (call $send (local.get $p) (local.get $n))) (i32.const 0)"""
    hosts = [Host(), Host()]
    limits = Limits(cpu_ms=CpuMillis(5000))
    guests = [started(sandbox, module(body), host, limits=limits) for host in hosts]
    outcomes = [guest.handle(name) for guest, name in zip(guests, (b"one", b"two"), strict=True)]
    while SUSPENDED in outcomes:
        for number, guest in enumerate(guests):
            if outcomes[number] is SUSPENDED:
                outcomes[number] = guest.resume()
    assert [host.calls for host in hosts] == [[("send", b"one")], [("send", b"two")]]


def test_a_call_during_a_call_is_a_mistake(sandbox: WasmSandbox) -> None:
    """While a call is suspended only `resume` and `close` may follow; a closed guest takes nothing."""
    guest = started(sandbox, module("(loop (br 0)) (unreachable)"))
    assert guest.handle(b"x") is SUSPENDED
    with pytest.raises(RuntimeError, match="suspended"):
        guest.handle(b"y")
    with pytest.raises(RuntimeError, match="suspended"):
        guest.drain()
    guest.close()
    guest.close()
    assert not guest.alive
    assert guest.memory_bytes == 0
    assert guest.fuel_used > 0
    for call in (guest.resume, guest.drain):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(RuntimeError):
        guest.handle(b"")


def test_a_guest_that_was_not_started_takes_nothing(sandbox: WasmSandbox) -> None:
    """Before `start` there is no instance to call, and there is one start."""
    guest = opened(sandbox, module())
    with pytest.raises(RuntimeError):
        guest.handle(b"")
    assert guest.start(b"{}") is None
    with pytest.raises(RuntimeError):
        guest.start(b"{}")


def test_an_unchecked_module_is_refused(sandbox: WasmSandbox) -> None:
    """`open` makes instances only of what `check` accepted."""
    for digest in ("sha256:" + "0" * 64, "sha256:../../etc", "nonsense"):
        refused = sandbox.open(ModuleDigest(digest), "strict", Limits(), Host()).failure()
        assert str(refused) == f"Invalid module: {digest} was not compiled for profile strict."
