"""Recovery: rebuilding the node from its journal.

Rules:
- Records are applied in order and never judged again. They may begin in the middle, with a checkpoint: what they say of
  somebody whose image is yet to come changes nothing.
- What was sent and not consumed is queued again, in journal order; agents that ran are started again.
- The delivery that was running when the node died is charged an attempt, durably, and is a dead letter after `ATTEMPTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from caxton_core.agents import AgentState
from caxton_core.messages import decode, encode
from caxton_core.ports import Row

from caxton_server.runtime import directory_recovery
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.failures import RETRY_LONGEST_MS
from caxton_server.runtime.mailboxes import Delivery
from caxton_server.runtime.records import (
    AgentImage,
    AgentRemoved,
    AgentSaved,
    Asked,
    Charged,
    CheckpointBegun,
    Cleared,
    DirectoryImage,
    Effects,
    MailImage,
    Queued,
    Record,
    Restarted,
    Routed,
    Sent,
    Served,
    Step,
    TimerSet,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.journal_groups import Batch
    from caxton_server.runtime.kernel import Kernel

ATTEMPTS = 3


class Pending:
    """What one agent has before it, while the journal is read."""

    def __init__(self) -> None:
        self.deliveries: dict[int, Queued] = {}
        self.restarted: Restarted | None = None
        self.data: dict[bytes, bytes] = {}
        self.timers: dict[int, TimerSet] = {}
        self.next_timer = 1


class Recovery:
    """Applies the journal to an empty node."""

    def __init__(
        self, kernel: Kernel, agents: Agents, conversations: Conversations, performer: Performer
    ) -> None:
        self.kernel, self.agents, self.conversations, self.performer = (
            kernel,
            agents,
            conversations,
            performer,
        )
        self.directory = performer.directory
        self.saved: dict[int, AgentSaved] = {}
        self.pending: dict[int, Pending] = {}
        self.records = 0

    def replay(self, batches: Iterable[Batch]) -> None:
        """Apply groups of the journal."""
        for batch in batches:
            for record in batch.records:
                self._apply(record)
                self.records += 1
            for conversation in batch.images:
                self.conversations.restore(conversation)

    def _apply(self, record: Record) -> None:
        match record:
            case Step():
                agent = self._of(record.agent)
                effects = record.effects
                if record.consumed:
                    entry = agent.deliveries.pop(record.consumed, None)
                    if effects is not None and effects.retry and entry is not None:
                        agent.deliveries[record.consumed] = msgspec.structs.replace(
                            entry, attempt=effects.retry, due=effects.retry_due
                        )
                if effects is not None and effects.fault is None:
                    for key, value in effects.state.items():
                        if value is None:
                            agent.data.pop(key, None)
                        else:
                            agent.data[key] = value
                    for timer in effects.cancelled:
                        agent.timers.pop(timer, None)
                        agent.next_timer = max(agent.next_timer, timer + 1)
                    for set_ in effects.timers:
                        agent.timers[set_.id] = set_
                        agent.next_timer = max(agent.next_timer, set_.id + 1)
                for sent in record.sent:
                    self._queue(sent, record.time)
            case Routed():
                for handle in record.sent.to:
                    if record.timer and handle in self.pending:
                        self.pending[handle].timers.pop(record.timer, None)
                self._queue(record.sent, record.time)
            case AgentSaved():
                self.saved[record.id] = record
                self.directory.entries.note(record)
            case AgentRemoved():
                self.saved.pop(record.id, None)
                self.directory.entries.forget(record.id)
                self.pending.pop(record.id, None)
            case Cleared():
                self._of(record.agent).deliveries.clear()
                for sent in record.sent:
                    self._queue(sent, record.time)
            case Restarted():
                self._of(record.agent).restarted = record
            case Asked():
                directory_recovery.replay(self.directory, record)
            case Served():
                directory_recovery.replay(self.directory, record)
                for sent in record.sent:
                    self._queue(sent, record.time)
            case Charged():
                agent = self._of(record.agent)
                entry = agent.deliveries.get(record.serial)
                if entry is not None:
                    agent.deliveries[record.serial] = msgspec.structs.replace(
                        entry, attempt=record.attempt, due=0
                    )
            case CheckpointBegun():
                self.kernel.serial = max(self.kernel.serial, record.serial)
            case AgentImage():
                self._restore(record)
            case MailImage():
                waiting = self._of(record.agent).deliveries
                for each in record.deliveries:
                    waiting[each.serial] = each
            case DirectoryImage():
                directory_recovery.restore(self.directory, record)

    def _restore(self, image: AgentImage) -> None:
        """Take an agent from its image; its mailbox follows."""
        saved = image.saved
        self.saved[saved.id] = saved
        self.directory.entries.restore(saved, image.registered)
        agent = self.pending[saved.id] = Pending()
        agent.data = image.state
        agent.timers = {timer.id: timer for timer in image.timers}
        agent.next_timer = saved.next_timer
        agent.restarted = image.restarted

    def _of(self, handle: int) -> Pending:
        return self.pending.setdefault(handle, Pending())

    def _queue(self, sent: Sent, time: int) -> None:
        for serial, handle in enumerate(sent.to, sent.serial):
            if handle:
                self._of(handle).deliveries[serial] = Queued(
                    serial, sent.conversation, sent.message, sent.wire, time
                )
        self.kernel.serial = max(self.kernel.serial, sent.serial + len(sent.to) - 1)

    def finish(self, *, sandbox_of: Callable[[AgentSaved], str], interrupted: int) -> list[Cell]:
        """Make the agents and fill their mailboxes; return those that must be started.

        An agent that was still being deployed when the node died never was.
        """
        to_start: list[Cell] = []
        poisoned: list[tuple[Cell, Delivery]] = []
        for saved in self.saved.values():
            if saved.state in (AgentState.LOADED, AgentState.UNLOADED):
                self.kernel.journal.append(AgentRemoved(self.kernel.now, saved.id))
                self.kernel.journal.put_row(Row("agents", str(saved.id), {}, deleted=True))
                self.directory.entries.forget(saved.id)
                continue
            cell = self.agents.create(saved, sandbox=sandbox_of(saved))
            self.kernel.add(cell)
            pending = self.pending.get(saved.id, Pending())
            cell.data = pending.data
            cell.data_size = sum(len(key) + len(value) for key, value in pending.data.items())
            cell.next_timer = max(cell.next_timer, pending.next_timer)
            restarted = pending.restarted
            if restarted is not None:
                cell.restarts, cell.history = restarted.restarts, restarted.history
                cell.restart_due, cell.restart_reason = restarted.due, restarted.reason
            poisoned += self._fill(cell, pending, interrupted)
            for timer in pending.timers.values():
                self.performer.alarms.arm(cell, timer)
            if cell.state in (AgentState.RUNNING, AgentState.DRAINING, AgentState.SUSPENDED):
                to_start.append(cell)
        self.conversations.rearm()
        self.directory.resume()
        # Only now, with everything queued before it, can their senders be told.
        for cell, delivery in poisoned:
            self._poisoned(cell, delivery)
        return to_start

    def _fill(self, cell: Cell, pending: Pending, interrupted: int) -> list[tuple[Cell, Delivery]]:
        """Queue what an agent has not handled, but for a message that has killed the node too often."""
        poisoned: list[tuple[Cell, Delivery]] = []
        decoded: dict[str, Delivery] = {}
        for serial, queued in sorted(pending.deliveries.items()):
            attempt, due = queued.attempt, queued.due
            known = decoded.get(queued.message)
            message = decode(queued.wire) if known is None else known.message
            wire = encode(message, cell.codec)
            platform = message.sender in (self.kernel.ams.address, self.kernel.df.address)
            delivery = Delivery(serial, message, wire, platform, queued.time, attempt, due)
            decoded[queued.message] = delivery
            # What waits for its next attempt was not in the middle of one: the mark is that of the attempt before.
            if serial == interrupted and due <= self.kernel.now:
                if attempt >= max(ATTEMPTS, cell.deliveries):
                    poisoned.append((cell, delivery))
                    continue
                delivery = msgspec.structs.replace(delivery, attempt=attempt + 1, due=0)
                self.kernel.journal.append(
                    Charged(self.kernel.now, int(cell.handle), serial, attempt + 1)
                )
            if delivery.due > self.kernel.now:
                # A clock that was set back makes nothing wait longer than anything ever does.
                latest = self.kernel.now + RETRY_LONGEST_MS
                self.performer.failures.hold(
                    cell, msgspec.structs.replace(delivery, due=min(delivery.due, latest))
                )
            else:
                cell.mailbox.push(delivery)
        return poisoned

    def _poisoned(self, cell: Cell, delivery: Delivery) -> None:
        """Give up on a message that was running at every one of the last crashes."""
        detail = f"the node died while handling it, at attempt {delivery.attempt}"
        sent = self.performer.ams.bounce(cell, delivery, "crash", detail)
        message = delivery.message
        self.kernel.journal.append(
            Step(
                int(cell.handle),
                self.kernel.now,
                delivery.serial,
                message.conversation_id,
                message.id,
                sent,
                Effects(fault="crash", detail=detail),
            )
        )
