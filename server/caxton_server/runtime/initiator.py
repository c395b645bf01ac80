"""The server's part in one conversation that it has opened: it picks the winner of a contract net.

Rules:
- A contract net is decided once every participant has answered, or its reply-by has passed.
- The winner is the proposal that the selection names; without a selection the first in order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.conversations import Conversation
from caxton_core.messages import Draft, FipaMessage, Performative
from caxton_core.selections import Selection, select

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.timers import Timers


class Initiator:
    """One conversation the server has opened."""

    def __init__(
        self,
        conversation_id: str,
        selection: Selection | None,
        kernel: Kernel,
        conversations: Conversations,
        timers: Timers,
        send: Callable[[Draft], object],
    ) -> None:
        self.id, self.selection, self.kernel = conversation_id, selection, kernel
        self.conversations, self.timers, self.send = conversations, timers, send
        self.proposals: list[FipaMessage] = []
        self.winner: str | None = None
        self.result: Any = None
        self.decided = False

    def heard(self, message: FipaMessage) -> None:
        """Take note of what a participant answered."""
        match message.performative:
            case Performative.PROPOSE if not self.decided:
                self.proposals.append(message)
            case Performative.INFORM | Performative.FAILURE:
                if self.winner is None or message.sender == self.winner:
                    self.result = content_of(message)
                    self.conversations.results[self.id] = (self.winner, self.result)
            case _:
                pass

    def moved(self, conversation: Conversation) -> None:
        """Decide a contract net when nobody is asked any more."""
        if (
            self.decided
            or not conversation.open_legs
            or conversation.protocol != "fipa-contract-net"
        ):
            return
        if any(leg.state == "awaiting-proposal" for leg in conversation.legs.values()):
            return
        self.decided = True
        # Not now: this is called while the conversation's new value is being committed.
        self.timers.at(self.kernel.now, lambda _now: self._award())

    def resume(self, conversation: Conversation) -> None:
        """Go on where the server was when the node ended; what was heard until then has been heard again."""
        if conversation.awarded:
            self.decided, self.winner = True, conversation.awarded[0]
            self.conversations.results[self.id] = (self.winner, self.result)
        self.moved(conversation)

    def _award(self) -> None:
        """Accept the best proposal that still stands and reject the others."""
        conversation = self.conversations.get(self.id)
        if conversation is None or not conversation.open_legs:
            return
        standing = [
            proposal for proposal in self.proposals
            if proposal.sender in conversation.legs and conversation.legs[proposal.sender].state == "proposed"
        ]  # fmt: skip
        if self.selection is not None:
            self.winner = select(
                self.selection, [(proposal.sender, content_of(proposal)) for proposal in standing]
            )
        elif standing:
            self.winner = standing[0].sender
        if self.winner is not None:
            self.conversations.results[self.id] = (self.winner, None)
        for proposal in standing:
            won = proposal.sender == self.winner
            self.send(
                Draft(
                    Performative.ACCEPT_PROPOSAL if won else Performative.REJECT_PROPOSAL,
                    receiver=proposal.sender, conversation_id=self.id,
                    content=content_of(proposal) if won else "not selected",
                    in_reply_to=proposal.reply_with or proposal.id,
                )
            )  # fmt: skip


def content_of(message: FipaMessage) -> Any:
    """Return a message's content, None when it has none."""
    return None if message.content is msgspec.UNSET else message.content
