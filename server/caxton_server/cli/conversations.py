"""`caxton conversation`: start conversations with the server as initiator, watch and cancel them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from caxton_server.cli.connections import (
    answer,
    connected,
    cursor_option,
    json_option,
    limit_option,
    plain,
    retried,
)
from caxton_server.cli.durations import DURATION, NUMBER
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.messages import read_content
from caxton_server.cli.printing import as_json, clean, data, pairs, table, talk

if TYPE_CHECKING:
    from caxton_server.client import Client

_GRACE_SECONDS = 10.0


@click.group()
def conversation() -> None:
    """Start, watch and cancel conversations."""


@conversation.command()
@click.argument("participants", nargs=-1, required=True)
@click.option("--protocol", help="Interaction protocol; else it is the first argument.")
@click.option("--content", help="What it is about: JSON if it can be read so, else text.")
@click.option("--performative", help="The opening act, where the protocol has several.")
@click.option("--reply-by", help="When answers are due, e.g. +5s; the node has a default.")
@click.option("--select", help="Which proposal wins: min or max, and where its number is.")
@click.option("--winners", type=int, help="How many proposals are accepted at most.")
@click.option("--rounds", type=int, help="How many rounds there are at most.")
@click.option("--start-price", type=NUMBER, help="The first price of an auction.")
@click.option("--step", type=NUMBER, help="By how much prices or offers move.")
@click.option("--reserve", type=NUMBER, help="The lowest price an auction sells at.")
@click.option("--accept", help="Which offer is good enough: min:$.path:LIMIT or max:$.path:LIMIT.")
@click.option("--ttl", help="How long the conversation may take at most, e.g. 5m.")
@click.option("--wait", type=DURATION, help="Wait for its end, at most this long.")
@click.option("--follow", is_flag=True, help="Print every message until its end; Ctrl-C cancels.")
@retried
@connected
@json_option
def start(
    node: Client,
    /,
    participants: tuple[str, ...],
    protocol: str | None,
    content: str | None,
    performative: str | None,
    reply_by: str | None,
    select: str | None,
    winners: int | None,
    rounds: int | None,
    start_price: float | None,
    step: float | None,
    reserve: float | None,
    accept: str | None,
    ttl: str | None,
    wait: float | None,
    follow: bool,
    key: str | None,
    retry: float,
    json_: bool,
) -> None:
    """Let the server open a conversation with PARTICIPANTS; exit code 6 when --wait is too short.

    docs/initiators.md has what each protocol takes, and what its messages look like.

    \b
    Examples:
      caxton conversation start --protocol fipa-contract-net ann ben \\
          --content '{"book": "Dracula"}' --select 'min:$.cost' --wait 10s
      caxton conversation start --protocol fipa-auction-english ann ben \\
          --content '{"lot": 7}' --start-price 10 --step 5 --reserve 30 --reply-by +1s --wait 60s
      caxton conversation start --protocol fipa-subscribe weather --content oslo --follow
    """
    if follow and wait is not None:
        raise click.UsageError("--follow waits for the end by itself: leave out --wait.")
    if protocol is None:
        protocol, *rest = participants
        if not rest:
            raise click.UsageError("Say which protocol (--protocol), and with whom.")
        participants = tuple(rest)
    spec: dict[str, Any] = {
        "protocol": protocol,
        "participants": list(participants),
        "content": None if content is None else read_content(content),
        "performative": performative,
        "reply_by": reply_by,
        "select": _selection(select),
        "winners": winners,
        "rounds": rounds,
        "auction": _auction(start_price, step if accept is None else None, reserve),
        "accept": _acceptance(accept, step),
        "ttl": ttl,
        "wait": None if wait is None else f"{round(wait * 1000)}ms",
    }
    given = {name: value for name, value in spec.items() if value is not None}
    timeout = None if wait is None else wait + _GRACE_SECONDS
    node.retry = retry
    begun = answer(node.start_conversation(given, timeout=timeout, key=key))
    if follow:
        _follow(node, begun.id, json_)
    else:
        _print(plain(begun), json_)


def _selection(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    rule, colon, path = text.partition(":")
    if rule not in ("min", "max") or not colon or not path:
        raise click.BadParameter("write min:$.path or max:$.path", param_hint="--select")
    return {rule: path}


def _auction(
    start: float | None, step: float | None, reserve: float | None
) -> dict[str, float] | None:
    terms = {"start": start, "step": step, "reserve": reserve}
    given = {name: value for name, value in terms.items() if value is not None}
    if not given:
        return None
    if start is None or step is None:
        raise click.UsageError("An auction needs --start-price and --step.")
    return given


def _acceptance(text: str | None, step: float | None) -> dict[str, Any] | None:
    if text is None:
        return None
    goal, _, rest = text.partition(":")
    path, colon, limit = rest.rpartition(":")
    if goal not in ("min", "max") or not colon:
        wanted = "write min:$.path:LIMIT or max:$.path:LIMIT"
        raise click.BadParameter(wanted, param_hint="--accept")
    terms = {goal: path, "limit": NUMBER.convert(limit, None, None)}
    return terms if step is None else {**terms, "step": step}


def _follow(node: Client, id_: str, json_: bool) -> None:
    """Print the messages of a conversation until it ends; interrupted, cancel it."""
    try:
        for view in node.follow_messages(id_):
            message = view.message
            if json_:
                data(message, line=True)
                continue
            said = message.get("content")
            text = said if isinstance(said, str) else as_json(said, line=True)
            shown = "" if said is None else f"  {clean(text, lines=False)}"
            click.echo(f"{message['sender']}  {message['performative']}{shown}")
        ended = answer(node.conversation(id_))
    except KeyboardInterrupt:
        _interrupted(node, id_)
    if ended.outcome is None:
        raise Stopped(Exit.TIMEOUT, f"The stream broke; conversation {id_} goes on.")
    talk(f"{ended.state}: {ended.outcome}")


def _interrupted(node: Client, id_: str) -> NoReturn:
    """Cancel a conversation whose follower has had enough."""
    from returns.result import Failure

    node.close()
    cancelled = node.cancel_conversation(id_)
    if isinstance(cancelled, Failure):
        talk(str(cancelled.failure()))
    else:
        talk(f"Cancelled conversation {id_}.")
    raise click.Abort


@conversation.command("list")
@click.option("--state", help="Only conversations in this state.")
@click.option("--protocol", help="Only conversations of this protocol.")
@limit_option
@cursor_option
@connected
@json_option
def list_conversations(
    node: Client,
    /,
    state: str | None,
    protocol: str | None,
    limit: int,
    cursor: str | None,
    json_: bool,
) -> None:
    """List conversations.

    \b
    Example:
      caxton conversation list --protocol fipa-contract-net
    """
    found = answer(node.conversations(state=state, protocol=protocol, limit=limit, cursor=cursor))
    if json_:
        data(found)
        return
    columns = ("id", "protocol", "initiator", "state", "outcome", "messages", "created_at")
    table(plain(found.items), {name.removesuffix("_at"): name for name in columns})
    if found.next_cursor:
        talk(f"There are more: --cursor {found.next_cursor}")


@conversation.command()
@click.argument("id_", metavar="ID")
@connected
@json_option
def show(node: Client, /, id_: str, json_: bool) -> None:
    """Show a conversation and how far each participant is.

    \b
    Example:
      caxton conversation show 0197fbc2-7f4e-7a01-b0a5-2f5d3f0d9d11
    """
    _print(plain(answer(node.conversation(id_))), json_)


@conversation.command()
@click.argument("id_", metavar="ID")
@connected
@json_option
def cancel(node: Client, /, id_: str, json_: bool) -> None:
    """Cancel a conversation that the server initiated.

    \b
    Example:
      caxton conversation cancel 0197fbc2-7f4e-7a01-b0a5-2f5d3f0d9d11
    """
    _print(plain(answer(node.cancel_conversation(id_))), json_)


def _print(view: dict[str, Any], json_: bool) -> None:
    if json_:
        data(view)
        return
    legs = view.pop("legs")
    view.pop("participants")
    pairs(view)
    if legs:
        click.echo()
        columns = ("participant", "state", "outcome", "result")
        table(legs, {name: name for name in columns})
