"""Real faults against real nodes: kills, power cuts, flipped bits, full and slow disks, outages, stops, and long runs.

Each subject is a module with a command of its own, `python -m tests.faults.SUBJECT N SEED`, and a small run of it among
the tests. A run prints its seed and what it counted; times are printed and never asserted.
"""

import pytest

# What is asserted there is told as in a test.
pytest.register_assert_rewrite(
    *(
        f"tests.faults.{name}"
        for name in ("cuts", "databases", "flips", "kills", "ledgers", "outages", "soak", "stops")
    )
)
