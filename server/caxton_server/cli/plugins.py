"""`caxton plugin`: what is installed, or what a node has loaded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caxton_server.cli.configs import config_option, read_config
from caxton_server.cli.connections import answer, connect, json_option, plain
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import data, table

if TYPE_CHECKING:
    from caxton_core.registry import Registry


@click.group()
def plugin() -> None:
    """Show the plugins."""


@plugin.command("list")
@config_option
@click.option("--url", envvar="CAXTON_URL", show_envvar=True, help="Ask this node.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with its token.")
@json_option
def list_plugins(path: Path | None, url: str | None, token_file: Path | None, json_: bool) -> None:
    """List the plugins installed here and what each adds; with --url those a node has loaded.

    \b
    Example:
      caxton plugin list
    """
    if url:
        rows = plain(answer(connect(url, token_file).plugins()).items)
    else:
        rows = plain(installed(read_config(path).plugins.block).plugins())
    if json_:
        data({"items": rows})
        return
    columns = ("name", "distribution", "version", "blocked", "provides")
    shown = [name for name in columns if any(name in row for row in rows)]
    table(rows, {name: name for name in shown})


def installed(block: Collection[str] = ()) -> Registry:
    """Load the plugins of this installation, or stop with what is wrong with each."""
    from caxton_core.registry import load
    from returns.result import Failure

    loaded = load(block=block)
    if isinstance(loaded, Failure):
        raise Stopped(Exit.USAGE, "\n".join(str(error) for error in loaded.failure()))
    return loaded.unwrap()
