"""The fast call path: what a guest of core modules calls of wasmtime's C library.

Rules:
- Hot functions take prebuilt `c_void_p` and `c_size_t` objects and no `argtypes`: ctypes then converts nothing.
- Everything a guest's calls need lives in one `Frame`, read and written through one memoryview of u64: an i32 is the
  low half of its slot (every platform wasmtime-py supports is little-endian).
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmtime import _ffi

from caxton_plugins.sandboxes.library import (
    FOREVER,
    NO_MEMORY,
    Pointer,
    address,
    drop,
    error_delete,
    error_message,
    get_fuel,
    must,
    poll,
    set_fuel,
    store_context,
    store_delete,
    store_limiter,
    store_new,
    symbol,
    text_of,
    view_of,
    yield_interval,
)
from caxton_plugins.sandboxes.mappings import MAPPINGS

if TYPE_CHECKING:
    from wasmtime import FuncType, Linker

__all__ = ["FOREVER", "NO_MEMORY", "Pointer", "address", "drop", "poll", "view_of"]

MASK: Final = 0xFFFFFFFF

MAPPINGS_EACH: Final = 3
"""What a store may map: its memory, and the stack of its calls with the page that guards it."""

# The hot three

call_async: Callable[..., int] = symbol("wasmtime_func_call_async", Pointer)
memory_data: Callable[[Pointer, Pointer], int] = symbol("wasmtime_memory_data", Pointer)
memory_size: Callable[[Pointer, Pointer], int] = symbol(
    "wasmtime_memory_data_size", ctypes.c_size_t
)

# The rest

_P = Pointer
_instantiate = symbol("wasmtime_instance_pre_instantiate_async", _P, _P, _P, _P, _P, _P)
_export_get = symbol(
    "wasmtime_instance_export_get", ctypes.c_bool, _P, _P, ctypes.c_char_p, ctypes.c_size_t, _P
)
_trap_new = symbol("wasmtime_trap_new", _P, ctypes.c_char_p, ctypes.c_size_t)
_trap_code = symbol("wasmtime_trap_code", ctypes.c_bool, _P, _P)
_trap_message = symbol("wasm_trap_message", None, _P, _P)
_trap_delete = symbol("wasm_trap_delete", None, _P)
_define_func = symbol(
    "wasmtime_linker_define_func_unchecked",
    _P, _P, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, _P, _P, _P, _P,
)  # fmt: skip


class _Value(ctypes.Structure):
    """`wasmtime_val_t`: a kind and 24 bytes of union."""

    _fields_ = (("kind", ctypes.c_uint64), ("of", ctypes.c_uint64 * 3))


class _Function(ctypes.Structure):
    """`wasmtime_func_t`."""

    _fields_ = (("store", ctypes.c_uint64), ("private", ctypes.c_uint64))


class _Extern(ctypes.Structure):
    """`wasmtime_extern_t`; the union's first bytes are a function or a memory."""

    _fields_ = (("kind", ctypes.c_uint64), ("of", ctypes.c_uint64 * 3))


ENTRIES: Final = (
    "caxton_alloc",
    "handle_message",
    "caxton_init",
    "caxton_drain",
    "caxton_export_state",
    "caxton_import_state",
    "caxton_abi_version",
    "_initialize",
)


class Frame(ctypes.Structure):
    """A guest's arguments, results, trap, error, fuel and export handles, in one allocation."""

    _fields_ = (
        (
            "message",
            _Value * 2,
        ),  # the arguments of handle_message alone: the first is set once per inbox
        ("arguments", _Value * 2),
        ("result", _Value),
        ("trap", ctypes.c_uint64),
        ("error", ctypes.c_uint64),
        ("fuel", ctypes.c_uint64),
        ("context", ctypes.c_uint64),  # for those who read the frame alone
        ("instance", ctypes.c_uint64 * 2),
        ("memory", ctypes.c_uint64 * 3),
        ("functions", _Function * len(ENTRIES)),
    )


assert ctypes.sizeof(_Value) == ctypes.sizeof(_ffi.wasmtime_val_t)
assert ctypes.sizeof(_Function) == ctypes.sizeof(_ffi.wasmtime_func_t)
assert ctypes.sizeof(_Extern) == ctypes.sizeof(_ffi.wasmtime_extern_t)
assert ctypes.sizeof(_ffi.wasmtime_memory_t) <= 24
assert ctypes.sizeof(_ffi.wasmtime_instance_t) == 16


def _slot(field: str, more: int = 0) -> int:
    return (int(getattr(Frame, field).offset) + more) // 8


# Indexes into a frame's view of u64
MESSAGE_AT: Final = _slot("message", 8)
MESSAGE_SIZE: Final = _slot("message", 40)
FIRST: Final = _slot("arguments", 8)
SECOND: Final = _slot("arguments", 40)
RESULT: Final = _slot("result", 8)
TRAP: Final = _slot("trap")
ERROR: Final = _slot("error")
FUEL: Final = _slot("fuel")
_MEMORY = _slot("memory")
_FUNCTIONS = _slot("functions")
HANDLE: Final = _FUNCTIONS + 2 * ENTRIES.index("handle_message")

NONE: Final = ctypes.c_size_t(0)
ONE: Final = ctypes.c_size_t(1)
TWO: Final = ctypes.c_size_t(2)


