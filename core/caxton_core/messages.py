"""ACL messages: the 22 acts, the message, and its JSON and MessagePack forms.

Rules:
- A `Draft` is what somebody outside wrote: parsed once, here, and complete in nothing but its act.
- A `FipaMessage` is what the node delivers: every agent named by its full address, every default filled in.
- A message is encoded once; the bytes (its wire) are what the guest gets and what the journal keeps.
- Bytes are refused unread when nested deeper than `MAX_NESTING`: a decoder may run on a guest's small stack.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

import msgspec

from caxton_core.errors import InvalidMessage

Codec: TypeAlias = Literal["json", "msgpack"]

MAX_NESTING: Final = 64


class Performative(enum.StrEnum):
    """The communicative acts of FIPA SC00037, in their wire form."""

    ACCEPT_PROPOSAL = "accept-proposal"
    AGREE = "agree"
    CANCEL = "cancel"
    CFP = "cfp"
    CONFIRM = "confirm"
    DISCONFIRM = "disconfirm"
    FAILURE = "failure"
    INFORM = "inform"
    INFORM_IF = "inform-if"
    INFORM_REF = "inform-ref"
    NOT_UNDERSTOOD = "not-understood"
    PROPAGATE = "propagate"
    PROPOSE = "propose"
    PROXY = "proxy"
    QUERY_IF = "query-if"
    QUERY_REF = "query-ref"
    REFUSE = "refuse"
    REJECT_PROPOSAL = "reject-proposal"
    REQUEST = "request"
    REQUEST_WHEN = "request-when"
    REQUEST_WHENEVER = "request-whenever"
    SUBSCRIBE = "subscribe"


ANSWERED_NEVER: Final = frozenset({Performative.FAILURE, Performative.NOT_UNDERSTOOD})
"""Acts that are never answered by the platform, or two agents could loop (fipa.md 4.2)."""

_CAMEL: Final = {"".join(word.capitalize() for word in act.split("-")): act for act in Performative}


class Draft(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A message as its author gave it; None where a field was left out."""

    performative: Performative
    sender: Any = None
    receiver: str | list[str] | None = None
    content: Any = msgspec.UNSET
    language: str | None = None
    encoding: str | None = None
    ontology: str | None = None
    protocol: str | None = None
    conversation_id: str | None = None
    reply_to: str | list[str] | None = None
    reply_with: str | None = None
    in_reply_to: str | None = None
    reply_by: str | None = None
    id: str | None = None
    timestamp: str | None = None
    traceparent: str | None = None
    extras: dict[str, Any] | None = None


