"""Random agents, failures, full mailboxes, operators, checkpoints and crashes: no message is lost or handled twice, no conversation stays."""

from __future__ import annotations

import pytest

from tests.server.runtime.worlds import play

pytestmark = pytest.mark.once


@pytest.mark.parametrize("seed", range(6))
async def test_no_message_is_lost_or_handled_twice(seed: int) -> None:
    """Each receiver of each message has handled it once or left one dead letter; every conversation has ended."""
    tally = await play(20, seed)
    assert tally["messages"] > 1000
    for seen in ("dead letters", "said in vain", "crashes", "checkpoints"):
        assert tally[seen], seen
