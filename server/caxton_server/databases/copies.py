"""One database copied into another through the port: groups, modules, and the tables and the index made from the groups.

Rules:
- The source is only read, and a node may be writing it: what is copied is the journal up to the last group at the beginning.
- Rows come from the groups. Rows of the time before groups had them come from the tables; then what was committed
  meanwhile is copied as well, so that no such row is newer than the journal beside it.
- Modules are copied before the groups that speak of them, and again behind them: none is missing that was there then.
- The copy is marked as unfinished before its first group; whoever asked for it takes the mark away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from caxton_core.errors import StorageFault
from caxton_core.ports import TABLES, Row
from returns.result import Failure, Result

from caxton_server.databases.folds import OWN
from caxton_server.databases.tables import pages
from caxton_server.databases.walks import Span, sound, span_of
from caxton_server.runtime.journal_groups import has_rows, unpack
from caxton_server.runtime.journal_index import Index
from caxton_server.runtime.records import CODEC
from caxton_server.runtime.unfinished import Work, begun

if TYPE_CHECKING:
    from caxton_core.errors import StorageError
    from caxton_core.ports import Group, Storage

_BYTES: Final = 4 * 1024 * 1024
_GROUPS: Final = 256
"""Groups, and bytes of them, that are written in one transaction."""


def must(done: Result[None, StorageError]) -> None:
    """Raise `StorageFault` where a storage refused."""
    if isinstance(done, Failure):
        raise StorageFault(done.failure())


class Projector:
    """Writes what groups say of tables and index into a storage, and the groups themselves if they are `new` to it."""

    def __init__(self, storage: Storage, *, new: bool) -> None:
        self._storage, self._new = storage, new
        self._index = Index(storage, lambda _: ())
        self._groups: list[Group] = []
        self._rows: dict[tuple[str, str], Row] = {}
        self._bytes = 0
        self.partial = False
        """Whether a group said nothing of rows, because its format has none."""

    def take(self, groups: Iterable[Group]) -> None:
        """Take the next groups."""
        for group in groups:
            batch = unpack(group, CODEC, images=False, rows=True)
            self.partial = self.partial or not has_rows(group)
            for row in batch.rows:
                self._rows[row.table, row.key] = row
            if self._new:
                self._groups.append(group)
            self._bytes += len(group.blob)
            self._index.add(group.seq, CODEC.keys(batch.records))
            if self._bytes > _BYTES or len(self._groups) >= _GROUPS:
                self.write()
            if self._index.due:
                must(self._index.build())

    def write(self) -> None:
        """Write what was taken."""
        must(self._storage.append(self._groups, list(self._rows.values())))
        self._groups, self._rows, self._bytes = [], {}, 0

    def end(self) -> None:
        """Write what is left, the index too."""
        self.write()
        must(self._index.build())


def copy(
    source: Storage,
    target: Storage,
    *,
    work: Work,
    see: Callable[[Group], None] = lambda _: None,
) -> Span:
    """Copy a database into an empty one; raises `StorageFault`, and `Pruned` when groups went before they were read.

    Args:
        work: what the copy is marked with.
        see: called with each group.
    """
    must(target.append((), [begun(work)]))
    copy_modules(source, target)
    span = span_of(source)
    projector = Projector(target, new=True)

    def take(first: int, last: int) -> None:
        for group in sound(source, first, last) if first else ():
            see(group)
            projector.take((group,))

    take(span.first, span.last)
    projector.write()
    if projector.partial:
        copy_rows(source, target)
        later = Span(span.last + 1, source.last_group())
        take(later.first, later.last)
        span = Span(span.first, later.last)
    projector.end()
    copy_modules(source, target)
    return span


def copy_rows(source: Storage, target: Storage) -> None:
    """Copy the rows that the target has none for."""
    for table in TABLES:
        for page in pages(source, table):
            rows = [
                row
                for row in page
                if (table, row.key) not in OWN and target.get(table, row.key) is None
            ]
            must(target.append((), rows))


def copy_modules(source: Storage, target: Storage) -> None:
    """Copy the bytes of modules that are not there yet; one that is removed meanwhile is left out."""
    for digest in sorted({*source.modules()} - {*target.modules()}):
        data = source.module(digest)
        if data is not None:
            must(target.put_module(digest, data))


def lacks_modules(storage: Storage) -> bool:
    """Tell whether there is a module that the tables know and whose bytes are not there."""
    kept = {*storage.modules()}
    return any(row.key not in kept for page in pages(storage, "modules") for row in page)
