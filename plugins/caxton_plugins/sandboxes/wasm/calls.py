"""The fast call path: the one module that meets wasmtime's C API through ctypes.

Rules:
- Symbols come from a `PyDLL`: the GIL stays held during a slice (some 20 us), so a call never has to win it back
  from another thread.
- Hot functions take prebuilt `c_void_p` and `c_size_t` objects and no `argtypes`: ctypes then converts nothing.
- Everything a guest's calls need lives in one `Frame`, read and written through one memoryview of u64: an i32 is the
  low half of its slot (every platform wasmtime-py supports is little-endian).
- A trap or error pointer that wasmtime hands out is read once and freed here.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from wasmtime import _ffi

from caxton_plugins.sandboxes.mappings import MAPPINGS

if TYPE_CHECKING:
    from wasmtime import FuncType, Linker

assert sys.byteorder == "little", "values are read as the low half of a 64-bit slot"

MASK: Final = 0xFFFFFFFF
FOREVER: Final = 1 << 62
"""Fuel no guest can burn in its life; a call's CPU limit is checked between its slices."""

MAPPINGS_EACH: Final = 3
"""What a store may map: its memory, and the stack of its calls with the page that guards it."""

Pointer: TypeAlias = ctypes.c_void_p

_library = ctypes.PyDLL(str(_ffi.filename))


def _symbol(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = _library[name]  # indexing gives an object of our own, with signatures of our own
    function.restype = result
    if arguments:
        function.argtypes = arguments
    return cast("Callable[..., Any]", function)


# The hot five

call_async: Callable[..., int] = _symbol("wasmtime_func_call_async", Pointer)
poll: Callable[[int], bool] = _symbol("wasmtime_call_future_poll", ctypes.c_bool, Pointer)
drop: Callable[[int], None] = _symbol("wasmtime_call_future_delete", None, Pointer)
memory_data: Callable[[Pointer, Pointer], int] = _symbol("wasmtime_memory_data", Pointer)
memory_size: Callable[[Pointer, Pointer], int] = _symbol(
    "wasmtime_memory_data_size", ctypes.c_size_t
)

# The rest

_P = Pointer
_instantiate = _symbol("wasmtime_instance_pre_instantiate_async", _P, _P, _P, _P, _P, _P)
_store_new = _symbol("wasmtime_store_new", _P, _P, _P, _P)
_store_context = _symbol("wasmtime_store_context", _P, _P)
_store_limiter = _symbol("wasmtime_store_limiter", None, _P, *[ctypes.c_int64] * 5)
_store_delete = _symbol("wasmtime_store_delete", None, _P)
_set_fuel = _symbol("wasmtime_context_set_fuel", _P, _P, ctypes.c_uint64)
_get_fuel = _symbol("wasmtime_context_get_fuel", _P, _P, _P)
_yield_interval = _symbol("wasmtime_context_fuel_async_yield_interval", _P, _P, ctypes.c_uint64)
_export_get = _symbol(
    "wasmtime_instance_export_get", ctypes.c_bool, _P, _P, ctypes.c_char_p, ctypes.c_size_t, _P
)
_trap_new = _symbol("wasmtime_trap_new", _P, ctypes.c_char_p, ctypes.c_size_t)
_trap_code = _symbol("wasmtime_trap_code", ctypes.c_bool, _P, _P)
_trap_message = _symbol("wasm_trap_message", None, _P, _P)
_trap_delete = _symbol("wasm_trap_delete", None, _P)
_error_message = _symbol("wasmtime_error_message", None, _P, _P)
_error_delete = _symbol("wasmtime_error_delete", None, _P)
_vec_delete = _symbol("wasm_byte_vec_delete", None, _P)
_define_func = _symbol(
    "wasmtime_linker_define_func_unchecked",
    _P, _P, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, _P, _P, _P, _P,
)  # fmt: skip

_view_of: Callable[[int, int, int], memoryview] = cast(
    "Callable[[int, int, int], memoryview]",
    ctypes.PYFUNCTYPE(ctypes.py_object, Pointer, ctypes.c_ssize_t, ctypes.c_int)(
        ("PyMemoryView_FromMemory", ctypes.pythonapi)
    ),
)
_WRITABLE = 0x200
NO_MEMORY: Final = memoryview(bytearray())


def view_of(base: int, size: int) -> memoryview:
    """Return a writable view of native memory; the caller vouches for it as long as it keeps the view."""
    return _view_of(base, size, _WRITABLE) if size else NO_MEMORY


class _Value(ctypes.Structure):
    """`wasmtime_val_t`: a kind and 24 bytes of union."""

    _fields_ = (("kind", ctypes.c_uint64), ("of", ctypes.c_uint64 * 3))


class _Function(ctypes.Structure):
    """`wasmtime_func_t`."""

    _fields_ = (("store", ctypes.c_uint64), ("private", ctypes.c_uint64))


class _Extern(ctypes.Structure):
    """`wasmtime_extern_t`; the union's first bytes are a function or a memory."""

    _fields_ = (("kind", ctypes.c_uint64), ("of", ctypes.c_uint64 * 3))


class _Bytes(ctypes.Structure):
    """`wasm_byte_vec_t`."""

    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_void_p))


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
        self.store: int = _store_new(engine, None, None)
        frame.context = _store_context(self.store)
        self.context = Pointer(frame.context)
        self.cap(memory_limit)
        _must(_set_fuel(self.context, FOREVER))
        self.set_interval(interval)

    def cap(self, memory_limit: int) -> None:
        """Set how large the memory may become; not from inside an import of this store."""
        _store_limiter(self.store, memory_limit, self._table_limit, 1, 1, 1)

    def function(self, entry: int) -> Pointer:
        """Return where the handle of an exported function is kept."""
        return Pointer(ctypes.addressof(self.frame) + (_FUNCTIONS + 2 * entry) * 8)

    def set_interval(self, fuel: int) -> None:
        """Set how much fuel a slice has; from inside an import, how much is left of this one."""
        _must(_yield_interval(self.context, fuel))

    def fuel_left(self) -> int:
        """Return what is left of `FOREVER`."""
        frame = self.frame
        _must(_get_fuel(self.context, ctypes.addressof(frame) + Frame.fuel.offset))
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
            text = _text(_trap_message, trap)
            _trap_delete(trap)
        elif error := slots[ERROR]:
            text = _text(_error_message, error)
            _error_delete(error)
        slots[TRAP] = slots[ERROR] = 0
        return code, text

    def close(self) -> None:
        """Delete the store; nothing of this place may be used afterwards."""
        store, self.store = self.store, 0
        if store:
            _store_delete(store)
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
    return _view_of(address, _SLOTS_SIZE, _WRITABLE).cast("Q")


