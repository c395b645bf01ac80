"""A short run of `soak`."""

from __future__ import annotations

import pytest

from tests.faults import soak
from tests.faults.campaigns import Nodes


@pytest.mark.once
@pytest.mark.timeout(300)
def test_a_node_at_half_load_goes_wrong_in_nothing(nodes: Nodes) -> None:
    """Messages, timers, contract nets, deployments and restarts of agents; nothing leaks a file."""
    soak.run(nodes, 20, 1)


def test_the_slope_is_that_of_the_line_through_the_points() -> None:
    """By least squares; of one point there is none."""
    assert soak.slope([(0, 1), (1, 3), (2, 5)]) == 2
    assert soak.slope([(0, 1), (1, 0), (2, 2), (3, 1)]) == pytest.approx(0.2)
    assert soak.slope([(0, 1)]) == 0
