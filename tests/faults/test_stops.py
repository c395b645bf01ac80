"""A small run of `stops`."""

from __future__ import annotations

import pytest

from tests.faults import stops
from tests.faults.campaigns import Nodes

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def test_sigterm_under_load_loses_nothing(nodes: Nodes) -> None:
    """Exit code 0, each time; readiness goes first, every request is answered, and what was acknowledged is done once."""
    stops.run(nodes, 3, 1)


def test_sigterm_while_the_disk_is_full_ends_with_a_sentence(nodes: Nodes) -> None:
    """Exit code 1 within the grace period; what was acknowledged before is there."""
    stops.full(nodes)
