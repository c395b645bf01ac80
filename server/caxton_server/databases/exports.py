"""Exports: what a database holds as documents, one a line, for people and for other programs.

Rules:
- A document says `what` it is; its other fields are those that the API shows.
- It only reads, and a node may be working: messages are exported up to the last group at the beginning.
- No more than a group or a page of a table is held; of conversations that are open, one value each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from caxton_core.conversations import Conversation
from caxton_core.conversations_outcomes import state
from caxton_core.errors import StorageFault, Unreadable
from caxton_core.messages import decode
from caxton_core.ports import Row
from caxton_core.times import format_time

from caxton_server.databases.tables import pages
from caxton_server.databases.walks import span_of
from caxton_server.runtime.ams import document
from caxton_server.runtime.journal_groups import unpack
from caxton_server.runtime.records import (
    CODEC,
    AgentSaved,
    Cleared,
    Record,
    Routed,
    Sent,
    Served,
    Step,
)

if TYPE_CHECKING:
    from caxton_core.conversations import Protocol
    from caxton_core.ports import Group, Storage

Document: TypeAlias = dict[str, Any]


class Times(msgspec.Struct, frozen=True):
    """A span of time in milliseconds since the epoch, both ends included."""

    since: int = 0
    until: int = 1 << 62

    def has(self, time: object) -> bool:
        """Tell whether a time is in it; what has none is only in a span without limits."""
        return self.since <= time <= self.until if isinstance(time, int) else self == ALWAYS


ALWAYS: Final = Times()
Export: TypeAlias = "Callable[[Storage, Times, Mapping[str, Protocol]], Iterator[Document]]"


def export(
    storage: Storage, what: Sequence[str], times: Times, protocols: Mapping[str, Protocol]
) -> Iterator[Document]:
    """Yield the documents of each kind asked for; raises `StorageFault` where something can't be read."""
    for kind in what:
        try:
            yield from KINDS[kind](storage, times, protocols)
        except msgspec.MsgspecError as error:
            raise StorageFault(Unreadable(kind, str(error))) from error


def _messages(storage: Storage, times: Times, _: Mapping[str, Protocol]) -> Iterator[Document]:
    for group in _groups(storage, times):
        for record in unpack(group, CODEC, images=False).records:
            if times.has(record.time):
                for sent in _sent(record):
                    yield {
                        "what": "message", "serial": sent.serial, "sent_at": format_time(record.time),
                        **document(decode(sent.wire)),
                    }  # fmt: skip


def _groups(storage: Storage, times: Times) -> Iterator[Group]:
    last = span_of(storage).last
    if times == ALWAYS:
        yield from storage.groups(0, last)
        return
    for group in storage.groups_between(times.since, times.until):
        if group.seq > last:
            return
        yield group


def _sent(record: Record) -> Sequence[Sent]:
    if isinstance(record, Step | Cleared | Served):
        return record.sent
    return (record.sent,) if isinstance(record, Routed) else ()


def _conversations(
    storage: Storage, times: Times, protocols: Mapping[str, Protocol]
) -> Iterator[Document]:
    yield from _rows("conversation", "conversations")(storage, times, protocols)
    for conversation in _open(storage).values():
        if times.has(conversation.opened_at):
            protocol = protocols.get(conversation.protocol)
            yield {
                "what": "conversation", "id": conversation.id, "protocol": conversation.protocol,
                "initiator": conversation.initiator, "participants": list(conversation.legs),
                "state": None if protocol is None else state(protocol, conversation),
                "phase": "in-progress", "outcome": None, "messages": conversation.messages,
                "created_at": format_time(conversation.opened_at),
            }  # fmt: skip


def _open(storage: Storage) -> dict[str, Conversation]:
    """Return the conversations that are open at the end of the journal."""
    found: dict[str, Conversation] = {}
    for group in storage.groups(0, span_of(storage).last):
        for conversation in unpack(group, CODEC, holding=None).images:
            if conversation.open_legs:
                found[conversation.id] = conversation
            else:
                found.pop(conversation.id, None)
    return found


def _agents(storage: Storage, times: Times, _: Mapping[str, Protocol]) -> Iterator[Document]:
    for page in pages(storage, "agents"):
        for row in page:
            saved = msgspec.json.decode(row.body, type=AgentSaved)
            if times.has(saved.created):
                yield {
                    "what": "agent", "id": str(saved.id), "name": saved.name, "state": saved.state,
                    "version": saved.manifest.version, "module": saved.module,
                    "deployment": saved.deployment, "created_at": format_time(saved.created),
                    "detail": saved.detail, "manifest": msgspec.to_builtins(saved.manifest, enc_hook=str),
                    "versions": [
                        {"version": one.version, "module": one.module, "deployment": one.deployment,
                         "created_at": format_time(one.created)}
                        for one in saved.versions
                    ],
                }  # fmt: skip


def _rows(what: str, table: str) -> Export:
    """Return what exports a table whose rows hold what the API shows."""

    def export(storage: Storage, times: Times, _: Mapping[str, Protocol]) -> Iterator[Document]:
        for page in pages(storage, table):
            for row in page:
                if times.has(row.columns.get("created")):
                    yield {"what": what, **_fields(row)}

    return export


def _fields(row: Row) -> Document:
    fields: Document = msgspec.json.decode(row.body)
    return fields


KINDS: Final[Mapping[str, Export]] = {
    "messages": _messages,
    "conversations": _conversations,
    "events": _rows("event", "events"),
    "agents": _agents,
    "dead-letters": _rows("dead-letter", "dead_letters"),
}
"""What can be exported, by name."""
