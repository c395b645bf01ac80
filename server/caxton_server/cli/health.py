"""`caxton health`: ask a node how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from caxton_server.cli.connections import answer, connected, json_option, plain
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import data, pairs

if TYPE_CHECKING:
    from caxton_server.client import Client


@click.command()
@connected
@json_option
def health(node: Client, /, json_: bool) -> None:
    """Ask a node how it is; exit code 1 when it takes no work, 6 when nothing answers.

    \b
    Example:
      caxton health --json
    """
    view = plain(answer(node.health()))
    if json_:
        data(view)
    else:
        agents = ", ".join(
            f"{count} {state}" for state, count in view.pop("agents").items() if count
        )
        pairs({**view, "agents": agents or "none"})
    if not node.is_ready():
        raise Stopped(Exit.FAILURE, "The node takes no work; `/readyz` says why.")
