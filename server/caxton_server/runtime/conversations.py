"""The node's conversations: the open ones by id, their deadlines, and the latest closed ones.

Rules:
- The engine in `caxton_core.conversations` judges; this file only keeps its values and asks at the right time.
- A conversation changes by `commit` alone, which journals it, arms its next deadline and publishes its end.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from caxton_core.conversations import (
    OUTCOMES,
    Admission,
    Conversation,
    Protocol,
    admit,
    ending,
    fail_leg,
    fire_timers,
    leg_outcome,
    leg_state,
    state,
)  # fmt: skip
from caxton_core.events import ConversationAwarded, ConversationEnded, ConversationStarted, Event
from caxton_core.initiators import Report
from caxton_core.messages import FipaMessage
from caxton_core.ports import Row
from caxton_core.times import format_time
from caxton_core.views import ConversationView, LegView

if TYPE_CHECKING:
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.timers import Timers

_log = logging.getLogger(__name__)
_NOTHING_SAID: Mapping[str, object] = {}

Reporter: TypeAlias = Callable[[Conversation], tuple[Report, Mapping[str, object]]]
"""Says what came of a conversation: who won, and what each participant said."""

CLOSED_KEPT = 10_000
"""Closed conversations remembered, so that late messages are told `terminated`."""


class Conversations:
    """All conversations of the node."""

    def __init__(
        self, kernel: Kernel, timers: Timers, protocols: Mapping[str, Protocol], *, ttl_ms: int
    ) -> None:
        self.kernel, self.timers, self.protocols, self.ttl_ms = kernel, timers, protocols, ttl_ms
        self.open: dict[str, Conversation] = {}
        self.closed: OrderedDict[str, Conversation] = OrderedDict()
        self.per_agent: Counter[str] = Counter()
        self.per_protocol: Counter[str] = Counter()
        self.armed: dict[str, tuple[int, int]] = {}
        self.listeners: dict[str, list[Callable[[Conversation], None]]] = {}
        self.lifetimes: dict[str, int] = {}
        self.reports: dict[str, Reporter] = {}
        self.publish: Callable[[Event], None] = lambda _event: None
        self.on_quiet: Callable[[str], None] = lambda _address: None

    def get(self, conversation_id: str) -> Conversation | None:
        """Return a conversation, open or recently closed."""
        found = self.open.get(conversation_id)
        return found if found is not None else self.closed.get(conversation_id)

    def commit(
        self, after: Conversation, before: Conversation | None, awarded: tuple[str, ...] = ()
    ) -> None:
        """Make a new value of a conversation the truth."""
        conversation_id = after.id
        kernel = self.kernel
        kernel.journal.after_image(conversation_id, after)
        if before is None:
            self._count(after, 1)
            self.publish(
                ConversationStarted(
                    conversation_id, after.protocol, after.initiator, after.participants
                )
            )
        for winner in awarded:
            self.publish(ConversationAwarded(conversation_id, winner))
        if after.open_legs:
            self.open[conversation_id] = after
            due = after.next_deadline
            if due is not None:
                armed = self.armed.get(conversation_id)
                if armed is None or armed[0] > due:
                    self._arm(conversation_id, due)
        else:
            self._close(after)
        if conversation_id in self.listeners:
            for listener in tuple(self.listeners[conversation_id]):
                listener(after)

    def _count(self, conversation: Conversation, step: int) -> None:
        self.per_protocol[conversation.protocol] += step
        self.per_agent[conversation.initiator] += step
        for participant in conversation.legs:
            self.per_agent[participant] += step

    def _close(self, conversation: Conversation) -> None:
        """Keep a terminal conversation among the closed, and tell of its end."""
        self.open.pop(conversation.id, None)
        self._disarm(conversation.id)
        self.lifetimes.pop(conversation.id, None)
        self.closed[conversation.id] = conversation
        if len(self.closed) > CLOSED_KEPT:
            self.closed.popitem(last=False)
        self._count(conversation, -1)
        view = self.view(conversation)
        ended = view.outcome or ""
        kernel = self.kernel
        kernel.counters.conversations_closed[conversation.protocol, ended] += 1
        columns: dict[str, str | int | None] = {
            "protocol": view.protocol, "state": view.state, "phase": view.phase, "created": conversation.opened_at,
        }  # fmt: skip
        kernel.journal.put_row(
            Row("conversations", conversation.id, columns, msgspec.json.encode(view))
        )
        self.publish(ConversationEnded(conversation.id, view.state, ended))
        for address in (conversation.initiator, *conversation.legs):
            if not self.per_agent[address]:
                party = kernel.directory.get(address)
                if party is None:
                    del self.per_agent[address]
                elif not party.open:
                    self.on_quiet(address)
        self.reports.pop(conversation.id, None)

    def _arm(self, conversation_id: str, due: int) -> None:
        self._disarm(conversation_id)
        ticket = self.timers.at(due + 1, lambda now: self._deadline(conversation_id, now))
        self.armed[conversation_id] = due, ticket

    def _disarm(self, conversation_id: str) -> None:
        armed = self.armed.pop(conversation_id, None)
        if armed is not None:
            self.timers.cancel(armed[1])

    def _deadline(self, conversation_id: str, now: int) -> None:
        """Fire what is due in one conversation; a deadline is passed one millisecond after it."""
        self.armed.pop(conversation_id, None)
        before = self.open.get(conversation_id)
        if before is None:
            return
        after = fire_timers(self.protocols[before.protocol], before, now=now)
        if after is not before:
            self.commit(after, before)
        elif before.next_deadline is not None:
            self._arm(conversation_id, before.next_deadline)

    def current(self, conversation_id: str) -> Conversation | None:
        """Return an open conversation, after firing what is due in it."""
        before, now = self.open.get(conversation_id), self.kernel.now
        if before is not None and (before.next_deadline or now) < now:
            after = fire_timers(self.protocols[before.protocol], before, now=now)
            if after is not before:
                self.commit(after, before)
        return self.open.get(conversation_id)

    def taken_part_in(self, address: str) -> list[Conversation]:
        """Return the open conversations in which a participant's leg is open; looks at all there are."""
        if not self.per_agent[address]:
            return []
        return [
            conversation for conversation in self.open.values()
            if address in conversation.legs and conversation.legs[address].state not in OUTCOMES
        ]  # fmt: skip

    def without(self, conversation: Conversation, missed: Iterable[str]) -> Conversation:
        """Return a conversation in which the legs of those that a message could not reach have failed."""
        protocol = self.protocols[conversation.protocol]
        for participant in missed:
            conversation = fail_leg(protocol, conversation, participant, now=self.kernel.now)
        return conversation

    def fail(self, conversation_id: str, participant: str, *, author: str) -> None:
        """Close a participant's leg because a message of the initiator to it could not be delivered or handled.

        One of any other `author` went to it only because the initiator wanted its answers there.
        """
        before = self.open.get(conversation_id)
        if before is None or participant not in before.legs or author != before.initiator:
            return
        after = fail_leg(self.protocols[before.protocol], before, participant, now=self.kernel.now)
        if after is not before:
            self.commit(after, before)

    def answer(self, message: FipaMessage) -> bool:
        """Make the move that an agent of the platform makes with its answer; tell whether it was legal."""
        before = self.open.get(message.conversation_id)
        if before is None or message.sender not in before.legs:
            return False
        verdict = admit(
            self.protocols[before.protocol], before, performative=message.performative, sender=message.sender,
            message_id=message.id, in_reply_to=message.in_reply_to, now=self.kernel.now,
        )  # fmt: skip
        moved = verdict.conversation
        if moved is not None:
            self.commit(moved, before)
        return isinstance(verdict, Admission)

    def restore(self, conversation: Conversation) -> None:
        """Take a value from the journal, without judging or publishing anything.

        A conversation whose protocol no plugin brings any more can't go on: its later messages are refused.
        """
        if conversation.protocol not in self.protocols:
            _log.warning(
                "no plugin brings %s: conversation %s is not taken up",
                conversation.protocol,
                conversation.id,
            )
            return
        known = self.open.pop(conversation.id, None)
        if known is not None:
            self._count(known, -1)
        if conversation.open_legs:
            self.open[conversation.id] = conversation
            self._count(conversation, 1)
        else:
            self.closed[conversation.id] = conversation
            if len(self.closed) > CLOSED_KEPT:
                self.closed.popitem(last=False)

    def rearm(self) -> None:
        """Arm the deadline of every open conversation, after recovery."""
        for conversation in self.open.values():
            if conversation.next_deadline is not None:
                self._arm(conversation.id, conversation.next_deadline)

    def view(self, conversation: Conversation) -> ConversationView:
        """Show a conversation; reading the state counts as an arrival, so what is due fires first."""
        protocol = self.protocols[conversation.protocol]
        conversation = fire_timers(protocol, conversation, now=self.kernel.now)
        where: str
        how: str | None
        reporter = self.reports.get(conversation.id)
        if reporter is None:
            awarded = conversation.awarded
            report, said = Report(awarded[0] if awarded else None), _NOTHING_SAID
        else:
            report, said = reporter(conversation)
        if conversation.open_legs:
            where, how, coarse = state(protocol, conversation), None, "in-progress"
            legs = [
                LegView(
                    name,
                    leg_state(conversation, name),
                    leg_outcome(conversation, name),
                    said.get(name),
                )
                for name in conversation.legs
            ]
        else:
            where, how = ending(protocol, conversation)
            coarse = where
            legs = [
                LegView(name, "closed", leg.state, said.get(name))
                for name, leg in conversation.legs.items()
            ]
        return ConversationView(
            conversation.id, conversation.protocol, conversation.initiator, list(conversation.legs),
            where, coarse, how, report.winner, report.result, legs, conversation.messages,
            format_time(conversation.opened_at),
            None if conversation.expires_at is None else format_time(conversation.expires_at),
        )  # fmt: skip
