"""Values of the world in wasmtime's C form: written for a call, read from a guest.

Rules:
- What is given to a call lies in memory of our own (`Lowered`), which wasmtime copies from and never frees.
- What a guest gave is read with a budget: no text is copied before its size was counted, no list walked before its length.
- The types of functions were compared with the world (`signatures.py`), and still each kind is looked at before it is believed.
"""

from __future__ import annotations

import ctypes
from typing import Final

from caxton_plugins.sandboxes.budgets import Refused
from caxton_plugins.sandboxes.components.messages import Message
from caxton_plugins.sandboxes.components.worlds import FIELDS
from caxton_plugins.sandboxes.library import Pointer, view_of

BOOL: Final = 0
U8: Final = 2
U32, U64 = 6, 8
STRING, LIST, RECORD, TUPLE, ENUM, OPTION, RESULT = 12, 13, 14, 15, 17, 18, 19

VALUE: Final = 32  # bytes of a value: its kind, then 24 bytes of union
_WORDS = VALUE // 8
_ENTRY_WORDS = 2 + _WORDS  # of a record: a name, then a value
NAMES: Final = 1_000
"""The most names in a list, and the most extra fields, of a message from a guest."""
_SWARM: Final = 1 << 17

_FIELD_NAMES = [name.encode() for name in FIELDS]
_JOINED = b"".join(_FIELD_NAMES)


_OPTIONS = Message.__struct_fields__[4:-1]


class TooMuch(Exception):
    """A message of a guest is larger than it may be; the text says how."""


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
    words = _WORDS + len(FIELDS) * (_ENTRY_WORDS + _WORDS)
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
    free = _WORDS + len(FIELDS) * _ENTRY_WORDS
    offset = 0
    for index, (name, where) in enumerate(zip(_FIELD_NAMES, placed, strict=True)):
        at = _WORDS + index * _ENTRY_WORDS
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


# Reading what a guest gave


class Reader:
    """Reads values of a guest, at most so many bytes of text."""

    __slots__ = ("_left", "_most")

    def __init__(self, most: int) -> None:
        self._left = self._most = most

    def text(self, at: int) -> str:
        """Read a string, or the name of an enum's case."""
        return self._bytes(at).decode("utf-8", "replace")

    def _bytes(self, at: int) -> bytes:
        kind, size, data = _head(at)
        _expect(kind in (STRING, ENUM))
        self._left -= size
        if self._left < 0:
            raise TooMuch(f"the message has more than the {self._most} bytes that are allowed")
        return ctypes.string_at(data, size) if size else b""

    def message(self, at: int) -> Message:
        """Read a record `message`."""
        kind, count, data = _head(at)
        _expect(kind == RECORD and count == len(FIELDS))
        performative, sender, receivers, reply_to, *more = (
            data + 8 * (_ENTRY_WORDS * index + 2) for index in range(count)
        )
        *options, extras = more
        return Message(
            self.text(performative),
            self._option(sender),
            [self.text(item) for item in self._list(receivers)],
            [self.text(item) for item in self._list(reply_to)],
            **dict(zip(_OPTIONS, map(self._option, options), strict=True)),
            extras=[self._pair(item) for item in self._list(extras)],
        )

    def _option(self, at: int) -> str | None:
        kind, inner, _ = _head(at)
        _expect(kind == OPTION)
        return self.text(inner) if inner else None

    def _list(self, at: int) -> range:
        kind, count, data = _head(at)
        _expect(kind == LIST)
        _bound(count, NAMES)
        if count > NAMES:
            raise TooMuch(f"the message has a list of {count}; {NAMES} are allowed")
        return range(data, data + VALUE * count, VALUE)

    def _pair(self, at: int) -> tuple[str, str]:
        kind, count, data = _head(at)
        _expect(kind == TUPLE and count == 2)
        return self.text(data), self.text(data + VALUE)


def read_start(at: int, most: int) -> bytes:
    """Read the first bytes of a string."""
    kind, size, data = _head(at)
    _expect(kind == STRING)
    return ctypes.string_at(data, min(size, most)) if size else b""


def read_bytes(at: int, most: int) -> bytes | None:
    """Read a list of bytes; None when it is longer than `most`."""
    kind, count, data = _head(at)
    _expect(kind == LIST)
    _bound(count, most)
    if count > most:
        return None
    return view_of(data, VALUE * count)[8::VALUE].tobytes() if count else b""


def read_number(at: int) -> int:
    """Read a u32 or u64."""
    kind, number, _ = _head(at)
    _expect(kind in (U32, U64))
    return number if kind == U64 else number & 0xFFFFFFFF


def read_option(at: int) -> int:
    """Return where the value in an option is, 0 when there is none."""
    kind, inner, _ = _head(at)
    _expect(kind == OPTION)
    return inner


def read_result(at: int) -> tuple[bool, int]:
    """Return whether a result is good, and where its value is, if any."""
    kind, good, inner = _head(at)
    _expect(kind == RESULT)
    return bool(good & 0xFF), inner


def _bound(count: int, most: int) -> None:
    """Refuse a list that nobody makes by mistake: making it took the node's thread, and once is enough."""
    if count > max(_SWARM, 2 * most):
        raise Refused(f"a list of {count} is far more than the {most} that are allowed")


def _head(at: int) -> tuple[int, int, int]:
    words = view_of(at, VALUE).cast("Q")
    return words[0] & 0xFF, words[1], words[2]


def _expect(holds: bool) -> None:  # an assertion that survives -O
    if not holds:
        raise Refused("a value is not of the type of the world")
