"""A small run of `flips`."""

from __future__ import annotations

import pytest

from tests.faults import flips
from tests.faults.campaigns import Nodes

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]


def test_no_flipped_bit_is_read_without_a_word(nodes: Nodes) -> None:
    """What is read is what was written, or an error; and the check finds what can't be read."""
    tally = flips.run(flips.filled(nodes), 24, 1, check=flips.db_check)
    assert sum(times for ended, times in tally.items() if "told" in ended) > 0
    assert sum(times for ended, times in tally.items() if "a prefix" in ended) > 0
