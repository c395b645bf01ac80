"""Messages between their wire form, which is JSON, and the record of the world.

Rules:
- Pure, and no content is decoded: it is a JSON text on both sides, bounded and checked before it is passed on.
- What the node alone may set (sender, id, timestamp, traceparent) is left out of what a guest sends.
- Fields of a guest are hostile: every text was bounded when it was read (`values.py`), here their form is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from caxton_core.nesting import MAX_NESTING, too_deep


class Message(msgspec.Struct, gc=False):
    """The record `message`, its fields in the world's order."""

    performative: str
    sender: str | None = None
    receivers: list[str] = []
    reply_to: list[str] = []
    content: str | None = None
    language: str | None = None
    encoding: str | None = None
    ontology: str | None = None
    protocol: str | None = None
    conversation_id: str | None = None
    reply_with: str | None = None
    in_reply_to: str | None = None
    reply_by: str | None = None
    id: str | None = None
    timestamp: str | None = None
    traceparent: str | None = None
    extras: list[tuple[str, str]] = []


class NoMessage(Exception):
    """What a guest gave is no message; the text says why."""


_PLAIN: Final = (
    "sender", "language", "encoding", "ontology", "protocol", "conversation_id", "reply_with", "in_reply_to",
    "reply_by", "id", "timestamp", "traceparent",
)  # fmt: skip
_WRITTEN: Final = tuple(
    (field, f',"{field}":'.encode())
    for field in _PLAIN
    if field not in ("sender", "id", "timestamp", "traceparent")
)
_EXTRAS: Final = ("x_", "X_")

_fields: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
_text: Callable[[bytes | msgspec.Raw], str] = msgspec.json.Decoder(str).decode
_names: Callable[[bytes | msgspec.Raw], str | list[str]] = msgspec.json.Decoder(
    str | list[str]
).decode
_checked: Callable[[bytes], msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw).decode
_encode: Callable[[object], bytes] = msgspec.json.Encoder().encode


def read(wire: bytes) -> Message:
    """Make a record of an encoded message of the node.

    >>> read(b'{"performative":"inform","sender":"a@p","receiver":"b@p","content":[1],"x_n":2}').extras
    [('x_n', '2')]
    """
    fields = _fields(wire)
    message = Message(_text(fields["performative"]))
    for name, value in fields.items():
        if name in _PLAIN:
            setattr(message, name, _text(value))
        elif name == "content":
            message.content = bytes(value).decode()
        elif name == "receiver":
            message.receivers = _listed(_names(value))
        elif name == "reply_to":
            message.reply_to = _listed(_names(value))
        elif name[:2] in _EXTRAS:
            message.extras = [*message.extras, (name, bytes(value).decode())]
    return message


def write(message: Message) -> bytes:
    """Encode a record that a guest made; raises `NoMessage`.

    >>> write(Message("inform", receivers=["b"], content='"hello"'))
    b'{"performative":"inform","receiver":"b","content":"hello"}'
    """
    parts = [b'{"performative":', _encode(message.performative)]
    for name, names in (("receiver", message.receivers), ("reply_to", message.reply_to)):
        if names:
            parts += (f',"{name}":'.encode(), _encode(names[0] if len(names) == 1 else names))
    if message.content is not None:
        parts += (b',"content":', _json("content", message.content))
    for field, key in _WRITTEN:
        value = getattr(message, field)
        if value is not None:
            parts += (key, _encode(value))
    for extra, text in message.extras:
        if extra[:2] not in _EXTRAS or len(extra) == 2:
            raise NoMessage(f"an extra field must be named x_..., not {extra[:80]!a}")
        parts += (b",", _encode(extra), b":", _json(ascii(extra[:80]), text))
    parts.append(b"}")
    return b"".join(parts)


def _listed(names: str | list[str]) -> list[str]:
    return [names] if type(names) is str else list(names)


def _json(what: str, text: str) -> bytes:
    """Return a JSON text as bytes; anything that is not exactly one JSON value could become fields of its own."""
    data = text.encode()
    if too_deep(data, "json"):
        raise NoMessage(f"{what} is nested deeper than {MAX_NESTING} levels")
    try:
        _checked(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoMessage(f"{what} is not JSON: {error}") from None
    return data
