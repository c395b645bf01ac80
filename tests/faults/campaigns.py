"""What the commands of all subjects share: `python -m tests.faults.SUBJECT N SEED`, a folder of their own, and figures."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.nodes import Node


class Nodes:
    """Starts nodes in a folder, and stops those that still run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Node] = []

    def start(self, **environ: str) -> Node:
        """Start a node in a folder of its own."""
        return self.at(self.room(), **environ)

    def room(self) -> Path:
        """Make a folder for a node."""
        return Path(tempfile.mkdtemp(prefix="node-", dir=self.folder))

    def at(self, folder: Path, **environ: str) -> Node:
        """Start a node in a folder that is there already."""
        node = Node(folder, **environ)
        self._started.append(node)
        return node

    def close(self) -> None:
        """End what still runs."""
        for node in self._started:
            node.kill_if_running()


@contextmanager
def nodes() -> Iterator[Nodes]:
    """Give nodes for one run, in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="caxton-faults-") as folder:
        started = Nodes(Path(folder))
        try:
            yield started
        finally:
            started.close()


def main(
    run: Callable[[Nodes, int, int], None], description: str | None, *, count: int, meaning: str
) -> int:
    """Read N and SEED from the command line and run a campaign; exits with 1 when it finds something."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("n", type=int, nargs="?", default=count, help=f"{meaning} ({count})")
    parser.add_argument(
        "seed", type=int, nargs="?", default=random.SystemRandom().randrange(1 << 32)
    )
    asked = parser.parse_args()
    say(f"seed {asked.seed}, {meaning}: {asked.n}")
    try:
        with nodes() as started:
            run(started, asked.n, asked.seed)
    except AssertionError:
        traceback.print_exc()
        say(f"broken, with seed {asked.seed}")
        return 1
    return 0


def say(text: str) -> None:
    """Print a line of a campaign at once; a test shows it to those who run it with -s."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Tell the median and the largest of some figures.

    >>> spread([1.0, 2.0, 9.0])
    'median 2.00 s, most 9.00 s'
    """
    if not values:
        return "none"
    return f"median {statistics.median(values):.2f} {unit}, most {max(values):.2f} {unit}"
