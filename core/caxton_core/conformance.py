"""Cases in the conformance format, replayed against the conversation engine under a clock of their own (docs/conformance.md).

Rules:
- nothing but the engine's public operations is asked, with the protocols the runtime would use; the case's participants
  become addresses on one platform;
- a step is accepted when the engine admits it; before the opener, and for another conversation-id, the engine is
  asked whether the message may begin a conversation;
- the engine only compares times, so they are microseconds here: counted from the start and rounded once, so that
  what is meant to be exactly on a deadline is, and what is half a millisecond late is late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.conversations import (
    Admission,
    Conversation,
    Protocol,
    Rejection,
    admit,
    fire_timers,
    judge_unopened,
    open_conversation,
    outcome,
    state,
)
from caxton_core.errors import InvalidValue
from caxton_core.nesting import too_deep

__all__ = [
    "Case",
    "Expectation",
    "Played",
    "Replay",
    "Step",
    "differences",
    "parse_cases",
    "play",
    "replay",
]

PLATFORM: Final = "caxton"
INITIATOR: Final = f"the initiator@{PLATFORM}"
AMS: Final = "ams"
START: Final = 1_000_000_000
"""When the first step is made, if it has no delay: microseconds since the epoch."""
MOST_PARTICIPANTS: Final = 1_000
MOST_STEPS: Final = 20_000
"""Of one case: what a step costs grows with the participants. 10,000 messages fill a conversation."""
_YEARS: Final = 1e10
_names_of = msgspec.json.Decoder(list[dict[str, object]]).decode


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a script."""

    from_role: Literal["initiator", "participant", "outsider", "ams"]
    performative: str
    participant: str | list[str] | None = None
    delay_s: float = 0
    reply_by_s: float | None = None
    reply_with: str | None = None
    in_reply_to: str | None = None
    protocol: str | None = None
    conversation: Literal["other"] | None = None
    to: str | None = None


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case says about its end."""

    accepted: list[bool]
    final_state: str
    outcome: str | None


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A script and what it must lead to."""

    id: str
    protocol: str
    participants: list[str]
    note: str
    script: list[Step]
    expect: Expectation
    ttl_s: float | None = None
    end_delay_s: float = 0


class Played(msgspec.Struct, frozen=True):
    """When a step was made, why it was rejected (None: it was not), and the conversation after it."""

    now: int
    reason: str | None
    conversation: Conversation | None


class Replay(msgspec.Struct, frozen=True):
    """What the engine said: a reason for every step it rejected, None for the others."""

    reasons: list[str | None]
    final_state: str
    outcome: str | None


def parse_cases(data: bytes) -> Result[list[Case], InvalidValue]:
    """Read a file of cases.

    >>> parse_cases(b"[]").unwrap()
    []
    >>> str(parse_cases(b'[{"id": "a", "protocol": 1}]').failure().detail)
    'case a: Expected `str`, got `int` - at `$[0].protocol`'
    """
    if too_deep(data, "json"):
        return Failure(InvalidValue("cases", "", "nested too deeply"))
    try:
        cases = msgspec.json.decode(data, type=list[Case])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Failure(InvalidValue("cases", "", _where(data, str(error))))
    for case in cases:
        wrong = _wrong(case)
        if wrong:
            return Failure(InvalidValue("cases", "", f"case {case.id}: {wrong}"))
    return Success(cases)


def _where(data: bytes, why: str) -> str:
    """Name the case that an error is in, when it has an id."""
    place = why.rpartition("$[")[2].partition("]")[0]
    try:
        id = _names_of(data)[int(place)]["id"]
    except (ValueError, LookupError, msgspec.DecodeError):
        return why
    return f"case {id}: {why}"


def _wrong(case: Case) -> str:
    """Say what no type says; nothing when the case can be replayed."""
    if not case.participants or len(set(case.participants)) != len(case.participants):
        return "participants are at least one name, none twice - at `participants`"
    if len(case.participants) > MOST_PARTICIPANTS:
        return f"more than {MOST_PARTICIPANTS} names - at `participants`"
    if len(case.script) > MOST_STEPS:
        return f"more than {MOST_STEPS} steps - at `script`"
    if len(case.expect.accepted) != len(case.script):
        return "it is one boolean for each step - at `expect.accepted`"
    times = [case.ttl_s or 0, case.end_delay_s]
    for number, step in enumerate(case.script):
        if step.from_role == "ams" and step.to != "initiator" and len(_names(step)) != 1:
            return f"an ams step names one participant - at `script[{number}].participant`"
        if step.from_role == "participant" and len(_names(step)) > 1:
            return f"a participant's step has one sender - at `script[{number}].participant`"
        times += [step.delay_s, step.reply_by_s or 0]
    if not all(0 <= each <= _YEARS for each in times):
        return f"times are seconds from 0 to {_YEARS:g}"
    return ""


