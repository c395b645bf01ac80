"""Histories: what the journal tells of messages, found through its index.

Rules:
- A read sees everything acknowledged before it; it runs in a thread, on groups already committed.
- A page of messages is in the order in which they were sent; its cursor is the serial of the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.errors import AgentNotFound, NotFound
from caxton_core.messages import FipaMessage, decode
from caxton_core.times import format_time
from caxton_core.views import HistoryEntry, MessageView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime.ams import document
from caxton_server.runtime.records import Cleared, Missed, Record, Routed, Sent, Served, Step

if TYPE_CHECKING:
    from caxton_server.runtime.kernel import Kernel

EXCHANGE_MESSAGES = 10_000
SOME_MESSAGES, SOME_BYTES = 500, 4 * 1024 * 1024
"""How much of a conversation is read at a time: a group more at most."""
UUID_SLACK_MS = 5_000
"""How far a message id's time may be from its group's: a step keeps its clock while it is suspended."""


class Histories:
    """Reads messages back."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.journal, self.reader = kernel.journal, kernel.journal.reader

    async def messages(
        self, *, conversation_id: str | None, agent: str | None, limit: int, cursor: str | None
    ) -> Result[Page[MessageView], AgentNotFound]:
        """Return a page of messages of a conversation, of an agent, or of both; of all when neither is given."""
        handle = 0
        if agent is not None:
            found = self.kernel.find(agent)
            if found is None:
                return Failure(AgentNotFound(agent))
            handle = int(found.handle)
        await self.journal.readable()
        after = int(cursor) if cursor is not None else 0
        entries = await asyncio.to_thread(self._page, conversation_id, handle, after, limit + 1)
        views = [self._view(sent, history) for sent, history in entries[:limit]]
        return Success(
            Page(views, str(entries[limit - 1][0].serial) if len(entries) > limit else None)
        )

    async def message(self, message_id: str) -> Result[MessageView, NotFound]:
        """Return one message with its delivery history."""
        await self.journal.readable()
        entry = await asyncio.to_thread(self._one, message_id)
        return (
            Failure(NotFound("message", message_id))
            if entry is None
            else Success(self._view(*entry))
        )

    async def exchange(
        self, conversation_id: str, message_id: str
    ) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
        """Return a message and the first reply to the API behind it that is no `agree`; None when it is not kept."""
        await self.journal.readable()
        entries = await asyncio.to_thread(self._page, conversation_id, 0, 0, EXCHANGE_MESSAGES)
        messages = [document(decode(sent.wire)) for sent, _ in entries]
        ids = [message["id"] for message in messages]
        if message_id not in ids:
            return None
        position = ids.index(message_id)
        replies = (
            message
            for message in messages[position + 1 :]
            if message["receiver"] == self.kernel.api.address and message["performative"] != "agree"
        )
        return messages[position], next(replies, None)

    async def origin(
        self, conversation_id: str, message_id: str
    ) -> tuple[FipaMessage | None, bool]:
        """Return a message as it was sent, None when it is not kept; and whether it was the first of its conversation."""
        await self.journal.readable()
        return await asyncio.to_thread(self._origin, conversation_id, message_id)

    def _origin(self, conversation_id: str, message_id: str) -> tuple[FipaMessage | None, bool]:
        entry = self._in_conversation(conversation_id, message_id)
        if entry is None:
            return None, False
        first = self.reader.find(conversation_id)[:1]
        for batch in self.reader.batches(first, holding=conversation_id.encode()):
            for record in batch.records:
                for sent in _sent(record):
                    if sent.conversation == conversation_id:
                        return decode(entry[0].wire), sent.message == message_id
        return decode(entry[0].wire), False

    async def since(
        self, conversation_id: str, group: int, serial: int
    ) -> tuple[list[tuple[Sent, HistoryEntry]], int, bool]:
        """Return some of the durable messages of a conversation in order, the group to go on with, and whether there are more.

        Args:
            group: the first group of the journal to look into.
            serial: only messages behind this one are wanted.
        """
        await self.journal.readable()
        return await asyncio.to_thread(self._since, conversation_id, group, serial)

    def _since(
        self, conversation_id: str, group: int, serial: int
    ) -> tuple[list[tuple[Sent, HistoryEntry]], int, bool]:
        numbers = [number for number in self.reader.find(conversation_id) if number >= group]
        holding = conversation_id.encode() if conversation_id.isascii() else b""
        found: list[tuple[Sent, HistoryEntry]] = []
        for number in numbers:
            for batch in self.reader.batches([number], holding=holding):
                known: dict[str, tuple[Sent, list[HistoryEntry]]] = {}
                for record in batch.records:
                    self._gather(record, known, conversation_id, 0, serial)
                found += [(sent, history[0]) for sent, history in known.values()]
            if (
                len(found) >= SOME_MESSAGES
                or sum(len(sent.wire) for sent, _ in found) >= SOME_BYTES
            ):
                return found, number + 1, True
        return found, numbers[-1] + 1 if numbers else group, False

    def _page(
        self, conversation_id: str | None, handle: int, after: int, limit: int
    ) -> list[tuple[Sent, list[HistoryEntry]]]:
        if conversation_id is not None:
            groups: list[int] | range = self.reader.find(conversation_id)
        elif handle:
            groups = self.reader.find(handle)
        else:
            last = self.reader.last_group()
            groups = range(max(self.journal.storage.first_group(), 1), last + 1)
        known: dict[str, tuple[Sent, list[HistoryEntry]]] = {}
        holding = (conversation_id or "").encode() if (conversation_id or "").isascii() else b""
        for batch in self.reader.batches(list(groups), holding=holding):
            for record in batch.records:
                self._gather(record, known, conversation_id, handle, after)
            if len(known) > limit and conversation_id is None:
                break
        entries = sorted(known.values(), key=lambda entry: entry[0].serial)
        return entries[:limit]

    def _gather(
        self,
        record: Record,
        known: dict[str, tuple[Sent, list[HistoryEntry]]],
        conversation_id: str | None,
        handle: int,
        after: int,
    ) -> None:
        author = record.agent if isinstance(record, Step) else 0
        for sent in _sent(record):
            if sent.serial <= after or (
                conversation_id is not None and sent.conversation != conversation_id
            ):
                continue
            if handle and handle != author and handle not in sent.to:
                continue
            known[sent.message] = (
                sent,
                [HistoryEntry("sent", format_time(record.time), self._name(author))],
            )
        if isinstance(record, Step):
            if record.message in known:
                known[record.message][1].append(self._handled(record))
        elif isinstance(record, Cleared):
            for bounced in record.bounced:
                if bounced.message in known:
                    known[bounced.message][1].append(
                        HistoryEntry(
                            "failed",
                            format_time(record.time),
                            self._name(record.agent),
                            record.detail,
                        )
                    )
        elif isinstance(record, Missed) and record.message in known:
            known[record.message][1].append(
                HistoryEntry("failed", format_time(record.time), record.receiver, record.detail)
            )

    def _one(self, message_id: str) -> tuple[Sent, list[HistoryEntry]] | None:
        """Find a message by the time in its id, and then its history through its conversation."""
        try:
            made = int(message_id.replace("-", "")[:12], 16)
        except ValueError:
            return None
        row = self.journal.storage.get("client_ids", message_id)
        if row is not None:
            answer = msgspec.json.decode(row.body)["answer"]
            return self._in_conversation(str(answer["conversation_id"]), message_id)
        for batch in self.reader.around(
            made - UUID_SLACK_MS, made + UUID_SLACK_MS, holding=message_id.encode()
        ):
            for record in batch.records:
                for sent in _sent(record):
                    if sent.message == message_id:
                        found = self._in_conversation(sent.conversation, message_id)
                        return found or (sent, [HistoryEntry("sent", format_time(record.time), "")])
        return None

    def _in_conversation(
        self, conversation_id: str, message_id: str
    ) -> tuple[Sent, list[HistoryEntry]] | None:
        known: dict[str, tuple[Sent, list[HistoryEntry]]] = {}
        for batch in self.reader.batches(
            self.reader.find(conversation_id), holding=message_id.encode()
        ):
            for record in batch.records:
                self._gather(record, known, conversation_id, 0, 0)
        return known.get(message_id)

    def _handled(self, record: Step) -> HistoryEntry:
        effects = record.effects
        event, detail = "handled", ""
        if effects is not None and effects.fault is not None:
            event, detail = (
                ("retried" if effects.retry else "failed"),
                f"{effects.fault}: {effects.detail}",
            )
        return HistoryEntry(event, format_time(record.time), self._name(record.agent), detail)

    def _name(self, handle: int) -> str:
        if not handle:
            return self.kernel.platform
        cell = self.kernel.cells.get(handle)
        return str(handle) if cell is None else cell.address

    @staticmethod
    def _view(sent: Sent, history: list[HistoryEntry]) -> MessageView:
        message: dict[str, Any] = document(decode(sent.wire))
        return MessageView(message, history)


def _sent(record: Record) -> Iterator[Sent]:
    """Yield what a record sent."""
    if isinstance(record, Step | Cleared | Served):
        yield from record.sent
    elif isinstance(record, Routed):
        yield record.sent
