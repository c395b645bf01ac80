"""The limits that agents reach: counted each time, told as events now and then.

Rules:
- A limit has the name of its setting in the manifest; those that are the same for all have names of their own.
- The first time is told at once, what follows at most once a minute for each agent and limit: no guest can flood the
  events by running into its limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from caxton_core.events import AgentLimited

from caxton_server.runtime.cells import Cell

if TYPE_CHECKING:
    from caxton_core.ports import Fault

    from caxton_server.runtime.kernel import Kernel, PlatformAgent
    from caxton_server.runtime.verdicts import Refused

TOLD_EVERY_MS: Final = 60_000

OF_FAULTS: Final = {
    "cpu": "cpu_ms",
    "time": "time_ms",
    "memory": "memory",
    "host-calls": "host_calls",
    "too-large": "message_size",
}
"""Which limit a fault's reason speaks of; the other reasons speak of none."""


class Reached:
    """How often an agent reached one limit, how often that was told, and when last."""

    __slots__ = ("at", "times", "told")

    def __init__(self) -> None:
        self.times = self.told = self.at = 0


def reach(kernel: Kernel, cell: Cell, limit: str, detail: str) -> None:
    """Take note that an agent reached a limit."""
    kernel.counters.limits[limit] += 1
    reached = cell.reached.get(limit)
    if reached is None:
        reached = cell.reached[limit] = Reached()
    reached.times += 1
    if reached.told and kernel.now - reached.at < TOLD_EVERY_MS:
        return
    times, reached.told, reached.at = reached.times - reached.told, reached.times, kernel.now
    kernel.publish(AgentLimited(cell.address, limit, detail, times))


def reach_by_fault(kernel: Kernel, cell: Cell, fault: Fault) -> None:
    """Take note of the limit that a fault speaks of, if any."""
    limit = fault.limit or OF_FAULTS.get(fault.reason)
    if limit:
        reach(kernel, cell, limit, fault.detail)


def reach_by_refusal(kernel: Kernel, author: Cell | PlatformAgent, why: Refused) -> None:
    """Take note of the limit for which a message is refused: its author's, or the receiver's that is named."""
    owner = kernel.find(why.receiver) if why.receiver else author
    if type(owner) is Cell:
        reach(kernel, owner, why.over, why.detail)
