"""Reading job-shop instances, checking and drawing schedules."""

from __future__ import annotations

import pytest
from caxton_server.gantt import draw_gantt
from caxton_server.jobshop import (
    BrokenInstance,
    Instance,
    Operation,
    Placement,
    check_schedule,
    parse_instance,
)
from returns.result import Failure, Success

TEXT = "# By hand; optimal makespan 8.\n2 2\n0 3 1 2\n\n# the other\n1 4 0  1\n"
TINY = Instance(
    name="tiny",
    machines=2,
    jobs=((Operation(0, 3), Operation(1, 2)), (Operation(1, 4), Operation(0, 1))),
    optimum=8,
)
GOOD = (
    Placement(0, 0, 0, 0, 3),
    Placement(0, 1, 1, 4, 6),
    Placement(1, 0, 1, 0, 4),
    Placement(1, 1, 0, 4, 5),
)


def test_instance_is_read() -> None:
    """Comments and blank lines may stand anywhere; the optimum comes from a comment."""
    assert parse_instance(TEXT, name="tiny") == Success(TINY)
    assert parse_instance(TEXT.replace("\n", "\r\n"), name="tiny") == Success(TINY)


def test_optimum_is_optional() -> None:
    """A file that states no optimum has none."""
    assert parse_instance("1 1\n0 5", name="x").unwrap().optimum is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "the file holds no instance"),
        ("# nothing\n\n", 2, "the file holds no instance"),
        ("2\n0 1\n0 1", 1, "expected two numbers: jobs and machines"),
        ("0 2", 1, "jobs 0 is too small, at least 1"),
        ("1 5000\n", 1, "machines 5000 is too large, at most 1000"),
        ("x 1\n0 1", 1, "'x' is not a whole number (jobs)"),
        ("2 1\n0 1", 2, "expected 2 jobs, but the file ends after 1"),
        ("1 1\n0 1\n\n0 2", 4, "a line too many: the first line says 1 jobs"),
        ("1 2\n0 1 1", 2, "expected 2 pairs of machine and duration, found 3 numbers"),
        ("1 2\n0 1", 2, "expected 2 pairs of machine and duration, found 2 numbers"),
        ("1 2\n0 1 2 1", 2, "there is no machine 2, only 0 to 1"),
        ("1 2\n0 1 -1 1", 2, "machine -1 is too small, at least 0"),
        ("1 2\n0 1 1 -4", 2, "duration -4 is too small, at least 0"),
        ("1 1\n0 2.5", 2, "'2.5' is not a whole number (duration)"),
        ("1 1\n0 99999999999", 2, "duration 99999999999 is too large, at most 1000000000"),
        ("1 1\n0 ٣", 2, "'٣' is not a whole number (duration)"),
    ],
)
def test_broken_file_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    """What is wrong is said in a sentence that begins with the line."""
    assert parse_instance(text, name="x") == Failure(BrokenInstance(line, reason))
    assert str(BrokenInstance(line, reason)) == f"line {line}: {reason}"


def test_feasible_schedule_has_a_makespan() -> None:
    """A feasible schedule's makespan is its latest end."""
    assert check_schedule(TINY, reversed(GOOD)) == Success(6)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (GOOD[:3], "job 1 operation 1 is missing"),
        ((*GOOD, GOOD[0]), "job 0 operation 0 is placed 2 times"),
        ((*GOOD, Placement(7, 0, 0, 9, 9)), "there is no job 7 operation 0"),
        (
            (*GOOD[:3], Placement(1, 1, 1, 6, 7)),
            "job 1 operation 1 needs machine 0 for 1, not machine 1 for 1",
        ),
        (
            (*GOOD[:3], Placement(1, 1, 0, 4, 6)),
            "job 1 operation 1 needs machine 0 for 1, not machine 0 for 2",
        ),
        (
            (*GOOD[:3], Placement(1, 1, 0, 3, 4)),
            "job 1 operation 1 starts before the one before it ends",
        ),
        (
            (GOOD[0], Placement(0, 1, 1, 3, 5), *GOOD[2:]),
            "machine 1 does job 1 and job 0 at the same time",
        ),
        ((Placement(0, 0, 0, -1, 2), *GOOD[1:]), "job 0 operation 0 starts before 0"),
    ],
)
def test_infeasible_schedule_is_refused(changed: tuple[Placement, ...], reason: str) -> None:
    """Every way a schedule can be wrong is named."""
    assert reason in check_schedule(TINY, changed).failure().reasons


def test_gantt_shows_each_machine() -> None:
    """The chart has a row for each machine, whole cells for each unit of time, and times below."""
    assert draw_gantt(GOOD, width=20).plain.splitlines() == [
        "machine 0 000·1·",
        "machine 1 111100",
        "          012345",
    ]


def test_gantt_fits_the_terminal() -> None:
    """A long schedule is scaled down to the width."""
    wide = [Placement(0, 0, 0, 0, 10_000), Placement(1, 0, 0, 10_000, 20_000)]
    row, ruler = draw_gantt(wide, width=51).plain.splitlines()
    assert row == "machine 0 " + "0" * 20 + "1" * 20
    assert len(ruler) <= 50
