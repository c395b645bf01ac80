"""An ACL message as FIPA has it: the typed values behind its string form.

Rules:
- A value is what a text means, not how it was written: white space, order, quotes around a name are gone.
- A `String` holds bytes only where they are no UTF-8.
- A `Number` and a `DateTime` keep what was written; nothing here counts with them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from caxton_core.messages import Performative


class Word(msgspec.Struct, frozen=True):
    """A bare token; its first character is no digit and none of `#-@\"`, and none is a `\"`, a space or a parenthesis."""

    text: str


class String(msgspec.Struct, frozen=True):
    """Text of any characters, or bytes that are no UTF-8."""

    value: str | bytes


class Number(msgspec.Struct, frozen=True):
    """A number, kept as it was written: it may have any number of digits."""

    text: str


class DateTime(msgspec.Struct, frozen=True):
    """A time; with a sign its fields are durations from now on (`+`) or before now (`-`).

    `zone` is one letter or empty: `Z` is UTC, and without one it is the local time of whoever reads it.
    """

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int
    sign: Literal["", "+", "-"] = ""
    zone: str = ""


Expression: TypeAlias = "Word | String | Number | DateTime | tuple[Expression, ...]"
"""A value of most parameters; a tuple is a list in parentheses, nested at most 64 levels deep."""


class AgentIdentifier(msgspec.Struct, frozen=True):
    """Who somebody is (FIPA SC00023): a name, where it listens, who knows more, and `X-` slots."""

    name: str
    addresses: tuple[str, ...] = ()
    resolvers: tuple[AgentIdentifier, ...] = ()
    slots: tuple[tuple[str, Expression], ...] = ()


class AclMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its parameters (FIPA SC00061); None where one was left out.

    `parameters` are the user-defined ones, each name with its `X-`, in the order in which they were written.
    """

    performative: Performative
    sender: AgentIdentifier | None = None
    receiver: tuple[AgentIdentifier, ...] | None = None
    reply_to: tuple[AgentIdentifier, ...] | None = None
    content: str | bytes | None = None
    language: Expression | None = None
    encoding: Expression | None = None
    ontology: Expression | None = None
    protocol: str | None = None
    conversation_id: Expression | None = None
    reply_with: Expression | None = None
    in_reply_to: Expression | None = None
    reply_by: DateTime | None = None
    parameters: tuple[tuple[str, Expression], ...] = ()
