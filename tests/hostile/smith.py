"""Random modules that are valid: agents whose functions compute, branch, store and call without any sense.

Rules:
- The same `Random` gives the same module, on every Python.
- Every body is typed as it is made, so what comes out needs no repair; what it does when it runs is up to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.hostile.binaries import (
    CODE,
    DATA,
    ELEMENT,
    EXPORT,
    FUNCTION,
    GLOBAL,
    IMPORT,
    MAGIC,
    MEMORY,
    TABLE,
    TYPE,
    code,
    leb,
    name,
    section,
    signed,
    sized,
    vector,
)

I32, I64, F32, F64 = 0x7F, 0x7E, 0x7D, 0x7C
_LETTERS = {"i": I32, "I": I64, "f": F32, "F": F64}
IMPORTS = {
    "send": ("ii", "i"), "log": ("iii", ""), "now_ms": ("", "I"), "random": ("ii", ""), "state_get": ("iiii", "i"),
    "state_put": ("iiii", "i"), "state_delete": ("ii", "i"), "set_timer": ("Iii", "i"), "cancel_timer": ("i", "i"),
}  # fmt: skip
_ENTRIES = {
    "caxton_alloc": ("i", "i"),
    "handle_message": ("ii", "i"),
    "caxton_init": ("ii", "i"),
    "caxton_drain": ("", "i"),
    "caxton_export_state": ("", "I"),
    "caxton_import_state": ("ii", "i"),
}
_INNER = (("ii", "i"), ("", ""), ("I", "I"), ("FF", "F"), ("f", "f"))
_TEXTS = (
    b'{"performative":"inform","content":"ok"}',
    b'{"performative":"request","receiver":"neighbour","content":{"a":[1,2,3]}}',
    b'{"performative":"cfp","receiver":["a","b"],"protocol":"fipa-contract-net","content":null}',
)
INBOX, PAGES = 2 << 16, 6
GLOBALS = (I32, I64, F64)
NUMBERS = (
    0, 1, -1, 2, 7, 8, 64, 255, 1024, 4096, 65_535, 65_536, INBOX, PAGES << 16, (PAGES << 16) - 1, 0x7FFF_FFFF,
    -0x8000_0000, -8,
)  # fmt: skip

# Operators by the types they take and give: first and last opcode.
_BINARY = {I32: (0x6A, 0x78), I64: (0x7C, 0x8A), F32: (0x92, 0x98), F64: (0xA0, 0xA6)}
_COMPARE = {I32: (0x46, 0x4F), I64: (0x51, 0x5A), F32: (0x5B, 0x60), F64: (0x61, 0x66)}
_UNARY = {I32: (0x67, 0x69), I64: (0x79, 0x7B), F32: (0x8B, 0x91), F64: (0x99, 0x9F)}
_CONVERT = {
    I32: ((0xA7, I64), (0xA8, F32), (0xA9, F32), (0xAA, F64), (0xBC, F32), (0xC0, I32)),
    I64: ((0xAC, I32), (0xAD, I32), (0xAE, F32), (0xB0, F64), (0xBD, F64)),
    F32: ((0xB2, I32), (0xB4, I64), (0xB6, F64), (0xBE, I32)),
    F64: ((0xB7, I32), (0xB9, I64), (0xBB, F32), (0xBF, I64)),
}
_LOAD = {I32: (0x28, 0x2C, 0x2D, 0x2E, 0x2F), I64: (0x29, 0x30, 0x31, 0x34, 0x35), F32: (0x2A,), F64: (0x2B,)}  # fmt: skip
_STORE = {I32: (0x36, 0x3A, 0x3B), I64: (0x37, 0x3C, 0x3D, 0x3E), F32: (0x38,), F64: (0x39,)}
_END = b"\x0b"


def number(chance: random.Random) -> int:
    """Return a number of 32 bits at some edge, or beside it."""
    near = chance.choice(NUMBERS) + chance.choice((0, 0, 0, 1, -1))
    return min(max(near, -0x8000_0000), 0x7FFF_FFFF)


class Writer:
    """Writes the code of one function."""

    def __init__(
        self, chance: random.Random, parameters: str, functions: list[tuple[str, str]]
    ) -> None:
        self.chance, self.functions = chance, functions
        more = [chance.choice((I32, I32, I64, F32, F64)) for _ in range(chance.randrange(5))]
        self.locals = [_LETTERS[letter] for letter in parameters] + more
        self.groups = [b"\1" + bytes([kind]) for kind in more]
        self.depth = 0

    def value(self, kind: int, budget: int) -> bytes:
        """Write what leaves one value of a type on the stack."""
        chance = self.chance
        if budget <= 0 or chance.random() < 0.2:
            return self._leaf(kind)
        less = budget - 1
        ways: list[Callable[[], bytes]] = [
            lambda: (
                self.value(kind, less)
                + self.value(kind, less)
                + bytes([chance.randint(*_BINARY[kind])])
            ),
            lambda: self.value(kind, less) + bytes([chance.randint(*_UNARY[kind])]),
            lambda: self._converted(kind, less),
            lambda: (
                self.value(I32, less)
                + bytes([chance.choice(_LOAD[kind]), 0])
                + leb(chance.choice((0, 0, 8, 65_536)))
            ),
            lambda: (
                self.value(kind, less) + self.value(kind, less) + self.value(I32, less) + b"\x1b"
            ),
            lambda: bytes([0x02, kind]) + self._inside(kind, less) + _END,
            lambda: (
                self.value(I32, less)
                + bytes([0x04, kind])
                + self._inside(kind, less)
                + b"\x05"
                + self._inside(kind, less)
                + _END
            ),
            lambda: self._called(kind, less),
        ]
        if kind == I32:
            other = chance.choice((I32, I64, F32, F64))
            ways += [
                lambda: (
                    self.value(other, less)
                    + self.value(other, less)
                    + bytes([chance.randint(*_COMPARE[other])])
                ),
                lambda: (
                    self.value(other if other in (I32, I64) else I32, less)
                    + (b"\x50" if other == I64 else b"\x45")
                ),
                lambda: b"\x3f\0",
                lambda: self.value(I32, 0) + b"\x40\0",
            ]
        return chance.choice(ways)()

    def _leaf(self, kind: int) -> bytes:
        chance = self.chance
        places = [index for index, each in enumerate(self.locals) if each == kind]
        if places and chance.random() < 0.5:
            return b"\x20" + leb(chance.choice(places))
        if kind in GLOBALS and chance.random() < 0.2:
            return b"\x23" + leb(GLOBALS.index(kind))
        if kind in (I32, I64):
            return (b"\x41" if kind == I32 else b"\x42") + signed(number(chance))
        if kind == F32:
            return b"\x43" + chance.randbytes(4)
        return b"\x44" + chance.randbytes(8)

    def _converted(self, kind: int, budget: int) -> bytes:
        opcode, source = self.chance.choice(_CONVERT[kind])
        return self.value(source, budget) + bytes([opcode])

    def _inside(self, kind: int | None, budget: int) -> bytes:
        """Write the inside of a block."""
        self.depth += 1
        body = b"".join(self.statement(budget) for _ in range(self.chance.randrange(3)))
        if kind is not None:
            body += self.value(kind, budget)
        self.depth -= 1
        return body

    def _called(self, kind: int, budget: int) -> bytes:
        """Call something that gives a value of a type, if there is anything."""
        fitting = [
            index
            for index, (_, result) in enumerate(self.functions)
            if result and _LETTERS[result] == kind
        ]
        return self._call(self.chance.choice(fitting), budget) if fitting else self._leaf(kind)

    def _call(self, index: int, budget: int) -> bytes:
        parameters = self.functions[index][0]
        arguments = b"".join(self.value(_LETTERS[letter], min(budget, 2)) for letter in parameters)
        return arguments + b"\x10" + leb(index)

    def statement(self, budget: int) -> bytes:
        """Write what leaves the stack as it was."""
        chance, less = self.chance, budget - 1
        kind = chance.choice((I32, I32, I64, F32, F64))
        if budget <= 0:
            return b"\x01"
        ways: list[Callable[[], bytes]] = [
            lambda: self.value(kind, less) + b"\x1a",
            lambda: (
                self.value(I32, less)
                + self.value(kind, less)
                + bytes([chance.choice(_STORE[kind]), 0])
                + leb(chance.choice((0, 0, 4, 65_535)))
            ),
            lambda: b"\x02\x40" + self._inside(None, less) + _END,
            lambda: self._loop(less),
            lambda: self.value(I32, less) + b"\x04\x40" + self._inside(None, less) + _END,
            lambda: self._assign(less),
            lambda: self.value(GLOBALS[0], less) + b"\x24\0",
            lambda: self._effect(less),
            lambda: b"\x02\x40\x02\x40" + self.value(I32, less) + b"\x0e\2\0\1\0\x0b\x0b",
            lambda: b"\x02\x40" + self.value(I32, 1) + b"\x11\1\0" + _END,
        ]
        return chance.choice(ways)()

    def _loop(self, budget: int) -> bytes:
        body = self._inside(None, budget)
        return b"\x03\x40" + body + self.value(I32, budget) + b"\x0d\0" + _END

    def _assign(self, budget: int) -> bytes:
        if not self.locals:
            return b"\x01"
        place = self.chance.randrange(len(self.locals))
        return self.value(self.locals[place], budget) + b"\x21" + leb(place)

    def _effect(self, budget: int) -> bytes:
        """Call anything, and drop what it gives."""
        index = self.chance.randrange(len(self.functions))
        return self._call(index, budget) + (b"\x1a" if self.functions[index][1] else b"")


def _kind(signature: tuple[str, str]) -> bytes:
    parameters, result = signature
    return b"\x60" + b"".join(
        vector([bytes([_LETTERS[letter]]) for letter in letters])
        for letters in (parameters, result)
    )


def generate(chance: random.Random) -> bytes:
    """Return a module."""
    entries = {
        entry: kind
        for entry, kind in _ENTRIES.items()
        if entry in ("caxton_alloc", "handle_message") or chance.random() < 0.5
    }
    inner = [chance.choice(_INNER) for _ in range(1 + chance.randrange(4))] + [("", "")]
    functions = [*IMPORTS.values(), *entries.values(), *inner]
    types = [("ii", "i"), ("", ""), *dict.fromkeys(functions)]
    bodies = [_entry(chance, entry, kind, functions) for entry, kind in entries.items()]
    bodies += [_body(chance, kind, functions) for kind in inner]
    first, last = len(IMPORTS), len(functions) - 1
    memory = bytes([1, PAGES, PAGES + 20]) if chance.random() < 0.5 else bytes([0, PAGES])
    exports = [name("memory") + b"\2\0"]
    exports += [name(entry) + b"\0" + leb(first + index) for index, entry in enumerate(entries)]
    at = (0, 256, 512)
    parts = (
        section(TYPE, vector([_kind(kind) for kind in types])),
        section(IMPORT, vector([name("caxton") + name(each) + b"\0" + leb(types.index(kind)) for each, kind in IMPORTS.items()])),
        section(FUNCTION, vector([leb(types.index(kind)) for kind in functions[first:]])),
        section(TABLE, b"\1\x70\0\4"),
        section(MEMORY, b"\1" + memory),
        section(GLOBAL, vector([b"\x7f\1\x41\7\x0b", b"\x7e\1\x42\7\x0b", b"\x7c\1\x44" + bytes(8) + b"\x0b"])),
        section(EXPORT, vector(exports)),
        section(ELEMENT, b"\1\0\x41\0\x0b" + vector([leb(chance.randint(first, last)), leb(last)])),
        section(CODE, vector(map(sized, bodies))),
        section(DATA, vector([b"\0\x41" + signed(place) + b"\x0b" + sized(text) for place, text in zip(at, _TEXTS, strict=True)])),
    )  # fmt: skip
    return MAGIC + b"".join(parts)


def _body(chance: random.Random, kind: tuple[str, str], functions: list[tuple[str, str]]) -> bytes:
    writer = Writer(chance, kind[0], functions)
    body = b"".join(writer.statement(4) for _ in range(chance.randrange(5)))
    if kind[1]:
        body += writer.value(_LETTERS[kind[1]], 4)
    return code(groups=writer.groups, body=body)


def _entry(
    chance: random.Random, entry: str, kind: tuple[str, str], functions: list[tuple[str, str]]
) -> bytes:
    """Write an export that the host calls: mostly one that ends well, so that more than the first call happens."""
    if chance.random() < 0.15:
        return _body(chance, kind, functions)
    writer = Writer(chance, kind[0], functions)
    body = b"".join(writer.statement(4) for _ in range(chance.randrange(4)))
    if entry == "caxton_alloc":
        return code(groups=writer.groups, body=(body if chance.random() < 0.3 else b"") + b"\x41" + signed(INBOX))  # fmt: skip
    if entry == "caxton_export_state":
        return code(groups=writer.groups, body=body + b"\x42" + signed(40 << 32))
    if entry == "handle_message" and chance.random() < 0.6:
        respond = b"\x20\0\x41\0\x36\2\0\x20\0\x41\x28\x36\2\4\x41\1"
        return code(groups=writer.groups, body=body + respond)
    return code(groups=writer.groups, body=body + b"\x41\0")
