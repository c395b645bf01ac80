"""`caxton directory`: who offers what."""

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


@click.command()
@click.option("--type", "type_", help="Only services of this type.")
@click.option("--name", help="Only services of this name.")
@click.option("--protocol", help="Only services that speak this protocol.")
@limit_option
@cursor_option
@connected
@json_option
def directory(
    node: Client, /, type_: str | None, name: str | None, protocol: str | None, limit: int, cursor: str | None,
    json_: bool,
) -> None:  # fmt: skip
    """List the services that agents offer now.

    \b
    Example:
      caxton directory --type pricing
    """
    found = answer(
        node.directory(type=type_, name=name, protocol=protocol, limit=limit, cursor=cursor)
    )
    if json_:
        data(found)
        return
    table(plain(found.items), {key: key for key in ("agent", "type", "name", "protocols")})
    if found.next_cursor:
        talk(f"There are more: --cursor {found.next_cursor}")
