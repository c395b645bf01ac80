"""`caxton simulate`: many small worlds in simulated time, with crashes and faults, held against the invariants."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.connections import json_option
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import clean, data

if TYPE_CHECKING:
    from caxton_server.simulation.runs import Outcome

BREAKS = (
    "lose-group",
    "repeat-group",
    "reorder-groups",
    "drop-image",
    "drop-record",
    "forget-state",
    "lose-timer",
    "drop-row",
)
MOST_SHOWN = 10


class Seeds(click.ParamType[range]):
    """Seeds: a number, or the first and the last."""

    name = "A..B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        """Return the seeds."""
        if isinstance(value, range):
            return value
        first, dots, last = str(value).partition("..")
        if not (first.isdecimal() and (last.isdecimal() or not dots)):
            self.fail(f"{value!r} is neither a number nor two such as 1..300", param, ctx)
        seeds = range(int(first), int(last or first) + 1)
        if not seeds:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return seeds


class Tally:
    """What came of the seeds so far."""

    def __init__(self, *, loud: bool, one: bool) -> None:
        self.loud, self.one = loud, one
        self.seeds = 0
        self.counts: Counter[str] = Counter()
        self.simulated = 0.0
        self.failed: list[Outcome] = []
        self.digest = hashlib.sha256()

    def take(self, outcome: Outcome) -> bool:
        """Take up the outcome of a seed; true when that is enough."""
        self.seeds += 1
        self.simulated += outcome.seconds
        self.counts.update(outcome.counts)
        self.digest.update(f"{outcome.seed} {outcome.digest}\n".encode())
        if not outcome.invariant:
            return False
        self.failed.append(outcome)
        if self.loud:
            click.echo(clean(f"seed {outcome.seed}: {outcome.invariant}: {outcome.detail}"))
            for line in outcome.trace:
                click.echo(clean(f"  {line}"))
        return self.one or len(self.failed) >= MOST_SHOWN

    def shown(self, took: float) -> dict[str, Any]:
        """Return everything for programs."""
        return {
            "seeds": self.seeds,
            "failed": [
                {"seed": each.seed, "invariant": each.invariant, "detail": each.detail, "trace": each.trace}
                for each in self.failed
            ],
            "counts": dict(sorted(self.counts.items())),
            "simulated_s": round(self.simulated, 3),
            "took_s": round(took, 3),
            "digest": self.digest.hexdigest()[:16],
        }  # fmt: skip


@click.command()
@click.option(
    "--seeds",
    type=Seeds(),
    default="1..100",
    show_default=True,
    help="The seeds: one world each.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How much those outside do in a world.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many processes play.",
)
@click.option(
    "--storage",
    metavar="URL",
    default="",
    help="Use the storage of a plugin; {seed} in the URL is replaced, and each must be empty.",
)
@click.option(
    "--break",
    "broken",
    type=click.Choice(BREAKS),
    help="Break the journal on purpose, until that is noticed.",
)
@json_option
def simulate(
    seeds: range, steps: int, jobs: int, storage: str, broken: str | None, json_: bool
) -> int:
    """Live through crashes, faults and operators in simulated time; exit code 1 when an invariant is broken.

    A world is a whole node with scripted agents, clients and operators; everything in it follows from its seed, and the
    same seed is the same world again. docs/simulation.md names the invariants.

    \b
    Examples:
      caxton simulate --seeds 1..300
      caxton simulate --seeds 1..10000 --jobs 8
      caxton simulate --seeds 41
      caxton simulate --seeds 1..100 --break lose-group
      caxton simulate --seeds 1..20 --storage 'sqlite:////tmp/worlds/{seed}.db'
    """
    from caxton_server.simulation import runs
    from caxton_server.simulation.breaks import Break

    if storage and runs.PLACE not in storage:
        raise Stopped(Exit.USAGE, f"--storage needs {runs.PLACE}: each seed has its own database.")
    if storage and broken:
        raise Stopped(Exit.USAGE, "--break is for the simulated storage.")
    began = time.perf_counter()
    tally = Tally(loud=not json_, one=broken is not None)
    order = runs.Order(steps, Break(broken) if broken else None, storage)
    try:
        runs.play_all(seeds, order, jobs=jobs, report=tally.take)
    except runs.NoStorage as error:
        raise Stopped(Exit.USAGE, str(error)) from None
    shown = tally.shown(time.perf_counter() - began)
    if json_:
        data(shown)
    else:
        _print(shown)
    return Exit.FAILURE if tally.failed else Exit.OK


def _print(shown: dict[str, Any]) -> None:
    """Print the counts."""
    for what, count in shown["counts"].items():
        click.echo(f"{what:32} {count:>12}")
    days = shown["simulated_s"] / 86_400
    click.echo(
        f"{shown['seeds']} seeds, {len(shown['failed'])} failed; {days:.0f} days in {shown['took_s']:.1f} s; "
        f"digest {shown['digest']}"
    )
