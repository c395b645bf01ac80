"""The server's part in one conversation that it has opened: it asks the protocol's decider, and does what that says.

Rules:
- The decider is asked after every move, one turn later, so that all that came in one turn is one question.
- What was said is kept as deciders need it: contents only of the latest message of each act of each party.
- A message that can't be delivered now is tried again for some seconds; then, or if it never can be, the leg of its
  receiver fails and the decider is asked again. A decider that errs ends the conversation: nothing hangs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from caxton_core.conversations import Conversation, Protocol
from caxton_core.conversations_values import OUTCOMES
from caxton_core.errors import MailboxFull, NotAdmitted, RateLimited
from caxton_core.initiators import ConversationSpec, Report, content_of, report_of
from caxton_core.messages import Draft, FipaMessage, Performative
from returns.result import Result, Success

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.messages import SendError
    from caxton_server.runtime.timers import Timers

_log = logging.getLogger(__name__)

RETRY_MS: Final = (100, 200, 400, 800, 1600)
"""The waits between tries to deliver one message; after the last its receiver counts as lost."""
CONGESTED_MS: Final = 50
BURST: Final = 50
"""Messages in one turn; the rest goes out in the next one, so that other agents have theirs."""
MOST_SAID: Final = 1024 * 1024
"""Bytes of what participants said that a report holds; the rest is in the messages."""


class Initiator:
    """One conversation the server has opened."""

    def __init__(
        self,
        conversation_id: str,
        protocol: Protocol,
        spec: ConversationSpec,
        kernel: Kernel,
        conversations: Conversations,
        timers: Timers,
        send: Callable[[Draft], Result[FipaMessage, SendError]],
    ) -> None:
        self.id, self.protocol, self.spec, self.kernel = conversation_id, protocol, spec, kernel
        self.conversations, self.timers, self.send = conversations, timers, send
        self.decide = None if protocol.initiative is None else protocol.initiative.decide
        self.lines: dict[int, FipaMessage] = {}
        self._count = 0
        self._latest: dict[tuple[str, Performative], int] = {}
        self._look: tuple[int, int] | None = None
        self._asking = self._moved = False
        self._held: dict[tuple[str, ...], tuple[int, int]] = {}

    # What was said

    def note(self, message: FipaMessage) -> None:
        """Take note of what a participant or the server said."""
        key = message.sender, message.performative
        before = self._latest.get(key)
        if before is not None:
            if self.decide is None:
                del self.lines[before]
            else:
                self.lines[before] = msgspec.structs.replace(
                    self.lines[before], content=msgspec.UNSET
                )
        self._count += 1
        self._latest[key] = self._count
        self.lines[self._count] = (
            message if message.extras is None else msgspec.structs.replace(message, extras=None)
        )

    def report(self, conversation: Conversation) -> tuple[Report, Mapping[str, Any]]:
        """Say what came of the conversation, and what each participant said last besides that it will do it."""
        transcript = tuple(self.lines.values())
        try:
            report = report_of(self.protocol, conversation, transcript, self.spec)
        except Exception:  # noqa: BLE001 - a plugin's code: its error must not end the node that shows it
            _log.exception("the report of %s failed", self.protocol.name)
            report = Report()
        said: dict[str, Any] = {}
        for (sender, act), line in sorted(self._latest.items(), key=lambda entry: entry[1]):
            if sender in conversation.legs and act is not Performative.AGREE:
                said[sender] = content_of(self.lines[line])
        room = MOST_SAID
        for name, content in said.items():
            room -= 0 if content is None else len(msgspec.json.encode(content))
            if room < 0:
                said[name] = None
        return report, said

    # What is said next

    def moved(self, conversation: Conversation) -> None:
        """Ask the decider soon, but not now: this is called while the conversation's new value is being committed."""
        if self._asking:
            self._moved = True
        elif self.decide is not None and conversation.open_legs:
            self._look_at(self.kernel.now)

    def stop(self) -> None:
        """Ask no more."""
        if self._look is not None:
            self.timers.cancel(self._look[1])
            self._look = None

    def _look_at(self, due: int) -> None:
        if self._look is not None:
            if self._look[0] <= due:
                return
            self.timers.cancel(self._look[1])
        self._look = due, self.timers.at(due, self._ask)

    def _ask(self, now: int) -> None:
        """Ask the decider what to say, and say it."""
        self._look = None
        conversation = self.conversations.open.get(self.id)
        if conversation is None or self.decide is None:
            return
        if self.kernel.journal.commits.congested:
            self._look_at(now + CONGESTED_MS)
            return
        try:
            decision = self.decide(conversation, tuple(self.lines.values()), self.spec, now)
        except Exception:  # noqa: BLE001 - a plugin's code: its error ends this conversation, not the node
            _log.exception("the decider of %s failed", self.protocol.name)
            self._give_up()
            return
        self._asking, self._moved = True, False
        said = 0
        for draft in decision.messages[:BURST]:
            if not self._say(draft, now):
                break
            said += 1
        self._asking = False
        if self._moved:
            self._look_at(now + 1 if said == BURST else now)
        if decision.look_again is not None:
            self._look_at(max(now + 1, decision.look_again))

    def _say(self, draft: Draft, now: int) -> bool:
        """Send a message; tell whether what comes after it may be said too."""
        receivers = _named(draft)
        tries, again = self._held.get(receivers, (0, 0))
        goes_on = draft.performative is Performative.REJECT_PROPOSAL
        if again > now:
            self._look_at(again)
            return goes_on
        draft.conversation_id = self.id
        before = self.conversations.open.get(self.id)
        sent = self.send(draft)
        if isinstance(sent, Success):
            self._held.pop(receivers, None)
            return True
        error = sent.failure()
        if isinstance(error, MailboxFull | RateLimited) and tries < len(RETRY_MS):
            again = now + RETRY_MS[tries]
            self._held[receivers] = tries + 1, again
            self._look_at(again)
            return goes_on
        if not isinstance(error, NotAdmitted):
            _log.warning(
                "conversation %s: %s is given up: %s", self.id, ", ".join(receivers), error
            )
            self._held.pop(receivers, None)
            for name in receivers:
                self.conversations.fail(self.id, name, author=self.kernel.api.address)
        elif self.conversations.open.get(self.id) is before:
            _log.error(
                "conversation %s: %s may not %s: %s",
                self.id, self.protocol.name, draft.performative, error,
            )  # fmt: skip
            self._give_up()
            return False
        # What it was decided upon has changed.
        self._look_at(now)
        return False

    def _give_up(self) -> None:
        """End the conversation: nobody knows how to go on with it."""
        conversation = self.conversations.open.get(self.id)
        if conversation is not None:
            for name, leg in conversation.legs.items():
                if leg.state not in OUTCOMES:
                    self.conversations.fail(self.id, name, author=self.kernel.api.address)


def _named(draft: Draft) -> tuple[str, ...]:
    named = draft.receiver or ()
    return (named,) if isinstance(named, str) else tuple(named)
