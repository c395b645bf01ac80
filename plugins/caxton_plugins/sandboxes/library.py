"""wasmtime's C library through ctypes: what the sandboxes for core modules and for components both call.

Rules:
- Symbols come from a `PyDLL`: the GIL stays held during a slice (some 20 us), so a call never has to win it back
  from another thread.
- A trap or error pointer that wasmtime hands out is read once and freed here.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from wasmtime import _ffi

assert sys.byteorder == "little", "values are read as the low half of a 64-bit slot"

FOREVER: Final = 1 << 62
"""Fuel no guest can burn in its life; a call's CPU limit is checked between its slices."""

Pointer: TypeAlias = ctypes.c_void_p

_library = ctypes.PyDLL(str(_ffi.filename))


def symbol(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of the library with a signature of its own."""
    function = _library[name]  # indexing gives an object of our own
    function.restype = result
    if arguments:
        function.argtypes = arguments
    return cast("Callable[..., Any]", function)


poll: Callable[[int], bool] = symbol("wasmtime_call_future_poll", ctypes.c_bool, Pointer)
drop: Callable[[int], None] = symbol("wasmtime_call_future_delete", None, Pointer)

_P = Pointer
store_new = symbol("wasmtime_store_new", _P, _P, _P, _P)
store_context = symbol("wasmtime_store_context", _P, _P)
store_limiter = symbol("wasmtime_store_limiter", None, _P, *[ctypes.c_int64] * 5)
store_delete = symbol("wasmtime_store_delete", None, _P)
set_fuel = symbol("wasmtime_context_set_fuel", _P, _P, ctypes.c_uint64)
get_fuel = symbol("wasmtime_context_get_fuel", _P, _P, _P)
yield_interval = symbol("wasmtime_context_fuel_async_yield_interval", _P, _P, ctypes.c_uint64)
error_message = symbol("wasmtime_error_message", None, _P, _P)
error_delete = symbol("wasmtime_error_delete", None, _P)
_vec_delete = symbol("wasm_byte_vec_delete", None, _P)

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


class Bytes(ctypes.Structure):
    """`wasm_byte_vec_t`."""

    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_void_p))


def address(thing: Any) -> int:
    """Return the C pointer inside an object of wasmtime-py."""
    found = ctypes.cast(thing.ptr(), Pointer).value
    assert found is not None
    return found


def text_of(read: Callable[..., Any], pointer: int) -> str:
    """Return the message of a trap or an error, by the function that reads such messages."""
    vector = Bytes()
    read(pointer, ctypes.addressof(vector))
    text = ctypes.string_at(vector.data, vector.size) if vector.size else b""
    _vec_delete(ctypes.addressof(vector))
    return text.rstrip(b"\0").decode("utf-8", "replace")


def must(error: int | None) -> None:
    """Raise for a refusal that only a mistake in this package can cause."""
    if error:
        text = text_of(error_message, error)
        error_delete(error)
        raise RuntimeError(text)


def sentence(text: str) -> str:
    """Keep of wasmtime's message what says why, without the frames."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if "wasm trap: " in line:
            return line.rpartition("wasm trap: ")[2]
    if "Caused by:" in lines:
        return _NUMBER.sub("", lines[-1])[:300]
    return lines[0][:300] if lines else "trap"


_NUMBER: Final = re.compile(r"^\d+: +")
