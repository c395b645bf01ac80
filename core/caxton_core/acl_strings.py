"""Messages in the representation `fipa.acl.rep.string.std` (FIPA SC00070): read from bytes.

Rules:
- `parse_acl` answers every input with a message or an `InvalidAclString`; nothing else leaves it.
- Time and memory are in proportion to the text; depth is limited, and the recursion with it.
- Whether parameters fit together (a protocol without a conversation-id) is not judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final

from returns.result import Failure, Result, Success

from caxton_core.acl_faults import Fault, Wrong
from caxton_core.acl_tokens import MAX_DEPTH, Reader
from caxton_core.acl_values import AclMessage, AgentIdentifier, Expression
from caxton_core.errors import InvalidAclString
from caxton_core.messages import Performative

MEDIA_TYPE: Final = "application/fipa-acl"
MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes of a message, unless the caller says otherwise."""

_ACTS: Final = {act.encode(): act for act in Performative}
_OPEN, _CLOSE, _QUOTE, _HASH = b'()"#'


def parse_acl(data: bytes, *, limit: int = MAX_SIZE) -> Result[AclMessage, InvalidAclString]:
    r"""Read one message of at most `limit` bytes.

    >>> parse_acl(b'(inform :content "it \\"works\\"")').unwrap().content
    'it "works"'
    >>> print(parse_acl(b"(inform :ontology 7up)").failure())
    Invalid message at line 1, column 19 (byte 18): '7up' where a word, string, number, time or list is due.
    """
    if len(data) > limit:
        detail = f"the text has {len(data)} bytes; {limit} are allowed"
        return Failure(InvalidAclString(Fault.TOO_LARGE, detail, limit, *_place(data, limit)))
    try:
        return Success(_message(Reader(data)))
    except Wrong as wrong:
        place = _place(data, wrong.offset)
        return Failure(InvalidAclString(wrong.fault, wrong.detail, wrong.offset, *place))


def _place(data: bytes, offset: int) -> tuple[int, int]:
    """Return the line and the column of a byte, both counted from 1, columns in characters."""
    begin = data.rfind(b"\n", 0, offset) + 1
    line = data.count(b"\n", 0, begin) + 1
    return line, len(data[begin:offset].decode("utf-8", "replace")) + 1


def _message(text: Reader) -> AclMessage:
    text.enter(Fault.NO_MESSAGE, "a message begins with (")
    begin = text.at
    act = _ACTS.get(text.keyword(Fault.UNKNOWN_ACT, "a communicative act is due"))
    if act is None:
        text.at = begin
        text.skip()
        text.fail(Fault.UNKNOWN_ACT, "a communicative act is due")
    fields: dict[str, Any] = {}
    own: list[tuple[str, Expression]] = []
    names: set[bytes] = set()
    while not text.leaves("a parameter or ) is due"):
        name, written = _name(text, names, _PARAMETERS, "a parameter or ) is due")
        if name in _PARAMETERS:
            field, read = _PARAMETERS[name]
            fields[field] = read(text)
        else:
            own.append((written, _expression(text)))
    if text.skip() >= 0:
        text.fail(Fault.TRAILING_TEXT, "only white space may follow a message")
    return AclMessage(performative=act, **fields, parameters=tuple(own))


def _name(
    text: Reader, names: set[bytes], known: Container[bytes], detail: str
) -> tuple[bytes, str]:
    """Read the name of a parameter or slot, in lower case and as it was written; twice is an error."""
    text.skip()
    begin = text.at
    name = text.keyword(Fault.UNKNOWN_PARAMETER, detail)
    if name not in known and not (name.startswith(b":x-") and len(name) > 3):
        text.at = begin
        text.fail(Fault.UNKNOWN_PARAMETER, detail)
    if name in names:
        text.at = begin
        text.fail(Fault.REPEATED_PARAMETER, "each parameter may be given once")
    names.add(name)
    if name in known:
        return name, ""
    try:
        return name, text.data[begin + 1 : text.at].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong(Fault.NOT_UTF8, begin + 1 + error.start, "the text is no UTF-8 here") from None


