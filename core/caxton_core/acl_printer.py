"""Messages in the representation `fipa.acl.rep.string.std` (FIPA SC00070): written as bytes.

Rules:
- What `parse_acl` read is written so that it reads back as the same value.
- Text stands bare where it is a word without a quote, else in quotes; only what can't be quoted is length-encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from caxton_core.acl_tokens import is_number, is_numeric, is_word
from caxton_core.acl_values import (
    AclMessage,
    AgentIdentifier,
    DateTime,
    Expression,
    Number,
    String,
    Word,
)


def print_acl(message: AclMessage) -> bytes:
    """Write a message.

    >>> from caxton_core.messages import Performative
    >>> print_acl(AclMessage(performative=Performative.INFORM, content="hi", ontology=Word("greetings")))
    b'(inform :content "hi" :ontology greetings)'

    Raises:
        UnicodeEncodeError: a text has halves of surrogate pairs, which the parser never makes.
    """
    return b" ".join(_parts(message)) + b")"


def _parts(message: AclMessage) -> Iterator[bytes]:
    yield f"({message.performative}".encode()
    if message.sender is not None:
        yield b":sender " + _agent(message.sender)
    for name, agents in ((b":receiver ", message.receiver), (b":reply-to ", message.reply_to)):
        if agents is not None:
            yield name + _listed(b"set", map(_agent, agents))
    if message.content is not None:
        yield b":content " + _string(message.content)
    for name, value in (
        (b":language ", message.language),
        (b":encoding ", message.encoding),
        (b":ontology ", message.ontology),
    ):
        if value is not None:
            yield name + print_expression(value)
    if message.protocol is not None:
        yield b":protocol " + message.protocol.encode()
    for name, value in (
        (b":conversation-id ", message.conversation_id),
        (b":reply-with ", message.reply_with),
        (b":in-reply-to ", message.in_reply_to),
    ):
        if value is not None:
            yield name + print_expression(value)
    if message.reply_by is not None:
        yield b":reply-by " + print_time(message.reply_by).encode()
    yield from _own(message.parameters)


def _own(values: Iterable[tuple[str, Expression]]) -> Iterator[bytes]:
    for name, value in values:
        yield b":%s %s" % (name.encode(), print_expression(value))


def _agent(agent: AgentIdentifier) -> bytes:
    # Name, addresses, resolvers, X-slots: the order that FIPA gives.
    parts = [b"(agent-identifier :name " + _agent_name(agent.name)]
    if agent.addresses:
        urls = (url.encode() for url in agent.addresses)
        parts.append(b":addresses " + _listed(b"sequence", urls))
    if agent.resolvers:
        parts.append(b":resolvers " + _listed(b"sequence", map(_agent, agent.resolvers)))
    return b" ".join([*parts, *_own(agent.slots)]) + b")"


def _agent_name(name: str) -> bytes:
    # A length-encoded name is an error, so one that ends in a backslash must stand bare.
    if is_word(name) and ('"' not in name or name.endswith("\\")):
        return name.encode()
    return _quoted(name)


def _listed(keyword: bytes, items: Iterable[bytes]) -> bytes:
    return b"(" + b" ".join([keyword, *items]) + b")"


def print_expression(value: Expression) -> bytes:
    """Write an expression, of at most 64 levels.

    >>> print_expression((Word("a"), String("b c"), Number("1e3"), ()))
    b'(a "b c" 1e3 ())'
    """
    if isinstance(value, tuple):
        return b"(" + b" ".join([print_expression(item) for item in value]) + b")"
    if isinstance(value, DateTime):
        return print_time(value).encode()
    return _string(value.value) if isinstance(value, String) else value.text.encode()


def print_time(time: DateTime) -> str:
    """Write a time as it was read.

    >>> print_time(DateTime(2030, 12, 31, 23, 59, 59, 7, zone="Z"))
    '20301231T235959007Z'
    """
    return (
        f"{time.sign}{time.year:04d}{time.month:02d}{time.day:02d}T"
        f"{time.hour:02d}{time.minute:02d}{time.second:02d}{time.millisecond:03d}{time.zone}"
    )


def _string(value: str | bytes) -> bytes:
    if isinstance(value, str):
        if not value.endswith("\\"):
            return _quoted(value)
        value = value.encode()
    return b'#%d"%s' % (len(value), value)


def _quoted(text: str) -> bytes:
    return b'"%s"' % text.replace('"', '\\"').encode()


def token_of(text: str) -> Expression:
    """Return the expression for a text that is but a name: a bare word, a number as it is, else a string.

    >>> token_of("order-17"), token_of("17"), token_of("17th")
    (Word(text='order-17'), Number(text='17'), String(value='17th'))
    """
    if is_number(text):
        return Number(text)
    return (
        Word(text) if is_word(text) and '"' not in text and not is_numeric(text) else String(text)
    )


def text_of(text: str) -> Expression:
    """Return the expression for a text that must not become a number.

    >>> text_of("seven"), text_of("7")
    (Word(text='seven'), String(value='7'))
    """
    return String(text) if is_numeric(text) else token_of(text)
