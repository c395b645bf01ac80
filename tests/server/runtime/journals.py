"""What the tests of the journal share: records, a codec, a storage that fails when told to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec
from caxton_core.errors import StorageError
from caxton_core.ports import Group, Row
from caxton_plugins.storages.memory import MemoryStorage
from caxton_server.runtime.journal_groups import Codec
from caxton_server.runtime.journal_index import Key
from returns.result import Failure, Result


class Note(msgspec.Struct, frozen=True, array_like=True, tag="note"):
    """A record: something was said in a conversation by an agent."""

    time: int
    conversation: str = ""
    agent: int = 0
    text: str = ""


def keys(records: Sequence[Any]) -> set[Key]:
    """Return the conversations and agents of some notes."""
    return {note.conversation for note in records} | {note.agent for note in records}


CODEC = Codec(
    decode=msgspec.msgpack.Decoder(list[Note]).decode,
    decode_images=msgspec.msgpack.Decoder(list[Note]).decode,
    keys=keys,
)


class Moody(MemoryStorage):
    """A storage with a writer's thread before it, that fails or waits when told to."""

    blocks = True

    def __init__(self) -> None:
        super().__init__()
        self.durability = "disk"
        self.errors: list[StorageError | Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[tuple[tuple[Group, ...], tuple[Row, ...]]] = []

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Result[None, StorageError]:
        """Wait for the gate, then fail with the next error if there is one."""
        self.gate.wait()
        self.calls.append((tuple(groups), tuple(rows)))
        if not self.errors:
            return super().append(groups, rows)
        error = self.errors.pop(0)
        if isinstance(error, Exception):
            raise error
        return Failure(error)
