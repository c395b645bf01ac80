"""What keeps a node from starting on a database: work on it that was not finished, or a broken journal.

Rules:
- A row of `meta` names the work from before its first change until after its last one.
- The row is the storage's own: no group of the journal holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from caxton_core.errors import BrokenJournal, Corrupt, StorageFault, Unfinished
from caxton_core.ports import Row
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_core.errors import StorageError
    from caxton_core.ports import Storage

Work: TypeAlias = Literal["backup", "rebuild", "restore"]

UNFINISHED: Final = "unfinished"
"""The key of the row."""


def begun(work: Work) -> Row:
    """Make the row that says what is under way."""
    return Row("meta", UNFINISHED, {}, work.encode())


def finished() -> Row:
    """Make the row that takes it back."""
    return Row("meta", UNFINISHED, {}, deleted=True)


def unfinished(storage: Storage) -> str | None:
    """Return what was begun and not finished."""
    row = storage.get("meta", UNFINISHED)
    return None if row is None else row.body.decode(errors="replace")


def check_finished(storage: Storage) -> Result[None, StorageError]:
    """Refuse a database that is half built."""
    try:
        work = unfinished(storage)
    except StorageFault as fault:
        return Failure(fault.error)
    return Success(None) if work is None else Failure(Unfinished(work))


def explained(error: StorageError, storage: Storage) -> StorageError:
    """Return an error that ended a start, with what can be done about a broken journal."""
    if not isinstance(error, Corrupt):
        return error
    try:
        first = storage.first_group()
    except StorageFault:
        first = error.group
    return BrokenJournal(error.group, error.detail, error.group - 1 if error.group > first else 0)
