"""`caxton states`: the state tables, as rows or as diagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.connections import json_option
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.plugins import installed
from caxton_server.cli.printing import data, table

if TYPE_CHECKING:
    from caxton_core.tables import Table


@click.command()
@click.argument("names", metavar="[TABLE]...", nargs=-1)
@click.option("--mermaid", is_flag=True, help="Print Mermaid diagrams.")
@json_option
def states(names: tuple[str, ...], mermaid: bool, json_: bool) -> None:
    """Show the state tables of agents, deployments and every protocol's conversations.

    \b
    Examples:
      caxton states agent
      caxton states --mermaid fipa-contract-net
    """
    if mermaid and json_:
        raise click.UsageError("--mermaid and --json exclude each other.")
    chosen = _choose(names)
    if json_:
        data({"items": [_described(each) for each in chosen]})
        return
    for at, each in enumerate(chosen):
        if at:
            click.echo()
        if mermaid:
            from caxton_core.diagrams import mermaid as draw

            # Mermaid's own comment keeps several diagrams in one output apart.
            click.echo(f"%% {each.name}\n{draw(each)}", nl=False)
        else:
            click.secho(each.name, bold=True)
            table(_rows(each), {"state": "state", "event": "event", "next": "next"})


def _choose(names: tuple[str, ...]) -> list[Table[Any]]:
    from caxton_core.documents import nearest

    known = {each.name: each for each in _tables()}
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f" Did you mean {near!r}?" if near else ""
            raise Stopped(Exit.NOT_FOUND, f"No state table {name!r}.{hint}")
    return [known[name] for name in names or known]


def _tables() -> list[Table[Any]]:
    """Return the tables of the core and of the installed protocols."""
    from caxton_core.agents import AGENT
    from caxton_core.deployments import DEPLOYMENT

    protocols = sorted(installed().protocols(), key=lambda protocol: protocol.name)
    return [AGENT, DEPLOYMENT, *(protocol.table for protocol in protocols)]


def _rows(each: Table[Any]) -> list[dict[str, str]]:
    return [
        {"state": str(state), "event": event, "next": str(target)}
        for state, event, target in each.moves()
    ]


def _described(each: Table[Any]) -> dict[str, Any]:
    return {
        "name": each.name,
        "initial": str(each.initial),
        "states": [str(state) for state in each.states],
        "rows": _rows(each),
    }
