"""Conversations: opened by the server as initiator, listed, looked into, cancelled."""

from __future__ import annotations

from caxton_core.errors import FieldError
from caxton_core.initiators import ConversationSpec
from returns.result import Failure, Success

from caxton_server.rest import bodies, messages, streams
from caxton_server.rest.calls import BASE, MESSAGE_LIMIT, Answer, Body, Call, NoQuery, Reply
from caxton_server.rest.problems import InvalidRequest
from caxton_server.rest.queries import PageQuery, Text, open_cursor, seal_page
from caxton_server.rest.waits import until_stopped

LIST = "conversations"


BODY = Body(media={"application/json": ConversationSpec}, limit=MESSAGE_LIMIT)


class ConversationsQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which conversations are wanted: in this state, of this protocol."""

    state: Text | None = None
    protocol: Text | None = None


class ConversationMessagesQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of the list is wanted, or whether to go on as messages are sent."""

    follow: bool = False


async def create(call: Call[NoQuery]) -> Reply:
    """Open a conversation with the server as its initiator; with `wait`, answer when it has ended."""
    body = bodies.decode(call.body, ConversationSpec)
    if isinstance(body, Failure):
        return body
    spec = body.unwrap()
    if not spec.participants:
        wrong = FieldError("/participants", "at least one is needed")
        return Failure(InvalidRequest("The body is not valid.", (wrong,)))
    opened = call.answers(
        lambda view: Answer(
            view,
            status=201 if spec.wait is None else 200,
            headers={"Location": f"{BASE}/conversations/{view.id}"},
        )
    )
    begun = call.node.start_conversation(spec, claim=call.claim)
    if spec.wait is None:
        return (await begun).map(opened)
    return (await until_stopped(call.edge, begun, "end of the conversation")).map(opened)


async def index(call: Call[ConversationsQuery]) -> Reply:
    """List conversations."""
    query = call.query
    position = open_cursor(LIST, query.cursor)
    if isinstance(position, Failure):
        return position
    found = await call.node.conversations(
        state=query.state, protocol=query.protocol, limit=query.limit, cursor=position.unwrap()
    )
    return Success(Answer(seal_page(LIST, found)))


async def show(call: Call[NoQuery]) -> Reply:
    """Show one conversation with its legs."""
    return (await call.node.conversation(call.ref)).map(Answer)


async def cancel(call: Call[NoQuery]) -> Reply:
    """Ask the participants to end a conversation the server initiated."""
    cancelled = call.answers(Answer)
    return (await call.node.cancel_conversation(call.ref, claim=call.claim)).map(cancelled)


async def index_messages(call: Call[ConversationMessagesQuery]) -> Reply:
    """List the messages of one conversation, or follow them as server-sent events until it ends."""
    if call.query.follow:
        return await _follow(call)
    position = open_cursor(messages.LIST, call.query.cursor, number=True)
    if isinstance(position, Failure):
        return position
    known = await call.node.conversation(call.ref)
    if isinstance(known, Failure):
        return known
    found = await call.node.messages(
        conversation_id=call.ref, limit=call.query.limit, cursor=position.unwrap()
    )
    return found.map(lambda page: Answer(seal_page(messages.LIST, page)))


async def _follow(call: Call[ConversationMessagesQuery]) -> Reply:
    seen = streams.resume_point(call.request)
    if isinstance(seen, Failure):
        return seen
    known = await call.node.conversation(call.ref)
    if isinstance(known, Failure):
        return known
    return await streams.stream(
        call.edge,
        call.request,
        call.node.follow_messages(call.ref, after=seen.unwrap() or 0),
        lambda entry: streams.entry(entry[0], "message", entry[1]),
    )
