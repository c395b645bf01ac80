"""Alarms: the timers that agents set, from the step that set one to the message it becomes.

Rules:
- A timer belongs to the agent, not to an instance: the next version of an agent gets what the one before set.
- A timer that was cancelled, or whose agent is gone, is forgotten at once: only what is pending takes memory.
- What has rung never rings again, even if the message could not be delivered: that is a dead letter.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from caxton_core.messages import Performative

from caxton_server.runtime.records import Effects, Routed, Step

if TYPE_CHECKING:
    from caxton_server.runtime.ams import Ams
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.records import TimerSet
    from caxton_server.runtime.timers import Timers

AGAIN_MS = 10


class Alarms:
    """The pending timers of all agents."""

    def __init__(self, kernel: Kernel, timers: Timers, ams: Ams) -> None:
        self.kernel, self.timers, self.ams = kernel, timers, ams

    def arm(self, cell: Cell, timer: TimerSet) -> None:
        """Start a timer of an agent."""
        cell.timers[timer.id] = timer
        self._at(cell, timer, timer.due)

    def cancel(self, cell: Cell, timer_id: int) -> None:
        """Forget a timer."""
        cell.timers.pop(timer_id, None)
        ticket = cell.alarms.pop(timer_id, None)
        if ticket is not None:
            self.timers.cancel(ticket)

    def silence(self, cell: Cell) -> None:
        """Forget every timer of an agent that is gone."""
        for timer_id in tuple(cell.timers):
            self.cancel(cell, timer_id)

    def _at(self, cell: Cell, timer: TimerSet, due: int) -> None:
        handle = int(cell.handle)
        cell.alarms[timer.id] = self.timers.at(due, lambda _now: self._ring(handle, timer))

    def _ring(self, handle: int, timer: TimerSet) -> None:
        """Deliver a timer."""
        cell = self.kernel.cells.get(handle)
        if cell is None:
            return
        if cell.parked and timer.id in cell.step.cancelled:
            # The step it is in has cancelled it: whether it counts is known when the step has ended.
            self._at(cell, timer, self.kernel.now + AGAIN_MS)
            return
        del cell.timers[timer.id], cell.alarms[timer.id]
        content, encoding = _text(timer.payload)
        message = self.ams.message(
            cell, Performative.INFORM, content, ontology="caxton-timer", encoding=encoding
        )
        sent = self.ams.post(cell, message)
        now = self.kernel.now
        if sent is not None:
            self.kernel.journal.append(Routed(now, sent, timer.id))
        else:
            rung = Effects(cancelled=(timer.id,))
            self.kernel.journal.append(Step(handle, now, 0, "", "", (), rung))


def _text(payload: bytes) -> tuple[str, str | None]:
    """Return a timer's payload as text, or as base64 when it is no UTF-8."""
    try:
        return payload.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode(), "base64"
