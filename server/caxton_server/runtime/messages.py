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
from caxton_core.views import AcceptedView, ExchangeView
from returns.result import Failure, Result, Success

from caxton_server.runtime.ams import document
from caxton_server.runtime.kernel import listen as add_listener
from caxton_server.runtime.kernel import unlisten
from caxton_server.runtime.verdicts import Refused

if TYPE_CHECKING:
    from caxton_server.runtime.client_ids import ClientIds
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.histories import Histories
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.router import Router

SendError: TypeAlias = (
    AgentNotFound | Conflict | Forbidden | InvalidMessage | InvalidTransition | MailboxFull | NotAdmitted
    | PayloadTooLarge | RateLimited | StorageFull | StorageUnavailable | Timeout | UnknownProtocol
)  # fmt: skip


class Known(msgspec.Struct, frozen=True):
    """What is remembered of a message whose id its client chose."""

    digest: str
    answer: AcceptedView


class Messages:
    """The API agent's side of the router."""

    def __init__(
        self,
        kernel: Kernel,
        router: Router,
        performer: Performer,
        histories: Histories,
        ids: ClientIds,
    ) -> None:
        self.kernel, self.router, self.performer = kernel, router, performer
        self.histories, self.ids = histories, ids
        self.storage = kernel.journal.storage
        self.said: dict[str, Callable[[FipaMessage], None]] = {}
        """Who is told of what the API agent has said in a conversation."""

    async def send(
        self, body: bytes, *, claim: Claim | None = None
    ) -> Result[AcceptedView, SendError]:
        """Route a message from the API and acknowledge it once it is durable."""
        draft = await self._parse(body)
        if isinstance(draft, Failure):
            return Failure(draft.failure())
        known = await self._known(draft.unwrap(), body)
        if known is not None:
            if claim is not None and isinstance(known, Success):
                claim.settle(known.unwrap())
                await self.kernel.journal.wait(self.kernel.journal.position)
            return known
        settle = None if claim is None else claim.settle
        return (await self._routed(draft.unwrap(), body, settle)).map(lambda routed: routed[0])

    async def request(
        self, body: bytes, *, wait: float, claim: Claim | None = None
    ) -> Result[ExchangeView, SendError]:
        """Route a message and wait for the first reply in its conversation that is no `agree`."""
        if claim is not None and claim.reference:
            asked = msgspec.json.decode(claim.reference, type=AcceptedView)
            return await self._answered(asked, wait, claim)
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
            return await self._answered(known.unwrap(), wait, claim)

        def refer(accepted: AcceptedView) -> None:
            if claim is not None:
                claim.refer(msgspec.json.encode(accepted).decode())

        with self._listening(draft.conversation_id) as reply:
            routed = await self._routed(draft, body, refer)
            if isinstance(routed, Failure):
                return Failure(routed.failure())
            try:
                answer = await asyncio.wait_for(reply, wait)
            except TimeoutError:
                return Failure(Timeout("reply", wait))
        exchange = ExchangeView(document(routed.unwrap()[1]), document(answer))
        return Success(await self._exchanged(exchange, claim))

    async def _exchanged(self, exchange: ExchangeView, claim: Claim | None) -> ExchangeView:
        """Return an exchange once the reply is durable, and the claim to it."""
        if claim is not None:
            claim.settle(exchange)
        await self.kernel.journal.wait(self.kernel.journal.position)
        return exchange

    async def _answered(
        self, asked: AcceptedView, wait: float, claim: Claim | None
    ) -> Result[ExchangeView, SendError]:
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
        return Success(await self._exchanged(ExchangeView(message, answer), claim))

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
        kept = await self.ids.find(draft.id)
        if kept is None:
            return None
        known = msgspec.json.decode(kept, type=Known)
        if known.digest != _digest(body):
            return Failure(Conflict(f"message {draft.id} was sent before with another body"))
        await self.kernel.journal.wait(self.kernel.journal.position)
        return Success(known.answer)

    async def _routed(
        self, draft: Draft, body: bytes, accept: Callable[[AcceptedView], None] | None
    ) -> Result[tuple[AcceptedView, FipaMessage], SendError]:
        """Route a message; what is to be kept of it, by its id and by `accept`, is kept in the same go."""
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
            known = Known(_digest(body), answer)
            self.ids.keep(draft.id, known.digest, msgspec.json.encode(known))
        if accept is not None:
            accept(answer)
        await journal.wait(journal.position)
        return Success((answer, message))

    def behind(self) -> StorageFull | StorageUnavailable | None:
        """Return why nothing new may begin: the last commit failed, or too much is uncommitted."""
        commits = self.kernel.journal.commits
        if commits.failing is None and not commits.congested:
            return None
        if isinstance(commits.failing, StorageFull):
            return commits.failing
        detail = getattr(commits.failing, "detail", "it is behind; retry in a second")
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
