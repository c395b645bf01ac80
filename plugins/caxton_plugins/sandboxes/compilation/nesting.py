"""Reading wasm's binary form: bounded integers, and how deeply a function's blocks are nested."""

from __future__ import annotations

from typing import Final


class Malformed(Exception):
    """The bytes are no module this node may run; the text says why."""


class Reader:
    """A cursor over part of a module; every read is checked against its end."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def done(self) -> bool:
        """Whether everything was read."""
        return self.at >= self.end

    def byte(self) -> int:
        """Read one byte."""
        at = self.at
        if at >= self.end:
            raise Malformed("it ends too early")
        self.at = at + 1
        return self.data[at]

    def u32(self) -> int:
        """Read an unsigned LEB128 of at most 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 32:
                    break
                return value
        raise Malformed("it has a number over 32 bits")

    def signed(self) -> int:
        """Read a signed LEB128 of at most 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value - (1 << (shift + 7)) if byte & 0x40 else value
        raise Malformed("it has a number over 64 bits")

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        at = self.at
        if at + size > self.end:
            raise Malformed("it ends too early")
        self.at = at + size
        return self.data[at : at + size]

    def part(self, size: int) -> Reader:
        """Read so many bytes, as a reader of their own."""
        at = self.at
        if at + size > self.end:
            raise Malformed("it ends too early")
        self.at = at + size
        return Reader(self.data, at, at + size)

    def count(self, most: int, what: str) -> int:
        """Read how many things follow, and refuse more than `most`."""
        number = self.u32()
        if number > most:
            raise Malformed(f"it has {number} {what}; {most} are allowed")
        return number

    def value_type(self) -> None:
        """Read a value type; reference types with a heap type take more than one byte."""
        if self.byte() in (0x63, 0x64):
            self.signed()

    def blocks(self) -> int:
        """Return at least the number of blocks in this part: the bytes that could open one."""
        count = self.data.count
        return sum(count(opcode, self.at, self.end) for opcode in _OPENERS)

    def may_grow(self) -> bool:
        """Whether this part could hold a `memory.grow`: its opcode and a memory index, wherever they stand."""
        find = self.data.find
        return any(find(pair, self.at, self.end) >= 0 for pair in _GROWTH)


_GROWTH: Final = (b"\x40\x00", b"\x40\x80")  # the index is 0, in one byte or in more than needed
_OPENERS: Final = (b"\x02", b"\x03", b"\x04")

_BLOCK, _U32, _U32_U32, _I32, _I64, _F32, _F64, _BR_TABLE, _SELECT, _PREFIX = range(1, 11)


def _immediates() -> list[int]:
    kinds = [0] * 256
    for opcode in (0x02, 0x03, 0x04):
        kinds[opcode] = _BLOCK
    for opcode in (0x0C, 0x0D, 0x10, *range(0x20, 0x27), 0x3F, 0x40, 0xD2):
        kinds[opcode] = _U32
    for opcode in (0x11, *range(0x28, 0x3F)):
        kinds[opcode] = _U32_U32
    kinds[0x0E], kinds[0x1C], kinds[0x41], kinds[0x42] = _BR_TABLE, _SELECT, _I32, _I64
    kinds[0x43], kinds[0x44], kinds[0xFC], kinds[0xD0] = _F32, _F64, _PREFIX, _I64
    return kinds


_KINDS: Final = _immediates()
_TWO_IMMEDIATES: Final = (8, 10, 12, 14)  # memory.init, memory.copy, table.init, table.copy
_SATURATING: Final = 7  # the eight conversions 0..7 have none


def deepest(body: Reader) -> int:
    """Return how deeply blocks are nested in a function's code.

    >>> deepest(Reader(bytes.fromhex("0240 0340 0b 0b 0b"), 0, 7))
    2
    """
    depth = most = 0
    while not body.done():
        opcode = body.byte()
        if opcode == 0x0B:
            depth -= 1
            continue
        kind = _KINDS[opcode]
        if kind == 0:
            continue
        if kind == _BLOCK:
            body.signed()
            depth += 1
            most = max(most, depth)
        elif kind == _U32:
            body.u32()
        elif kind == _U32_U32:
            body.u32()
            body.u32()
        elif kind in (_I32, _I64):
            body.signed()
        elif kind == _F32:
            body.take(4)
        elif kind == _F64:
            body.take(8)
        elif kind == _BR_TABLE:
            for _ in range(body.u32() + 1):
                body.u32()
        elif kind == _SELECT:
            for _ in range(body.u32()):
                body.value_type()
        else:
            inner = body.u32()
            if inner > _SATURATING:
                body.u32()
                if inner in _TWO_IMMEDIATES:
                    body.u32()
    return most
