"""Whole worlds: their invariants hold, the same seed is the same world, and what is broken on purpose is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from caxton_server.cli.simulate import BREAKS
from caxton_server.simulation import runs
from caxton_server.simulation.breaks import MEANINGS, Break
from caxton_server.simulation.runs import NoStorage, Order, Outcome, play

SEEDS = 300
PART = 50


@pytest.mark.once
@pytest.mark.parametrize("first", range(1, SEEDS, PART))
def test_no_invariant_is_broken(first: int) -> None:
    """Whatever crashes, fails and is asked for, everything acknowledged happens once."""
    outcomes = [play(seed) for seed in range(first, first + PART)]
    assert [(each.seed, each.invariant, each.detail) for each in outcomes if each.invariant] == []
    for seen in (
        "acknowledged",
        "crashes",
        "messages",
        "dead letters",
        "timers",
        "said in vain",
        "updates",
        "asked of the directory",
        "checkpoints",
        "pruned groups",
    ):
        assert sum(each.counts.get(seen, 0) for each in outcomes), seen


def test_a_clock_that_went_back_is_waited_for() -> None:
    """What is due later by the wall clock, because that was set back, still comes to its end."""
    # An auction of 90 s, and a clock that is set back by minutes after it began.
    outcome = play(3070)
    assert (outcome.invariant, outcome.detail) == ("", "")


def digests(seeds: str, hash_seed: str) -> bytes:
    """Return what a process of its own says of some seeds."""
    code = "import sys; from caxton_server.simulation.runs import play\nfor seed in map(int, sys.argv[1:]): print(play(seed).digest)"
    return subprocess.run(
        [sys.executable, "-c", code, *seeds.split()],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, check=True, timeout=100,
    ).stdout  # fmt: skip


def test_a_seed_is_the_same_world_anywhere() -> None:
    """Played again, and in another process with other hashes of strings, a seed ends in the same digest."""
    seeds = (3, 5, 14, 15)
    here = [play(seed) for seed in seeds]
    assert [play(seed) for seed in seeds] == here
    there = [
        digests(" ".join(map(str, seeds)), hash_seed).decode().split() for hash_seed in ("1", "2")
    ]
    assert there == [[each.digest for each in here]] * 2
    assert len({each.digest for each in here}) == len(seeds)


@pytest.mark.parametrize("broken", Break)
def test_a_broken_journal_is_noticed(broken: Break) -> None:
    """Each way of breaking the journal breaks an invariant within a hundred seeds."""
    found: Outcome | None = None
    for seed in range(1, 101):
        outcome = play(seed, Order(broken=broken))
        if outcome.invariant:
            found = outcome
            break
    assert found is not None, broken
    assert found.invariant != "errors", found.detail
    assert found.trace


def test_every_break_is_named() -> None:
    """The command line and the explanations know every break."""
    assert list(BREAKS) == [str(each) for each in Break] == [str(each) for each in MEANINGS]


def test_real_storages_live_through_the_same(tmp_path: Path) -> None:
    """The same worlds hold on SQLite, each on a database of its own."""
    order = Order(url=f"sqlite:///{tmp_path}/{runs.PLACE}.db")
    outcomes = [play(seed, order) for seed in (2, 6)]
    assert [(each.seed, each.invariant, each.detail) for each in outcomes if each.invariant] == []
    assert sum(each.counts["crashes"] for each in outcomes)
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["2.db", "6.db"]


def test_a_storage_that_has_something_in_it_is_not_touched(tmp_path: Path) -> None:
    """A database that was used before is refused."""
    order = Order(url=f"sqlite:///{tmp_path}/same.db", steps=1)
    play(1, order)
    with pytest.raises(NoStorage, match="not empty"):
        play(1, order)
    with pytest.raises(NoStorage, match="no plugin"):
        play(1, Order(url="tape:/dev/nst0"))


def test_several_processes_play_the_same() -> None:
    """Outcomes come in the order of the seeds, whoever played them, until enough is known."""

    def run(jobs: int, enough: int) -> list[Outcome]:
        seen: list[Outcome] = []

        def report(outcome: Outcome) -> bool:
            seen.append(outcome)
            return len(seen) == enough

        runs.play_all(range(1, 9), Order(steps=3), jobs=jobs, report=report)
        return seen

    assert run(1, 9) == run(2, 9)
    assert [each.seed for each in run(2, 3)] == [1, 2, 3]