def _address(name: str) -> str:
    # With a mark, so that no name of a case is that of the AMS, an outsider or the initiator.
    return f"leg {name}@{PLATFORM}"


def _token(given: str | None) -> str | None:
    # With a mark, so that no token of a case is a message's id.
    return None if given is None else f"token {given}"


def _names(step: Step) -> list[str]:
    if step.participant is None:
        return []
    return [step.participant] if isinstance(step.participant, str) else step.participant


def _sender(step: Step, case: Case) -> str:
    if step.from_role == "participant":
        return _address((_names(step) or case.participants)[0])
    if step.from_role == "initiator":
        return INITIATOR
    return f"{AMS}@{PLATFORM}" if step.from_role == "ams" else f"an outsider@{PLATFORM}"


def _receivers(step: Step) -> tuple[str, ...]:
    if step.from_role == "initiator":
        return tuple(map(_address, _names(step)))
    return (INITIATOR,) if step.to in (None, "initiator") else (_address(str(step.to)),)


def _micros(seconds: float) -> int:
    return START + round(seconds * 1_000_000)


def _opens(protocol: Protocol, step: Step) -> bool:
    return (
        step.from_role == "initiator"
        and step.conversation is None
        and step.performative in protocol.openers
        and step.protocol in (None, *protocol.names)
    )


def play(case: Case, protocol: Protocol, protocols: Mapping[str, Protocol]) -> Iterator[Played]:
    """Play a case's script, one verdict for each step, and last what is read at the end."""
    conversation: Conversation | None = None
    seconds = 0.0
    for number, step in enumerate(case.script):
        seconds += step.delay_s
        now = _micros(seconds)
        verdict: Admission | Rejection
        reply_by = None if step.reply_by_s is None else _micros(seconds + step.reply_by_s)
        if conversation is None and _opens(protocol, step):
            verdict = open_conversation(
                protocol,
                id=case.id,
                initiator=INITIATOR,
                participants=map(_address, case.participants),
                performative=step.performative,
                message_id=f"message {number}",
                now=now,
                reply_with=_token(step.reply_with),
                reply_by_ms=reply_by,
                expires_at=None if case.ttl_s is None else _micros(seconds + case.ttl_s),
            )
        elif conversation is None or step.conversation is not None:
            unopened = judge_unopened(
                protocols,
                performative=step.performative,
                protocol_given=step.protocol,
                conversation_id="another",
            )
            # Only a script's opener opens: what would open another conversation belongs to none.
            reason = unopened.reason if isinstance(unopened, Rejection) else "unknown-conversation"
            yield Played(now, reason, conversation)
            continue
        else:
            about = None
            if step.from_role == "ams":
                about = INITIATOR if step.to == "initiator" else _address(_names(step)[0])
            verdict = admit(
                protocol,
                conversation,
                performative=step.performative,
                sender=_sender(step, case),
                message_id=f"message {number}",
                now=now,
                receivers=_receivers(step),
                reply_with=_token(step.reply_with),
                in_reply_to=_token(step.in_reply_to),
                reply_by_ms=reply_by,
                protocol_given=step.protocol,
                platform=PLATFORM,
                about=about,
            )
        conversation = verdict.conversation or conversation
        yield Played(now, verdict.reason if isinstance(verdict, Rejection) else None, conversation)
    now = _micros(seconds + case.end_delay_s)
    if conversation is not None:
        conversation = fire_timers(protocol, conversation, now=now)
    yield Played(now, None, conversation)


def replay(case: Case, protocols: Mapping[str, Protocol]) -> Replay:
    """Play a case's script and read its end; a protocol nobody brings is a state of its own, and nothing is accepted."""
    protocol = protocols.get(case.protocol)
    if protocol is None:
        return Replay(["unknown-protocol"] * len(case.script), "unknown-protocol", None)
    reasons: list[str | None] = []
    conversation: Conversation | None = None
    for played in play(case, protocol, protocols):
        reasons.append(played.reason)
        conversation = played.conversation
    del reasons[-1]
    if conversation is None:
        return Replay(reasons, protocol.initial, None)
    return Replay(reasons, state(protocol, conversation), outcome(protocol, conversation))


def differences(case: Case, replayed: Replay) -> list[str]:
    """Say where a replay differs from what its case expects."""
    found = []
    for number, (step, expected, reason) in enumerate(
        zip(case.script, case.expect.accepted, replayed.reasons, strict=True), start=1
    ):
        if expected is not (reason is None):
            got = "accepted" if reason is None else f"rejected ({reason})"
            wanted = "accepted" if expected else "rejected"
            found.append(
                f"step {number} ({step.from_role} {step.performative}): expected {wanted}, got {got}"
            )
    if replayed.final_state != case.expect.final_state:
        found.append(f"state: expected {case.expect.final_state}, got {replayed.final_state}")
    if replayed.outcome != case.expect.outcome:
        found.append(f"outcome: expected {case.expect.outcome}, got {replayed.outcome}")
    return found
