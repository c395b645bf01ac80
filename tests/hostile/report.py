"""Measure the hostile corpus: `python -m tests.hostile.report [PATTERN...]`, with `--json` for every figure.

What is aimed at: contained within its limit and 100 ms more, the p99 of two neighbours' hops at most twice what it is
alone, memory back within 10 %. Times are those of the node's thread, and by the wall where they say so; on a machine that
has nothing else to do the two are the same, and on a busy one the wall's tell more of the others.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.hostile.cases import Case
from tests.hostile.children import Child, Died
from tests.hostile.corpus import CASES
from tests.hostile.nodes import Verdict

OVER, RATIO, KEPT = 0.1, 2.0, 0.1
HOPS_ENOUGH = 300
"""Fewer say nothing of a p99."""
CASES_A_NODE = 40
"""What neighbours say is kept in memory: a node lasts for so many cases."""
PATIENCE = 180.0
LOADS = frozenset(case.name for case in CASES if case.attacks == "load")


def measure(cases: Sequence[Case]) -> Iterator[Verdict]:
    """Give the cases to nodes, one after the other."""
    with tempfile.TemporaryDirectory(prefix="caxton-hostile-") as folder:
        child: Child | None = None
        for number, case in enumerate(cases):
            if child is not None and number % CASES_A_NODE == 0:
                child.close()
                child = None
            try:
                if child is None:
                    child = Child("tests.hostile.nodes", folder, "measure")
                    child.hear(PATIENCE)
                yield msgspec.json.decode(child.ask(case.name.encode(), PATIENCE), type=Verdict)
            except Died as died:
                child = None
                yield Verdict(case.name, [f"the node died: {died}"], "", 0.0, 0.0, 0.0, 0)
        if child is not None:
            child.close()


def over(verdict: Verdict, *, wall: bool = False) -> float:
    """Return by how much a case was contained too late, in seconds; a module is compiled by another process."""
    return (verdict.took if wall or verdict.name in LOADS else verdict.burnt) - verdict.limit


def misses(verdict: Verdict) -> list[str]:
    """Say which aims a case missed."""
    found = [f"wrong: {problem}" for problem in verdict.problems]
    if over(verdict) > OVER:
        found.append("late")
    if verdict.measure is not None:
        if verdict.measure.beside.number >= HOPS_ENOUGH and verdict.measure.ratio > RATIO:
            found.append("slow neighbours")
        if verdict.measure.kept > KEPT:
            found.append("memory")
    return found


def row(name: str, verdicts: Sequence[Verdict]) -> list[str]:
    """Return the worst figures of some cases."""
    late = [max(over(each, wall=wall) for each in verdicts) * 1e3 for wall in (False, True)]
    row = [name, str(len(verdicts)), *[f"{each:+.0f}" for each in late]]
    measures = [each.measure for each in verdicts if each.measure is not None]
    if not measures:
        return [*row, "", "", "", "", ""]
    kept = f"{max(each.kept for each in measures) * 100:+.1f} %"
    figures = [each for each in measures if each.beside.number >= HOPS_ENOUGH]
    if not figures:
        return [*row, "", "", "", "", kept]
    worst = max(figures, key=lambda each: each.ratio)
    return [
        *row,
        f"{statistics.median(each.ratio for each in figures):.2f}",
        f"{worst.ratio:.2f}",
        f"{worst.alone.thread_us:.0f}/{worst.alone.wall_us:.0f}",
        f"{worst.beside.thread_us:.0f}/{worst.beside.wall_us:.0f}",
        kept,
    ]


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print a line for each subject, and one for each case that missed an aim."""
    heads = ("over ms", "by wall", "p99 x", "worst", "alone us/wall", "beside us/wall", "memory")
    table = Table("subject", "cases", *heads, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    subjects: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        subjects.setdefault(verdict.name.partition("/")[0], []).append(verdict)
    for subject, some in subjects.items():
        table.add_row(*row(subject, some))
    table.add_section()
    table.add_row(*row("all", verdicts))
    console.print(table)
    missed = [(verdict, found) for verdict in verdicts if (found := misses(verdict))]
    if missed:
        less = Table("missed an aim", "", *heads, "what", box=None, title_justify="left")
        less.columns[0].no_wrap = True
        for verdict, found in missed:
            less.add_row(*row(verdict.name, [verdict]), ", ".join(found))
        console.print(less)
    console.print(f"{len(verdicts) - len(missed)} of {len(verdicts)} cases are within every aim")


def document(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return every figure."""
    return [
        {**msgspec.to_builtins(verdict), "over_ms": over(verdict) * 1e3, "missed": misses(verdict)}
        for verdict in verdicts
    ]  # fmt: skip


def main() -> int:
    """Run from the command line; exits with 1 when a case did not end as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.report", description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"], help="names of cases, as globs")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    cases = [
        case
        for case in CASES
        if any(fnmatch.fnmatchcase(case.name, pattern) for pattern in asked.patterns)
    ]
    talk = Console(stderr=True)
    verdicts = list(track(measure(cases), "measuring", len(cases), console=talk))
    if asked.json:
        sys.stdout.write(json.dumps(document(verdicts)) + "\n")
    else:
        show(verdicts, Console())
    return 1 if any(verdict.problems for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
