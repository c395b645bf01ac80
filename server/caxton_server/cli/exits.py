"""The exit codes, and the exception that ends a command with one; docs/cli.md fixes them."""

from __future__ import annotations

import enum
from typing import IO, Any

import click


class Exit(enum.IntEnum):
    """What the shell gets to know."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    AUTH = 5
    TIMEOUT = 6
    INTERRUPTED = 130


class Stopped(click.ClickException):
    """Ends a command with a sentence on stderr and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # ours differs from one instance to the next

    def show(self, file: IO[Any] | None = None) -> None:
        """Say what was wrong, one `Error:` for all lines."""
        from caxton_server.cli.printing import clean

        click.echo(f"Error: {clean(self.message)}", file=file, err=True)
