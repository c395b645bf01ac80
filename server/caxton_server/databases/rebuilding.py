"""Tables and index built anew from the journal.

Rules:
- Before anything is changed the whole journal is read: where a group can't be read nothing is done.
- From before the first change until after the last one the database is marked, and no node starts on it.
- What only tables know, from the time before groups had rows, goes into the journal before the tables are emptied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from caxton_core.errors import NotFound, Problem, StorageError, StorageFault, Unfinished
from caxton_core.ports import TABLES, Row
from returns.result import Failure, Result, Success

from caxton_server.databases.copies import Projector, must
from caxton_server.databases.folds import CHECKPOINT, OWN, Fold
from caxton_server.databases.tables import Reading
from caxton_server.databases.walks import sound, span_of
from caxton_server.runtime.journal_groups import Turn, has_rows, pack, unpack
from caxton_server.runtime.records import CODEC
from caxton_server.runtime.unfinished import begun, finished, unfinished

if TYPE_CHECKING:
    from caxton_core.ports import Group, Storage

_CARRIED_ROWS: Final = 1_000


class NoBeginning(Problem, frozen=True):
    """The part of the journal that is to be kept can't be what a node begins with."""

    upto: int
    detail: str
    code = "conflict"
    SENTENCE = "The journal can't be kept up to group {upto}: {detail}."


class Rebuilt(msgspec.Struct, frozen=True):
    """What was done: `carried` rows came from tables, `lost` ones could not be read, `given_up` groups are gone."""

    groups: int
    rows: int
    carried: int
    given_up: int
    lost: list[str]


RebuildError: TypeAlias = StorageError | NotFound | NoBeginning


def rebuild(storage: Storage, *, upto: int | None = None) -> Result[Rebuilt, RebuildError]:
    """Build tables and index anew, from the groups up to `upto` if only those are to be kept."""
    try:
        return _rebuild(storage, upto)
    except StorageFault as fault:
        return Failure(fault.error)


def _rebuild(storage: Storage, upto: int | None) -> Result[Rebuilt, RebuildError]:
    work = unfinished(storage)
    if work not in (None, "rebuild"):
        return Failure(Unfinished(str(work)))
    span = span_of(storage)
    if not span.first:
        return Failure(NotFound("journal", "group 1"))
    last = span.last if upto is None else min(upto, span.last)
    if last < span.first:
        return Failure(NoBeginning(last, f"the first group is {span.first}"))
    known = _Known()
    for group in sound(storage, span.first, last):
        known.take(group)
    if span.first > 1 and not span.first <= known.checkpoint <= last:
        return Failure(NoBeginning(last, "it holds no whole checkpoint; restore a backup"))
    must(storage.append((), [begun("rebuild")]))
    if last < span.last:
        must(storage.truncate(last))
    carrying = _Carrying(storage, known)
    if not known.fold.complete:
        carrying.run()
    must(storage.clear_projections([begun("rebuild")]))
    projector = Projector(storage, new=False)
    projector.take(sound(storage, span.first, storage.last_group()))
    projector.end()
    must(storage.append((), [finished()]))
    rows = sum(map(known.fold.expected, TABLES)) + carrying.carried
    return Success(
        Rebuilt(last - span.first + 1, rows, carrying.carried, span.last - last, carrying.lost)
    )


class _Known:
    """What the groups to be kept say."""

    def __init__(self) -> None:
        self.fold = Fold()
        self.checkpoint = 0
        self.time = 0

    def take(self, group: Group) -> None:
        batch = unpack(group, CODEC, images=True, rows=True)
        self.fold.add(batch.rows, known=has_rows(group))
        self.time = max(self.time, group.last_time)
        for row in batch.rows:
            if (row.table, row.key) == CHECKPOINT:
                self.checkpoint = 0 if row.deleted else int(row.body)


class _Carrying:
    """Puts rows that no group holds into groups behind the last one."""

    def __init__(self, storage: Storage, known: _Known) -> None:
        self.storage, self.known = storage, known
        self.carried = 0
        self.lost: list[str] = []
        self._rows: dict[tuple[str, str], Row] = {}

    def run(self) -> None:
        """Go through all tables."""
        for table in TABLES:
            known = self.known.fold.tables[table]
            for row in Reading(self.storage, table, sorted(known)):
                if isinstance(row, str):
                    self.lost.append(row)
                elif row.key not in known and (table, row.key) not in OWN:
                    self._rows[table, row.key] = row
                    if len(self._rows) >= _CARRIED_ROWS:
                        self._write()
        self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, {}
        if not rows:
            return
        time = self.known.time
        turn = Turn(0, b"", 0, {}, rows, time, time)
        group = pack(self.storage.last_group() + 1, (turn,), CODEC)
        must(self.storage.append((group,), list(rows.values())))
        self.carried += len(rows)
