"""Modules changed at random: in their instructions, their sections and their bytes.

Rules:
- A mutant is known by its seed and its number alone, so that any of them can be made again.
- Half of the changes keep a module valid: a mutant that is refused at once proves little.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path

from caxton_plugins.sandboxes.compilation.nesting import Malformed, Reader
from wasmtime import wat2wasm

from tests.e2e import wat
from tests.hostile import smith
from tests.hostile.binaries import CODE, DATA, FUNCTION, MAGIC, MEMORY, leb, section, signed, sized
from tests.hostile.instructions import Instruction, split

ROOT = Path(__file__).parent.parent.parent
CHANGES = 4
_BYTES = (0x00, 0x01, 0x0B, 0x40, 0x7F, 0x80, 0xFF)
# Opcodes of which each can stand for each other.
_ALIKE = (
    range(0x45, 0x46), range(0x46, 0x50), range(0x51, 0x5B), range(0x5B, 0x61), range(0x61, 0x67), range(0x67, 0x6A),
    range(0x6A, 0x79), range(0x79, 0x7C), range(0x7C, 0x8B), range(0x8B, 0x92), range(0x92, 0x99), range(0x99, 0xA0),
    range(0xA0, 0xA7), range(0x28, 0x29), range(0x2C, 0x30), range(0x30, 0x36), range(0x3A, 0x3C), range(0x3C, 0x3F),
)  # fmt: skip


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Return the modules that were written by hand."""
    tour = sorted((ROOT / "examples" / "tour").glob("*.wat"))
    return (
        *[bytes(wat2wasm(path.read_text())) for path in tour],
        wat.echo(),
        wat.guest(wat.RELAY),
        wat.guest(wat.PARROT),
        wat.guest(wat.telling("(call $set_timer (i64.const 1) (i32.const 0) (i32.const 8))")),
        wat.guest("(loop (drop (memory.grow (i32.const 1))) (br_if 0 (local.get $n))) (i32.const 0)"),
    )  # fmt: skip


def mutant(seed: int, number: int) -> bytes:
    """Make a mutant."""
    chance = random.Random(f"{seed}/{number}")
    data = smith.generate(chance) if chance.random() < 0.6 else chance.choice(seeds())
    for _ in range(chance.randrange(CHANGES)):
        data = changed(chance, data)
    return data


def changed(chance: random.Random, data: bytes) -> bytes:
    """Change a module once."""
    return chance.choices(_CHANGES, _WEIGHTS)[0](chance, data)


def changed_gently(chance: random.Random, data: bytes) -> bytes:
    """Change a module so that it stays valid: another number, address or operator."""
    return chance.choice(_GENTLE)(chance, data)


def parts_of(data: bytes) -> list[tuple[int, bytes]]:
    """Return the sections of a module or a component; what is no section any more is cut off."""
    found = []
    reader = Reader(data, len(MAGIC), len(data))
    try:
        while not reader.done():
            number = reader.byte()
            found.append((number, reader.take(reader.u32())))
    except Malformed:
        pass
    return found


def whole(parts: list[tuple[int, bytes]], *, head: bytes = MAGIC) -> bytes:
    """Put sections together."""
    return head + b"".join(section(number, body) for number, body in parts)


# Changes to one section


