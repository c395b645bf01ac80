"""The floors of the benchmark."""

from __future__ import annotations

import pytest
from caxton_server.bench.floors import FLOORS
from caxton_server.bench.plans import Plan, choose


@pytest.mark.parametrize("workload", list(FLOORS))
async def test_floors_do_work(workload: str) -> None:
    """Each floor gets something done, and leaves no task behind."""
    assert await FLOORS[workload](0.05) > 0


def test_every_part_is_measured_once() -> None:
    """The plan is the product of workloads and durabilities, in the order given."""
    assert list(choose(["W3", "W1"], ["memory", "disk"], seconds=5.0)) == [
        Plan("W3", "memory"),
        Plan("W3", "disk"),
        Plan("W1", "memory"),
        Plan("W1", "disk"),
    ]
