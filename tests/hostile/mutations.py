"""Try modules changed at random: `python -m tests.hostile.mutations COUNT SEED`; `--first N` begins with the Nth.

With `--components` they are components instead of core modules.

Each is tried in a child process. One that dies or hangs is named with the line that tries the same mutant again, and a
new child goes on with the next.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.hostile import grafts, mutants
from tests.hostile.children import Child, Died
from tests.hostile.trials import COMPONENTS

PATIENCE = 60.0
"""Seconds for one mutant: the compiler may take 13, and machines are slow."""
MODULES = "modules"


class Found(msgspec.Struct, frozen=True):
    """A mutant that broke something."""

    seed: int
    number: int
    what: str
    kind: str = MODULES

    @property
    def again(self) -> str:
        """Return the command that tries it again."""
        line = f"python -m tests.hostile.mutations 1 {self.seed} --first {self.number}"
        return line if self.kind == MODULES else f"{line} --{self.kind}"


class Tally(msgspec.Struct):
    """What came of many mutants."""

    counts: Counter[str]
    found: list[Found]
    seconds: float = 0.0


def run(count: int, seed: int, *, first: int = 0, kind: str = MODULES) -> Tally:
    """Try so many mutants of a seed."""
    tally = Tally(Counter(), [])
    began = time.monotonic()
    number, end = first, first + count
    while number < end:
        child = Child("tests.hostile.trials")
        try:
            child.say(f"{kind} {seed} {number} {end - number}".encode())
            while number < end:
                told, _, ended = child.hear(PATIENCE).decode().partition(" ")
                assert int(told) == number
                note(tally, Found(seed, number, ended, kind))
                number += 1
            child.close()
        except Died as died:
            if number < end:
                tally.found.append(Found(seed, number, str(died), kind))
                number += 1
            else:
                tally.found.append(Found(seed, end - 1, f"at the end: {died}", kind))
    tally.seconds = time.monotonic() - began
    return tally


def note(tally: Tally, tried: Found) -> None:
    """Count how a mutant ended, and keep it if it broke something."""
    broke = tried.what.startswith("COMPILER")
    tally.counts[tried.what.split(" ")[0] if broke else tried.what] += 1
    if broke:
        tally.found.append(tried)


def show(tally: Tally, console: Console) -> None:
    """Print what came of them."""
    table = Table("how it ended", "mutants", box=None)
    for ended, times in tally.counts.most_common():
        table.add_row(ended, str(times))
    console.print(table)
    console.print(f"{sum(tally.counts.values())} mutants in {tally.seconds:.0f} s")
    for found in tally.found:
        console.print(f"[bold]{found.again}[/]\n{found.what}", highlight=False)
    if not tally.found:
        console.print("none of them broke anything")


def main() -> int:
    """Run from the command line; exits with 1 when a mutant broke something."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.mutations", description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    parser.add_argument(
        "--components", action="store_const", const=COMPONENTS, default=MODULES, dest="kind",
        help="components instead of core modules",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--write", type=Path, help="only write the first mutant to a file")
    asked = parser.parse_args()
    if asked.write:
        make = grafts.mutant if asked.kind == COMPONENTS else mutants.mutant
        asked.write.write_bytes(make(asked.seed, asked.first))
        return 0
    tally = run(asked.count, asked.seed, first=asked.first, kind=asked.kind)
    if asked.json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(tally)) + "\n")
    else:
        show(tally, Console())
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main())
