"""`caxton conversation`: start conversations with the server as initiator, watch and cancel them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.connections import (
    answer,
    connected,
    cursor_option,
    json_option,
    limit_option,
    plain,
)
from caxton_server.cli.durations import DURATION
from caxton_server.cli.messages import read_content
from caxton_server.cli.printing import cell, data, pairs, table, talk

if TYPE_CHECKING:
    from caxton_server.client import Client

_GRACE_SECONDS = 10.0


@click.group()
def conversation() -> None:
    """Start, watch and cancel conversations."""


@conversation.command()
@click.argument("protocol")
@click.argument("participants", nargs=-1, required=True)
@click.option("--content", help="What it is about: JSON if it can be read so, else text.")
@click.option("--reply-by", default="+5s", show_default=True, help="When answers are due.")
@click.option("--select", help="Which proposal wins: min or max, and where its number is.")
@click.option("--ttl", help="How long the conversation may take at most, e.g. 5m.")
@click.option("--wait", type=DURATION, help="Wait for its end, at most this long.")
@connected
@json_option
def start(
    node: Client,
    /,
    protocol: str,
    participants: tuple[str, ...],
    content: str | None,
    reply_by: str,
    select: str | None,
    ttl: str | None,
    wait: float | None,
    json_: bool,
) -> None:
    """Let the server open a conversation with agents; exit code 6 when --wait is too short.

    \b
    Example:
      caxton conversation start fipa-contract-net ann ben \\
          --content '{"book": "Dracula"}' --select 'min:$.cost' --wait 10s
    """
    spec: dict[str, Any] = {
        "protocol": protocol,
        "participants": list(participants),
        "content": None if content is None else read_content(content),
        "reply_by": reply_by,
        "select": _selection(select),
        "ttl": ttl,
        "wait": None if wait is None else f"{round(wait * 1000)}ms",
    }
    given = {name: value for name, value in spec.items() if value is not None}
    timeout = None if wait is None else wait + _GRACE_SECONDS
    _print(plain(answer(node.start_conversation(given, timeout=timeout))), json_)


def _selection(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    rule, colon, path = text.partition(":")
    if rule not in ("min", "max") or not colon or not path:
        raise click.BadParameter("write min:$.path or max:$.path", param_hint="--select")
    return {rule: path}


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
        table(legs, {"participant": "participant", "state": "state", "outcome": _outcome})


def _outcome(leg: Any) -> str:
    return cell(leg["outcome"])
