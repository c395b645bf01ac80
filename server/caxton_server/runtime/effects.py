"""Effects: what steps change, done in one uninterrupted go and recorded in the journal; `failures.py` has those that fail.

Rules:
- A step's effects happen all together after its guest has returned, or not at all.
- Whoever changes something appends the record of it in the same call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from caxton_core.errors import InvalidMessage
from caxton_core.messages import Draft, parse_answer
from caxton_core.ports import Fault

from caxton_server.runtime import records
from caxton_server.runtime.alarms import Alarms
from caxton_server.runtime.failures import Failures
from caxton_server.runtime.kernel import PlatformAgent
from caxton_server.runtime.limits import reach_by_refusal
from caxton_server.runtime.mailboxes import Delivery
from caxton_server.runtime.records import Sent
from caxton_server.runtime.verdicts import NOT_A_MESSAGE, Planned, Refused

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation

    from caxton_server.runtime.ams import Ams
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.directory import Directory
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.router import Router
    from caxton_server.runtime.scheduler import Scheduler
    from caxton_server.runtime.shortcut import Shortcut
    from caxton_server.runtime.timers import Timers


class Performer:
    """Does what steps ask for, and delivers messages."""

    directory: Directory
    scheduler: Scheduler
    shortcut: Shortcut

    def __init__(
        self, kernel: Kernel, router: Router, conversations: Conversations, timers: Timers, ams: Ams
    ) -> None:
        self.kernel, self.router, self.conversations = kernel, router, conversations
        self.ams = ams
        self.alarms = Alarms(kernel, timers, ams)
        self.failures = Failures(kernel, timers, ams)
        self.after: list[Callable[[], tuple[Sent, ...]]] = []
        self.missed: list[records.Missed] = []

    def succeed(self, cell: Cell, response: bytes | None, *, parked: bool = False) -> Fault | None:
        """Commit the current step of an agent; a fault when its response is no message, and then nothing happened."""
        step = cell.step
        delivery = step.delivery
        sent: tuple[Sent, ...] | Fault
        draft: Draft | None = None
        if response is not None:
            if len(response) > cell.message_size:
                detail = f"the response has {len(response)} bytes, {cell.message_size} are allowed"
                return Fault("too-large", detail)
            parsed = parse_answer(response, cell.codec)
            if isinstance(parsed, InvalidMessage):
                return Fault("bad-response", parsed.detail)
            draft = parsed
            if (
                delivery is not None
                and not step.dirty
                and self.shortcut.take(cell, delivery, draft)
            ):
                return None
        if delivery is None:
            sent = self._send_all(cell, None, parked=parked)
            assert not isinstance(sent, Fault)
            self._record(cell, 0, "", "", sent)
            return None
        message = delivery.message
        if draft is None and not step.dirty:
            sent = ()
        else:
            sent = self._send_all(cell, draft, parked=parked)
            if isinstance(sent, Fault):
                return sent
        self._record(cell, delivery.serial, message.conversation_id, message.id, sent)
        processed = self.kernel.counters.handled
        processed[message.performative] = processed.get(message.performative, 0) + 1
        cell.messages_in += 1
        return None

    def _send_all(
        self, cell: Cell, draft: Draft | None, *, parked: bool
    ) -> tuple[Sent, ...] | Fault:
        """Deliver what a step sent and then its response; answer what may not be delivered.

        A response of which the router can make no message is a fault, and then nothing was delivered.
        """
        step = cell.step
        verdict: Planned | Refused | None = None
        handled = step.message
        if draft is not None and not step.dirty:
            verdict = self.router.plan(cell, draft, parent=handled, answers=handled, step=step)
            if not isinstance(verdict, Refused):
                cell.messages_out += 1
                only = self.deliver(verdict)
                return (only, *self._rest()) if self.after else (only,)
        refused = self._judge_again(cell) if parked and step.planned else []
        planned = step.planned
        if draft is not None:
            if verdict is None:
                verdict = self.router.plan(cell, draft, parent=handled, answers=handled, step=step)
            if isinstance(verdict, Refused):
                if verdict.result == NOT_A_MESSAGE:
                    return Fault("bad-response", verdict.detail)
                refused.append((verdict, draft))
            else:
                planned = [*planned, verdict]
        sent = tuple([self.deliver(item) for item in planned])
        cell.messages_out += len(sent)
        if self.after:
            sent += self._rest()
        for why, what in refused:
            sent += self.ams.answer_refused(cell, why, what, response=what is draft)
        return sent

    def _record(
        self, cell: Cell, serial: int, conversation: str, message: str, sent: tuple[Sent, ...]
    ) -> None:
        """Keep what a step wrote, and append its record."""
        step = cell.step
        kept = self._keep(cell) if step.wrote else None
        self.kernel.journal.append(
            records.Step(cell.handle, step.now, serial, conversation, message, sent, kept)
        )
        if self.missed:
            self._record_missed()

    def _record_missed(self) -> None:
        """Append, behind the record of a message, the records of those it missed."""
        missed, self.missed = self.missed, []
        for record in missed:
            self.kernel.journal.append(record)

    def _judge_again(self, cell: Cell) -> list[tuple[Refused, Draft]]:
        """Judge the sends of a step that was suspended, if anything they rest on has changed meanwhile."""
        step = cell.step
        if self._stand(step.planned):
            return []
        drafts = [planned.draft for planned in step.planned if planned.draft is not None]
        step.planned, step.conversations, step.fan_out = [], {}, 0
        refused: list[tuple[Refused, Draft]] = []
        for draft in drafts:
            verdict = self.router.plan(cell, draft, parent=step.message, step=step)
            if isinstance(verdict, Refused):
                refused.append((verdict, draft))
                continue
            step.planned.append(verdict)
            step.fan_out += len(verdict.targets)
            if verdict.conversation is not None:
                step.conversations[verdict.conversation.id] = verdict.conversation
        return refused

    def _stand(self, planned: list[Planned]) -> bool:
        """Tell whether verdicts given earlier would be given again, in their order."""
        rooms: dict[Cell, tuple[int, int]] = {}
        latest: dict[str, Conversation | None] = {}
        for item in planned:
            for target in item.targets:
                if type(target) is PlatformAgent:
                    continue
                if self.kernel.cells.get(target.handle) is not target:
                    return False
                if not target.accepts(item.conversation, opens=item.before is None):
                    return False
                messages, size = rooms.get(target, (0, 0))
                rooms[target] = messages + 1, size + len(item.wires[target.codec])
            after = item.conversation
            if after is not None:
                known = latest.get(after.id) or self.conversations.get(after.id)
                if known is not item.before:
                    return False
                latest[after.id] = after
        return all(
            target.mailbox.has_room(size, messages=messages)
            for target, (messages, size) in rooms.items()
        )

    def dispatch(self, planned: Planned) -> None:
        """Deliver and record a message that no step sent."""
        sent = self.deliver(planned)
        for each in (sent, *self._rest()):
            self.kernel.journal.append(records.Routed(self.kernel.now, each))
        self._record_missed()
        self.scheduler.on_wake()

    def _rest(self) -> tuple[Sent, ...]:
        """Let the platform say what it has to say to the messages just delivered.

        Not before all of a step is delivered: its messages were judged together, and what is said changes conversations.
        """
        after, self.after = self.after, []
        return tuple([sent for say in after for sent in say()])

    def deliver(self, planned: Planned) -> Sent:
        """Hand a judged message to its receivers; what the platform has to say to it is in `after`."""
        kernel = self.kernel
        message, wires, now = planned.message, planned.wires, kernel.now
        first = serial = kernel.serial + 1
        handles = []
        wire = b""
        asked: list[tuple[PlatformAgent, int]] = []
        for target in planned.targets:
            wire = wires[target.codec]
            handles.append(target.handle)
            if type(target) is PlatformAgent:
                if target is kernel.api:
                    kernel.told(message)
                else:
                    asked.append((target, serial))
            else:
                mailbox = target.mailbox
                mailbox.queue.append(Delivery(serial, message, wire, False, now))
                mailbox.count += 1
                mailbox.bytes += len(wire)
                if target.awake and not target.queued:
                    target.queued = True
                    self.scheduler.ready.append(target)
            serial += 1
        kernel.serial = serial - 1
        routed = kernel.counters.delivered
        routed[message.performative] = routed.get(message.performative, 0) + len(handles)
        if planned.conversation is not None:
            self.conversations.commit(planned.conversation, planned.before, planned.awarded)
        for agent, number in asked:
            self.directory.receive(agent, message, number, wires[agent.codec])
        for why in planned.missed:
            author, detail = planned.author or kernel.api, f"{why.reason}: {why.detail}"
            if why.over:
                reach_by_refusal(kernel, author, why)
            self.missed.append(
                records.Missed(now, why.receiver, message.conversation_id, message.id, detail)
            )
            self.after.append(partial(self.ams.miss, author, message, why))
        return Sent(first, tuple(handles), message.conversation_id, message.id, wire)

    def _keep(self, cell: Cell) -> records.Effects:
        """Apply what a step wrote to durable state and timers."""
        step = cell.step
        for key, value in step.state.items():
            if value is None:
                cell.data.pop(key, None)
            else:
                cell.data[key] = value
        cell.data_size += step.state_size
        for cancelled in step.cancelled:
            self.alarms.cancel(cell, cancelled)
        timers = tuple([timer for timer in step.timers.values() if timer.due >= 0])
        cell.next_timer += len(step.timers)
        for timer in timers:
            self.alarms.arm(cell, timer)
        # Ids that were given and taken back count: none is given twice, not even after a restart.
        dropped = [timer.id for timer in step.timers.values() if timer.due < 0]
        return records.Effects(step.state, timers, (*step.cancelled, *dropped), step.seed)
