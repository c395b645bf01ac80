"""`caxton acl`: messages between FIPA's string form and JSON, without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from caxton_server.cli.connections import read_bytes
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import data


@click.group()
def acl() -> None:
    """Read and write messages in FIPA's string form, offline."""


FILE = click.argument("file", type=click.Path(path_type=Path), default="-")


@acl.command("parse")
@FILE
def parse_(file: Path) -> None:
    """Print the JSON message that the text in FILE is; exit code 2 when it is none.

    FILE is standard input when it is left out or -.

    \b
    Example:
      echo '(inform :receiver (set (agent-identifier :name ann)) :content "hi")' | caxton acl parse
    """
    data(read_acl(file))


@acl.command("print")
@FILE
def print_(file: Path) -> None:
    """Print the JSON message in FILE in string form; exit code 2 when it is no message.

    \b
    Example:
      caxton acl print message.json
    """
    from caxton_core.acl_messages import parse_document
    from caxton_core.acl_printer import print_acl
    from returns.result import Failure

    parsed = parse_document(_read(file))
    if isinstance(parsed, Failure):
        raise Stopped(Exit.USAGE, str(parsed.failure()))
    # As bytes: a length counts bytes, whatever the terminal's encoding.
    sys.stdout.flush()
    sys.stdout.buffer.write(print_acl(parsed.unwrap()) + b"\n")


def read_acl(file: Path) -> dict[str, Any]:
    """Return the JSON message that a text is, or stop with what is wrong and where."""
    from caxton_core.acl_documents import document_of
    from caxton_core.acl_strings import parse_acl
    from returns.result import Failure

    parsed = parse_acl(_read(file))
    if isinstance(parsed, Failure):
        raise Stopped(Exit.USAGE, str(parsed.failure()))
    told = document_of(parsed.unwrap())
    if isinstance(told, Failure):
        raise Stopped(Exit.USAGE, str(told.failure()))
    return told.unwrap()


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else read_bytes(file)