class FipaMessage(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """A message as the node delivers it; addresses are `name@platform`, times RFC 3339."""

    performative: Performative
    sender: str
    receiver: str | list[str]
    content: Any = msgspec.UNSET
    conversation_id: str = ""
    id: str = ""
    timestamp: str = ""
    traceparent: str | None = None
    language: str | None = None
    encoding: str | None = None
    ontology: str | None = None
    protocol: str | None = None
    reply_to: str | list[str] | None = None
    reply_with: str | None = None
    in_reply_to: str | None = None
    reply_by: str | None = None
    extras: dict[str, Any] | None = None


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


_DRAFT_DECODERS: Final[dict[Codec, Callable[[bytes], Draft]]] = {
    "json": msgspec.json.Decoder(Draft).decode,
    "msgpack": msgspec.msgpack.Decoder(Draft).decode,
}
_MAP_DECODERS: Final[dict[Codec, Callable[[bytes], Any]]] = {
    "json": msgspec.json.Decoder().decode,
    "msgpack": msgspec.msgpack.Decoder().decode,
}
_MESSAGE_DECODERS: Final[dict[Codec, Callable[[bytes], FipaMessage]]] = {
    "json": msgspec.json.Decoder(FipaMessage).decode,
    "msgpack": msgspec.msgpack.Decoder(FipaMessage).decode,
}
_ENCODERS: Final[dict[Codec, Callable[[Any], bytes]]] = {
    "json": msgspec.json.Encoder().encode,
    "msgpack": msgspec.msgpack.Encoder().encode,
}
_FLAT: Final = frozenset({str, int, float, bool, type(None), msgspec.UnsetType})
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_draft(data: bytes, codec: Codec = "json") -> Draft | InvalidMessage:
    """Parse one ACL message from outside.

    Once per message, so a plain union instead of a Result. Aliases (`query`, CamelCase acts, agents named by an object)
    and `x_` extras take a second, slower reading.

    >>> parse_draft(b'{"performative": "inform", "content": 1}').content
    1
    >>> str(parse_draft(b'{"performative": "shout"}'))
    "Invalid message: Invalid enum value 'shout' - at `$.performative`."
    """
    if too_deep(data, codec):
        return InvalidMessage(f"nested deeper than {MAX_NESTING} levels")
    try:
        draft = _DRAFT_DECODERS[codec](data)
    except _UNREADABLE:
        return _parse_slowly(data, codec)
    if draft.extras is not None:
        return InvalidMessage("Object contains unknown field `extras`")
    return draft


def parse_answer(data: bytes, codec: Codec) -> Draft | InvalidMessage:
    """Do as `parse_draft`, for a caller on a stack of full size: only what holds containers is scanned.

    >>> parse_answer(b'{"performative": "inform", "content": "done"}', "json").content
    'done'
    """
    try:
        draft = _DRAFT_DECODERS[codec](data)
    except _UNREADABLE:
        return parse_draft(data, codec)
    if type(draft.content) in _FLAT and draft.sender is None and draft.extras is None:
        return draft
    return parse_draft(data, codec)


def _parse_slowly(data: bytes, codec: Codec) -> Draft | InvalidMessage:
    """Read a message the fast decoder refused, and say what is wrong with it if anything is."""
    try:
        fields = _MAP_DECODERS[codec](data)
    except _UNREADABLE as error:
        return InvalidMessage(str(error))
    if type(fields) is not dict:
        return InvalidMessage(f"Expected `object`, got `{type(fields).__name__}`")
    return draft_of(fields)


def draft_of(fields: dict[Any, Any]) -> Draft | InvalidMessage:
    """Make a draft of a decoded map, accepting aliases and extras.

    >>> draft_of({"performative": "AcceptProposal", "x_note": 1}).extras
    {'x_note': 1}
    """
    plain: dict[str, Any] = {}
    extras: dict[str, Any] = {}
    for key, value in fields.items():
        if type(key) is str and key[:2] in ("x_", "X_") and len(key) > 2:
            extras[key] = value
        elif key == "extras":
            return InvalidMessage("Object contains unknown field `extras`")
        elif value is not None or key == "content":
            plain[key] = value
    act = plain.get("performative")
    if act == "query":
        plain["performative"] = (
            Performative.QUERY_IF if type(plain.get("content")) is bool else Performative.QUERY_REF
        )
    elif type(act) is str:
        plain["performative"] = _CAMEL.get(act, act)
    for field in ("receiver", "reply_to"):
        if field in plain:
            named = _names(plain[field])
            if type(named) is InvalidMessage:
                return InvalidMessage(f"{named.detail} - at `$.{field}`")
            plain[field] = named
    try:
        draft = msgspec.convert(plain, Draft)
    except msgspec.ValidationError as error:
        return InvalidMessage(str(error))
    draft.extras = extras or None
    return draft


def _names(value: Any) -> Any:
    """Replace agent identifiers given as objects by their names."""
    if isinstance(value, dict):
        name = value.get("name")
        unknown = [
            key
            for key in value
            if key not in ("name", "addresses", "resolvers") and not str(key).startswith("x_")
        ]
        if unknown:
            return InvalidMessage(f"Object contains unknown field `{unknown[0]}`")
        return (
            name
            if isinstance(name, str)
            else InvalidMessage("Object missing required field `name`")
        )
    if isinstance(value, list):
        names = [_names(item) for item in value]
        return next((name for name in names if type(name) is InvalidMessage), names)
    return value


def encode(message: FipaMessage, codec: Codec) -> bytes:
    """Return the wire form of a message; extras stand beside the other fields.

    Raises:
        OverflowError, ValueError: the content holds what this codec cannot express (an integer of over 64 bits in MessagePack).
    """
    if message.extras is None:
        return _ENCODERS[codec](message)
    fields = msgspec.to_builtins(message)
    fields.update(fields.pop("extras"))
    return _ENCODERS[codec](fields)


def codec_of(wire: bytes) -> Codec:
    """Tell a wire's codec from its first byte."""
    return "json" if wire[:1] == b"{" else "msgpack"


def decode(wire: bytes) -> FipaMessage:
    """Read back what `encode` wrote; anything else is a bug and raises."""
    codec = codec_of(wire)
    try:
        return _MESSAGE_DECODERS[codec](wire)
    except msgspec.ValidationError:
        fields = _MAP_DECODERS[codec](wire)
        extras = {key: fields.pop(key) for key in list(fields) if key[:2] in ("x_", "X_")}
        return msgspec.convert({**fields, "extras": extras}, FipaMessage)


def receivers_of(message: FipaMessage) -> tuple[str, ...]:
    """Return the addresses a message names."""
    return (message.receiver,) if type(message.receiver) is str else tuple(message.receiver)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RELATIVE: Final = re.compile(r"\+(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def format_time(time_ms: int) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds.

    >>> format_time(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    seconds, millis = divmod(time_ms, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def parse_time(text: str, *, now_ms: int) -> int | None:
    """Read RFC 3339, or `+5s` counted from `now_ms`; None when it is neither.

    >>> parse_time("+1.5s", now_ms=1000), parse_time("1970-01-01T00:00:02Z", now_ms=0), parse_time("soon", now_ms=0)
    (2500, 2000, None)
    """
    relative = _RELATIVE.fullmatch(text)
    if relative:
        due = now_ms + round(float(relative[1]) * _UNIT_MS[relative[2]])
        return due if due < 253_402_300_800_000 else None
    if len(text) < 20 or text[10] not in "Tt ":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    try:
        return round((moment - _EPOCH) / timedelta(milliseconds=1))
    except OverflowError:
        return None
