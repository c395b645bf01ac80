"""`caxton config`: check and show the configuration a node would run with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import cell, data, table

if TYPE_CHECKING:
    from caxton_server.config import Config

config_option = click.option(
    "--config",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; default CAXTON_CONFIG_PATH, then /etc/caxton/config.yaml.",
)


def read_config(path: Path | None, overrides: dict[str, object] | None = None) -> Config:
    """Load the configuration, or stop with exit code 2 and every mistake in it."""
    from returns.result import Failure

    from caxton_server.config import load

    loaded = load(path, os.environ, overrides or {})
    if isinstance(loaded, Failure):
        raise Stopped(Exit.USAGE, str(loaded.failure()))
    return loaded.unwrap()


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@config_option
def check(path: Path | None) -> None:
    """Check the configuration; exit code 2 and file:line:column for every mistake.

    \b
    Example:
      caxton config check --config caxton.yaml
    """
    checked = read_config(path)
    click.echo(f"{checked.file or 'No file: defaults'} is valid.", err=True)


@config.command()
@config_option
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def show(path: Path | None, origin: bool, json_: bool) -> None:
    """Show every setting, secrets hidden.

    \b
    Example:
      caxton config show --origin
    """
    shown = read_config(path)
    if json_ and origin:
        data(
            {
                name: {"value": value, "origin": str(shown.origin(name))}
                for name, value in shown.flat().items()
            }
        )
    elif json_:
        data(shown.shown())
    else:
        rows = [
            {"setting": name, "value": cell(value), "origin": str(shown.origin(name))}
            for name, value in shown.flat().items()
        ]
        columns = ("setting", "value", "origin") if origin else ("setting", "value")
        table(rows, {name: name for name in columns})
