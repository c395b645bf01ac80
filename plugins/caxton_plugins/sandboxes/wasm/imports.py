"""What a guest may call: module `caxton` of docs/guests.md.

Rules:
- Each import runs Python on the guest's own stack, between two of its instructions: no body may run a guest.
- Every exception ends in a trap; what was raised is logged, and named in the fault.
- A pointer or length outside the memory is a trap, in every import.
- The time of a slice that makes host calls is bounded by throttling it, never by touching its fuel.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from caxton_core.ports import EXIT, Fault
from wasmtime import FuncType, ValType

from caxton_plugins.sandboxes.budgets import (
    HOST_CALLS,
    HOST_TIME,
    HOST_TIME_OF_MANY,
    LOG_LINE,
    MANY_CALLS,
    RANDOM,
    STATE_KEY,
    Ended,
    Refused,
)
from caxton_plugins.sandboxes.wasm.calls import (
    MASK,
    Callback,
    Slots,
    define,
    memory_size,
    slots_at,
)

if TYPE_CHECKING:
    from wasmtime import Linker

    from caxton_plugins.sandboxes.wasm.guest import WasmGuest

Body: TypeAlias = "Callable[[WasmGuest, Slots], None]"

_log = logging.getLogger("caxton.sandbox")
_now = time.perf_counter
_KINDS = {"i": ValType.i32, "I": ValType.i64}


class Turn:
    """Whose turn it is: the guest that runs now, of all that share an engine's imports."""

    __slots__ = ("guest",)

    def __init__(self) -> None:
        self.guest: WasmGuest | None = None


def read(guest: WasmGuest, at: int, size: int) -> bytes:
    """Copy bytes out of the guest."""
    if at + size > guest.size:
        raise Refused(f"{size} bytes at {at} are outside the memory of {guest.size} bytes")
    return guest.view[at : at + size].tobytes()


def write(guest: WasmGuest, at: int, data: bytes) -> None:
    """Copy bytes into the guest."""
    end = at + len(data)
    if end > guest.size:
        raise Refused(f"{len(data)} bytes at {at} are outside the memory of {guest.size} bytes")
    guest.view[at:end] = data


def signed(value: int) -> int:
    """Read a u64 as i64."""
    return value - (1 << 64) if value >> 63 else value


def _send(guest: WasmGuest, slots: Slots) -> None:
    at, size = slots[0] & MASK, slots[2] & MASK
    if at + size > guest.size:
        raise Refused(f"{size} bytes at {at} are outside the memory of {guest.size} bytes")
    # One byte too many is enough for the host to refuse it.
    end = at + min(size, guest.largest + 1)
    slots[0] = guest.host.send(guest.view[at:end].tobytes()) & MASK


def read_line(guest: WasmGuest, at: int, size: int) -> bytes:
    """Copy what will be logged, cut to the length of a line."""
    if at + size > guest.size:
        raise Refused(f"{size} bytes at {at} are outside the memory of {guest.size} bytes")
    return guest.view[at : at + min(size, LOG_LINE)].tobytes()


def write_log(guest: WasmGuest, level: int, line: bytes) -> None:
    """Pass a line on; how much a step may log is the host's to decide, who counts what it drops."""
    guest.host.log(min(level, 4), line)


def _log_line(guest: WasmGuest, slots: Slots) -> None:
    write_log(guest, slots[0] & MASK, read_line(guest, slots[2] & MASK, slots[4] & MASK))


def _now_ms(guest: WasmGuest, slots: Slots) -> None:
    slots[0] = guest.host.now_ms()


def fill_random(guest: WasmGuest, at: int, size: int) -> None:
    """Write random bytes of the step's stream."""
    if at + size > guest.size:
        raise Refused(f"{size} bytes at {at} are outside the memory of {guest.size} bytes")
    if size > RANDOM:
        raise Refused(f"{size} random bytes were asked for; {RANDOM} are allowed at once")
    write(guest, at, guest.host.random(size))


def _random(guest: WasmGuest, slots: Slots) -> None:
    fill_random(guest, slots[0] & MASK, slots[2] & MASK)


def _key(guest: WasmGuest, at: int, size: int) -> bytes | None:
    """Read a key; None when it is longer than any key there is."""
    if size > STATE_KEY:
        read(guest, at + size - 1, 1)  # only its bounds matter
        return None
    return read(guest, at, size)


