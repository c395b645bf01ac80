"""The check of a database: everything that is wrong with it, a sentence each.

Rules:
- It only reads, and a node may be working meanwhile: what it changes is told from damage.
- The groups there are at the beginning are read once; tables and index are then held against what they say.
- Where a group can't be read nobody knows what tables and index must hold: then they are not compared, and that is said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
from caxton_core.errors import Corrupt, StorageFault
from caxton_core.ports import TABLES

from caxton_server.databases.folds import CHECKPOINT, Comparison, Difference, Fold, Occurrences
from caxton_server.databases.tables import Reading, index_of, pages
from caxton_server.databases.walks import GAP, TRIES, Pruned, Span, span_of, walk
from caxton_server.runtime import watermarks
from caxton_server.runtime.journal_groups import has_rows, unpack
from caxton_server.runtime.records import CODEC
from caxton_server.runtime.unfinished import unfinished

if TYPE_CHECKING:
    from caxton_core.ports import Storage


_NUMBERS = re.compile(r"\bgroups? (\d+)(?: to (\d+))?")


class Report(msgspec.Struct, frozen=True):
    """What was looked at, and what is wrong; `not_compared` rows are older than the rows of the journal."""

    first_group: int
    last_group: int
    groups: int
    records: int
    rows: int
    not_compared: int
    keys: int
    modules: int
    wrong: list[str]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def check(
    storage: Storage,
    *,
    tell: Callable[[str], None] = lambda _: None,
    building: bool = False,
    committed: int = 0,
) -> Report:
    """Look at everything; `tell` is called with each thing that is wrong as soon as it is known.

    Args:
        building: whoever asks is at the work that the database is marked with.
        committed: a group that was committed before, by the node's watermark; 0 when nobody knows.
    """
    # A dictionary for its order: what two looks find is said once.
    wrong: dict[str, None] = {}

    def say(text: str) -> None:
        if text not in wrong:
            wrong[text] = None
            tell(text)

    looks = _Check(storage, say, building=building, committed=committed)
    for _ in range(TRIES):
        try:
            looks.run()
            return looks.report(list(wrong))
        except Pruned:
            looks = _Check(storage, say, building=building, committed=committed)
    say("The node prunes its journal faster than it can be read; check again.")
    return looks.report(list(wrong))


class _Check:
    def __init__(
        self, storage: Storage, say: Callable[[str], None], *, building: bool, committed: int
    ) -> None:
        self.storage, self.say, self.building = storage, say, building
        self.committed = committed
        self.span = Span()
        self.indexed: int | None = None
        self.fold, self.occurrences = Fold(), Occurrences()
        self.broken: set[int] = set()
        self.told: set[int] = set()
        """Groups that the storage itself has found something wrong with."""
        self.groups = self.records = self.rows = self.left = self.modules = 0

    def run(self) -> None:
        """Take every look; one that can't go on says why, and the next one follows."""
        for look in (
            self._verify, self._ends, self._unfinished, self._journal, self._checkpoint, self._modules,
            self._index, self._tables,
        ):  # fmt: skip
            try:
                for text in look():
                    self.say(text)
            except StorageFault as fault:
                self.say(str(fault.error))

    def report(self, wrong: list[str]) -> Report:
        """Sum up."""
        return Report(
            self.span.first, self.span.last, self.groups, self.records, self.rows, self.left,
            len(self.occurrences.sums), self.modules, wrong,
        )  # fmt: skip

    def _verify(self) -> Iterator[str]:
        for text in self.storage.verify():
            for first, last in _NUMBERS.findall(text):
                self.told.update(range(int(first), min(int(last or first), int(first) + GAP) + 1))
            yield text

    def _ends(self) -> Iterator[str]:
        self.span = span_of(self.storage)
        lost = watermarks.lost(self.committed, self.span.last, self.storage.durability)
        if lost:
            yield f"{lost[0].upper()}{lost[1:]}."
        self.indexed = self.storage.indexed_upto()
        if self.indexed > self.storage.last_group():
            yield f"The index covers groups up to {self.indexed}; the last one is {self.span.last}."

    def _unfinished(self) -> Iterator[str]:
        work = unfinished(self.storage)
        if work is not None and not self.building:
            yield f"A {work} was interrupted: run `caxton db {work}` again."

    def _journal(self) -> Iterator[str]:
        if not self.span.first:
            return
        for group in walk(self.storage, self.span.first, self.span.last):
            if isinstance(group, Corrupt):
                self.broken.add(group.group)
                if group.group not in self.told:
                    yield str(group)
                continue
            try:
                batch = unpack(group, CODEC, images=True, rows=True)
            except StorageFault as fault:
                self.broken.add(group.seq)
                yield str(fault.error)
                continue
            self.groups += 1
            self.records += len(batch.records)
            if len(batch.records) != group.count:
                yield f"Journal group {group.seq} says that it has {group.count} records, and has {len(batch.records)}."
            if batch.records:
                earliest, latest = CODEC.span(batch.records)
                if earliest < group.first_time or latest > group.last_time:
                    yield f"Journal group {group.seq} has records of another time than it says."
            self.fold.add(batch.rows, known=has_rows(group))
            if self.indexed is not None and group.seq <= self.indexed:
                self.occurrences.add(group.seq, CODEC.keys(batch.records))

    def _checkpoint(self) -> Iterator[str]:
        row = self.storage.get(*CHECKPOINT)
        if row is None:
            if self.span.first > 1:
                yield (
                    f"The journal begins with group {self.span.first}, and there is no checkpoint"
                    " from which a node could recover."
                )
            return
        if not row.body.isdigit():
            yield "The checkpoint does not name a group."
        elif not self.storage.first_group() <= int(row.body) <= self.storage.last_group():
            again = self.storage.get(*CHECKPOINT)
            if again == row:
                yield f"The checkpoint is in group {int(row.body)}, which is not there."

    def _modules(self) -> Iterator[str]:
        kept = self.storage.modules()
        self.modules = len(kept)
        for digest in kept:
            data = self.storage.module(digest)
            if data is not None and f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
                yield f"Module {digest} is corrupt: its bytes do not match its digest."
        present = set(kept)
        for page in pages(self.storage, "modules"):
            for row in page:
                if row.key in present or self.storage.module(row.key) is not None:
                    continue
                if self.storage.get("modules", row.key) is not None:
                    yield f"Module {row.key} is known, and its bytes are missing."

    def _index(self) -> Iterator[str]:
        if self.indexed is None:
            return
        if self.broken:
            yield "The index was not compared with the journal, because groups can't be read."
            return
        upto, left = min(self.indexed, self.span.last), dict(self.occurrences.sums)
        wrong: list[tuple[str, list[int]]] = []
        for key, numbers in index_of(self.storage):
            found = [number for number in numbers if self.span.first <= number <= upto]
            if Occurrences.sum_of(found) != left.pop(key, 0):
                wrong.append((key, found))
        for key, expected in left.items():
            # Not every storage can list every key.
            found = [
                number for number in self.storage.find(key) if self.span.first <= number <= upto
            ]
            if Occurrences.sum_of(found) != expected:
                wrong.append((key, found))
        if wrong and self.storage.first_group() > self.span.first:
            raise Pruned
        for key, found in wrong:
            kind, _, name = key.partition(":")
            what = {"a": "agent", "c": "conversation"}.get(kind, kind)
            shown = ", ".join(map(str, found[:10])) + (", ..." if len(found) > 10 else "")
            yield (
                f"The index finds {what} {name} in {f'groups {shown}' if found else 'no group'}, which are not those"
                " in which it occurs."
            )

    def _tables(self) -> Iterator[str]:
        if self.broken:
            yield "The tables were not compared with the journal, because groups can't be read."
            return
        differences: list[Difference] = []
        for table in TABLES:
            yield from self._table(table, differences)
        touched = self._touched() if differences else set()
        for difference in differences:
            if (difference.table, difference.key) not in touched:
                yield str(difference)

    def _table(self, table: str, differences: list[Difference]) -> Iterator[str]:
        comparison = Comparison(self.fold, table)
        reading = Reading(self.storage, table, sorted(self.fold.tables[table]))
        for row in reading:
            if isinstance(row, str):
                yield row
                continue
            difference = comparison.see(row)
            if difference is not None:
                differences.append(difference)
        for key in reading.unreadable:
            comparison.skip(key)
        differences += comparison.rest()
        self.rows += comparison.seen
        self.left += comparison.left

    def _touched(self) -> set[tuple[str, str]]:
        """Return what groups have changed that were committed since the check began."""
        touched: set[tuple[str, str]] = set()
        for group in walk(self.storage, self.span.last + 1, self.storage.last_group()):
            if not isinstance(group, Corrupt):
                batch = unpack(group, CODEC, images=False, rows=True, holding=None)
                touched.update([(row.table, row.key) for row in batch.rows])
        return touched
