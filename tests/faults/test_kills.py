"""A small run of `kills`."""

from __future__ import annotations

import pytest

from tests.faults import kills
from tests.faults.campaigns import Nodes

pytestmark = pytest.mark.once


@pytest.mark.timeout(300)
def test_all_that_was_acknowledged_is_done_once_through_20_kills(nodes: Nodes) -> None:
    """Messages, timers and contract nets, under load, killed while it works and while it starts."""
    kills.run(nodes.start, 20, 1)


def test_a_node_starts_with_many_stored_messages(nodes: Nodes) -> None:
    """After a kill it has all of them."""
    kills.recover(nodes.start, 5_000)
