"""What the tests of recovery share: the node that the journal brings back."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_server.runtime.recovery import Recovery

from tests.server.runtime.nodes import Bench


async def rebuilt(bench: Bench) -> Bench:
    """Return a node with what the journal brings back, in which nothing has happened since."""
    again = bench.again()
    node = again.node
    held: list[Any] = []
    # Nobody is started: what is compared is what was read.
    finish = Recovery.finish

    def only(self: Recovery, **given: Any) -> list[Any]:
        held.extend(finish(self, **given))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recovery, "finish", only)
        (await node.start()).unwrap()
        await node.loop.stop(0)
    return again
