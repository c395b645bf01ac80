"""The scheduler: which agent runs next, and for how long.

Rules:
- A turn is a few messages of one agent, and ends early when they take long; a guest that outlives its slice is parked
  and resumed between turns.
- Parked guests get one slice for every `TURNS_PER_SLICE` turns, so that long computations slow others by a bounded part.
- `queued` is true while an agent is in the ready queue or in its turn; nobody is in it twice.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from caxton_core.ports import EXIT, SUSPENDED, Fault, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.kernel import Kernel

DROPPED = Fault("dropped", "another command came in between")
"""What ends a call that somebody else has ended: its guest is gone, and nothing is to be done about it."""
TURNS_PER_SLICE = 2
TURN_SECONDS = 500e-6
"""How long a turn of several messages may take; the clock is read before every second one, and never for a single one.

Full turns of honest agents take less and are not cut: one agent's messages in a row are cheaper than those of many in turn,
by a third in a ring of a thousand.
"""
LOOK_EVERY = 0x7
"""The clock is read once in eight turns."""
SAMPLE = 0x3F
"""One message in 64 is timed for the histogram; a clock call for each would cost more than it tells."""


class Scheduler:
    """Runs agents in turns."""

    def __init__(self, kernel: Kernel, performer: Performer, *, quantum: int) -> None:
        self.kernel, self.performer, self.quantum = kernel, performer, quantum
        self.failures = performer.failures
        self.failures.on_due = self.wake
        self.ready: deque[Cell] = deque()
        self.parked: deque[Cell] = deque()
        self.mark: Callable[[int], None] = lambda _serial: None
        self.on_ended: Callable[[Cell, Fault | None], None] = lambda _cell, _fault: None
        self.on_empty: Callable[[Cell], None] = lambda _cell: None
        self.on_wake: Callable[[], None] = lambda: None
        self.handled = 0

    @property
    def idle(self) -> bool:
        """Tell whether nobody wants the thread."""
        return not self.ready and not self.parked

    def wake(self, cell: Cell) -> None:
        """Give an agent a place in the ready queue if it has something to do."""
        if cell.awake and not cell.queued and cell.mailbox.queue:
            cell.queued = True
            self.ready.append(cell)
            self.on_wake()

    def work(self, seconds: float) -> None:
        """Run turns until nobody is ready or the time is up."""
        ready, parked, monotonic = self.ready, self.parked, self.kernel.clock.monotonic
        until = monotonic() + seconds
        tick = self.kernel.tick
        turns = 0
        while ready or parked:
            if turns & LOOK_EVERY == 0:
                tick()
                if monotonic() >= until:
                    break
            if ready:
                self.turn(ready.popleft())
            turns += 1
            if parked and (turns % TURNS_PER_SLICE == 0 or not ready):
                self.resume(parked.popleft())

    def turn(self, cell: Cell) -> None:
        """Hand an agent its next messages."""
        kernel, performer, mailbox, step = self.kernel, self.performer, cell.mailbox, cell.step
        guest = cell.guest
        if guest is None or not cell.awake:
            cell.queued = False
            return
        mark, handle, queue = self.mark, guest.handle, mailbox.queue
        monotonic, until = kernel.clock.monotonic, 0.0
        for count in range(self.quantum):
            if count & 1:
                now = monotonic()
                if count == 1:
                    until = now + TURN_SECONDS
                elif now > until:
                    break
            delivery = mailbox.pop()
            if cell.held and self._waits(cell, delivery):
                if not queue:
                    break
                continue
            mark(delivery.serial)
            step.begin(delivery)
            self.handled += 1
            began = 0.0 if self.handled & SAMPLE else monotonic()
            outcome = handle(delivery.wire)
            if outcome is SUSPENDED:
                cell.awake = False
                cell.parked = True
                self.parked.append(cell)
                return
            if type(outcome) is Fault:
                self._faulted(cell, outcome, parked=False)
                fault: Fault | None = outcome
            else:
                fault = performer.succeed(cell, outcome)  # type: ignore[arg-type]  # Suspended and Fault are gone
                if fault is not None:
                    self.failures.fail(cell, fault)
            if began:
                self._observe(cell, began)
            if fault is not None:
                self.on_ended(cell, fault)
            if not queue or not cell.awake:
                break
        if queue and cell.awake:
            self.ready.append(cell)
        else:
            cell.queued = False
            if not queue and not cell.open:
                self.on_empty(cell)

    def _faulted(self, cell: Cell, fault: Fault, *, parked: bool) -> None:
        """End a step whose call did not come back; one of a guest that has ended itself in order stands, without a response."""
        if fault.reason != EXIT or cell.calling is not None:
            self.failures.fail(cell, fault)
        else:
            self.performer.succeed(cell, None, parked=parked)

    def _waits(self, cell: Cell, delivery: object) -> bool:
        """Put a delivery behind a held one of the same sender and conversation."""
        message = delivery.message  # type: ignore[attr-defined]  # a Delivery
        held = cell.held.get((message.sender, message.conversation_id))
        if held is None:
            return False
        cell.mailbox.keep(delivery)  # type: ignore[arg-type]  # a Delivery
        held.append(delivery)  # type: ignore[arg-type]  # a Delivery
        return True

    def _observe(self, cell: Cell, began: float) -> None:
        delivery = cell.step.delivery
        if delivery is not None:
            durations = self.kernel.counters.durations.setdefault(delivery.message.performative, [])
            if len(durations) < 10_000:
                durations.append(self.kernel.clock.monotonic() - began)
            waits = self.kernel.counters.delivery_times
            if len(waits) < 10_000:
                waits.append((self.kernel.now - delivery.time) / 1000)

    def call(self, cell: Cell, outcome: Outcome, ended: Callable[[Fault | None], None]) -> None:
        """Follow a call that is no delivery (start, drain) to its end."""
        cell.calling = ended
        if outcome is SUSPENDED:
            cell.queued = cell.parked = True
            self.parked.append(cell)
            self.on_wake()
        else:
            self._settle(cell, outcome)
            if self.ready:
                self.on_wake()

    def resume(self, cell: Cell) -> None:
        """Give a parked guest one more slice."""
        guest = cell.guest
        if guest is None:
            return
        delivery = cell.step.delivery
        self.mark(0 if delivery is None else delivery.serial)
        outcome = guest.resume()
        if outcome is SUSPENDED:
            self.parked.append(cell)
            return
        self.kernel.tick()
        self._settle(cell, outcome)

    def _settle(self, cell: Cell, outcome: Outcome) -> None:
        """End a call that was parked, or is none of the fast path's."""
        if isinstance(outcome, Fault):
            fault: Fault | None = outcome
            self._faulted(cell, outcome, parked=True)
        else:
            response = outcome if isinstance(outcome, bytes) else None
            if cell.calling is not None:
                cell.answer, response = response, None
            fault = self.performer.succeed(cell, response, parked=True)
            if fault is not None:
                self.failures.fail(cell, fault)
        cell.queued = cell.parked = False
        calling, cell.calling = cell.calling, None
        if calling is not None:
            calling(fault)
            return
        cell.awake = cell.may_run
        if fault is not None:
            self.on_ended(cell, fault)
        self.wake(cell)
        if not cell.mailbox.queue:
            self.on_empty(cell)

    def drop(self, cell: Cell) -> None:
        """Forget an agent's place in the queues, and its running call; who waits for that is told `DROPPED`."""
        if cell in self.parked:
            self.parked.remove(cell)
        if cell in self.ready:
            self.ready.remove(cell)
        cell.queued = cell.parked = False
        calling, cell.calling = cell.calling, None
        if calling is not None:
            calling(DROPPED)
