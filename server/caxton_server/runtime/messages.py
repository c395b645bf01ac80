"""Messages from and for the API: sending, waiting for replies, and reading what the journal holds.

Rules:
- An acknowledgement leaves the node only when the message is as durable as it says.
- A message sent again under its id, with the same body, gets the first answer and is handled once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from caxton_core.errors import (
    AgentNotFound,
    Conflict,
    Forbidden,
    InvalidMessage,
    InvalidTransition,
    MailboxFull,
    NotAdmitted,
    PayloadTooLarge,
    RateLimited,
    StorageFull,
    StorageUnavailable,
    Timeout,
    UnknownProtocol,
)  # fmt: skip
from caxton_core.ids import ConversationId, MessageId
from caxton_core.messages import Draft, FipaMessage, Performative, parse_draft
from caxton_core.ports import Row
from caxton_core.views import AcceptedView, ExchangeView
from returns.result import Failure, Result, Success

from caxton_server.runtime.ams import document
from caxton_server.runtime.kernel import listen as add_listener
from caxton_server.runtime.kernel import unlisten
from caxton_server.runtime.verdicts import Refused

if TYPE_CHECKING:
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.histories import Histories
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.router import Router

SendError: TypeAlias = (
    AgentNotFound | Conflict | Forbidden | InvalidMessage | InvalidTransition | MailboxFull | NotAdmitted
    | PayloadTooLarge | RateLimited | StorageFull | StorageUnavailable | Timeout | UnknownProtocol
)  # fmt: skip


class ClientId(msgspec.Struct, frozen=True):
    """What is remembered of an id that a client chose."""

    digest: str
    answer: AcceptedView


class Messages:
    """The API agent's side of the router."""

    def __init__(
        self, kernel: Kernel, router: Router, performer: Performer, histories: Histories
    ) -> None:
        self.kernel, self.router, self.performer = kernel, router, performer
        self.histories = histories
        self.storage = kernel.journal.storage
        self.said: dict[str, Callable[[FipaMessage], None]] = {}
        """Who is told of what the API agent has said in a conversation."""
        self._recent: dict[str, ClientId] = {}

    async def send(self, body: bytes) -> Result[AcceptedView, SendError]:
        """Route a message from the API and acknowledge it once it is durable."""
        draft = await self._parse(body)
        if isinstance(draft, Failure):
            return Failure(draft.failure())
        known = await self._known(draft.unwrap(), body)
        if known is not None:
            return known
        return (await self._routed(draft.unwrap(), body)).map(lambda routed: routed[0])

    async def request(self, body: bytes, *, wait: float) -> Result[ExchangeView, SendError]:
        """Route a message and wait for the first reply in its conversation that is no `agree`."""
        parsed = await self._parse(body)
        if isinstance(parsed, Failure):
            return Failure(parsed.failure())
        draft = parsed.unwrap()
        if draft.conversation_id is None:
            draft.conversation_id = self.kernel.uuids.next(self.kernel.tick())
        known = await self._known(draft, body)
        if isinstance(known, Failure):
            return Failure(known.failure())
        if known is not None:
            return await self._answered(known.unwrap(), wait)
        with self._listening(draft.conversation_id) as reply:
            routed = await self._routed(draft, body)
            if isinstance(routed, Failure):
                return Failure(routed.failure())
            try:
                answer = await asyncio.wait_for(reply, wait)
            except TimeoutError:
                return Failure(Timeout("reply", wait))
        await self.kernel.journal.wait(self.kernel.journal.position)
        return Success(ExchangeView(document(routed.unwrap()[1]), document(answer)))

    async def _answered(self, asked: AcceptedView, wait: float) -> Result[ExchangeView, SendError]:
        """Find or await the reply to a message that was sent before."""
        with self._listening(asked.conversation_id) as reply:
            found = await self.histories.exchange(asked.conversation_id, asked.id)
            if found is None:
                return Failure(Conflict(f"message {asked.id} is not kept any more"))
            message, answer = found
            if answer is None:
                try:
                    answer = document(await asyncio.wait_for(reply, wait))
                except TimeoutError:
                    return Failure(Timeout("reply", wait))
                await self.kernel.journal.wait(self.kernel.journal.position)
        return Success(ExchangeView(message, answer))

    @contextlib.contextmanager
    def _listening(self, conversation_id: str) -> Iterator[asyncio.Future[FipaMessage]]:
        """Listen for the first message to the API in a conversation that is no `agree`."""
        reply: asyncio.Future[FipaMessage] = asyncio.get_running_loop().create_future()

        def listen(message: FipaMessage) -> None:
            if message.performative is not Performative.AGREE and not reply.done():
                reply.set_result(message)

        listeners = self.kernel.listeners
        add_listener(listeners, conversation_id, listen)
        try:
            yield reply
        finally:
            unlisten(listeners, conversation_id, listen)

    # Parsing and routing

    async def _parse(self, body: bytes) -> Result[Draft, SendError]:
        draft = parse_draft(body, "json")
        if isinstance(draft, InvalidMessage):
            return Failure(draft)
        if draft.sender is not None:
            return Failure(InvalidMessage("the server sets the sender - at `$.sender`"))
        if draft.conversation_id is not None:
            checked = ConversationId.parse(draft.conversation_id)
            if isinstance(checked, Failure):
                return Failure(InvalidMessage(f"{checked.failure()} - at `$.conversation_id`"))
        if draft.id is not None:
            message_id = MessageId.parse(draft.id)
            if isinstance(message_id, Failure):
                return Failure(InvalidMessage(f"{message_id.failure()} - at `$.id`"))
            draft.id = message_id.unwrap()
        return Success(draft)

    async def _known(self, draft: Draft, body: bytes) -> Result[AcceptedView, SendError] | None:
        """Return the answer to an id that was used before."""
        if draft.id is None:
            return None
        known = self._recent.get(draft.id)
        if known is None:
            row = await asyncio.to_thread(self.storage.get, "client_ids", draft.id)
            known = self._recent.get(draft.id)
            if known is None and row is not None:
                known = msgspec.json.decode(row.body, type=ClientId)
        if known is None:
            return None
        if known.digest != _digest(body):
            return Failure(Conflict(f"message {draft.id} was sent before with another body"))
        await self.kernel.journal.wait(self.kernel.journal.position)
        return Success(known.answer)

    async def _routed(
        self, draft: Draft, body: bytes
    ) -> Result[tuple[AcceptedView, FipaMessage], SendError]:
        journal = self.kernel.journal
        behind = self.behind()
        if behind is not None:
            return Failure(behind)
        routed = self.route(draft)
        if isinstance(routed, Failure):
            return Failure(routed.failure())
        message = routed.unwrap()
        answer = AcceptedView(message.id, message.conversation_id, self.storage.durability)
        if draft.id is not None:
            known = ClientId(_digest(body), answer)
            self._recent[draft.id] = known
            if len(self._recent) > 10_000:
                del self._recent[next(iter(self._recent))]
            columns: dict[str, str | int | None] = {
                "digest": known.digest,
                "created": self.kernel.now,
            }
            journal.put_row(Row("client_ids", draft.id, columns, msgspec.json.encode(known)))
        await journal.wait(journal.position)
        return Success((answer, message))

    def behind(self) -> StorageFull | StorageUnavailable | None:
        """Return why nothing new may begin: the last commit failed, or too much is uncommitted."""
        journal = self.kernel.journal
        if journal.failing is None and not journal.congested:
            return None
        if isinstance(journal.failing, StorageFull):
            return journal.failing
        detail = getattr(journal.failing, "detail", "it is behind; retry in a second")
        return StorageUnavailable(detail.rstrip("."))

    def route(self, draft: Draft) -> Result[FipaMessage, SendError]:
        """Judge and deliver a message of the API agent, in one go."""
        kernel = self.kernel
        kernel.tick()
        planned = self.router.plan(kernel.api, draft)
        if isinstance(planned, Refused):
            kernel.count_refusal(kernel.api, planned, draft.performative)
            return Failure(error_of(planned))
        # Before it may end the conversation, whose report is made then.
        told = self.said.get(planned.message.conversation_id)
        if told is not None:
            told(planned.message)
        self.performer.dispatch(planned)
        return Success(planned.message)


def error_of(refused: Refused) -> Any:
    """Return the error that a refusal is outside."""
    if refused.admission:
        if refused.reason == "unknown-protocol":
            return UnknownProtocol(refused.receiver)
        return NotAdmitted(refused.reason, refused.detail)
    match refused.reason:
        case "agent_not_found":
            return AgentNotFound(refused.receiver)
        case "mailbox_full":
            return MailboxFull(refused.receiver)
        case "not_running":
            return Conflict(refused.detail)
        case "forbidden":
            return Forbidden(refused.detail)
        case "payload_too_large":
            return PayloadTooLarge("message", refused.size, refused.limit)
        case "rate_limited":
            return RateLimited(1.0)
        case _:
            return InvalidMessage(refused.detail)


def _digest(body: bytes) -> str:
    """Return a digest of a body that does not depend on white space or the order of keys."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(canonical).hexdigest()
