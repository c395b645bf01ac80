"""Code taken apart into instructions, as far as it can be read."""

from __future__ import annotations

from typing import NamedTuple

from caxton_plugins.sandboxes.compilation.nesting import Malformed, Reader


class Instruction(NamedTuple):
    """An opcode and the bytes that belong to it."""

    opcode: int
    operands: bytes

    def __bytes__(self) -> bytes:
        return bytes([self.opcode]) + self.operands


_ONE = {0x0C, 0x0D, 0x10, *range(0x20, 0x27), 0x3F, 0x40, 0xD2}
_TWO = {0x11, *range(0x28, 0x3F)}
_SIGNED = {0x02, 0x03, 0x04, 0x41, 0x42, 0xD0}
_FIXED = {0x43: 4, 0x44: 8}


def split(reader: Reader) -> list[Instruction]:
    """Take a function's code apart; what can't be read is the last instruction's."""
    found = []
    while not reader.done():
        opcode = reader.byte()
        begin = reader.at
        try:
            _skip(reader, opcode)
        except Malformed:
            reader.at = reader.end
        found.append(Instruction(opcode, reader.data[begin : reader.at]))
    return found


def _skip(reader: Reader, opcode: int) -> None:
    """Read over the operands of an instruction."""
    if opcode in _ONE:
        reader.u32()
    elif opcode in _TWO:
        reader.u32()
        reader.u32()
    elif opcode in _SIGNED:
        reader.signed()
    elif opcode in _FIXED:
        reader.take(_FIXED[opcode])
    elif opcode == 0x0E:
        for _ in range(reader.u32() + 1):
            reader.u32()
    elif opcode == 0xFC:
        number = reader.u32()
        for _ in range((number > 7) + (number in (8, 10, 12, 14))):
            reader.u32()
