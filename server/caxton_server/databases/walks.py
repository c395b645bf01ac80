"""Walks through the journal: its groups in order, and what is wrong with them.

Rules:
- A corrupt or missing group does not end a walk: it is named, and the walk goes on behind it. Only behind a large gap,
  which is rather a number that has changed, does it end.
- Groups that are pruned while they are read are no damage: the walk ends with `Pruned`, and whoever walks begins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec
from caxton_core.errors import Corrupt, StorageFault

if TYPE_CHECKING:
    from caxton_core.ports import Group, Storage

TRIES: Final = 5
"""How often reading begins again because of pruning."""


GAP: Final = 1_000
"""Missing groups in a row that are named."""
MISSING: Final = "it is missing"


class Pruned(Exception):
    """Groups that were still to be read have been pruned."""


class Span(msgspec.Struct, frozen=True):
    """The groups from `first` to `last`; both are 0 when there is none."""

    first: int = 0
    last: int = 0


def span_of(storage: Storage) -> Span:
    """Return which groups there are now."""
    # In this order: what was carried out of groups before `first` is in groups up to `last`.
    first = storage.first_group()
    return Span(first, storage.last_group())


def walk(storage: Storage, first: int, last: int) -> Iterator[Group | Corrupt]:
    """Yield the groups from `first` to `last`, and in its place whatever is wrong with one.

    Raises `Pruned`, and `StorageFault` for what is no matter of a single group.
    """
    due = first
    missing = 0
    while due <= last:
        try:
            for group in storage.groups(due - 1, last):
                if group.seq != due:
                    yield from _missing(storage, due, group.seq)
                yield group
                due = group.seq + 1
                missing = 0
            if due <= last:
                yield from _missing(storage, due, last + 1)
            return
        except StorageFault as fault:
            error = fault.error
            if not isinstance(error, Corrupt) or error.group < due:
                raise
            if error.group != due:
                yield from _missing(storage, due, error.group)
            yield error
            due = error.group + 1
            missing = missing + 1 if error.detail == MISSING else 0
            if missing == GAP:
                return


def _missing(storage: Storage, due: int, until: int) -> Iterator[Corrupt]:
    if storage.first_group() > due:
        raise Pruned
    for seq in range(due, min(until, due + GAP)):
        yield Corrupt(seq, MISSING)


def sound(storage: Storage, first: int, last: int) -> Iterator[Group]:
    """Yield groups of which none may be wrong; raises `StorageFault` at the first that is."""
    for group in walk(storage, first, last):
        if isinstance(group, Corrupt):
            raise StorageFault(group)
        yield group