class Place:
    """A store with its frame: what a guest calls through. `close` must be called, once."""

    __slots__ = ("_table_limit", "arguments", "context", "error", "frame", "handle", "mappings", "memory", "message", "result",
                 "slots", "store", "trap")  # fmt: skip

    def __init__(
        self, engine: int, memory_limit: int, table_limit: int, interval: int, mappings: int
    ) -> None:
        self._table_limit = table_limit
        frame = Frame()
        base = ctypes.addressof(frame)
        self.frame = frame
        self.mappings = mappings
        self.slots: memoryview = memoryview(frame).cast("B").cast("Q")
        self.message = Pointer(base + Frame.message.offset)
        self.arguments = Pointer(base + Frame.arguments.offset)
        self.result = Pointer(base + Frame.result.offset)
        self.trap = Pointer(base + Frame.trap.offset)
        self.error = Pointer(base + Frame.error.offset)
        self.memory = Pointer(base + Frame.memory.offset)
        self.handle = self.function(ENTRIES.index("handle_message"))
        self.store: int = store_new(engine, None, None)
        frame.context = store_context(self.store)
        self.context = Pointer(frame.context)
        self.cap(memory_limit)
        must(set_fuel(self.context, FOREVER))
        self.set_interval(interval)

    def cap(self, memory_limit: int) -> None:
        """Set how large the memory may become; not from inside an import of this store."""
        store_limiter(self.store, memory_limit, self._table_limit, 1, 1, 1)

    def function(self, entry: int) -> Pointer:
        """Return where the handle of an exported function is kept."""
        return Pointer(ctypes.addressof(self.frame) + (_FUNCTIONS + 2 * entry) * 8)

    def set_interval(self, fuel: int) -> None:
        """Set how much fuel a slice has; from inside an import, how much is left of this one."""
        must(yield_interval(self.context, fuel))

    def fuel_left(self) -> int:
        """Return what is left of `FOREVER`."""
        frame = self.frame
        must(get_fuel(self.context, ctypes.addressof(frame) + Frame.fuel.offset))
        return self.slots[FUEL]

    def instantiate(self, pre: int) -> int:
        """Begin to make the instance; returns the future to poll."""
        instance = ctypes.addressof(self.frame) + Frame.instance.offset
        future: int = _instantiate(pre, self.context, instance, self.trap, self.error)
        return future

    def find(self, present: tuple[str, ...]) -> None:
        """Look the exports up by name; only for names and types the module was checked for."""
        instance = ctypes.addressof(self.frame) + Frame.instance.offset
        extern = _Extern()
        at = ctypes.addressof(extern)
        for name in present:
            encoded = name.encode()
            if not _export_get(self.context, instance, encoded, len(encoded), at):
                raise LookupError(name)
            if name == "memory":
                self.slots[_MEMORY], self.slots[_MEMORY + 1] = extern.of[0], extern.of[1]
                self.slots[_MEMORY + 2] = extern.of[2]
            else:
                index = _FUNCTIONS + 2 * ENTRIES.index(name)
                self.slots[index], self.slots[index + 1] = extern.of[0], extern.of[1]

    def failed(self) -> tuple[str, str]:
        """Take and free the trap or error of the call that just ended: (trap code's name or "", message)."""
        slots = self.slots
        code, text = "", "unknown"
        if trap := slots[TRAP]:
            number = ctypes.c_uint8()
            if _trap_code(trap, ctypes.addressof(number)):
                code = _code_names().get(number.value, str(number.value))
            text = text_of(_trap_message, trap)
            _trap_delete(trap)
        elif error := slots[ERROR]:
            text = text_of(error_message, error)
            error_delete(error)
        slots[TRAP] = slots[ERROR] = 0
        return code, text

    def close(self) -> None:
        """Delete the store; nothing of this place may be used afterwards."""
        store, self.store = self.store, 0
        if store:
            store_delete(store)
            MAPPINGS.give(self.mappings)


def new_trap(text: str) -> int:
    """Make a trap for an import to return."""
    encoded = text.encode()[:500]
    trap: int = _trap_new(encoded, len(encoded))
    return trap


Slots: TypeAlias = memoryview
"""The arguments of a host call as u64, and its result: parameter i is at 2 * i, the result at 0."""

_SLOTS_SIZE = 16 * 9  # no import has more parameters


def slots_at(address: int) -> Slots:
    """Return the arguments of the host call that wasmtime is making."""
    return view_of(address, _SLOTS_SIZE).cast("Q")


_callback = ctypes.CFUNCTYPE(Pointer, ctypes.c_byte, ctypes.c_byte, Pointer, ctypes.c_byte)
"""Of environment, caller, arguments and their count only the arguments are wanted: the rest is read as one byte."""

Callback: TypeAlias = Callable[[object, object, int, object], "int | None"]


def define(linker: Linker, module: str, name: str, kind: FuncType, function: Callback) -> object:
    """Define a host function for every store of an engine; keep what is returned as long as the linker."""
    native = _callback(function)
    first, second = module.encode(), name.encode()
    must(
        _define_func(
            address(linker), first, len(first), second, len(second), address(kind),
            ctypes.cast(native, Pointer), None, None,
        )
    )  # fmt: skip
    return native


@functools.cache
def _code_names() -> dict[int, str]:
    from wasmtime import TrapCode

    return {code.value: code.name for code in TrapCode}
