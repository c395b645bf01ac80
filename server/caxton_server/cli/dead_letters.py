"""`caxton dlq`: messages that could not be delivered or handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from caxton_server.cli.connections import (
    answer,
    connected,
    cursor_option,
    json_option,
    limit_option,
    plain,
)
from caxton_server.cli.printing import data, table, talk

if TYPE_CHECKING:
    from caxton_server.client import Client


@click.group()
def dlq() -> None:
    """Look at dead letters and deliver them again."""


@dlq.command("list")
@limit_option
@cursor_option
@connected
@json_option
def list_dead_letters(node: Client, /, limit: int, cursor: str | None, json_: bool) -> None:
    """List dead letters with the reason of each.

    \b
    Example:
      caxton dlq list
    """
    found = answer(node.dead_letters(limit=limit, cursor=cursor))
    if json_:
        data(found)
        return
    columns = ("id", "reason", "receiver", "attempts", "created_at", "detail")
    table(plain(found.items), {name.removesuffix("_at"): name for name in columns})
    if found.next_cursor:
        talk(f"There are more: --cursor {found.next_cursor}")


@dlq.command()
@click.argument("id_", metavar="ID")
@connected
@json_option
def redrive(node: Client, /, id_: str, json_: bool) -> None:
    """Send a dead letter again; one that opened a conversation opens a new one.

    \b
    Example:
      caxton dlq redrive 0197fbc2-7f4e-7a01-b0a5-2f5d3f0d9d11
    """
    accepted = answer(node.redrive(id_))
    if json_:
        data(accepted)
    else:
        talk(f"Sent again ({accepted.durability}).")
        click.echo(accepted.id)


@dlq.command()
@click.argument("id_", metavar="ID")
@connected
def rm(node: Client, /, id_: str) -> None:
    """Remove a dead letter for good.

    \b
    Example:
      caxton dlq rm 0197fbc2-7f4e-7a01-b0a5-2f5d3f0d9d11
    """
    answer(node.remove_dead_letter(id_))
    talk(f"{id_} is removed.")
