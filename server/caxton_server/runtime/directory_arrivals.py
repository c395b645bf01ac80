"""What arrives for the AMS and the DF, and waits to be served.

Rules:
- The queue is bounded, for each sender too; the router refuses what it has no room for.
- What waits is recorded on arrival (`Asked`): the node may end before its turn comes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

import msgspec
from caxton_core.messages import ANSWERED_NEVER, FipaMessage, encode

from caxton_server.runtime.ams import ASKS
from caxton_server.runtime.records import Asked

if TYPE_CHECKING:
    from caxton_server.runtime.kernel import Kernel, PlatformAgent

ServiceName: TypeAlias = Literal["ams", "df"]
QUEUE, QUEUE_PER_AGENT = 1_000, 100
LONGEST_ASKED: Final = 16_384
"""Bytes of a message that are kept while it waits; a longer one has no content that would be read."""


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A message that waits for its turn."""

    serial: int
    service: ServiceName
    message: FipaMessage


class Arrivals:
    """The queue before the directory."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.queue: deque[Waiting] = deque()
        self.per_agent: Counter[str] = Counter()
        self.on_arrival: Callable[[], None] = lambda: None
        kernel.ams.turns_away = kernel.df.turns_away = self.turns_away

    def turns_away(self, sender: str) -> bool:
        """Tell whether there is no room for a message of an agent."""
        most = QUEUE if sender == self.kernel.api.address else QUEUE_PER_AGENT
        return len(self.queue) >= QUEUE or self.per_agent.get(sender, 0) >= most

    def receive(self, agent: PlatformAgent, message: FipaMessage, serial: int, wire: bytes) -> None:
        """Queue what asks for an answer; the rest ends here.

        Outside a conversation a question that is itself an answer gets none, or an agent that asks back could go on for ever.
        """
        if message.performative in ANSWERED_NEVER:
            return
        if message.protocol is None and (
            message.performative not in ASKS or message.in_reply_to is not None
        ):
            return
        if len(wire) > LONGEST_ASKED:
            message = msgspec.structs.replace(
                message, content=None, extras=None, receiver=agent.address
            )
            wire = encode(message, "json")
        service = cast("ServiceName", agent.name)
        now = self.kernel.now
        self.kernel.journal.append(Asked(now, serial, service, message.conversation_id, wire))
        self.enqueue(Waiting(serial, service, message))
        self.on_arrival()

    def enqueue(self, waiting: Waiting) -> None:
        """Put a message behind those that wait."""
        self.queue.append(waiting)
        self.per_agent[waiting.message.sender] += 1

    def take(self) -> Waiting:
        """Take out the message whose turn it is."""
        waiting = self.queue.popleft()
        self._unqueued(waiting)
        return waiting

    def answered(self, serial: int) -> None:
        """Take out a message that was served before the node ended."""
        for position, waiting in enumerate(self.queue):
            if waiting.serial == serial:
                del self.queue[position]
                self._unqueued(waiting)
                return

    def clear(self) -> None:
        """Take out all there are."""
        self.queue.clear()
        self.per_agent.clear()

    def _unqueued(self, waiting: Waiting) -> None:
        sender = waiting.message.sender
        self.per_agent[sender] -= 1
        if not self.per_agent[sender]:
            del self.per_agent[sender]
