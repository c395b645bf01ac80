"""Values of the world in wasmtime's C form, written for a call.

Rules:
- What is given to a call lies in memory of our own (`Lowered`), which wasmtime copies from and never frees.
"""

from __future__ import annotations

import ctypes
from typing import Final

from caxton_plugins.sandboxes.components.messages import Message
from caxton_plugins.sandboxes.components.worlds import FIELDS
from caxton_plugins.sandboxes.library import Pointer

BOOL: Final = 0
U8: Final = 2
U32, U64 = 6, 8
STRING, LIST, RECORD, TUPLE, ENUM, OPTION, RESULT = 12, 13, 14, 15, 17, 18, 19

VALUE: Final = 32  # bytes of a value: its kind, then 24 bytes of union
_WORDS = VALUE // 8
ENTRY_WORDS: Final = 2 + _WORDS  # of a record: a name, then a value
_FIELD_NAMES = [name.encode() for name in FIELDS]
_JOINED = b"".join(_FIELD_NAMES)


class Lowered:
    """Values at `address`, one behind the other, as long as this object lives."""

    __slots__ = ("_kept", "_text_at", "_texts", "_words", "address", "count")

    def __init__(self, words: int, texts: bytes, *, count: int = 1) -> None:
        buffer = (ctypes.c_uint64 * words)()
        self._kept = (buffer, texts)
        self._words = memoryview(buffer).cast("B").cast("Q")
        self._text_at = ctypes.cast(ctypes.c_char_p(texts), Pointer).value or 0
        self.address = ctypes.addressof(buffer)
        self.count = count

    def text(self, at: int, kind: int, offset: int, size: int) -> None:
        """Write a text, whose bytes are at an offset of the texts."""
        self._words[at], self._words[at + 1] = kind, size
        self._words[at + 2] = self._text_at + offset

    def many(self, at: int, kind: int, count: int, first: int) -> None:
        """Write a list, record or tuple whose parts are at another word."""
        self._words[at], self._words[at + 1] = kind, count
        self._words[at + 2] = self.address + 8 * first

    def some(self, at: int, inner: int) -> None:
        """Write an option that holds the value at another word."""
        self._words[at], self._words[at + 1] = OPTION, self.address + 8 * inner

    def none(self, at: int) -> None:
        """Write an option that holds nothing."""
        self._words[at], self._words[at + 1] = OPTION, 0

    def name(self, at: int, offset: int, size: int) -> None:
        """Write the name of a record's entry."""
        self._words[at], self._words[at + 1] = size, self._text_at + offset


def lower_text(text: bytes) -> Lowered:
    """Write one string; it must be UTF-8."""
    lowered = Lowered(_WORDS, text)
    lowered.text(0, STRING, 0, len(text))
    return lowered


def lower_bytes(data: bytes) -> Lowered:
    """Write one list of bytes, which has a whole value for each."""
    items = items_of(data)
    lowered = Lowered(_WORDS, bytes(items))
    lowered.text(0, LIST, 0, len(data))
    return lowered


def lower_message(message: Message) -> Lowered:
    """Write one record `message`."""
    values = [getattr(message, name) for name in Message.__struct_fields__]
    lists = (message.receivers, message.reply_to)
    words = _WORDS + len(FIELDS) * (ENTRY_WORDS + _WORDS)
    words += _WORDS * (sum(map(len, lists)) + 3 * len(message.extras))
    texts = [_JOINED, values[0].encode()]
    size = len(_JOINED) + len(texts[1])

    def add(text: str) -> tuple[int, int]:
        nonlocal size
        data = text.encode()
        offset, size = size, size + len(data)
        texts.append(data)
        return offset, len(data)

    placed: list[object] = [(len(_JOINED), len(texts[1]))]
    for value in values[1:]:
        if type(value) is list:
            placed.append(
                [tuple(map(add, item)) if type(item) is tuple else add(item) for item in value]
            )
        else:
            placed.append(None if value is None else add(value))
    lowered = Lowered(words, b"".join(texts))
    _fill(lowered, placed)
    return lowered


def _fill(lowered: Lowered, placed: list[object]) -> None:
    """Write a message whose texts are known by offset and size."""
    lowered.many(0, RECORD, len(FIELDS), _WORDS)
    free = _WORDS + len(FIELDS) * ENTRY_WORDS
    offset = 0
    for index, (name, where) in enumerate(zip(_FIELD_NAMES, placed, strict=True)):
        at = _WORDS + index * ENTRY_WORDS
        lowered.name(at, offset, len(name))
        offset += len(name)
        value = at + 2
        if index == 0:
            assert isinstance(where, tuple)
            lowered.text(value, ENUM, *where)
        elif where is None:
            lowered.none(value)
        elif isinstance(where, tuple):
            lowered.some(value, free)
            lowered.text(free, STRING, *where)
            free += _WORDS
        else:
            assert isinstance(where, list)
            free = _fill_list(lowered, value, where, free)


def _fill_list(lowered: Lowered, at: int, where: list[tuple[object, object]], free: int) -> int:
    """Write a list of strings or of pairs, and return what is free behind it."""
    lowered.many(at, LIST, len(where), free)
    inner = free + _WORDS * len(where)
    for number, (first, second) in enumerate(where):
        item = free + _WORDS * number
        if isinstance(first, int) and isinstance(second, int):
            lowered.text(item, STRING, first, second)
        else:
            assert isinstance(first, tuple)
            assert isinstance(second, tuple)
            lowered.many(item, TUPLE, 2, inner)
            lowered.text(inner, STRING, *first)
            lowered.text(inner + _WORDS, STRING, *second)
            inner += 2 * _WORDS
    return inner


def items_of(data: bytes) -> bytearray:
    """Return the values of a list of bytes."""
    items = bytearray(VALUE * len(data))
    items[0::VALUE] = bytes((U8,)) * len(data)
    items[8::VALUE] = data
    return items
