"""`caxton db export`: what a database holds, as JSON, one document a line."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from caxton_server.cli.databases_places import FILE, Chosen, chosen
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import as_json

KINDS = ("messages", "conversations", "events", "agents", "dead-letters")


@click.command()
@click.option(
    "--what", "kinds", multiple=True, type=click.Choice(KINDS), default=KINDS,
    help="What to export; may be given several times. All of it by default.",
)  # fmt: skip
@click.option("--since", help="Only from this time on: RFC 3339, or how long ago (`24h`).")
@click.option("--until", help="Only up to this time, in the same forms.")
@click.option("--output", "-o", type=FILE, help="Write to this file; it must not exist.")
@chosen
def export(
    db: Chosen,
    /,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    output: Path | None,
) -> None:
    """Print what the database holds as JSON, one document a line, while the node runs or not.

    Each document says what it is: message, conversation, event, agent or dead-letter. Its time is when a message was sent,
    an event happened, and anything else was created.

    \b
    Examples:
      caxton db export --what messages --since 24h
      caxton db export --what dead-letters -o dead.jsonl
    """
    from caxton_server.databases.exports import Times
    from caxton_server.databases.exports import export as documents

    given = Times()
    times = Times(
        given.since if since is None else read_time(since, "--since"),
        given.until if until is None else read_time(until, "--until"),
    )
    protocols = {name: one for one in db.registry.protocols() for name in one.names}
    with db.reading() as place, _sink(output) as write:
        for document in documents(place.storage, kinds, times, protocols):
            write(as_json(document, line=True))


@contextlib.contextmanager
def _sink(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Give what writes lines: to a file that has its name only once it is whole, or to standard output."""
    if path is None:
        try:
            yield click.echo
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read has enough. What is still buffered must not be tried again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if path.exists():
        raise Stopped(Exit.CONFLICT, f"{path} exists already.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield lambda line: print(line, file=file)
        part.replace(path)
    except OSError as error:
        raise Stopped(Exit.FAILURE, f"Can't write {path}: {error.strerror or error}.") from None
    finally:
        part.unlink(missing_ok=True)


def read_time(text: str, option: str) -> int:
    """Return a time in milliseconds since the epoch, or stop."""
    import time
    from datetime import UTC, datetime

    from caxton_core.units import Duration
    from returns.result import Success

    ago = Duration.parse(text)
    if isinstance(ago, Success):
        return time.time_ns() // 1_000_000 - int(ago.unwrap())
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        wanted = "write a time such as 2026-11-29T12:00:00Z, or how long ago, such as 24h"
        raise click.BadParameter(wanted, param_hint=option) from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
