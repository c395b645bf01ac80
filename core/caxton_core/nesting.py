"""How deep a JSON or MessagePack document nests, told by one linear scan before anything decodes it.

Rules:
- What nests deeper than `MAX_NESTING` is refused unread: a decoder recurses, and may run on a guest's small stack.
- The scan never recurses, allocates nothing that grows with the input, and reads malformed input as far as it goes.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

Codec: TypeAlias = Literal["json", "msgpack"]

MAX_NESTING: Final = 64


def _container_filter() -> bytes:
    """Return the MessagePack bytes that can never begin an array or a map."""
    openers = {*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF}
    return bytes(byte for byte in range(256) if byte not in openers)


_NOT_JSON_OPENERS: Final = bytes(byte for byte in range(256) if byte not in b"[{")
_NOT_MSGPACK_OPENERS: Final = _container_filter()


def too_deep(data: bytes, codec: Codec, *, limit: int = MAX_NESTING) -> bool:
    """Tell, by one linear scan, whether `data` nests deeper than `limit`.

    The common case costs a count: what has at most `limit` bytes that could open a container cannot be deeper.

    >>> too_deep(b"[" * 64 + b"]" * 64, "json"), too_deep(b"[" * 65 + b"]" * 65, "json")
    (False, True)
    """
    if codec == "json":
        if data.find(b"[") < 0 and data.find(b"{", 1) < 0:
            return False
        if len(data.translate(None, _NOT_JSON_OPENERS)) <= limit:
            return False
        return _json_depth(data, limit) > limit
    if len(data.translate(None, _NOT_MSGPACK_OPENERS)) <= limit:
        return False
    return _msgpack_depth(data, limit) > limit


_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def _json_depth(data: bytes, limit: int) -> int:
    """Return the greatest depth of brackets outside strings, at most `limit` + 1."""
    depth = deepest = 0
    for token in _JSON_TOKEN.finditer(data):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > limit:
                break
        elif first in b"]}":
            depth -= 1
    return deepest


_FIXED_SIZES: Final = {
    0xC0: 0, 0xC1: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_LENGTH_SIZES: Final = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip


def _msgpack_depth(data: bytes, limit: int) -> int:
    """Return the greatest depth of containers, at most `limit` + 1; malformed input counts as far as it goes."""
    position, size = 0, len(data)
    open_items: list[int] = []
    deepest = 0
    while position < size:
        while open_items and open_items[-1] == 0:
            open_items.pop()
        if open_items:
            open_items[-1] -= 1
        head = data[position]
        position += 1
        items = 0
        if 0x80 <= head <= 0x8F:
            items = 2 * (head & 15)
        elif 0x90 <= head <= 0x9F:
            items = head & 15
        elif 0xA0 <= head <= 0xBF:
            position += head & 31
        elif head in (0xDC, 0xDD, 0xDE, 0xDF):
            width = 2 if head in (0xDC, 0xDE) else 4
            items = int.from_bytes(data[position : position + width], "big") * (
                2 if head >= 0xDE else 1
            )
            position += width
        elif head in _FIXED_SIZES:
            position += _FIXED_SIZES[head]
        elif head in _LENGTH_SIZES:
            width, more = _LENGTH_SIZES[head]
            position += width + more + int.from_bytes(data[position : position + width], "big")
        if items or 0x80 <= head <= 0x9F or head in (0xDC, 0xDD, 0xDE, 0xDF):
            open_items.append(items)
            deepest = max(deepest, len(open_items))
            if deepest > limit:
                break
    return deepest
