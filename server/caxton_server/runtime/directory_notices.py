"""What the AMS and the DF say: their answers, and what the DF tells its subscribers.

Rules:
- What they say in a conversation is a move like anybody's: what is not legal any more is not said.
- A subscription ends with its leg, when its subscriber is gone, and when it can't be told; then its leg fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from caxton_core.conversations import OUTCOMES, Conversation
from caxton_core.directory import ONTOLOGY
from caxton_core.directory_answers import set_text
from caxton_core.messages import FipaMessage, Performative

from caxton_server.runtime.cells import Cell
from caxton_server.runtime.directory_searches import room_for
from caxton_server.runtime.directory_subscriptions import News, Subscriptions
from caxton_server.runtime.kernel import PlatformAgent
from caxton_server.runtime.records import (
    DirectoryChange,
    Sent,
    Served,
    Settled,
    Subscribed,
    Told,
    Unsubscribed,
)

if TYPE_CHECKING:
    from caxton_server.runtime.ams import Ams
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel

WRITE: Final = 25
"""What it takes to say something, in units of about two microseconds."""


class Notices:
    """The voice of the directory."""

    def __init__(
        self,
        kernel: Kernel,
        conversations: Conversations,
        ams: Ams,
        subscriptions: Subscriptions,
    ) -> None:
        self.kernel, self.conversations, self.ams = kernel, conversations, ams
        self.subscriptions = subscriptions
        self.before_settling: Callable[[], None] = lambda: None

    def record(
        self, asked: int, changes: tuple[DirectoryChange, ...], sent: tuple[Sent, ...]
    ) -> None:
        """Append the record of one step."""
        self.kernel.journal.append(Served(self.kernel.now, asked, changes, sent))

    def addressee(
        self, asker: Cell | PlatformAgent, reply_to: str | list[str] | None
    ) -> Cell | PlatformAgent | None:
        """Return who gets the answers to an agent: who it names in reply-to, as far as it may address it; None is nobody.

        One at most: an answer must not become many.
        """
        if not reply_to:
            return asker
        names = [reply_to] if isinstance(reply_to, str) else reply_to
        to = self.kernel.find(names[0]) if len(names) == 1 else None
        if type(to) is Cell and type(asker) is Cell and to is not asker:
            return to if asker.may_address(to, None) else None
        return to

    def answer(
        self, service: PlatformAgent, to: Cell | PlatformAgent, asked: FipaMessage, act: Performative,
        content: str | None = None,
    ) -> tuple[Sent, ...]:  # fmt: skip
        """Answer a message."""
        said = self._say(
            service, to, act, content, asked.conversation_id, asked.protocol,
            asked.reply_with or asked.id, asked.language, asked.traceparent,
        )  # fmt: skip
        return () if said is None else said

    def _say(
        self, service: PlatformAgent, to: Cell | PlatformAgent, act: Performative, content: str | None,
        conversation_id: str, protocol: str | None, in_reply_to: str, language: str | None, traceparent: str | None,
    ) -> tuple[Sent, ...] | None:  # fmt: skip
        """Make the move that a message is and deliver it; None when it is not legal any more."""
        kernel = self.kernel
        language = None if content is None else language or "fipa-sl0"
        message = FipaMessage(
            act, service.address, to.address, msgspec.UNSET if content is None else content, conversation_id,
            kernel.uuids.next(kernel.now), kernel.stamp, traceparent, language,
            ontology=None if content is None else ONTOLOGY, protocol=protocol, in_reply_to=in_reply_to,
        )  # fmt: skip
        if protocol is not None and not self.conversations.answer(message):
            return None
        sent = self.ams.post(to, message)
        return () if sent is None else (sent,)

    # Subscribers

    def tell(self) -> int:
        """Tell the next subscriber what has changed for it; return the work that took."""
        news = self.subscriptions.next()
        if not isinstance(news, News):
            self.before_settling()
            self.subscriptions.settle(news)
            self.record(0, (Settled(news),), ())
            return 1
        cost = self.subscriptions.cost
        if news.texts:
            cost += self._inform(news) * WRITE
        return cost

    def _inform(self, news: News) -> int:
        """Tell one subscriber, in as many messages as it takes; who can't be told is no subscriber any more."""
        saved, kernel = news.subscription.saved, self.kernel
        asker = kernel.find(saved.subscriber)
        to = None if asker is None else self.addressee(asker, saved.reply_to)
        if to is None:
            self.end(saved.conversation, saved.subscriber)
            return 0
        sent: tuple[Sent, ...] = ()
        for texts in split(news.texts, room_for(to, len(saved.expression))):
            said = self._say(
                kernel.df, to, Performative.INFORM, f"((= {saved.expression} {set_text(texts)}))",
                saved.conversation, "fipa-subscribe", saved.token, saved.language, saved.traceparent,
            )  # fmt: skip
            if said is None:
                sent += self._give_up(saved, to)
            if not said:
                self.record(0, (), sent)
                self.end(saved.conversation, saved.subscriber)
                return len(sent) + 1
            sent += said
        self.subscriptions.told(saved.conversation, news.number)
        self.record(0, (Told(saved.conversation, news.number),), sent)
        return len(sent)

    def _give_up(self, saved: Subscribed, to: Cell | PlatformAgent) -> tuple[Sent, ...]:
        """Say that a conversation takes no more notices."""
        content = {"reason": "undeliverable", "detail": "the conversation takes no more of them"}
        message = self.ams.message(
            to, Performative.FAILURE, content, conversation_id=saved.conversation,
            protocol="fipa-subscribe", in_reply_to=saved.token,
        )  # fmt: skip
        sent = self.ams.post(to, message)
        return () if sent is None else (sent,)

    def end(self, conversation_id: str, subscriber: str) -> None:
        """End a subscription that can't go on, or can't begin."""
        self.conversations.fail(conversation_id, self.kernel.df.address, author=subscriber)
        self._drop(conversation_id)

    def gone(self, address: str) -> None:
        """End the subscriptions of an agent that is gone."""
        if not self.subscriptions.per_agent.get(address):
            return
        for conversation_id, subscription in tuple(self.subscriptions.by_conversation.items()):
            if subscription.saved.subscriber == address:
                self.end(conversation_id, address)

    def watch(self, conversation_id: str) -> None:
        """End a subscription when its conversation does."""
        self.conversations.listeners.setdefault(conversation_id, []).append(self._moved)

    def _moved(self, conversation: Conversation) -> None:
        leg = conversation.legs.get(self.kernel.df.address)
        if leg is None or leg.state in OUTCOMES:
            self._drop(conversation.id)

    def _drop(self, conversation_id: str) -> None:
        if conversation_id not in self.subscriptions.by_conversation:
            return
        self.subscriptions.remove(conversation_id)
        listeners = self.conversations.listeners.get(conversation_id)
        if listeners is not None and self._moved in listeners:
            listeners.remove(self._moved)
            if not listeners:
                del self.conversations.listeners[conversation_id]
        self.record(0, (Unsubscribed(conversation_id),), ())

    def resume(self) -> None:
        """Watch the conversations of all subscriptions again, after recovery."""
        for conversation_id in tuple(self.subscriptions.by_conversation):
            conversation = self.conversations.open.get(conversation_id)
            if conversation is None:
                self._drop(conversation_id)
            else:
                self.watch(conversation_id)
                self._moved(conversation)


def split(texts: list[str], room: int) -> list[list[str]]:
    """Divide terms among messages that their receiver can take; one that is too large goes alone."""
    parts: list[list[str]] = []
    left = -1
    for text in texts:
        size = len(msgspec.json.encode(text))
        if size > left:
            parts.append([])
            left = room
        parts[-1].append(text)
        left -= size
    return parts