def _state_get(guest: WasmGuest, slots: Slots) -> None:
    key = _key(guest, slots[0] & MASK, slots[2] & MASK)
    at, room = slots[4] & MASK, slots[6] & MASK
    if at + room > guest.size:
        raise Refused(f"{room} bytes at {at} are outside the memory of {guest.size} bytes")
    value = None if key is None else guest.host.state_get(key)
    if value is None:
        slots[0] = -1 & MASK
        return
    if len(value) <= room:
        write(guest, at, value)
    slots[0] = len(value)


def _state_put(guest: WasmGuest, slots: Slots) -> None:
    key = _key(guest, slots[0] & MASK, slots[2] & MASK)
    value = read(guest, slots[4] & MASK, slots[6] & MASK)
    slots[0] = (-1 if key is None else guest.host.state_put(key, value)) & MASK


def _state_delete(guest: WasmGuest, slots: Slots) -> None:
    key = _key(guest, slots[0] & MASK, slots[2] & MASK)
    slots[0] = (-1 if key is None else guest.host.state_delete(key)) & MASK


def _set_timer(guest: WasmGuest, slots: Slots) -> None:
    payload = read(guest, slots[2] & MASK, slots[4] & MASK)
    slots[0] = guest.host.set_timer(max(0, signed(slots[0])), payload) & MASK


def _cancel_timer(guest: WasmGuest, slots: Slots) -> None:
    slots[0] = guest.host.cancel_timer(slots[0] & MASK) & MASK


CAXTON: Final[dict[str, tuple[str, str, Body]]] = {
    "send": ("ii", "i", _send),
    "log": ("iii", "", _log_line),
    "now_ms": ("", "I", _now_ms),
    "random": ("ii", "", _random),
    "state_get": ("iiii", "i", _state_get),
    "state_put": ("iiii", "i", _state_put),
    "state_delete": ("ii", "i", _state_delete),
    "set_timer": ("Iii", "i", _set_timer),
    "cancel_timer": ("i", "i", _cancel_timer),
}
"""Name -> parameters, result (i: i32, I: i64) and body."""


def link(
    linker: Linker, turn: Turn, module: str, table: dict[str, tuple[str, str, Body]]
) -> list[object]:
    """Define a table of imports; keep what is returned as long as the linker."""
    return [
        define(linker, module, name, _type(parameters, result), bridge(turn, name, body))
        for name, (parameters, result, body) in table.items()
    ]


def _type(parameters: str, result: str) -> FuncType:
    return FuncType([_KINDS[kind]() for kind in parameters], [_KINDS[kind]() for kind in result])


def bridge(turn: Turn, name: str, body: Body) -> Callback:
    """Wrap a body in what every host call needs: count, fresh view, time budget, and no way out for exceptions."""

    def call(_env: object, _caller: object, at: int, _count: object) -> int | None:
        guest = turn.guest
        assert guest is not None
        try:
            guest.host_calls = calls = guest.host_calls + 1
            if calls == 1:
                guest.slice_began = _now()
            elif calls > HOST_CALLS:
                return guest.refuse(
                    Fault("host-calls", f"more than {HOST_CALLS} host calls in a step")
                )
            if (
                guest.grows
                and memory_size(guest.context, guest.memory) != guest.size
                and guest.grown()
            ):
                guest.throttle()
            if at != guest.slots_at:
                guest.slots_at, guest.slots = at, slots_at(at)
            slots = guest.slots
            body(guest, slots)
            if (
                calls != 1
                and _now() - guest.slice_began
                > (HOST_TIME if calls < MANY_CALLS else HOST_TIME_OF_MANY)
                and guest.never_lets_go()
            ):
                return guest.refuse(Fault("time", "its host calls never let go of the thread"))
        except Ended as end:
            return guest.refuse(Fault(EXIT, str(end)))
        except Refused as error:
            return guest.refuse(Fault("trap", f"{name}: {error}"))
        except BaseException as error:  # noqa: BLE001  # whatever leaves a callback is lost, and the guest runs on
            _log.error("host call %s failed", name, exc_info=error)
            return guest.refuse(
                Fault("trap", f"{name}: the host failed: {type(error).__name__}: {error}")
            )
        return None

    return call
