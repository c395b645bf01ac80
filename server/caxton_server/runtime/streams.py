"""Streams: the messages of one conversation, yielded as they become durable, until it ends.

Rules:
- What is yielded is read back from the journal: it is durable, and a slow reader costs no memory.
- A reader is woken by the moves of the conversation; the serial of a message is where a later stream goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from caxton_core.messages import decode
from caxton_core.views import MessageView

from caxton_server.runtime.ams import document
from caxton_server.runtime.kernel import listen, unlisten

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation

    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.histories import Histories


async def follow(
    conversation_id: str, after: int, conversations: Conversations, histories: Histories
) -> AsyncIterator[tuple[int, MessageView]]:
    """Yield the messages behind one, each with its serial; ends with the conversation."""
    moves = asyncio.Event()

    def moved(_conversation: Conversation) -> None:
        moves.set()

    listen(conversations.listeners, conversation_id, moved)
    try:
        group = 0
        while True:
            moves.clear()
            ended = conversation_id not in conversations.open
            more = True
            while more:
                found, group, more = await histories.since(conversation_id, group, after)
                for sent, entry in found:
                    after = max(after, sent.serial)
                    yield sent.serial, MessageView(document(decode(sent.wire)), [entry])
            if ended:
                return
            await moves.wait()
    finally:
        unlisten(conversations.listeners, conversation_id, moved)
