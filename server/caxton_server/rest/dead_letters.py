"""Dead letters: listed, sent again, removed."""

from __future__ import annotations

from returns.result import Failure, Success

from caxton_server.rest.calls import Answer, Call, NoQuery, Reply
from caxton_server.rest.queries import PageQuery, open_cursor, seal_page

LIST = "dead-letters"


async def index(call: Call[PageQuery]) -> Reply:
    """List dead letters."""
    position = open_cursor(LIST, call.query.cursor)
    if isinstance(position, Failure):
        return position
    found = await call.node.dead_letters(limit=call.query.limit, cursor=position.unwrap())
    return Success(Answer(seal_page(LIST, found)))


async def redrive(call: Call[NoQuery]) -> Reply:
    """Send a dead letter again; an opener gets a new conversation."""
    sent = call.answers(lambda view: Answer(view, status=202))
    return (await call.node.redrive(call.ref, claim=call.claim)).map(sent)


async def remove(call: Call[NoQuery]) -> Reply:
    """Remove a dead letter."""
    return (await call.node.remove_dead_letter(call.ref)).map(lambda _: Answer(status=204))
