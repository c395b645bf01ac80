"""Checkpoints: images of everything that is, written into the journal so that a start need not read all of it.

Rules:
- A checkpoint is written between turns, a little at a time, while agents work on: an image tells what its subject is at
  that moment, and the records behind it go on from there. It counts from its end on; one that was cut short never does.
- One agent is imaged in one go, with its state, timers and mailbox; so is the directory, at the end.
- The next one is due when the journal has grown by `every` bytes, and by twice what this one took.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from caxton_server.runtime import directory_recovery
from caxton_server.runtime.records import (
    AgentImage,
    CheckpointBegun,
    CheckpointEnded,
    MailImage,
    Queued,
)

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.directory import Directory
    from caxton_server.runtime.kernel import Kernel

SECONDS = 300e-6
"""How long a bit of a checkpoint takes, but for a single agent that takes longer."""
LOOK_EVERY = 8
MOST_PENDING = 4 * 1024 * 1024
"""Uncommitted bytes above which a checkpoint waits: the work of the agents comes first."""
MAIL_BYTES = 256 * 1024
GROWTH = 2


class Checkpoints:
    """Writes checkpoints of one node."""

    def __init__(
        self, kernel: Kernel, conversations: Conversations, directory: Directory, *, every: int
    ) -> None:
        self.kernel, self.conversations, self.directory = kernel, conversations, directory
        self.journal = kernel.journal
        self.every = every
        self.waits = False
        """Whether a checkpoint is under way that goes on when more is committed."""
        self._writing: Iterator[None] | None = None
        self._began = 0
        self._size = 0

    def work(self) -> bool:
        """Write a bit of a checkpoint if one is due; tell whether there is more to do at once."""
        journal = self.journal
        if self._writing is None:
            if journal.behind_checkpoint < max(self.every, GROWTH * self._size):
                return False
            self._writing = self.images()
        self.waits = journal.commits.pending_bytes > MOST_PENDING
        if self.waits:
            return False
        monotonic = self.kernel.clock.monotonic
        until = monotonic() + SECONDS
        for count, _ in enumerate(self._writing):
            if count % LOOK_EVERY == 0 and monotonic() >= until:
                return True
        self._writing = None
        self.kernel.counters.checkpoints += 1
        return False

    def images(self) -> Iterator[None]:
        """Append the images of everything, with a pause wherever others may have their turn."""
        kernel, journal = self.kernel, self.journal
        began = journal.begin_checkpoint()
        journal.append(CheckpointBegun(kernel.now, kernel.serial))
        for handle in tuple(kernel.cells):
            cell = kernel.cells.get(handle)
            if cell is not None:
                self._image(cell)
                yield
        conversations = self.conversations
        for conversation_id in (*conversations.closed, *conversations.open):
            conversation = conversations.get(conversation_id)
            if conversation is not None:
                journal.after_image(conversation_id, conversation)
                yield
        journal.append(directory_recovery.image(self.directory))
        journal.append(CheckpointEnded(kernel.now))
        self._size = journal.end_checkpoint() - began

    def _image(self, cell: Cell) -> None:
        """Append the images of an agent and of what waits for it."""
        kernel, journal = self.kernel, self.journal
        journal.append(
            AgentImage(
                kernel.now, cell.saved(kernel.now), dict(cell.data), tuple(cell.timers.values()),
                self.directory.entries.registered(cell.address), cell.restarted(kernel.now),
            )
        )  # fmt: skip
        waiting = [*cell.mailbox.queue]
        for held in cell.held.values():
            waiting += held
        running = cell.running_delivery
        if running is not None:
            waiting.append(running)
        some: list[Queued] = []
        size = 0
        for each in waiting:
            message = each.message
            some.append(
                Queued(
                    each.serial, message.conversation_id, message.id, each.wire, each.time,
                    each.attempt, each.due,
                )
            )  # fmt: skip
            size += len(each.wire)
            if size >= MAIL_BYTES:
                journal.append(MailImage(kernel.now, cell.handle, tuple(some)))
                some, size = [], 0
        if some:
            journal.append(MailImage(kernel.now, cell.handle, tuple(some)))
