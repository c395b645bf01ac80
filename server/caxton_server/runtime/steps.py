"""A step: what one agent does with one delivery, kept apart until it is known to have succeeded.

Rules:
- Everything a guest does during a step lands here; a failed step is forgotten by `begin`ning the next.
- What the guest reads, it reads through what the step has already written.
- The answers given to the guest are final: docs/guests.md gives the numbers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from caxton_core.errors import InvalidMessage
from caxton_core.messages import FipaMessage, parse_draft

from caxton_server.runtime.limits import reach
from caxton_server.runtime.records import TimerSet
from caxton_server.runtime.verdicts import NOT_A_MESSAGE, OVER_RATE, TOO_LARGE, Refused

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.mailboxes import Delivery
    from caxton_server.runtime.router import Router
    from caxton_server.runtime.verdicts import Planned

TIMERS_PENDING, TIMER_BYTES, TIMERS_PER_STEP, LOG_PER_STEP = 1_000, 4_096, 100, 65_536
STATE_KEY_BYTES = 1_024
MAX_DELAY_MS = 10 * 366 * 86_400_000


class Step:
    """The overlay of one agent's current step; implements `ports.Host`."""

    __slots__ = (
        "cancelled",
        "cell",
        "conversations",
        "delivery",
        "dirty",
        "drawn",
        "fan_out",
        "kernel",
        "log_bytes",
        "now",
        "planned",
        "router",
        "seed",
        "state",
        "state_size",
        "timers",
        "wrote",
    )

    def __init__(self, kernel: Kernel, router: Router, cell: Cell) -> None:
        self.kernel, self.router, self.cell = kernel, router, cell
        self.delivery: Delivery | None = None
        self.now = 0
        self._reset()

    def _reset(self) -> None:
        self.dirty = self.wrote = False
        self.planned: list[Planned] = []
        self.fan_out = 0
        self.conversations: dict[str, Conversation] = {}
        self.state: dict[bytes, bytes | None] = {}
        self.state_size = 0
        self.timers: dict[int, TimerSet] = {}
        self.cancelled: list[int] = []
        self.seed: bytes | None = None
        self.drawn = self.log_bytes = 0

    def begin(self, delivery: Delivery | None) -> None:
        """Start a step with nothing written."""
        self.delivery = delivery
        self.now = self.kernel.now
        if self.dirty:
            self._reset()

    @property
    def message(self) -> FipaMessage | None:
        """Return the message being handled; None while the agent starts."""
        return None if self.delivery is None else self.delivery.message

    # What the guest may call

    def send(self, data: bytes) -> int:
        """Judge and queue a message; see `ports.Host`."""
        self.dirty = True
        cell = self.cell
        if len(data) > cell.message_size:
            detail = f"a message of more than {cell.message_size} bytes"
            reach(self.kernel, cell, "message_size", detail)
            return TOO_LARGE
        if self.now >= cell.rate_until:
            cell.rate_until, cell.rate_used = self.now + 1000, 0
        elif cell.rate_used >= cell.rate:
            reach(self.kernel, cell, "messages_per_s", f"more than {cell.rate} messages a second")
            return OVER_RATE
        draft = parse_draft(data, cell.codec)
        if isinstance(draft, InvalidMessage):
            return NOT_A_MESSAGE
        planned = self.router.plan(cell, draft, parent=self.message, step=self)
        if isinstance(planned, Refused):
            self.kernel.count_refusal(cell, planned, draft.performative)
            return planned.result
        self.planned.append(planned)
        self.fan_out += len(planned.targets)
        cell.rate_used += len(planned.targets)
        if planned.conversation is not None:
            self.conversations[planned.conversation.id] = planned.conversation
        return 0

    def log(self, level: int, text: bytes) -> None:
        """Keep a log line, up to 64 KiB in a step and what the manifest allows in a second; see `ports.Host`."""
        self.dirty = True
        cell = self.cell
        self.log_bytes += len(text)
        if self.now >= cell.log_until:
            cell.log_until, cell.log_used = self.now + 1000, 0
        if self.log_bytes > LOG_PER_STEP:
            cell.log_bytes_dropped += len(text)
            reach(self.kernel, cell, "log_per_step", f"more than {LOG_PER_STEP} bytes in a step")
        elif cell.log_used + len(text) > cell.log_rate:
            cell.log_bytes_dropped += len(text)
            reach(self.kernel, cell, "log_per_s", f"more than {cell.log_rate} bytes a second")
        else:
            cell.log_used += len(text)
            cell.logs.write(self.kernel.now, level, text)

    def now_ms(self) -> int:
        """Return the time at which the step began."""
        return self.now

    def random(self, size: int) -> bytes:
        """Return bytes that the step's seed, kept in its record, and the number of this call determine."""
        self.dirty = self.wrote = True
        if self.seed is None:
            self.seed = self.kernel.entropy(16)
        self.drawn += 1
        return hashlib.shake_128(self.seed + self.drawn.to_bytes(4, "little")).digest(size)

    def state_get(self, key: bytes) -> bytes | None:
        """Return a durable value; see `ports.Host`."""
        if key in self.state:
            return self.state[key]
        return self.cell.data.get(key)

    def state_put(self, key: bytes, value: bytes) -> int:
        """Write a durable value within the agent's quota."""
        if len(key) > STATE_KEY_BYTES:
            return -1
        change = len(key) + len(value) - self._stored_size(key)
        if change > 0 and self.cell.data_size + self.state_size + change > self.cell.state_quota:
            reach(self.kernel, self.cell, "state", f"more than {self.cell.state_quota} bytes")
            return -1
        self.dirty = self.wrote = True
        self.state_size += change
        self.state[key] = value
        return 0

    def state_delete(self, key: bytes) -> int:
        """Remove a durable value."""
        if self.state_get(key) is None:
            return -1
        self.dirty = self.wrote = True
        self.state_size -= self._stored_size(key)
        self.state[key] = None
        return 0

    def _stored_size(self, key: bytes) -> int:
        stored = self.state_get(key)
        return 0 if stored is None else len(key) + len(stored)

    def set_timer(self, delay_ms: int, payload: bytes) -> int:
        """Ask for a timer, at most 100 in a step and 1,000 in all."""
        pending = len(self.cell.timers) + len(self.timers) - len(self.cancelled)
        if len(self.timers) >= TIMERS_PER_STEP or pending >= TIMERS_PENDING:
            detail = f"more than {TIMERS_PER_STEP} timers in a step, or {TIMERS_PENDING} pending"
            reach(self.kernel, self.cell, "timers", detail)
            return -1
        if len(payload) > TIMER_BYTES or not 0 <= delay_ms <= MAX_DELAY_MS:
            return -1
        self.dirty = self.wrote = True
        timer = self.cell.next_timer + len(self.timers)
        if timer > 0x7FFF_FFFF:
            return -1
        self.timers[timer] = TimerSet(timer, self.now + delay_ms, payload)
        return timer

    def cancel_timer(self, timer: int) -> int:
        """Take back a timer of this or an earlier step."""
        if timer in self.timers:
            due = self.timers[timer]
            if due.due < 0:
                return -1
            self.timers[timer] = TimerSet(timer, -1, b"")
            return 0
        if timer not in self.cell.timers or timer in self.cancelled:
            return -1
        self.dirty = self.wrote = True
        self.cancelled.append(timer)
        return 0