_callback = ctypes.CFUNCTYPE(Pointer, ctypes.c_byte, ctypes.c_byte, Pointer, ctypes.c_byte)
"""Of environment, caller, arguments and their count only the arguments are wanted: the rest is read as one byte."""

Callback: TypeAlias = Callable[[object, object, int, object], "int | None"]


def define(linker: Linker, module: str, name: str, kind: FuncType, function: Callback) -> object:
    """Define a host function for every store of an engine; keep what is returned as long as the linker."""
    native = _callback(function)
    first, second = module.encode(), name.encode()
    _must(
        _define_func(
            address(linker), first, len(first), second, len(second), address(kind),
            ctypes.cast(native, Pointer), None, None,
        )
    )  # fmt: skip
    return native


def address(thing: Any) -> int:
    """Return the C pointer inside an object of wasmtime-py."""
    found = ctypes.cast(thing.ptr(), Pointer).value
    assert found is not None
    return found


@functools.cache
def _code_names() -> dict[int, str]:
    from wasmtime import TrapCode

    return {code.value: code.name for code in TrapCode}


def _text(read: Callable[..., Any], pointer: int) -> str:
    vector = _Bytes()
    read(pointer, ctypes.addressof(vector))
    text = ctypes.string_at(vector.data, vector.size) if vector.size else b""
    _vec_delete(ctypes.addressof(vector))
    return text.rstrip(b"\0").decode("utf-8", "replace")


def _must(error: int | None) -> None:
    """Raise for a refusal that only a mistake in this package can cause."""
    if error:
        text = _text(_error_message, error)
        _error_delete(error)
        raise RuntimeError(text)
