"""ACL messages: the 22 acts, the message, and its JSON and MessagePack forms.

Rules:
- A `Draft` is what somebody outside wrote: parsed once, here, and complete in nothing but its act.
- A `FipaMessage` is what the node delivers: every agent named by its full address, every default filled in.
- A message is encoded once; the bytes (its wire) are what the guest gets and what the journal keeps.
- Bytes are refused unread when nested too deep (`nesting.py`): a decoder may run on a guest's small stack.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

import msgspec

from caxton_core.errors import InvalidMessage
from caxton_core.nesting import MAX_NESTING, Codec, too_deep

# Plugins import these from here.
from caxton_core.times import format_time as format_time
from caxton_core.times import parse_time as parse_time


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
"""Acts that are never answered by the platform, or two agents could loop (docs/conversations.md)."""

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
            if key not in ("name", "addresses", "resolvers")
            and not str(key).startswith(("x_", "X_"))
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