def _expression(text: Reader) -> Expression:
    """Read an expression, without recursion."""
    if text.skip() != _OPEN:
        return text.atom("a value is due")
    above: list[list[Expression]] = []
    items: list[Expression] = []
    text.at += 1
    while True:
        byte = text.skip()
        if byte == _CLOSE:
            text.at += 1
            made = tuple(items)
            if not above:
                return made
            items = above.pop()
            items.append(made)
        elif byte == _OPEN:
            if len(above) + 1 == MAX_DEPTH:
                text.fail(Fault.TOO_DEEP, f"lists are nested {MAX_DEPTH} levels deep already")
            text.at += 1
            above.append(items)
            items = []
        else:
            items.append(text.atom("a value or ) is due"))


def _agent(text: Reader, depth: int = 1) -> AgentIdentifier:
    """Read an agent identifier that is nested in `depth` - 1 others."""
    text.skip()
    begin = text.at
    text.enter(Fault.NOT_AN_AGENT, "an agent identifier is due")
    if depth > MAX_DEPTH:
        text.at = begin
        text.fail(Fault.TOO_DEEP, f"agent identifiers are nested {MAX_DEPTH} levels deep already")
    _expect(text, b"agent-identifier", Fault.NOT_AN_AGENT)
    name: str | None = None
    addresses: tuple[str, ...] = ()
    resolvers: tuple[AgentIdentifier, ...] = ()
    own: list[tuple[str, Expression]] = []
    names: set[bytes] = set()
    while not text.leaves("a slot of the agent identifier or ) is due"):
        slot, written = _name(text, names, _SLOTS, "a slot of an agent identifier is due")
        match slot:
            case b":name":
                name = text.quoted() if text.skip() == _QUOTE else text.word(_NAME_DUE)
            case b":addresses":
                addresses = _addresses(text)
            case b":resolvers":
                resolvers = _resolvers(text, depth)
            case _:
                own.append((written, _expression(text)))
    if name is None:
        raise Wrong(Fault.MISSING_NAME, begin, "the agent identifier has no name")
    return AgentIdentifier(name, addresses, resolvers, tuple(own))


_SLOTS: Final = frozenset({b":name", b":addresses", b":resolvers"})
_NAME_DUE: Final = "a word or a quoted string is due as a name"


def _expect(text: Reader, keyword: bytes, fault: Fault) -> None:
    text.skip()
    begin = text.at
    detail = f"the word {keyword.decode()} is due"
    if text.keyword(fault, detail) != keyword:
        text.at = begin
        text.fail(fault, detail)


def _sequence(text: Reader) -> None:
    text.enter(Fault.NOT_A_SEQUENCE, "(sequence is due")
    _expect(text, b"sequence", Fault.NOT_A_SEQUENCE)


def _addresses(text: Reader) -> tuple[str, ...]:
    _sequence(text)
    found: list[str] = []
    while not text.leaves("an address or ) is due"):
        found.append(text.word("an address or ) is due"))
    return tuple(found)


def _resolvers(text: Reader, depth: int) -> tuple[AgentIdentifier, ...]:
    _sequence(text)
    found: list[AgentIdentifier] = []
    while not text.leaves("an agent identifier or ) is due"):
        found.append(_agent(text, depth + 1))
    return tuple(found)


def _set(text: Reader) -> tuple[AgentIdentifier, ...]:
    # FIPA SC00070: a set even of one; a bare agent identifier or a sequence is an error.
    text.enter(Fault.NOT_A_SET, "(set is due")
    _expect(text, b"set", Fault.NOT_A_SET)
    found: list[AgentIdentifier] = []
    while not text.leaves("an agent identifier or ) is due"):
        found.append(_agent(text))
    return tuple(found)


_PARAMETERS: Final[dict[bytes, tuple[str, Callable[[Reader], Any]]]] = {
    b":sender": ("sender", _agent),
    b":receiver": ("receiver", _set),
    b":reply-to": ("reply_to", _set),
    b":content": ("content", lambda text: text.string("a string is due as content")),
    b":language": ("language", _expression),
    b":encoding": ("encoding", _expression),
    b":ontology": ("ontology", _expression),
    b":protocol": ("protocol", lambda text: text.word("a word is due as protocol")),
    b":conversation-id": ("conversation_id", _expression),
    b":reply-with": ("reply_with", _expression),
    b":in-reply-to": ("in_reply_to", _expression),
    b":reply-by": ("reply_by", lambda text: text.time("a time such as 20301231T235959000Z is due")),
}
