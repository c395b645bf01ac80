"""`caxton bench`: measure this machine on the standard workloads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.exits import Exit

if TYPE_CHECKING:
    from caxton_server.bench.plans import Plan

WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "deploy", "neighbour")
DURABILITIES = ("memory", "disk")
_STORAGE_HELP = (
    "Measure disk on this storage, which must be empty; a SQLite file of its own if not given."
)


class Choices(click.ParamType[tuple[str, ...]]):
    """Some of a few words, with commas between them."""

    name = "list"

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in the order of the choices, each once."""
        if not isinstance(value, str):
            return tuple(value)
        by_lower = {word.lower(): word for word in self.known}
        wanted = {word.strip().lower() for word in value.split(",") if word.strip()}
        unknown = sorted(wanted - by_lower.keys())
        if unknown or not wanted:
            self.fail(f"{value!r}: choose from {', '.join(self.known)}", param, ctx)
        return tuple(word for lower, word in by_lower.items() if lower in wanted)


@click.group(invoke_without_command=True)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=600),
    default=5.0,
    show_default=True,
    help="How long to measure each result.",
)
@click.option(
    "--workload",
    type=Choices(WORKLOADS),
    default=WORKLOADS,
    help=f"Some of {','.join(WORKLOADS)}; all if not given.",
)
@click.option(
    "--durability",
    type=Choices(DURABILITIES),
    default=DURABILITIES,
    help="memory, disk; both if not given.",
)
@click.option("--storage", default="", metavar="URL", help=_STORAGE_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print the results for programs.")
@click.pass_context
def bench(
    ctx: click.Context,
    seconds: float,
    workload: tuple[str, ...],
    durability: tuple[str, ...],
    storage: str,
    as_json: bool,
) -> None:
    """Measure messages, conversations, memory and starts through a whole node.

    Every workload runs in a process of its own, beside the same on bare asyncio queues (the floor).

    \b
    Examples:
      caxton bench
      caxton bench --workload W3 --durability disk --seconds 10
    """
    from caxton_server.bench import plans

    if ctx.invoked_subcommand is None:
        chosen = plans.choose(workload, durability, seconds=seconds, storage=storage)
        ctx.exit(_measure(chosen, as_json=as_json))


@bench.command()
@click.option(
    "--core",
    type=click.IntRange(min=0),
    default=10_000,
    show_default=True,
    help="How many agents that are core modules.",
)
@click.option(
    "--python",
    type=click.IntRange(min=0),
    default=1_000,
    show_default=True,
    help="How many agents in Python, if what builds one is installed.",
)
@click.option(
    "--module",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Weigh agents of this module instead.",
)
@click.option("--profile", default="strict", show_default=True, help="The profile of --module.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    help="How many agents of --module.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results for programs.")
@click.pass_context
def agents(
    ctx: click.Context,
    core: int,
    python: int,
    file: Path | None,
    profile: str,
    count: int,
    as_json: bool,
) -> None:
    """Weigh many agents in one node: the memory each takes, and the time to start one from a module the node knows.

    \b
    Examples:
      caxton bench agents
      caxton bench agents --module build/hello.wasm --profile component
    """
    from caxton_server.bench.plans import Plan, Population

    with tempfile.TemporaryDirectory(prefix="caxton-bench-") as folder:
        if file is not None:
            chosen = [Population("own", str(file.resolve()), profile, count)]
        else:
            chosen = [Population("core", "idle", "strict", core)] if core else []
            built = _python_agent(Path(folder)) if python else None
            if built is not None:
                chosen.append(Population("python", str(built), "component", python))
        plans = [Plan("agents", "memory", population=each) for each in chosen]
        ctx.exit(_measure(plans, as_json=as_json))


@bench.command()
@click.option(
    "--rate",
    type=click.FloatRange(min=1, max=100_000),
    default=1_000.0,
    show_default=True,
    help="Requests a second, due at fixed times.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=600),
    default=10.0,
    show_default=True,
    help="How long to measure.",
)
@click.option(
    "--durability",
    type=Choices(DURABILITIES),
    default=("disk",),
    help="memory, disk; disk if not given.",
)
@click.option("--storage", default="", metavar="URL", help=_STORAGE_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print the results for programs.")
@click.pass_context
def posts(
    ctx: click.Context,
    rate: float,
    seconds: float,
    durability: tuple[str, ...],
    storage: str,
    as_json: bool,
) -> None:
    """Measure how long clients wait for the acknowledgement of POST /messages at a rate.

    \b
    Examples:
      caxton bench posts
      caxton bench posts --rate 2000 --storage postgresql://localhost/bench
    """
    from caxton_server.bench.plans import Plan

    plans = [Plan("posts", each, seconds, rate=rate, storage=storage) for each in durability]
    ctx.exit(_measure(plans, as_json=as_json))


def _python_agent(folder: Path) -> Path | None:
    """Build the agent that a new project in Python is; None, and why, when that can't be done here."""
    from returns.result import Failure

    from caxton_server.authoring import building, projects
    from caxton_server.authoring.languages import LANGUAGES
    from caxton_server.cli.plugins import installed

    language = LANGUAGES["python"]
    projects.create("hello", language, folder / "hello").unwrap()
    project = projects.find(folder / "hello").unwrap()
    click.echo(f"Building an agent in {language.title} ...", err=True)
    quiet = lambda _said: None  # noqa: E731  # what is being done is told above
    built = building.build(project, installed(), doing=quiet, say=quiet)
    if isinstance(built, Failure):
        click.echo(f"Agents in {language.title} are not weighed: {built.failure()}", err=True)
        return None
    return project.module


def _measure(chosen: Iterable[Plan], *, as_json: bool) -> Exit:
    """Measure one after the other, and print what was found."""
    from caxton_server.bench import plans
    from caxton_server.bench.machines import describe_machine
    from caxton_server.cli import printing

    results, failed = [], False
    for plan in chosen:
        click.echo(f"{plan.title} ...", err=True)
        found = plans.measure(plan)
        results += found.results
        if found.error:
            click.echo(f"Error: {plan.title}: {found.error}", err=True)
            failed = True
    if as_json:
        printing.data({"machine": describe_machine(), "results": results})
    else:
        printing.pairs(describe_machine())
        click.echo()
        printing.table(
            results,
            {
                "workload": "workload",
                "durability": "durability",
                "metric": "metric",
                "value": lambda row: plans.shown(row["value"]),
                "floor": lambda row: plans.shown(row.get("floor")),
                "besides": lambda row: plans.besides(row),
            },
        )
    return Exit.FAILURE if failed else Exit.OK
