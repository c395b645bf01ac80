"""Replay cases in the conformance format against the conversation engine, under a clock of its own.

Rules:
- nothing but the engine's public operations is asked; the case's participants become addresses on one platform;
- a step is accepted when the engine admits it; before the opener, and for another conversation-id, the engine is
  asked whether the message may begin a conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
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

PLATFORM = "caxton"
INITIATOR = f"initiator@{PLATFORM}"
START = 1_000_000


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


class Replay(msgspec.Struct, frozen=True):
    """What the engine said: a reason for every step it rejected, None for the others."""

    reasons: list[str | None]
    final_state: str
    outcome: str | None


def load(path: Path) -> list[Case]:
    """Read a file of cases."""
    return msgspec.json.decode(path.read_bytes(), type=list[Case])


def _address(name: str) -> str:
    return f"{name}@{PLATFORM}"


def _names(step: Step) -> list[str]:
    if step.participant is None:
        return []
    return [step.participant] if isinstance(step.participant, str) else step.participant


def _sender(step: Step, case: Case) -> str:
    if step.from_role == "participant":
        return _address((_names(step) or case.participants)[0])
    return INITIATOR if step.from_role == "initiator" else _address(step.from_role)


def _receivers(step: Step) -> tuple[str, ...]:
    if step.from_role == "initiator":
        return tuple(map(_address, _names(step)))
    return (INITIATOR,) if step.to in (None, "initiator") else (_address(str(step.to)),)


def replay(case: Case, protocols: Mapping[str, Protocol]) -> Replay:
    """Play a case's script and read its end."""
    protocol = protocols[case.protocol]
    conversation: Conversation | None = None
    now = START
    reasons: list[str | None] = []
    for number, step in enumerate(case.script):
        now += round(step.delay_s * 1000)
        verdict: Admission | Rejection
        reply_by = None if step.reply_by_s is None else now + round(step.reply_by_s * 1000)
        opener = (
            conversation is None
            and step.from_role == "initiator"
            and step.conversation is None
            and step.performative in protocol.openers
            and step.protocol in (None, *protocol.names)
        )
        if opener:
            verdict = open_conversation(
                protocol,
                id=case.id,
                initiator=INITIATOR,
                participants=map(_address, case.participants),
                performative=step.performative,
                message_id=f"message {number}",
                now=now,
                reply_with=step.reply_with,
                reply_by_ms=reply_by,
                expires_at=None if case.ttl_s is None else now + round(case.ttl_s * 1000),
            )
        elif conversation is None or step.conversation is not None:
            unopened = judge_unopened(
                protocols,
                performative=step.performative,
                protocol_given=step.protocol,
                conversation_id="another",
            )
            reason = unopened.reason if isinstance(unopened, Rejection) else "unknown-conversation"
            reasons.append(reason)
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
                reply_with=step.reply_with,
                in_reply_to=step.in_reply_to,
                reply_by_ms=reply_by,
                protocol_given=step.protocol,
                platform=PLATFORM,
                about=about,
            )
        if isinstance(verdict, Admission):
            conversation = verdict.conversation
            reasons.append(None)
        else:
            conversation = verdict.conversation or conversation
            reasons.append(verdict.reason)
    if conversation is None:
        return Replay(reasons, protocol.initial, None)
    now += round(case.end_delay_s * 1000)
    conversation = fire_timers(protocol, conversation, now=now)
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
