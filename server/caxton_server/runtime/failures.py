"""Failures: deliveries that could not be handled, which are tried again later or given up.

Rules:
- While a delivery waits for its next attempt, later ones of its sender and conversation wait behind it.
- Whoever gives up answers, keeps a dead letter and appends the record in the same call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from caxton_server.runtime import records
from caxton_server.runtime.limits import reach_by_fault
from caxton_server.runtime.mailboxes import Delivery
from caxton_server.runtime.records import Sent

if TYPE_CHECKING:
    from caxton_core.ports import Fault

    from caxton_server.runtime.ams import Ams
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.timers import Timers

RETRY_FIRST_MS, RETRY_LONGEST_MS = 200, 30_000


class Failures:
    """Holds back what failed, and gives up on what failed too often."""

    def __init__(self, kernel: Kernel, timers: Timers, ams: Ams) -> None:
        self.kernel, self.timers, self.ams = kernel, timers, ams
        self.on_due: Callable[[Cell], None] = lambda _cell: None

    def fail(self, cell: Cell, fault: Fault) -> None:
        """End the current delivery of an agent that faulted: retry it later, or give up on it."""
        step, kernel = cell.step, self.kernel
        delivery = step.delivery
        cell.faults += 1
        reach_by_fault(kernel, cell, fault)
        if fault.reason == "trap":
            cell.traps += 1
            kernel.count_trap(fault.detail)
        if delivery is None:
            return
        sent: tuple[Sent, ...] = ()
        retry = due = 0
        if delivery.attempt < cell.deliveries:
            retry = delivery.attempt + 1
            due = kernel.now + min(RETRY_FIRST_MS << (retry - 2), RETRY_LONGEST_MS)
            self.hold(cell, msgspec.structs.replace(delivery, attempt=retry, due=due))
        else:
            sent = self.ams.bounce(cell, delivery, fault.reason, fault.detail)
        kernel.counters.failed[delivery.message.performative] += 1
        effects = records.Effects(
            fault=fault.reason, detail=fault.detail, retry=retry, retry_due=due
        )
        message = delivery.message
        kernel.journal.append(
            records.Step(
                cell.handle,
                step.now,
                delivery.serial,
                message.conversation_id,
                message.id,
                sent,
                effects,
            )
        )

    def hold(self, cell: Cell, delivery: Delivery) -> None:
        """Try a delivery again when it is due; later ones of its sender and conversation wait behind it."""
        key = (delivery.message.sender, delivery.message.conversation_id)
        held = cell.held[key] = [delivery]
        cell.mailbox.keep(delivery)
        self.timers.at(delivery.due, lambda _now: self.release(cell, key, held))

    def release(self, cell: Cell, key: tuple[str, str], held: list[Delivery]) -> None:
        """Put held deliveries back at the head of the mailbox, unless they have been given up and others are held."""
        if cell.held.get(key) is held:
            del cell.held[key]
            cell.mailbox.give_back(held)
            self.on_due(cell)

    def clear(self, cell: Cell, reason: str, detail: str) -> None:
        """Answer everything in a mailbox with failures."""
        deliveries = cell.mailbox.clear()
        for held in cell.held.values():
            deliveries += held
        cell.held.clear()
        # The attempt that comes next is not made.
        deliveries = [
            msgspec.structs.replace(each, attempt=each.attempt - 1) if each.attempt > 1 else each
            for each in deliveries
        ]
        sent: list[Sent] = []
        bounced: list[records.Bounced] = []
        for delivery in sorted(deliveries, key=lambda each: each.serial):
            sent += self.ams.bounce(cell, delivery, reason, detail)
            message = delivery.message
            bounced.append(records.Bounced(message.conversation_id, message.id))
        self.kernel.journal.append(
            records.Cleared(
                self.kernel.now,
                int(cell.handle),
                tuple(sent),
                tuple(bounced),
                f"{reason}: {detail}",
            )
        )
