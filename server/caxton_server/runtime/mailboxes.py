"""Mailboxes: bounded queues of deliveries, in the order they were committed.

Rules:
- A mailbox is bounded in messages and in bytes; what does not fit is refused, never dropped.
- What waits outside the queue to be handed out again (`keep`) goes on counting.
- Messages from the platform have an allowance of their own, as large, so that a full mailbox still learns of failures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec
from caxton_core.messages import FipaMessage, encode
from caxton_core.nesting import Codec

BYTES_PER_MESSAGE = 4096
"""A mailbox of n messages holds n times this many bytes."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message on its way to one agent; `serial` is unique in the node and grows with each delivery.

    `due` is when it may be tried again (epoch ms), 0 when it may be at once.
    """

    serial: int
    message: FipaMessage
    wire: bytes
    platform: bool
    time: int
    attempt: int = 1
    due: int = 0


class Mailbox:
    """The queue of one agent."""

    __slots__ = (
        "bytes",
        "bytes_limit",
        "count",
        "limit",
        "platform_bytes",
        "platform_count",
        "queue",
    )

    def __init__(self, limit: int, *, message_size: int) -> None:
        self.queue: deque[Delivery] = deque()
        self.resize(limit, message_size=message_size)
        self.count = self.bytes = 0
        self.platform_count = self.platform_bytes = 0

    def __len__(self) -> int:
        return self.count + self.platform_count

    def resize(self, limit: int, *, message_size: int) -> None:
        """Change the bounds; what is in it stays."""
        self.limit = limit
        self.bytes_limit = max(limit * BYTES_PER_MESSAGE, message_size)

    def has_room(self, size: int, *, messages: int = 1) -> bool:
        """Tell whether agents may add `messages` with `size` bytes in all."""
        return self.count + messages <= self.limit and self.bytes + size <= self.bytes_limit

    def has_platform_room(self, size: int) -> bool:
        """Tell whether the platform may add one more message."""
        return self.platform_count < self.limit and self.platform_bytes + size <= self.bytes_limit

    def push(self, delivery: Delivery) -> None:
        """Add a delivery that was found to have room."""
        self.queue.append(delivery)
        self.keep(delivery)

    def keep(self, delivery: Delivery) -> None:
        """Count a delivery that waits outside the queue, until `give_back`."""
        if delivery.platform:
            self.platform_count += 1
            self.platform_bytes += len(delivery.wire)
        else:
            self.count += 1
            self.bytes += len(delivery.wire)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries that were kept at the head of the queue, in their order."""
        self.queue.extendleft(reversed(deliveries))

    def push_front(self, delivery: Delivery) -> None:
        """Put a delivery back at the head; it had room before."""
        self.queue.appendleft(delivery)
        self.keep(delivery)

    def pop(self) -> Delivery:
        """Take the oldest delivery."""
        delivery = self.queue.popleft()
        if delivery.platform:
            self.platform_count -= 1
            self.platform_bytes -= len(delivery.wire)
        else:
            self.count -= 1
            self.bytes -= len(delivery.wire)
        return delivery

    def recode(self, codec: Codec, held: Iterable[list[Delivery]]) -> None:
        """Encode everything anew; what a codec has no form for stays as it is."""
        recoded = [_recoded(delivery, codec) for delivery in self.clear()]
        for deliveries in held:
            deliveries[:] = [_recoded(delivery, codec) for delivery in deliveries]
            for delivery in deliveries:
                self.keep(delivery)
        for delivery in recoded:
            self.push(delivery)

    def clear(self) -> list[Delivery]:
        """Take everything out of the queue, and count nothing any more."""
        taken = list(self.queue)
        self.queue.clear()
        self.count = self.bytes = self.platform_count = self.platform_bytes = 0
        return taken


def _recoded(delivery: Delivery, codec: Codec) -> Delivery:
    try:
        return msgspec.structs.replace(delivery, wire=encode(delivery.message, codec))
    except (OverflowError, ValueError, TypeError, RecursionError):
        return delivery
