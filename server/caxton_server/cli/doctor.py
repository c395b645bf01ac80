"""`caxton doctor`: look at everything a node depends on, before it runs or when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caxton_server.cli.configs import config_option, read_config
from caxton_server.cli.connections import json_option
from caxton_server.cli.exits import Exit
from caxton_server.cli.printing import clean, data

if TYPE_CHECKING:
    from caxton_core.examinations import Finding

    from caxton_server.config import Config

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@config_option
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Data folder of the node.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, path: Path | None, folder: Path | None, json_: bool) -> None:
    """Examine this machine and this installation; needs no node and changes nothing. Takes some seconds.

    Each thing is ok, a warning with what to do about it, or a failure. Exit code 1 if anything fails.

    \b
    Example:
      caxton doctor --data /var/lib/caxton
    """
    from caxton_server.config import data_url

    overrides: dict[str, object] = {
        "storage.url": None if folder is None else data_url(folder),
    }
    config = read_config(path, overrides)
    findings = []
    for finding in _examine(config):
        findings.append(finding)
        if not json_:
            _show(finding)
    counts = {word: sum(one.status == word for one in findings) for word in _COLOURS}
    if json_:
        data({"findings": findings, "counts": counts})
    else:
        click.echo(", ".join(f"{count} {word}" for word, count in counts.items()))
    ctx.exit(Exit.FAILURE if counts["fail"] else Exit.OK)


def _examine(config: Config) -> Iterator[Finding]:
    from caxton_core import registry
    from caxton_core.examinations import fail, ok
    from caxton_core.hookspecs import SandboxOptions
    from returns.result import Failure

    from caxton_server import examinations

    yield from examinations.examine(config)
    found = registry.load(block=config.plugins.block)
    if isinstance(found, Failure):
        for problem in found.failure():
            yield fail("plugins", str(problem), "remove the plugin, or name it in plugins.block")
        return
    loaded = found.unwrap()
    names = [plugin.name for plugin in loaded.plugins() if not plugin.blocked]
    yield ok("plugins", f"{len(names)} loaded")
    for kind in loaded.sandboxes():
        if kind.examine is not None:
            settings = config.plugins.settings.get(kind.name, {})
            yield from kind.examine(SandboxOptions(settings=settings))


def _show(finding: Finding) -> None:
    """Print one finding: its status, its name, what was found, and below it what to do."""
    status = click.style(f"{finding.status:4}", fg=_COLOURS[finding.status], bold=True)
    click.echo(f"{status}  {finding.name:22}  {clean(finding.detail, lines=False)}")
    if finding.advice:
        click.echo(f"{'':4}  {'':22}  -> {clean(finding.advice, lines=False)}")
