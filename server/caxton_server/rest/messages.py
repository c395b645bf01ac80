"""Messages: sent from outside as `api`, waited for, looked up with their history."""

from __future__ import annotations

from typing import Any

import msgspec
from caxton_core.errors import FieldError
from caxton_core.messages import Draft
from caxton_core.units import Duration
from returns.result import Failure, Result, Success

from caxton_server.rest import acl
from caxton_server.rest.calls import MESSAGE_LIMIT, Answer, Body, Call, NoQuery, Reply
from caxton_server.rest.problems import InvalidRequest, SenderNotAllowed
from caxton_server.rest.queries import PageQuery, Text, open_cursor, seal_page
from caxton_server.rest.waits import until_stopped

LIST = "messages"
LONGEST_WAIT = Duration(300_000)
BODY = Body(media={"application/json": Draft, acl.MEDIA_TYPE: bytes}, limit=MESSAGE_LIMIT)


class SendQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether to wait for the reply, and how long (`5s`, `250ms`)."""

    wait: Text | None = None


class MessagesQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which messages are wanted: those of a conversation, those of an agent."""

    conversation_id: Text | None = None
    agent: Text | None = None


class _Signed(msgspec.Struct):
    """The one field of a message that its author may not set here."""

    sender: Any = msgspec.UNSET


_signed = msgspec.json.Decoder(_Signed).decode


async def send(call: Call[SendQuery]) -> Reply:
    """Send one ACL message, in JSON or in string form; with `wait`, answer with the reply to it."""
    api, body = f"api@{call.node.platform}", call.body
    if call.request.content_type == acl.MEDIA_TYPE:
        translated = await acl.as_json(body, api)
        if isinstance(translated, Failure):
            return translated
        body = translated.unwrap()
    if _is_signed(body):
        return Failure(SenderNotAllowed(api))
    if call.query.wait is None:
        accepted = call.answers(lambda view: Answer(view, status=202))
        return (await call.node.send(body, claim=call.claim)).map(accepted)
    seconds = parse_wait(call.query.wait)
    if isinstance(seconds, Failure):
        return seconds
    replied = call.answers(Answer)
    asked = call.node.request(body, wait=seconds.unwrap(), claim=call.claim)
    return (await until_stopped(call.edge, asked, "reply")).map(replied)


async def index(call: Call[MessagesQuery]) -> Reply:
    """List stored messages."""
    query = call.query
    position = open_cursor(LIST, query.cursor, number=True)
    if isinstance(position, Failure):
        return position
    found = await call.node.messages(
        conversation_id=query.conversation_id,
        agent=query.agent,
        limit=query.limit,
        cursor=position.unwrap(),
    )
    return found.map(lambda page: Answer(seal_page(LIST, page)))


async def show(call: Call[NoQuery]) -> Reply:
    """Show one message with its delivery history."""
    return (await call.node.message(call.ref)).map(Answer)


def parse_wait(text: str) -> Result[float, InvalidRequest]:
    """Return the seconds a client wants to wait.

    >>> parse_wait("250ms")
    <Success: 0.25>
    """
    duration = Duration.parse(text)
    if isinstance(duration, Success) and 0 < duration.unwrap() <= LONGEST_WAIT:
        return duration.map(Duration.seconds)
    longest = Duration.format(LONGEST_WAIT)
    wrong = FieldError("?wait", f"expected a duration up to {longest}, such as 5s or 250ms")
    return Failure(InvalidRequest("The query string is not valid.", (wrong,)))


def _is_signed(data: bytes) -> bool:
    """Tell whether a body names a sender; what is no message at all is the node's to refuse."""
    try:
        return _signed(data).sender is not msgspec.UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
