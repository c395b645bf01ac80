"""The server as initiator: what it is told to open, and how a protocol says what it does next.

Rules:
- a decider is pure and remembers nothing: all it knows is the conversation, what was said in it so far, the
  specification and the time, so after a crash it goes on from the journal alone;
- what it wants said is judged like anybody's message; it is asked again after every move of the conversation and must
  then want nothing that was said already;
- of what was said a decider is given everything, but contents only of the latest message of each participant, and of
  the initiator's latest message of each act;
- a protocol without a decider is opened, watched, cancelled and reported, and says nothing after its opener.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from returns.result import Failure

from caxton_core.conversations_protocols import Protocol
from caxton_core.conversations_values import OUTCOMES, Conversation
from caxton_core.errors import InvalidMessage
from caxton_core.messages import Draft, FipaMessage, Performative
from caxton_core.selections import Selection, parse_selection
from caxton_core.times import parse_time

__all__ = [
    "MOST_NUMBER", "MOST_ROUNDS", "NOTHING", "Acceptance", "Auction", "ConversationSpec", "Decider", "Decision",
    "Initiative", "Number", "Report", "answer", "content_of", "first_failure", "in_time", "last", "opening_of",
    "reachable", "report_of", "selection_of", "tidy",
]  # fmt: skip

MOST_NUMBER: Final = 10**15
"""The greatest price: every number up to it is exact in a double, in JSON and in MessagePack."""
MOST_ROUNDS: Final = 1_000
MOST_PARTICIPANTS: Final = 10_000

Number: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=-MOST_NUMBER, le=MOST_NUMBER)]
    | Annotated[float, msgspec.Meta(ge=-MOST_NUMBER, le=MOST_NUMBER)]
)
Amount: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=0, le=MOST_NUMBER)]
    | Annotated[float, msgspec.Meta(ge=0, le=MOST_NUMBER)]
)
Step: TypeAlias = (
    Annotated[int, msgspec.Meta(gt=0, le=MOST_NUMBER)]
    | Annotated[float, msgspec.Meta(ge=0.000001, le=MOST_NUMBER)]
)


class Auction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The terms of an auction: the first price, by how much it rises or falls, and the lowest price it may sell at."""

    start: Amount
    step: Step
    reserve: Amount | None = None


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which counter-offer is good enough: the number at `min` is at most `limit`, or that at `max` at least.

    With `step` the server offers that much more (or less) each time, up to the limit; without it it offers once.
    """

    limit: Number
    min: str | None = None
    max: str | None = None
    step: Step | None = None


class ConversationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the server is to open: with whom, about what, and by which rules it decides.

    `reply_by` is `+5s` or a time; in a protocol of several rounds each round takes as long. `options` are for
    protocols of other plugins.
    """

    protocol: str
    participants: Annotated[list[str], msgspec.Meta(max_length=MOST_PARTICIPANTS)]
    content: Any = None
    performative: str | None = None
    reply_by: str | None = None
    select: dict[str, str] | None = None
    winners: Annotated[int, msgspec.Meta(ge=1, le=MOST_PARTICIPANTS)] | None = None
    rounds: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROUNDS)] | None = None
    auction: Auction | None = None
    accept: Acceptance | None = None
    options: dict[str, Any] | None = None
    wait: str | None = None
    ttl: str | None = None
    ontology: str | None = None
    language: str | None = None


RULES: Final = ("select", "winners", "rounds", "auction", "accept", "options")
"""The fields of a specification that only some protocols take."""


class Decision(msgspec.Struct, frozen=True):
    """What the initiator says now, in order (who is to have it is named by address), and when to ask again at the latest.

    `look_again`: milliseconds since the epoch; moves of the conversation ask again anyway.
    """

    messages: tuple[Draft, ...] = ()
    look_again: int | None = None


NOTHING: Final = Decision()


class Report(msgspec.Struct, frozen=True):
    """What came of it: who won, and what it was worth."""

    winner: str | None = None
    result: Any = None


Transcript: TypeAlias = Sequence[FipaMessage]
Decider: TypeAlias = Callable[[Conversation, Transcript, ConversationSpec, int], Decision]
Check: TypeAlias = Callable[[ConversationSpec], InvalidMessage | None]
Opening: TypeAlias = Callable[[ConversationSpec], Draft]
Reporter: TypeAlias = Callable[[Conversation, Transcript, ConversationSpec], Report]


