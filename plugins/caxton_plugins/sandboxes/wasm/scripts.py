"""The calls that are made once in a while, each a script of one or more calls into the guest.

A script is a generator that yields once for each call it has begun; `WasmGuest` polls that call to its end, in as
many slices as it takes, and goes on with the script unless the call trapped.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, TypeAlias

from caxton_core.ports import Fault, Outcome

from caxton_plugins.sandboxes.wasm.calls import (
    ENTRIES,
    FIRST,
    MASK,
    MESSAGE_AT,
    NONE,
    ONE,
    RESULT,
    SECOND,
    TWO,
    call_async,
)
from caxton_plugins.sandboxes.wasm.modules import ABI_VERSION

if TYPE_CHECKING:
    from caxton_plugins.sandboxes.wasm.guest import WasmGuest

Script: TypeAlias = Generator[None, None, Outcome]

_INBOX: Final = 1024  # the first one; larger ones are asked for in powers of two
_LARGEST_INBOX: Final = 1 << 31

_ALLOC, _HANDLE, _INIT, _DRAIN, _EXPORT, _IMPORT, _VERSION, _INITIALIZE = range(len(ENTRIES))
_WITHOUT_PARAMETERS: Final = (_DRAIN, _EXPORT, _VERSION, _INITIALIZE)


def starting(guest: WasmGuest, config: bytes) -> Script:
    """Instantiate and initialise."""
    place, present = guest.place, guest.entries
    guest.turn.guest = guest
    guest.future = place.instantiate(guest.loaded.pre)
    yield
    place.find(present)
    guest.place_memory()
    if "_initialize" in present:
        yield from _call(guest, _INITIALIZE)
    if "caxton_abi_version" in present:
        yield from _call(guest, _VERSION)
        if (version := place.slots[RESULT] & MASK) != ABI_VERSION:
            return Fault(
                "agent-error",
                f"ABI version {version} is not supported; this node has {ABI_VERSION}",
            )
    if "caxton_init" not in present:
        return None
    return (yield from _give(guest, _INIT, config))


def handling(guest: WasmGuest, wire: bytes) -> Script:
    """Handle a message that the inbox has no room for."""
    if fault := (yield from _fill(guest, wire)):
        return fault
    slots = guest.place.slots
    slots[FIRST], slots[SECOND] = guest.inbox, len(wire)
    yield from _call(guest, _HANDLE)
    return guest.response()


def draining(guest: WasmGuest) -> Script:
    """Make the last call before an orderly stop."""
    if "caxton_drain" not in guest.entries:
        return None
    yield from _call(guest, _DRAIN)
    return _verdict(guest, _DRAIN)


def exporting(guest: WasmGuest) -> Script:
    """Ask for the state; like a response, its address is in the low half and its length in the high one."""
    if "caxton_export_state" not in guest.entries:
        return None
    yield from _call(guest, _EXPORT)
    both = guest.place.slots[RESULT]
    if not both:
        return None
    at, size = both & MASK, both >> 32
    if at + size > guest.size:
        return Fault("bad-response", f"its state, {size} bytes at {at}, is outside its memory")
    return guest.view[at : at + size].tobytes()


def importing(guest: WasmGuest, data: bytes) -> Script:
    """Hand state over."""
    if "caxton_import_state" not in guest.entries:
        return None
    return (yield from _give(guest, _IMPORT, data))


def agent_error(entry: str, code: int) -> Fault:
    """Say which code of its own a guest returned."""
    signed = code - (1 << 32) if code >> 31 else code
    return Fault("agent-error", f"{entry} returned {signed}")


def _give(guest: WasmGuest, entry: int, data: bytes) -> Script:
    """Call a function of (ptr, len) whose result is 0 or an error code."""
    if fault := (yield from _fill(guest, data)):
        return fault
    slots = guest.place.slots
    slots[FIRST], slots[SECOND] = guest.inbox, len(data)
    yield from _call(guest, entry)
    return _verdict(guest, entry)


def _verdict(guest: WasmGuest, entry: int) -> Fault | None:
    code = guest.place.slots[RESULT] & MASK
    return agent_error(ENTRIES[entry], code) if code else None


def _fill(guest: WasmGuest, data: bytes) -> Generator[None, None, Fault | None]:
    """Copy data into the inbox, asking the guest for a larger one when needed."""
    size = len(data)
    if size > guest.room:
        room = max(_INBOX, 1 << (size - 1).bit_length())
        if room > _LARGEST_INBOX:
            return Fault("agent-error", f"no inbox can hold {size} bytes")
        slots = guest.place.slots
        slots[FIRST] = room
        guest.room = -1  # the old inbox is the guest's again from here on
        yield from _call(guest, _ALLOC)
        at = slots[RESULT] & MASK
        if at == 0:
            return Fault("agent-error", f"caxton_alloc has no {room} bytes")
        if at + room > guest.size:
            return Fault("trap", f"caxton_alloc gave {room} bytes at {at}, outside the memory")
        guest.inbox, guest.room = at, room
        slots[MESSAGE_AT] = at
    guest.view[guest.inbox : guest.inbox + size] = data
    return None


def _call(guest: WasmGuest, entry: int) -> Generator[None, None, None]:
    """Begin a call and wait for its end."""
    place = guest.place
    parameters = NONE if entry in _WITHOUT_PARAMETERS else ONE if entry == _ALLOC else TWO
    results = NONE if entry == _INITIALIZE else ONE
    guest.turn.guest = guest
    guest.future = call_async(
        place.context, place.function(entry), place.arguments, parameters, place.result, results,
        place.trap, place.error,
    )  # fmt: skip
    yield
    guest.look()
    guest.fit()
