"""What a host function answers, in wasmtime's C form.

Rules:
- An answer lies in memory of wasmtime's, which it frees: lists, names and what is inside others are made by its functions.
"""

from __future__ import annotations

import ctypes

from caxton_plugins.sandboxes.components.values import (
    BOOL,
    ENUM,
    LIST,
    OPTION,
    RESULT,
    U32,
    U64,
    VALUE,
    items_of,
)
from caxton_plugins.sandboxes.components.worlds import REFUSALS
from caxton_plugins.sandboxes.library import Pointer, symbol, view_of

_WORDS = VALUE // 8
_new = symbol("wasmtime_component_val_new", Pointer, Pointer)
_list_new = symbol("wasmtime_component_vallist_new_uninit", None, Pointer, ctypes.c_size_t)
_name_new = symbol("wasm_byte_vec_new", None, Pointer, ctypes.c_size_t, ctypes.c_char_p)


def _words_at(at: int) -> memoryview:
    return view_of(at, VALUE).cast("Q")


def answer_bool(at: int, truth: bool) -> None:  # it is the value
    """Answer a truth value."""
    words = _words_at(at)
    words[0], words[1] = BOOL, int(truth)


def answer_number(at: int, number: int) -> None:
    """Answer a u64."""
    words = _words_at(at)
    words[0], words[1] = U64, number


def answer_bytes(at: int, data: bytes) -> None:
    """Answer a list of bytes."""
    _list_new(at + 8, len(data))
    words = _words_at(at)
    words[0] = LIST
    if data:
        view_of(words[2], VALUE * len(data))[:] = items_of(data)


def answer_some_bytes(at: int, data: bytes | None) -> None:
    """Answer an optional list of bytes."""
    inner = (ctypes.c_uint64 * _WORDS)()
    if data is not None:
        answer_bytes(ctypes.addressof(inner), data)
    words = _words_at(at)
    words[0], words[1] = OPTION, 0 if data is None else _new(ctypes.addressof(inner))


def answer_some_number(at: int, number: int | None) -> None:
    """Answer an optional u32."""
    inner = (ctypes.c_uint64 * _WORDS)(U32, number or 0)
    words = _words_at(at)
    words[0], words[1] = OPTION, 0 if number is None else _new(ctypes.addressof(inner))


def answer_refusal(at: int, code: int) -> None:
    """Answer `send`: 0, or one of the negative numbers that core modules get."""
    words = _words_at(at)
    if code == 0:
        words[0], words[1], words[2] = RESULT, 1, 0
        return
    name = REFUSALS[-code - 1].encode()
    inner = (ctypes.c_uint64 * _WORDS)(ENUM)
    _name_new(ctypes.addressof(inner) + 8, len(name), name)
    words[0], words[1], words[2] = RESULT, 0, _new(ctypes.addressof(inner))
