"""The compiled message path, taken when the distribution `caxton-native` is installed.

It does what `WasmGuest.handle` does, call by call and byte by byte, and leaves to `WasmGuest` whatever is unusual;
the same tests hold for both. Nothing else in this package knows which of the two runs.
"""

from __future__ import annotations

import ctypes
import logging
from typing import Any, Final

from caxton_plugins.sandboxes.wasm import calls
from caxton_plugins.sandboxes.wasm.calls import Frame, Place
from caxton_plugins.sandboxes.wasm.guest import WasmGuest
from caxton_plugins.sandboxes.wasm.imports import Turn

try:
    import caxton_native
except ImportError:
    _api = 0
else:
    _api = caxton_native.API

API: Final = 1
"""Which version of the extension this is written for."""


def guest_class(*, native: bool) -> type[WasmGuest]:
    """Return the class of the guests of a sandbox: the compiled one when it is wanted and there is one."""
    return _NATIVE if native and _NATIVE is not None else WasmGuest


def _compiled() -> type[WasmGuest] | None:
    if _api != API:
        if _api:
            logging.getLogger("caxton.sandbox").warning(
                "caxton-native has interface %d, not %d, and is not used: install the one of this Caxton",
                _api,
                API,
            )
        return None

    class NativeGuest(WasmGuest):
        """A guest whose messages take the compiled path."""

        __slots__ = ()

    functions = (
        _address(calls.call_async),
        _address(calls.poll),
        _address(calls.drop),
        _address(calls.memory_size),
    )
    frame = (
        ctypes.sizeof(Frame),
        Frame.context.offset,
        Frame.message.offset,
        calls.MESSAGE_SIZE * 8,
        Frame.result.offset,
        calls.RESULT * 8,
        Frame.trap.offset,
        Frame.error.offset,
        Frame.memory.offset,
        calls.HANDLE * 8,
    )
    caxton_native.install(NativeGuest, Place, Turn, functions, frame)
    return NativeGuest


def _address(function: Any) -> int:
    """Return where a function of wasmtime is."""
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found
    return found


_NATIVE: Final = _compiled()
