"""What a guest of components calls of wasmtime's C library: a store, the five functions of the world, their results.

Rules:
- A result belongs to wasmtime: it is read once, then deleted here and its place zeroed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmtime import _ffi

from caxton_plugins.sandboxes.components.values import Lowered
from caxton_plugins.sandboxes.components.worlds import EXPORTS
from caxton_plugins.sandboxes.library import (
    FOREVER,
    Pointer,
    address,
    error_delete,
    error_message,
    get_fuel,
    must,
    set_fuel,
    store_context,
    store_delete,
    store_limiter,
    store_new,
    symbol,
    text_of,
    yield_interval,
)
from caxton_plugins.sandboxes.mappings import MAPPINGS

if TYPE_CHECKING:
    from wasmtime.component import LinkerInstance

    from caxton_plugins.sandboxes.components.engines import Loaded

MAPPINGS_EACH: Final = 8
"""What a store may map: parts of its memory with the room around them, tables, and the stack of its calls."""

INSTANCES: Final = 200
TABLES: Final = 10
TABLE_ELEMENTS: Final = 20_000
MEMORIES: Final = 1  # more, and each could have the whole limit

_P = Pointer
_call_async = symbol(
    "wasmtime_component_func_call_async", _P, _P, _P, _P, ctypes.c_size_t, _P, ctypes.c_size_t, _P
)
_instantiate = symbol("wasmtime_component_linker_instantiate_async", _P, _P, _P, _P, _P, _P)
_get_func = symbol("wasmtime_component_instance_get_func", ctypes.c_bool, _P, _P, _P, _P)
_value_delete = symbol("wasmtime_component_val_delete", None, _P)
_error_new = symbol("wasmtime_error_new", _P, ctypes.c_char_p)
_add_func = symbol(
    "wasmtime_component_linker_instance_add_func",
    _P,
    _P,
    ctypes.c_char_p,
    ctypes.c_size_t,
    _P,
    _P,
    _P,
)


class _Frame(ctypes.Structure):
    """A guest's result, error, fuel and functions, in one allocation."""

    _fields_ = (
        ("result", ctypes.c_uint64 * 4),
        ("error", ctypes.c_uint64),
        ("fuel", ctypes.c_uint64),
        ("instance", ctypes.c_uint64 * 2),
        ("functions", (ctypes.c_uint64 * 4) * len(EXPORTS)),
    )


assert ctypes.sizeof(_ffi.wasmtime_component_val_t) == 32
assert ctypes.sizeof(_ffi.wasmtime_component_func_t) == 32
assert ctypes.sizeof(_ffi.wasmtime_component_instance_t) == 16
assert ctypes.sizeof(_ffi.wasmtime_component_valrecord_entry_t) == 48

_RESULTS: Final = {name: int("->" in signature) for name, signature in EXPORTS.items()}
_INDEXES: Final = {name: index for index, name in enumerate(EXPORTS)}


class Place:
    """A store with its frame: what a guest calls through. `close` must be called, once."""

    __slots__ = ("_base", "_frame", "_store", "context", "result")

    def __init__(self, engine: int, memory_limit: int, interval: int) -> None:
        self._frame = _Frame()
        self._base = ctypes.addressof(self._frame)
        self.result = self._base + _Frame.result.offset
        self._store: int = store_new(engine, None, None)
        self.context: int = store_context(self._store)
        store_limiter(self._store, memory_limit, TABLE_ELEMENTS, INSTANCES, TABLES, MEMORIES)
        must(set_fuel(self.context, FOREVER))
        self.set_interval(interval)

    def set_interval(self, fuel: int) -> None:
        """Set how much fuel a slice has; from inside an import, how much is left of this one."""
        must(yield_interval(self.context, fuel))

    def fuel_left(self) -> int:
        """Return what is left of `FOREVER`."""
        must(get_fuel(self.context, self._base + _Frame.fuel.offset))
        return int(self._frame.fuel)

    def instantiate(self, loaded: Loaded) -> int:
        """Begin to make the instance; returns the future to poll."""
        future: int = _instantiate(
            loaded.linker, self.context, loaded.component,
            self._base + _Frame.instance.offset, self._base + _Frame.error.offset,
        )  # fmt: skip
        return future

    def find(self, loaded: Loaded) -> None:
        """Look the functions up; the component was checked for them."""
        for name, export in loaded.exports.items():
            found = _get_func(
                self._base + _Frame.instance.offset, self.context, export, self._function(name)
            )
            if not found:
                raise LookupError(name)

    def call(self, name: str, arguments: Lowered | None) -> int:
        """Begin a call; returns the future to poll. The arguments must be kept until it has ended."""
        future: int = _call_async(
            self._function(name), self.context,
            arguments.address if arguments else None, arguments.count if arguments else 0,
            self.result, _RESULTS[name], self._base + _Frame.error.offset,
        )  # fmt: skip
        return future

    def forget_result(self) -> None:
        """Delete the result of the call that ended."""
        _value_delete(self.result)
        ctypes.memset(self.result, 0, 32)

    def error(self) -> str | None:
        """Take and free the error of the call that ended, if any."""
        error: int = self._frame.error
        if not error:
            return None
        self._frame.error = 0
        text = text_of(error_message, error)
        error_delete(error)
        return text

    def close(self) -> None:
        """Delete the store; nothing of this place may be used afterwards."""
        store, self._store = self._store, 0
        if store:
            store_delete(store)
            MAPPINGS.give(MAPPINGS_EACH)

    def _function(self, name: str) -> int:
        return self._base + int(_Frame.functions.offset) + 32 * _INDEXES[name]


def new_error(text: str) -> int:
    """Make an error for a host function to return."""
    error: int = _error_new(text.replace("\0", " ").encode()[:500])
    return error


_callback = ctypes.CFUNCTYPE(
    Pointer, Pointer, Pointer, Pointer, Pointer, ctypes.c_size_t, Pointer, ctypes.c_size_t
)
_finalizer = ctypes.CFUNCTYPE(None, Pointer)()

Callback: TypeAlias = Callable[[object, object, object, int, int, int, int], "int | None"]


def define(instance: LinkerInstance, name: str, function: Callback) -> object:
    """Define a host function for every store of an engine; keep what is returned as long as the linker."""
    native = _callback(function)
    encoded = name.encode()
    must(
        _add_func(
            address(instance), encoded, len(encoded), ctypes.cast(native, Pointer), None,
            ctypes.cast(_finalizer, Pointer),
        )
    )  # fmt: skip
    return native