class Initiative(msgspec.Struct, frozen=True, kw_only=True):
    """How the server plays the initiator of one protocol; everything is optional.

    Args:
        takes: the fields among `RULES` that it reads; others are refused.
        reply_by: when answers are due if the specification does not say.
        check: what is wrong with a specification beyond its types.
        opening: the opener's act and content; else the specification's content under the protocol's first opener.
        decide: what to say next.
        report: who won and the result; else whoever was awarded, and what the winner or the only participant said last.
    """

    takes: frozenset[str] = frozenset()
    reply_by: str | None = None
    check: Check | None = None
    opening: Opening | None = None
    decide: Decider | None = None
    report: Reporter | None = None


# What a node asks


def first_failure(protocol: Protocol, spec: ConversationSpec) -> InvalidMessage | None:
    """Say what is wrong with a specification for this protocol, naming the field."""
    initiative = protocol.initiative or Initiative()
    if not spec.participants:
        return InvalidMessage("at least one participant is needed - at `$.participants`")
    if spec.performative is not None and spec.performative not in protocol.openers:
        openers = " or ".join(protocol.openers)
        return InvalidMessage(f"{protocol.name} is opened by {openers} - at `$.performative`")
    for field in RULES:
        if getattr(spec, field) is not None and field not in initiative.takes:
            return InvalidMessage(f"{protocol.name} takes no {field} - at `$.{field}`")
    if spec.select is not None:
        selection = parse_selection(spec.select)
        if isinstance(selection, Failure):
            return InvalidMessage(f"{str(selection.failure()).rstrip('.')} - at `$.select`")
    return None if initiative.check is None else initiative.check(spec)


def opening_of(protocol: Protocol, spec: ConversationSpec) -> Draft:
    """Return the message that opens a conversation, without its id and deadline."""
    initiative = protocol.initiative
    if initiative is not None and initiative.opening is not None:
        draft = initiative.opening(spec)
    else:
        act = spec.performative or next(iter(protocol.openers))
        content = msgspec.UNSET if spec.content is None else spec.content
        draft = Draft(Performative(act), content=content)
    draft.receiver, draft.protocol = list(spec.participants), protocol.name
    draft.reply_by, draft.ontology, draft.language = spec.reply_by, spec.ontology, spec.language
    return draft


def report_of(
    protocol: Protocol, conversation: Conversation, transcript: Transcript, spec: ConversationSpec
) -> Report:
    """Say who won, and what came of it."""
    initiative = protocol.initiative
    if initiative is not None and initiative.report is not None:
        return initiative.report(conversation, transcript, spec)
    awarded = conversation.awarded
    winner = awarded[0] if awarded else None
    speaker = winner
    if speaker is None and len(conversation.legs) == 1:
        (speaker,) = conversation.legs
    said = None if speaker is None else last(transcript, speaker)
    if said is None or said.performative in (Performative.AGREE, Performative.PROPOSE):
        return Report(winner)
    return Report(winner, content_of(said))


# What deciders need


def selection_of(spec: ConversationSpec) -> Selection | None:
    """Return the selection rule of a specification that was checked."""
    return None if spec.select is None else parse_selection(spec.select).unwrap()


def reachable(conversation: Conversation) -> tuple[str, ...]:
    """Name the participants that may be told something: open, and not under cancel."""
    return tuple(
        [
            name
            for name, leg in conversation.legs.items()
            if leg.state not in OUTCOMES and leg.cancel is None
        ]
    )


def last(
    transcript: Transcript, sender: str, act: Performative | None = None
) -> FipaMessage | None:
    """Find the latest message of a party, of one act if given."""
    for message in reversed(transcript):
        if message.sender == sender and (act is None or message.performative is act):
            return message
    return None


def content_of(message: FipaMessage | None) -> Any:
    """Return a message's content, None when it has none."""
    return None if message is None or message.content is msgspec.UNSET else message.content


def answer(conversation: Conversation, to: str, act: Performative, content: Any = None) -> Draft:
    """Make an answer to the latest message of a participant."""
    leg = conversation.legs[to]
    return Draft(
        act, receiver=[to], content=msgspec.UNSET if content is None else content,
        in_reply_to=leg.told_token or leg.told_id,
    )  # fmt: skip


def in_time(conversation: Conversation, spec: ConversationSpec, now: int) -> bool:
    """Tell whether another round, and an answer after it, fits into the time-to-live."""
    due = parse_time(spec.reply_by or "+0s", now_ms=now) or now
    return conversation.expires_at is None or due + (due - now) <= conversation.expires_at


def tidy(number: float) -> int | float:
    """Round a price to six decimals; a whole one is an integer.

    >>> tidy(0.1 + 0.2), tidy(4.0)
    (0.3, 4)
    """
    rounded = round(number, 6)
    return int(rounded) if rounded == int(rounded) else rounded