def _with_section(data: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    return whole([
        (each, change(body) if each == number else body) for each, body in parts_of(data)
    ], head=data[:8])  # fmt: skip


def _bodies(body: bytes) -> list[tuple[bytes, list[Instruction]]] | None:
    """Return the functions of a code section: locals and instructions."""
    reader = Reader(body, 0, len(body))
    found = []
    try:
        for _ in range(reader.u32()):
            function = reader.part(reader.u32())
            begin = function.at
            for _ in range(function.u32()):
                function.u32()
                function.value_type()
            found.append((body[begin : function.at], split(function)))
    except Malformed:
        return None
    return found


def _in_code(change: Callable[[random.Random, list[Instruction]], None]) -> Change:
    """Return the change that is made to the instructions of one function."""

    def changed(chance: random.Random, data: bytes) -> bytes:
        def rewrite(body: bytes) -> bytes:
            functions = _bodies(body)
            if not functions:
                return body
            change(chance, chance.choice(functions)[1])
            return leb(len(functions)) + b"".join(
                sized(groups + b"".join(map(bytes, code))) for groups, code in functions
            )

        return _with_section(data, CODE, rewrite)

    return changed


# Changes to instructions


def _constant(chance: random.Random, code: list[Instruction]) -> None:
    """Give a constant another value."""
    places = [index for index, each in enumerate(code) if each.opcode in (0x41, 0x42)]
    if places:
        place = chance.choice(places)
        value = smith.number(chance)
        code[place] = Instruction(code[place].opcode, signed(value))


def _offset(chance: random.Random, code: list[Instruction]) -> None:
    """Give a load or a store another offset."""
    places = [index for index, each in enumerate(code) if 0x28 <= each.opcode <= 0x3E]
    if places:
        place = chance.choice(places)
        offset = chance.choice((0, 1, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF))
        code[place] = Instruction(code[place].opcode, code[place].operands[:1] + leb(offset))


def _operator(chance: random.Random, code: list[Instruction]) -> None:
    """Put another operator of the same type in the place of one."""
    places = [
        (index, group)
        for index, each in enumerate(code)
        for group in _ALIKE
        if each.opcode in group
    ]
    if places:
        place, group = chance.choice(places)
        code[place] = Instruction(chance.choice(group), code[place].operands)


def _index(chance: random.Random, code: list[Instruction]) -> None:
    """Let a branch, a call or a local be another one."""
    wanted = (0x0C, 0x0D, 0x10, *range(0x20, 0x25))
    places = [index for index, each in enumerate(code) if each.opcode in wanted]
    if places:
        code[chance.choice(places)] = Instruction(
            chance.choice(wanted), leb(chance.choice((0, 0, 1, 2, 3, 5, 9, 12, 1 << 20)))
        )


def _repeat(chance: random.Random, code: list[Instruction]) -> None:
    """Repeat a piece of the code."""
    begin = chance.randrange(len(code) or 1)
    piece = code[begin : begin + chance.randrange(1, 9)]
    code[begin:begin] = piece * chance.choice((1, 1, 1, 20))


def _leave_out(chance: random.Random, code: list[Instruction]) -> None:
    """Leave a piece out."""
    begin = chance.randrange(len(code) or 1)
    del code[begin : begin + chance.randrange(1, 4)]


def _swap(chance: random.Random, code: list[Instruction]) -> None:
    """Exchange two instructions."""
    if code:
        one, other = chance.randrange(len(code)), chance.randrange(len(code))
        code[one], code[other] = code[other], code[one]


def _strange(chance: random.Random, code: list[Instruction]) -> None:
    """Put in something that the profiles may not admit."""
    place = chance.randrange(len(code) + 1)
    code[place:place] = [
        Instruction(chance.choice((0x00, 0x0F, 0x1A, 0x11, 0x12, 0x25, 0xD0, 0xFB, 0xFC, 0xFD, 0xFE, 0x06, 0x08)),
                    chance.randbytes(chance.randrange(4)))
    ]  # fmt: skip


# Changes to sections and bytes


def _limits(chance: random.Random, data: bytes) -> bytes:
    """Let the memory begin or end with other sizes."""
    sizes = (0, 1, 2, 6, 63, 64, 65, 256, 65_535, 65_536, 0xFFFFFFFF)
    least, most = chance.choice(sizes), chance.choice(sizes)
    body = chance.choice((b"\1\0" + leb(least), b"\1\1" + leb(least) + leb(most)))
    return _with_section(data, MEMORY, lambda _: body)


def _segments(chance: random.Random, data: bytes) -> bytes:
    """Put data elsewhere, or other data there."""
    text = chance.choice((
        b"", b"\0" * 300, b"\xff" * 64, b"[" * 5_000, b'{"performative":"inform","content":' + b"[" * 70,
        b'{"performative":"inform","receiver":"' + b"x" * 400 + b'"}', b"\xdd\xff\xff\xff\xff" * 9,
    ))  # fmt: skip
    at = chance.choice((0, 0, 256, smith.INBOX, *smith.NUMBERS))
    return _with_section(data, DATA, lambda _: b"\1\0\x41" + signed(at) + b"\x0b" + sized(text))


def change_sections(chance: random.Random, data: bytes) -> bytes:
    """Leave a section out, repeat it, or let two change places."""
    parts = parts_of(data)
    if not parts:
        return data
    one, other = chance.randrange(len(parts)), chance.randrange(len(parts))
    match chance.randrange(4):
        case 0:
            del parts[one]
        case 1:
            parts.insert(other, parts[one])
        case 2:
            parts[one], parts[other] = parts[other], parts[one]
        case _:
            parts[one] = (chance.randrange(16), parts[one][1])
    return whole(parts, head=data[:8])


def change_counts(chance: random.Random, data: bytes) -> bytes:
    """Let a section say that it has more or fewer things."""
    parts = parts_of(data)
    if not parts:
        return data
    place = chance.randrange(len(parts))
    number, body = parts[place]
    count = chance.choice((0, 1, 127, 128, 10_001, 0xFFFFFFFF, body[0] + 1 if body else 1))
    parts[place] = (number, leb(count) + body[1:])
    return whole(parts, head=data[:8])


def _types(chance: random.Random, data: bytes) -> bytes:
    """Let a function have another type."""

    def changed(body: bytes) -> bytes:
        if len(body) < 2:
            return body
        place = chance.randrange(1, len(body))
        return body[:place] + bytes([chance.randrange(10)]) + body[place + 1 :]

    return _with_section(data, FUNCTION, changed)


def change_bits(chance: random.Random, data: bytes) -> bytes:
    """Change, put in or take out a few bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(8, max(9, len(changed)))
        match chance.randrange(4):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1 if place < len(changed):
                changed[place] = chance.choice(_BYTES)
            case 2:
                changed[place:place] = chance.randbytes(chance.randrange(1, 5))
            case _:
                del changed[place : place + chance.randrange(1, 5)]
    return bytes(changed)


def _splice(chance: random.Random, data: bytes) -> bytes:
    """Go on with another module in the middle."""
    other = chance.choice(seeds())
    return data[: chance.randrange(8, max(9, len(data)))] + other[chance.randrange(8, len(other)) :]


Change = Callable[[random.Random, bytes], bytes]
_WEIGHED: dict[Change, int] = {
    _in_code(_constant): 10, _in_code(_offset): 6, _in_code(_operator): 10, _in_code(_index): 5, _in_code(_repeat): 5,
    _in_code(_leave_out): 3, _in_code(_swap): 2, _in_code(_strange): 2, _limits: 3, _segments: 6, change_sections: 2,
    change_counts: 2, _types: 2, change_bits: 6, _splice: 1,
}  # fmt: skip
_CHANGES, _WEIGHTS = list(_WEIGHED), list(_WEIGHED.values())
_GENTLE = (_in_code(_constant), _in_code(_constant), _in_code(_offset), _in_code(_operator))
