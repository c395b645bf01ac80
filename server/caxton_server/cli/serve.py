"""`caxton serve`: run a node."""

from __future__ import annotations

from pathlib import Path

import click

from caxton_server.cli.configs import config_option, read_config


@click.command()
@config_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port of the API; 0 takes a free one.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data folder: database, module cache and lock. Overrides storage.url.",
)
@click.pass_context
def serve(
    ctx: click.Context, path: Path | None, host: str | None, port: int | None, data: Path | None
) -> None:
    """Run a node until SIGTERM or Ctrl-C.

    \b
    Example:
      caxton serve --data caxton-data --port 8080
    """
    from caxton_server.config import data_url

    config = read_config(
        path,
        {
            "server.host": host,
            "server.port": port,
            "storage.url": data_url(data) if data else None,
        },
    )
    from caxton_server.app import serve as run

    ctx.exit(run(config))
