"""The peewee models of a SQL storage: they define the tables and, through peewee, the queries.

Rules:
- The columns of a projected table are those of `caxton_core.ports.TABLES`, with `key` before and `body` behind.
- No model is bound to a database: a storage asks peewee for the SQL in its own dialect and runs it on connections of
  its own.
- A change here needs a new migration; a test compares both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caxton_core.ports import TABLES
from peewee import (
    SQL,
    BigIntegerField,
    BlobField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)

NUMBERS = frozenset({"created", "size"})
"""The columns of projected tables that hold numbers; the others hold texts."""


def added() -> BigIntegerField:
    """Make the field of a column that was added to tables with rows in them."""
    return BigIntegerField(constraints=[SQL("DEFAULT 0")])


class Groups(Model):
    """The journal: one row for each group commit."""

    seq = BigIntegerField(primary_key=True)
    first_time = BigIntegerField()
    last_time = BigIntegerField()
    count = IntegerField()
    checksum = BigIntegerField()
    blob = BlobField()
    header = added()

    class Meta:
        """Where the model lives."""

        table_name = "groups"


class Entries(Model):
    """The index of the journal: the groups, packed as u32, in which a key occurs, from group `first` to group `last`."""

    key = TextField()
    first = BigIntegerField()
    groups = BlobField()
    last = added()
    checksum = added()

    class Meta:
        """Where the model lives."""

        table_name = "entries"
        primary_key = CompositeKey("key", "first")
        without_rowid = True


class Marks(Model):
    """Numbers to remember: `indexed_upto`."""

    name = TextField(primary_key=True)
    value = BigIntegerField()
    checksum = added()

    class Meta:
        """Where the model lives."""

        table_name = "marks"


class Blobs(Model):
    """The bytes of modules."""

    digest = TextField(primary_key=True)
    data = BlobField()

    class Meta:
        """Where the model lives."""

        table_name = "blobs"


def _projection(table: str, columns: tuple[str, ...]) -> type[Model]:
    meta = type("Meta", (), {"table_name": table})
    fields: dict[str, Any] = {"key": TextField(primary_key=True)}
    for column in columns:
        fields[column] = (BigIntegerField if column in NUMBERS else TextField)(null=True)
    fields["body"] = BlobField()
    fields["checksum"] = added()
    doc = f"The table {table}, projected from the journal."
    return type(table.title().replace("_", ""), (Model,), {**fields, "Meta": meta, "__doc__": doc})


PROJECTIONS: Mapping[str, type[Model]] = {
    name: _projection(name, columns) for name, columns in TABLES.items()
}

MODELS: tuple[type[Model], ...] = (Groups, Entries, Marks, Blobs, *PROJECTIONS.values())
