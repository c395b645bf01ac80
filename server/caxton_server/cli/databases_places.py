"""How a command reaches a database: the options that choose it, who may be asked, and what becomes of a refusal."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from caxton_server.cli.configs import config_option, read_config
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import clean

if TYPE_CHECKING:
    from caxton_core.registry import Registry
    from returns.result import Result

    from caxton_server.config import Config
    from caxton_server.databases.places import Place

P = ParamSpec("P")
T = TypeVar("T")

FILE = click.Path(dir_okay=False, path_type=Path)
confirm_option = click.option(
    "--confirm", "confirmed", metavar="DATABASE",
    help="Name of the database whose data goes, where nobody can be asked.",
)  # fmt: skip


class Chosen:
    """The database that a command is about, and the plugins that know how it is kept."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.registry = _plugins(config)

    @property
    def name(self) -> str:
        """What people call it."""
        from caxton_server.databases.places import name_of

        return name_of(self.config.storage.url)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Place]:
        """Open it beside a node that may be running."""
        from caxton_server.databases.places import open_to_read

        with contextlib.closing(done(open_to_read(self.config, self.registry))) as place:
            yield place

    @contextlib.contextmanager
    def writing(self, *, create: bool) -> Iterator[Place]:
        """Open it in the place of a node."""
        from caxton_server.databases.places import open_to_write

        opened = open_to_write(self.config, self.registry, create=create)
        with contextlib.closing(done(opened)) as place:
            yield place


def _plugins(config: Config) -> Registry:
    from caxton_core import registry
    from returns.result import Failure

    found = registry.load(block=config.plugins.block)
    if isinstance(found, Failure):
        raise Stopped(Exit.USAGE, "\n".join(map(str, found.failure())))
    return found.unwrap()


def chosen(command: Callable[Concatenate[Chosen, P], None]) -> Callable[P, None]:
    """Give a command the options that choose a database, as `caxton serve` has them."""

    @config_option
    @click.option(
        "--data", "folder", type=click.Path(path_type=Path),
        help="Data folder of the node. Overrides storage.url.",
    )  # fmt: skip
    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        from caxton_core.errors import StorageFault

        from caxton_server.config import data_url

        path: Any = kwargs.pop("path")
        folder: Any = kwargs.pop("folder")
        overrides: dict[str, object] = {"storage.url": None if folder is None else data_url(folder)}
        try:
            command(Chosen(read_config(path, overrides)), *args, **kwargs)
        except StorageFault as fault:
            raise Stopped(code_of(fault.error), str(fault.error)) from fault

    return run


def done(result: Result[T, Any]) -> T:
    """Return what a step gave, or stop with the exit code that its refusal stands for."""
    from returns.result import Failure

    if isinstance(result, Failure):
        raise Stopped(code_of(result.failure()), str(result.failure()))
    return result.unwrap()


def code_of(error: object) -> Exit:
    """Return the exit code of a refusal."""
    from caxton_core.errors import (
        Conflict,
        DatabaseTooNew,
        InvalidSetting,
        Locked,
        NotFound,
        StorageUnavailable,
        Unreadable,
    )

    match error:
        case InvalidSetting() | DatabaseTooNew() | Unreadable():
            return Exit.USAGE
        case NotFound():
            return Exit.NOT_FOUND
        case Locked() | Conflict():
            return Exit.CONFLICT
        case StorageUnavailable():
            return Exit.TIMEOUT
    return Exit.FAILURE


def confirm(name: str, given: str | None, what: str) -> None:
    """Have somebody say that data may go, by the name of the database."""
    if given == name:
        return
    if given is not None:
        raise Stopped(Exit.USAGE, f"--confirm names {given}; the database is {name}.")
    if not sys.stdin.isatty():
        raise Stopped(Exit.USAGE, f"{what} Say --confirm {name} if that is what you want.")
    if click.prompt(f"{clean(what)}\nType {name} to go on", err=True) != name:
        raise Stopped(Exit.FAILURE, "Nothing was changed.")
