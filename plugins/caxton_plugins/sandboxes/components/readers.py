"""What a guest gave, read from wasmtime's C form.

Rules:
- It is read with a budget: no text is copied before its size was counted, no list walked before its length.
- wasmtime made values of it before anybody could ask how many: what is far over its limit kills the instance, so that
  it can be done once.
- The types of functions were compared with the world (`signatures.py`), and still each kind is looked at before it is believed.
"""

from __future__ import annotations

import ctypes
from typing import Final

from caxton_plugins.sandboxes.budgets import Refused
from caxton_plugins.sandboxes.components.messages import Message
from caxton_plugins.sandboxes.components.values import (
    ENTRY_WORDS,
    ENUM,
    LIST,
    OPTION,
    RECORD,
    RESULT,
    STRING,
    TUPLE,
    U32,
    U64,
    VALUE,
)
from caxton_plugins.sandboxes.components.worlds import FIELDS
from caxton_plugins.sandboxes.library import view_of

NAMES: Final = 1_000
"""The most names in a list, and the most extra fields, of a message from a guest."""
_SWARM: Final = 10_000
_SWARM_OF_BYTES: Final = 1 << 17
_FLOOD: Final = 16 << 20
"""Bytes of text at once that nobody hands over by mistake: wasmtime copied them twice."""

_OPTIONS = Message.__struct_fields__[4:-1]


class TooMuch(Exception):
    """A message of a guest is larger than it may be; the text says how."""


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
        try:
            return self._message(at)
        except TooMuch:
            _refuse_flood(_texts_in(at))
            raise

    def _message(self, at: int) -> Message:
        kind, count, data = _head(at)
        _expect(kind == RECORD and count == len(FIELDS))
        performative, sender, receivers, reply_to, *more = (
            data + 8 * (ENTRY_WORDS * index + 2) for index in range(count)
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
        _refuse_swarm(count, NAMES, _SWARM)
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
    _refuse_flood(size)
    return ctypes.string_at(data, min(size, most)) if size else b""


def read_bytes(at: int, most: int) -> bytes | None:
    """Read a list of bytes; None when it is longer than `most`."""
    kind, count, data = _head(at)
    _expect(kind == LIST)
    _refuse_swarm(count, most, max(_SWARM_OF_BYTES, 2 * most))
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


def _refuse_swarm(count: int, most: int, swarm: int) -> None:
    """Refuse a list that nobody makes by mistake: making it took the node's thread, and once is enough."""
    if count > swarm:
        raise Refused(f"a list of {count} is far more than the {most} that are allowed")


def _refuse_flood(size: int) -> None:
    if size > _FLOOD:
        raise Refused(f"texts of {size} bytes are far more than any that are allowed")


def _texts_in(at: int) -> int:
    """Count the bytes of all texts in a message."""
    total = 0
    data = _head(at)[2]
    for index in range(len(FIELDS)):
        kind, count, inner = _head(data + 8 * (ENTRY_WORDS * index + 2))
        if kind == OPTION:
            total += _head(count)[1] if count else 0
        elif kind == LIST:
            _refuse_swarm(count, NAMES, _SWARM)
            words = view_of(inner, VALUE * count).cast("Q")
            pairs = words[2::4] if index == len(FIELDS) - 1 else ()
            total += sum(_pair_size(pair) for pair in pairs) if pairs else sum(words[1::4])
    return total


def _pair_size(data: int) -> int:
    words = view_of(data, 2 * VALUE).cast("Q")
    return words[1] + words[5]


def _head(at: int) -> tuple[int, int, int]:
    words = view_of(at, VALUE).cast("Q")
    return words[0] & 0xFF, words[1], words[2]


def _expect(holds: bool) -> None:  # an assertion that survives -O
    if not holds:
        raise Refused("a value is not of the type of the world")
