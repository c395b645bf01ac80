"""The directory recovered: from its records one by one, or from an image of it.

Rules:
- Nothing is judged or told again: records say what happened, and `resume` goes on from there.
- A search that was under way begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from caxton_core.directory_changes import Deregistered, Owned, Registered
from caxton_core.messages import decode, encode

from caxton_server.runtime.directory_arrivals import ServiceName, Waiting
from caxton_server.runtime.records import (
    Asked,
    DirectoryImage,
    Served,
    Settled,
    Subscribed,
    Told,
    Unsubscribed,
)

if TYPE_CHECKING:
    from caxton_server.runtime.directory import Directory


def replay(directory: Directory, record: Asked | Served) -> None:
    """Apply a record."""
    if isinstance(record, Asked):
        service = cast("ServiceName", record.service)
        directory.arrivals.enqueue(Waiting(record.serial, service, decode(record.wire)))
        return
    if record.asked:
        directory.arrivals.answered(record.asked)
    subscriptions = directory.subscriptions
    for change in record.changes:
        match change:
            case Registered() | Deregistered() | Owned():
                directory.entries.apply(change)
            case Subscribed():
                subscriptions.add(change)
            case Unsubscribed():
                subscriptions.remove(change.conversation)
            case Told():
                subscriptions.told(change.conversation, change.number)
            case Settled():
                subscriptions.settle(change.number)


def image(directory: Directory) -> DirectoryImage:
    """Return what is remembered beside what each agent has registered."""
    now = directory.kernel.now
    running = () if directory.running is None else (directory.running.waiting,)
    asked = [
        Asked(
            now, waiting.serial, waiting.service, waiting.message.conversation_id,
            encode(waiting.message, "json"),
        )
        for waiting in (*running, *directory.arrivals.queue)
    ]  # fmt: skip
    entries = directory.entries
    return DirectoryImage(
        now, entries.number, dict(entries.owners), entries.changes(),
        directory.subscriptions.image(), tuple(asked),
    )  # fmt: skip


def restore(directory: Directory, taken: DirectoryImage) -> None:
    """Take an image in the place of what was known."""
    directory.arrivals.clear()
    for asked in taken.asked:
        replay(directory, asked)
    directory.entries.owners = dict(taken.owners)
    # Subscriptions first: with the last one the changes that were kept for them go.
    directory.subscriptions.restore(taken.subscriptions)
    directory.entries.resume(taken.number, taken.log)
