"""A small run of `outages`."""

from __future__ import annotations

import pytest

from tests.faults import outages
from tests.faults.campaigns import Nodes

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


# What else the command tries differs by the error's number alone.
@pytest.mark.parametrize(
    "outage", ["full", "small", "sync-error", "read-only", "flooded", "slower"]
)
def test_a_disk_that_fails_for_a_while_loses_nothing(nodes: Nodes, outage: str) -> None:
    """Work is refused with a time to come again, the probes say so at once, and the node goes on by itself."""
    try:
        outages.DISKS[outage](nodes, 6)
    except PermissionError:
        pytest.skip("it takes root to mount a file system")
