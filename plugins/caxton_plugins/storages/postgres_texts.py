"""How texts are kept in PostgreSQL, which takes no NUL in a text and no long text in an index.

Rules:
- Stored texts are in the order of the texts. Nearly all are stored as they are.
- U+0000 becomes U+0001 U+0001, and U+0001 becomes U+0001 U+0002.
- A text of more than `MOST` characters is stored as its beginning and its SHA-256; then the row's body begins with its
  key and columns in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import Any

import msgspec

MOST = 250
"""Two columns of so many characters fit into an entry of an index, whatever the characters."""
_BEGINNING = 160
_SHORTENED = "\x01\x03"
_LENGTH = Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[str | int | None]).decode


def to_stored(text: str) -> str:
    """Return a text as it is stored.

    >>> to_stored("plain"), to_stored("a\\0b"), len(to_stored("long" * 1000))
    ('plain', 'a\\x01\\x01b', 226)
    """
    if len(text) > MOST:
        digest = sha256(text.encode()).hexdigest()
        return f"{_escaped(text[:_BEGINNING])[:_BEGINNING]}{_SHORTENED}{digest}"
    return _escaped(text)


def to_given(stored: str) -> str | None:
    """Return a text as it was given, None where it was too long to be stored whole.

    >>> to_given(to_stored("a\\0b")) == "a\\0b", to_given(to_stored("long" * 1000))
    (True, None)
    """
    return None if _SHORTENED in stored else _given(stored)


def _escaped(text: str) -> str:
    if "\x00" in text or "\x01" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text


def _given(text: str) -> str:
    if "\x01" in text:
        return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
    return text


def to_stored_row(values: Sequence[str | int | None], body: bytes) -> tuple[list[Any], bytes]:
    """Return the key and the columns of a row, and its body, as they are stored."""
    stored = [to_stored(value) if isinstance(value, str) else value for value in values]
    if any(isinstance(value, str) and len(value) > MOST for value in values):
        full = _encode(values)
        body = _LENGTH.pack(len(full)) + full + body
    return stored, body


def to_given_row(values: Sequence[Any], body: bytes) -> tuple[list[Any], bytes]:
    """Return the key and the columns of a row, and its body, as they were given."""
    if any(isinstance(value, str) and _SHORTENED in value for value in values):
        (length,) = _LENGTH.unpack_from(body)
        return _decode(body[4 : 4 + length]), body[4 + length :]
    return [_given(value) if isinstance(value, str) else value for value in values], body
