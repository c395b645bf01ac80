"""A play: the server's decider and some participants at one conversation, judged by the engine, under a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from caxton_core.conversations import (
    Admission,
    Conversation,
    Protocol,
    admit,
    ending,
    fail_leg,
    fire_timers,
    open_conversation,
)
from caxton_core.initiators import (
    ConversationSpec,
    Report,
    first_failure,
    opening_of,
    report_of,
)
from caxton_core.messages import Draft, FipaMessage, Performative, receivers_of
from caxton_core.times import parse_time

ME = "api@p"
MOST_TURNS = 20_000

Answer: TypeAlias = tuple[str, Any] | None
Role: TypeAlias = Callable[[FipaMessage], Answer]
"""What a participant answers to a message of the server: an act and its content. `("gone", None)` is unreachable."""


class Play:
    """One conversation from its opener to its end."""

    def __init__(
        self, protocol: Protocol, roles: Mapping[str, Role], *, ttl: int = 10**9, **spec: Any
    ) -> None:
        names = list(roles)
        given = {"protocol": protocol.name, "participants": names, "reply_by": "+1s", **spec}
        self.protocol, self.roles, self.now = protocol, roles, 1_000_000
        self.spec = msgspec.convert(given, ConversationSpec)
        assert first_failure(protocol, self.spec) is None
        self.transcript: list[FipaMessage] = []
        self.waiting: list[tuple[str, FipaMessage]] = []
        draft = opening_of(protocol, self.spec)
        message = self._message(ME, draft)
        opened = open_conversation(
            protocol, id="c", initiator=ME, participants=tuple(names), performative=draft.performative,
            message_id=message.id, reply_by_ms=self._due(draft), expires_at=self.now + ttl, now=self.now,
        )  # fmt: skip
        assert isinstance(opened, Admission), opened
        self.conversation: Conversation = opened.conversation
        self._sent(message)

    def _due(self, draft: Draft) -> int | None:
        return None if draft.reply_by is None else parse_time(draft.reply_by, now_ms=self.now)

    def _message(self, sender: str, draft: Draft) -> FipaMessage:
        return FipaMessage(
            draft.performative, sender, draft.receiver or ME, draft.content, "c", f"m{len(self.transcript)}",
            in_reply_to=draft.in_reply_to,
        )  # fmt: skip

    def _sent(self, message: FipaMessage) -> None:
        self.transcript.append(message)
        self.waiting += [(name, message) for name in receivers_of(message)]

    def decide(self) -> bool:
        """Ask the decider once and send what it wants, all of which must be legal; tell whether it said anything."""
        assert self.protocol.initiative is not None
        decider = self.protocol.initiative.decide
        if decider is None:
            return False
        wanted = decider(self.conversation, self.transcript, self.spec, self.now).messages
        for draft in wanted:
            self.say(draft)
        return bool(wanted)

    def say(self, draft: Draft) -> None:
        """Send one message of the server."""
        message = self._message(ME, draft)
        verdict = admit(
            self.protocol, self.conversation, performative=draft.performative, sender=ME,
            receivers=receivers_of(message), message_id=message.id, in_reply_to=draft.in_reply_to,
            reply_by_ms=self._due(draft), now=self.now,
        )  # fmt: skip
        assert isinstance(verdict, Admission), (draft, verdict)
        self.conversation = verdict.conversation
        self._sent(message)

    def hear(self) -> bool:
        """Let one participant handle its next message."""
        if not self.waiting:
            return False
        name, asked = self.waiting.pop(0)
        answered = self.roles[name](asked)
        if answered is None:
            return True
        act, content = answered
        if act == "gone":
            self.conversation = fail_leg(self.protocol, self.conversation, name, now=self.now)
            return True
        said = Draft(Performative(act), receiver=ME, content=content, in_reply_to=asked.id)
        message = self._message(name, said)
        verdict = admit(
            self.protocol, self.conversation, performative=act, sender=name, receivers=(ME,),
            message_id=message.id, in_reply_to=asked.id, now=self.now,
        )  # fmt: skip
        if isinstance(verdict, Admission):
            self.conversation = verdict.conversation
            self.transcript.append(message)
        return True

    def run(self) -> tuple[str, str]:
        """Play to the end; return the state and the outcome."""
        for _ in range(MOST_TURNS):
            if self.conversation.terminal:
                return ending(self.protocol, self.conversation)
            if self.decide() or self.hear():
                continue
            due = self.conversation.next_deadline
            assert due is not None, "nobody will ever say anything again"
            self.now = due + 1
            self.conversation = fire_timers(self.protocol, self.conversation, now=self.now)
        raise AssertionError("it does not end")

    @property
    def report(self) -> Report:
        """What came of it."""
        return report_of(self.protocol, self.conversation, self.transcript, self.spec)

    def said(self, act: str, sender: str = ME) -> list[Any]:
        """List the contents of what somebody said by one act."""
        return [
            None if message.content is msgspec.UNSET else message.content
            for message in self.transcript
            if message.sender == sender and message.performative == act
        ]
