"""Journal records: everything that changes the node, in the order it was applied.

Rules:
- Recovery applies records and never judges again: a record says what happened, not what was asked.
- A delivery is named by its serial; a `Sent` covers one serial per receiver, counted from `serial` in the order of `to`.
- Of conversations only the value at the end of a group is kept (an after-image): a group is applied whole or not at all.
- An image takes the place of all that earlier records said of the same agent, or of the directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from caxton_core.conversations import Conversation
from caxton_core.directory_changes import Deregistered, Owned, Registered
from caxton_core.directory_descriptions import DfAgent
from caxton_core.resources import Manifest
from caxton_core.restarts import History

from caxton_server.runtime.journal_groups import Codec


class Sent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message on its way; `to` holds handles, 0 for an agent of the platform."""

    serial: int
    to: tuple[int, ...]
    conversation: str
    message: str
    wire: bytes


class TimerSet(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A timer an agent asked for."""

    id: int
    due: int
    payload: bytes


class Effects(msgspec.Struct, frozen=True, array_like=True):
    """What a step did besides sending: durable state, timers, and how it ended when it failed.

    `retry` is the attempt the consumed delivery waits for, at `retry_due` (epoch ms); 0 when it is over.
    """

    state: dict[bytes, bytes | None] = {}
    timers: tuple[TimerSet, ...] = ()
    cancelled: tuple[int, ...] = ()
    seed: bytes | None = None
    fault: str | None = None
    detail: str = ""
    retry: int = 0
    retry_due: int = 0


class Step(msgspec.Struct, frozen=True, array_like=True, tag="step", gc=False):
    """One agent handled one delivery (`consumed` 0: its start); `sent` is what it and, after a failure, the platform sent."""

    agent: int
    time: int
    consumed: int
    conversation: str
    message: str
    sent: tuple[Sent, ...]
    effects: Effects | None = None


class Routed(msgspec.Struct, frozen=True, array_like=True, tag="routed", gc=False):
    """A message that no step sent: from the API, or from the platform; `timer` is the agent's timer it delivers."""

    time: int
    sent: Sent
    timer: int = 0


class AgentSaved(msgspec.Struct, frozen=True, array_like=True, tag="agent"):
    """An agent as it is now; its mailbox is not part of it."""

    time: int
    id: int
    name: str
    state: str
    manifest: Manifest
    module: str
    deployment: str
    created: int
    detail: str = ""
    versions: tuple[VersionSaved, ...] = ()
    next_timer: int = 1


class VersionSaved(msgspec.Struct, frozen=True, array_like=True):
    """A version an agent has run."""

    version: str
    module: str
    deployment: str
    created: int


class AgentRemoved(msgspec.Struct, frozen=True, array_like=True, tag="agent-removed"):
    """An agent is gone, with its mailbox, state and timers."""

    time: int
    id: int


class Cleared(msgspec.Struct, frozen=True, array_like=True, tag="cleared"):
    """An agent's mailbox was answered with failures and emptied; `bounced` are the messages that were in it."""

    time: int
    agent: int
    sent: tuple[Sent, ...]
    bounced: tuple[Bounced, ...] = ()
    detail: str = ""


class Bounced(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that an agent will not handle any more."""

    conversation: str
    message: str


class Missed(msgspec.Struct, frozen=True, array_like=True, tag="missed"):
    """A message that was delivered to others could not be delivered to one of its receivers, named by its address."""

    time: int
    receiver: str
    conversation: str
    message: str
    detail: str


class Charged(msgspec.Struct, frozen=True, array_like=True, tag="charged"):
    """A delivery that was running when the node died was charged an attempt."""

    time: int
    agent: int
    serial: int
    attempt: int


class Restarted(msgspec.Struct, frozen=True, array_like=True, tag="restarted"):
    """What counts against an agent whose instances die; its next one is `due` then (epoch ms), 0 when it waits for none."""

    time: int
    agent: int
    restarts: int
    history: History
    due: int
    reason: str


class Asked(msgspec.Struct, frozen=True, array_like=True, tag="asked", gc=False):
    """A message for the AMS or the DF (`service`) waits for its turn; `serial` is that of its delivery."""

    time: int
    serial: int
    service: str
    conversation: str
    wire: bytes


class Subscribed(msgspec.Struct, frozen=True, array_like=True, tag="subscribed", gc=False):
    """An agent is told of changes in the DF from the one behind `number` on; `token` is what it wants quoted.

    `reply_to` is who is told in its place, if it has named somebody.
    """

    conversation: str
    subscriber: str
    token: str
    expression: str
    template: DfAgent
    number: int
    language: str | None = None
    traceparent: str | None = None
    reply_to: str | None = None


class Unsubscribed(msgspec.Struct, frozen=True, array_like=True, tag="unsubscribed", gc=False):
    """An agent is told no more."""

    conversation: str


class Told(msgspec.Struct, frozen=True, array_like=True, tag="told", gc=False):
    """A subscriber was told of changes up to `number`."""

    conversation: str
    number: int


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled", gc=False):
    """Every subscriber knows what it wants to know of changes up to `number`."""

    number: int


DirectoryChange: TypeAlias = (
    Registered | Deregistered | Owned | Subscribed | Unsubscribed | Told | Settled
)


class Served(msgspec.Struct, frozen=True, array_like=True, tag="served"):
    """A step of the AMS or the DF: what it had been asked (`asked` 0: nothing), what changed in its registry, what it said."""

    time: int
    asked: int
    changes: tuple[DirectoryChange, ...]
    sent: tuple[Sent, ...]


class CheckpointBegun(msgspec.Struct, frozen=True, array_like=True, tag="checkpoint-begun"):
    """From here on images follow of everything there is; `serial` is the last one that was given."""

    time: int
    serial: int


class AgentImage(msgspec.Struct, frozen=True, array_like=True, tag="agent-image"):
    """All there is of an agent but its mailbox, which follows; `registered` is what it has registered in the DF."""

    time: int
    saved: AgentSaved
    state: dict[bytes, bytes]
    timers: tuple[TimerSet, ...] = ()
    registered: DfAgent | None = None
    restarted: Restarted | None = None


class Queued(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A delivery that an agent has not handled yet; `time` is when it was sent, `due` when the attempt is, if it has to wait."""

    serial: int
    conversation: str
    message: str
    wire: bytes
    time: int
    attempt: int = 1
    due: int = 0


class MailImage(msgspec.Struct, frozen=True, array_like=True, tag="mail-image"):
    """Deliveries that wait for an agent."""

    time: int
    agent: int
    deliveries: tuple[Queued, ...]


class EntryChanged(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change in the DF that somebody has yet to be told of."""

    number: int
    name: str
    before: DfAgent | None
    after: DfAgent | None


class DirectoryImage(msgspec.Struct, frozen=True, array_like=True, tag="directory-image"):
    """What the directory remembers beside its agents: owners, changes and who is told of them, and what it was asked."""

    time: int
    number: int
    owners: dict[str, str]
    log: tuple[EntryChanged, ...]
    subscriptions: tuple[Subscribed, ...]
    asked: tuple[Asked, ...]


class CheckpointEnded(msgspec.Struct, frozen=True, array_like=True, tag="checkpoint-ended"):
    """Everything that was there when the checkpoint began has an image, or was removed since."""

    time: int


Record: TypeAlias = (
    Step | Routed | AgentSaved | AgentRemoved | Cleared | Charged | Missed | Restarted | Asked | Served
    | CheckpointBegun | AgentImage | MailImage | DirectoryImage | CheckpointEnded
)  # fmt: skip


def index_keys(records: Sequence[Record]) -> set[str | int]:
    """Return the keys under which messages are found again: ids of conversations and handles of agents."""
    keys: set[str | int] = set()
    for record in records:
        if isinstance(record, Step):
            keys.add(record.agent)
            keys.add(record.conversation)
            sent = record.sent
        elif isinstance(record, Routed):
            sent = (record.sent,)
        elif isinstance(record, Cleared):
            keys.add(record.agent)
            keys.update([bounced.conversation for bounced in record.bounced])
            sent = record.sent
        elif isinstance(record, Missed):
            keys.add(record.conversation)
            continue
        elif isinstance(record, Served):
            sent = record.sent
        else:
            continue
        for item in sent:
            keys.add(item.conversation)
            keys.update(item.to)
    return keys - {"", 0}


CODEC = Codec(
    decode=msgspec.msgpack.Decoder(list[Record]).decode,
    decode_images=msgspec.msgpack.Decoder(list[Conversation]).decode,
    keys=index_keys,
)
"""How the journal packs these records."""
