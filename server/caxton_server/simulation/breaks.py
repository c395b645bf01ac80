"""Breaks: a journal that is wrong on purpose, to show that the invariants would find it.

Rules:
- A break stands between the journal and its storage, behind the ledger: it spoils what is written or what is read back,
  as a bug of the journal, of recovery or of a storage would.
- What is spoiled is well-formed: no checksum gives it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from random import Random
from typing import Any, TypeAlias

import msgspec
from caxton_core.ports import Group, Row
from caxton_core.testing_faults import DelegatingStorage, Done
from returns.result import Success

from caxton_server.runtime.journal_groups import Batch, Turn, pack, unpack
from caxton_server.runtime.records import CODEC, Step
from caxton_server.simulation.disks import WorldDisk

PART = 0.2
"""How many of the groups that could be spoiled are."""


class Break(StrEnum):
    """What is broken."""

    LOSE_GROUP = "lose-group"
    REPEAT_GROUP = "repeat-group"
    REORDER_GROUPS = "reorder-groups"
    DROP_IMAGE = "drop-image"
    DROP_RECORD = "drop-record"
    FORGET_STATE = "forget-state"
    LOSE_TIMER = "lose-timer"
    DROP_ROW = "drop-row"


MEANINGS: dict[Break, str] = {
    Break.LOSE_GROUP: "a crash takes the newest group, though it was acknowledged",
    Break.REPEAT_GROUP: "recovery applies a group again, behind the one that follows it",
    Break.REORDER_GROUPS: "recovery applies two neighbouring groups in the wrong order",
    Break.DROP_IMAGE: "a group lacks the value of a conversation",
    Break.DROP_RECORD: "a group lacks its last record",
    Break.FORGET_STATE: "a step's record lacks what it wrote to the agent's state",
    Break.LOSE_TIMER: "a step's record lacks the timers it set",
    Break.DROP_ROW: "a row is in the journal and not in its table",
}

Spoil: TypeAlias = Callable[[Batch], Batch | None]
"""Spoils a group; None when there is nothing in it to spoil."""


class BrokenDisk(DelegatingStorage):
    """A disk with one kind of break."""

    def __init__(self, inner: WorldDisk, kind: Break, chance: Random) -> None:
        super().__init__(inner)
        self._disk, self._kind, self._chance = inner, kind, chance
        self._held: tuple[Sequence[Group], Sequence[Row]] | None = None
        self._chosen: dict[int, bool] = {}

    def crash(self, *, power: bool, chance: Random) -> int:
        """Crash, and forget what was only promised."""
        promised = (
            max(self._disk.last_group(), *(group.seq for group in self._held[0]))
            if self._held
            else 0
        )
        self._held = None
        return max(self._disk.crash(power=power, chance=chance), promised)

    def end(self) -> None:
        """Release it."""
        self._disk.end()

    def append(self, groups: Sequence[Group], rows: Sequence[Row]) -> Done:
        """Commit groups and rows, as far as that is not what is broken."""
        if self._kind is Break.LOSE_GROUP:
            # Groups that are tried again are those that are held.
            if self._held is None or [each.seq for each in self._held[0]] != [
                each.seq for each in groups
            ]:
                done = super().append(*self._held) if self._held else Success(None)
                self._held = groups, rows
                return done
            return Success(None)
        if self._kind is Break.DROP_ROW and rows and self._chance.random() < PART:
            rows = rows[1:]
        spoil = _SPOILS.get(self._kind)
        if spoil is not None:
            groups = [self._spoiled(group, spoil) for group in groups]
        return super().append(groups, rows)

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups, some of them twice or in the wrong order."""
        before: Batch | None = None
        for group in super().groups(after, upto):
            if self._kind is Break.REPEAT_GROUP:
                batch = unpack(group, CODEC, rows=True)
                if before is not None and self._is_chosen(group.seq):
                    group = _packed(
                        msgspec.structs.replace(batch, records=batch.records + before.records)
                    )
                before = batch
            yield group

    def _is_chosen(self, seq: int) -> bool:
        if seq not in self._chosen:
            self._chosen[seq] = self._chance.random() < PART
        return self._chosen[seq]

    def _spoiled(self, group: Group, spoil: Spoil) -> Group:
        spoiled = spoil(unpack(group, CODEC, rows=True))
        if spoiled is None or not self._is_chosen(group.seq):
            return group
        return _packed(spoiled)


class ReorderedDisk(BrokenDisk):
    """A disk from which two neighbouring groups are read in the wrong order."""

    def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
        """Yield groups, some pairs of them the other way round under each other's number."""
        held: Group | None = None
        for group in DelegatingStorage.groups(self, after, upto):
            if held is not None:
                yield _packed(unpack(group, CODEC, rows=True), seq=held.seq)
                yield _packed(unpack(held, CODEC, rows=True), seq=group.seq)
                held = None
            elif self._is_chosen(group.seq):
                held = group
            else:
                yield group
        if held is not None:
            yield held


def break_disk(disk: WorldDisk, kind: Break, chance: Random) -> WorldDisk:
    """Put a break before a disk."""
    if kind is Break.REORDER_GROUPS:
        return ReorderedDisk(disk, kind, chance)
    return BrokenDisk(disk, kind, chance)


def _packed(batch: Batch, seq: int | None = None) -> Group:
    """Make a group of a batch again."""
    frame = CODEC.encode(batch.records) if batch.records else b""
    images = {image.id: image for image in batch.images}
    rows = {(row.table, row.key): row for row in batch.rows}
    turn = Turn(0, frame, len(batch.records), images, rows, batch.first_time, batch.last_time)
    return pack(batch.seq if seq is None else seq, (turn,), CODEC)


def _without_image(batch: Batch) -> Batch | None:
    return msgspec.structs.replace(batch, images=batch.images[:-1]) if batch.images else None


def _without_record(batch: Batch) -> Batch | None:
    return msgspec.structs.replace(batch, records=batch.records[:-1]) if batch.records else None


def _without_effect(**nothing: Any) -> Spoil:
    """Return what takes something from the first step that has it."""
    (field,) = nothing

    def spoil(batch: Batch) -> Batch | None:
        for at, record in enumerate(batch.records):
            if isinstance(record, Step) and record.effects and getattr(record.effects, field):
                effects = msgspec.structs.replace(record.effects, **nothing)
                less = msgspec.structs.replace(record, effects=effects)
                records = [*batch.records[:at], less, *batch.records[at + 1 :]]
                return msgspec.structs.replace(batch, records=records)
        return None

    return spoil


_SPOILS: dict[Break, Spoil] = {
    Break.DROP_IMAGE: _without_image,
    Break.DROP_RECORD: _without_record,
    Break.FORGET_STATE: _without_effect(state={}),
    Break.LOSE_TIMER: _without_effect(timers=()),
}
