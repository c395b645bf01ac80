"""The process that the crash suite kills: it appends to a storage and says on its standard output what is acknowledged.

    python -m caxton_core.testing_storages_appender my_package.my_tests:make ARGUMENT

Rules:
- What a group holds follows from its number, so whoever reads it can tell whether it is right.
- Index entries, modules and prunings come between the groups, so that a kill may hit each of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import cast

from returns.result import Failure

from caxton_core.ids import ModuleDigest
from caxton_core.ports import Group, Row, Storage
from caxton_core.testing_storages_groups import make_entry, make_group

LIVING = 40
"""So many rows of events there are; each append removes the oldest."""
KEPT = 150
"""At least so many groups are kept when the older ones are pruned."""


def make_storage(factory: str, argument: str) -> Storage:
    """Make a storage by a function that an import string names: `package.module:function`."""
    module, _, name = factory.partition(":")
    return cast("Callable[[str], Storage]", getattr(importlib.import_module(module), name))(
        argument
    )


def group_of(seq: int) -> Group:
    """Make the group of a number; some are large."""
    blob = b"%08d" % seq * (seq * 7919 % 5000 if seq % 10 == 0 else seq % 50)
    return make_group(seq, blob, first=seq, last=seq + 1)


def rows_of(seq: int) -> list[Row]:
    """Make the rows that are committed with a group."""
    number = b"%d" % seq
    return [
        Row("events", f"{seq:08}", {"type": "group", "created": seq}, number),
        Row("meta", "last", {}, number),
        Row("agents", f"{seq % 7}", {"name": f"agent-{seq}"}, number),
        Row("events", f"{seq - LIVING:08}", {}, deleted=True),
    ]


def events_at(seq: int) -> list[Row]:
    """Return the rows of events after the append of a group."""
    return [rows_of(number)[0] for number in range(max(1, seq - LIVING + 1), seq + 1)]


def work(storage: Storage) -> None:
    """Append, from behind the last group that is there, until the process is killed or the storage fails."""
    opened = storage.open()
    if isinstance(opened, Failure):
        raise SystemExit(str(opened.failure()))
    seq = storage.last_group()
    while True:
        together = 1 + seq % 3
        numbers = range(seq + 1, seq + 1 + together)
        rows = [row for number in numbers for row in rows_of(number)]
        must(storage.append([group_of(number) for number in numbers], rows))
        seq += together
        os.write(1, b"%d\n" % seq)
        if seq % 11 == 0:
            first = storage.indexed_upto() + 1
            must(storage.index([make_entry("c:all", *range(first, seq + 1))], seq))
        if seq % 13 == 0:
            module = b"%d" % (seq % 5)
            must(storage.put_module(ModuleDigest.of(module), module))
        if seq % 37 == 0:
            must(storage.prune(seq - KEPT))


def must(done: object) -> None:
    """End the process where the storage fails: it must not, only because it is killed now and then."""
    if isinstance(done, Failure):
        raise SystemExit(str(done.failure()))


if __name__ == "__main__":
    work(make_storage(*sys.argv[1:]))
