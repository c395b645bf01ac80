"""`caxton demo`: agents solve a job-shop problem on a node of its own."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from returns.result import Failure

from caxton_server.cli.exits import Exit, Stopped

if TYPE_CHECKING:
    from caxton_server.demo.runs import Outcome, Watcher
    from caxton_server.jobshop import Instance

DEFAULT = "ft10"
_LARGEST_FILE = 16 << 20


@click.command()
@click.option(
    "--instance",
    "file",
    default=DEFAULT,
    show_default=True,
    metavar="FILE",
    help="A job-shop problem: a file, or one of ft06, ft10, la01.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the node's data in this folder; an interrupted demo goes on there.",
)
@click.option("--keep", is_flag=True, help="Leave the node running until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@click.pass_context
def demo(ctx: click.Context, file: str, data: Path | None, keep: bool, as_json: bool) -> None:
    """Solve a job-shop problem with WebAssembly agents.

    Starts a node on a free port and one agent for each machine and each job. Jobs call for proposals on
    their operations, machines bid, and the best bid is booked.

    \b
    Examples:
      caxton demo
      caxton demo --instance my-problem.txt --json
      caxton demo --keep
    """
    from caxton_server.client import Client
    from caxton_server.demo.runs import run

    instance = read_instance(file)
    with (
        _folder(data) as folder,
        own_node(folder) as url,
        contextlib.closing(Client(url)) as client,
    ):
        click.echo(f"A node runs at {url}, its data is in {folder}.", err=True)
        with _progress(instance) as watcher:
            found = run(client, instance, watcher)
        if isinstance(found, Failure):
            error = found.failure()
            raise Stopped(Exit(getattr(error, "exit_code", Exit.FAILURE)), str(error))
        _show(found.unwrap(), as_json=as_json)
        if keep:
            _wait_for_signal(f"The node stays at {url} until Ctrl-C.")
    ctx.exit(Exit.OK)


def read_instance(file: str) -> Instance:
    """Read a problem by path, or by name when it comes with the package and no such file exists."""
    from caxton_server.demo.shops import bundled
    from caxton_server.jobshop import parse_instance

    path = Path(file)
    known = bundled()
    if file in known and not path.is_file():
        text = known[file]
    else:
        text = _read(path)
    parsed = parse_instance(text, name=path.stem)
    if isinstance(parsed, Failure):
        raise Stopped(Exit.USAGE, f"{file}: {parsed.failure()}")
    return parsed.unwrap()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise Stopped(Exit.USAGE, f"{path}: {error.strerror or error}") from error
    if len(data) > _LARGEST_FILE:
        raise Stopped(Exit.USAGE, f"{path}: larger than {_LARGEST_FILE >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Stopped(Exit.USAGE, f"{path}: line {line}: the file is no UTF-8 text") from error


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Give a folder for the node's data: the one wanted, else a temporary one."""
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="caxton-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def own_node(folder: Path) -> Iterator[str]:
    """Run a node on a folder and give its address."""
    from caxton_server.demo.hosts import NotStarted, hosted

    # SIGTERM unwinds as Ctrl-C does: the node stops in order and a temporary folder goes.
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with hosted(folder) as url:
            yield url
    except NotStarted as error:
        raise Stopped(Exit.FAILURE, str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _progress(instance: Instance) -> Iterator[Watcher]:
    """Show on stderr how a run goes."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from caxton_server.demo.runs import Status, Watcher

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        agents = progress.add_task(
            "Deploying agents", total=instance.machines + len(instance.jobs) + 1
        )
        operations = progress.add_task("Placing operations", total=instance.operations)

        class Bars(Watcher):
            """Moves the bars."""

            def deployed(self, done: int, total: int) -> None:
                progress.update(agents, completed=done, total=total)

            def placed(self, status: Status) -> None:
                text = f"Placing operations, makespan {status.makespan}"
                progress.update(operations, completed=status.placed, description=text)

        yield Bars()


def _show(outcome: Outcome, *, as_json: bool) -> None:
    """Print the result on stdout."""
    from caxton_server.cli import printing

    if as_json:
        printing.data(outcome)
        return
    from rich.console import Console

    from caxton_server.gantt import draw_gantt

    console = Console(highlight=False)
    console.print(draw_gantt(outcome.schedule, width=console.width), soft_wrap=True)
    click.echo()
    optimum = "unknown"
    if outcome.optimum:
        optimum = (
            f"{outcome.optimum}, so this is {outcome.makespan / outcome.optimum:.2f} x the optimum"
        )
    printing.pairs(
        {
            "instance": outcome.instance,
            "makespan": outcome.makespan,
            "optimum": optimum,
            "conversations": f"{outcome.conversations:,}",
            "messages": f"{outcome.messages:,}",
            "seconds": f"{outcome.seconds:.2f}",
        }
    )


def _wait_for_signal(invitation: str) -> None:
    """Wait for Ctrl-C or SIGTERM, of which `invitation` tells; both are an orderly end."""
    stop = threading.Event()
    previous = [
        (number, signal.signal(number, lambda *_: stop.set()))
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        # Not before: who reads it may send the signal at once.
        click.echo(invitation, err=True)
        while not stop.wait(3600):
            pass
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
