"""The numbered migrations of SQL databases: one list for every dialect, made by peewee's own tools.

Rules:
- A migration that was released is never changed; a new one is added behind it. It knows tables only as it finds and
  leaves them, never through `models.py` or the port, which go on.
- All pending migrations run in one transaction, with the new `schema_version`.
- The result is what `models.py` describes, plus the indexes; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from peewee import (
    SQL,
    BigIntegerField,
    BlobField,
    CompositeKey,
    Database,
    Field,
    IntegerField,
    Model,
    PostgresqlDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from caxton_plugins.storages import checksums

Migration: TypeAlias = Callable[[SchemaMigrator], None]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "agents": ("name", "state"),
    "deployments": ("agent", "state"),
    "conversations": ("protocol", "state", "phase", "created"),
    "dead_letters": ("reason", "created", "receiver"),
    "events": ("type", "agent", "conversation", "created"),
    "client_ids": ("digest", "created"),
    "modules": ("profile", "size"),
    "meta": (),
}
"""The projected tables of the first two schemas."""
_FILTERED = {
    "agents": ("name",),
    "deployments": ("agent",),
    "conversations": ("protocol", "state", "phase"),
    "dead_letters": ("receiver",),
    "events": ("type", "agent", "conversation"),
}
_AT_ONCE = 200


def _text(database: Database, **options: Any) -> TextField:
    # Keys are ordered by their code points, whatever language the database is set to.
    postgres = isinstance(database, PostgresqlDatabase)
    return TextField(collation='"C"' if postgres else None, **options)


def _create(database: Database, name: str, fields: Mapping[str, Field], **meta: Any) -> None:
    options = type("Meta", (), {"database": database, "table_name": name, **meta})
    database.create_tables([type(name, (Model,), {**fields, "Meta": options})], safe=False)


def _tables(migrator: SchemaMigrator) -> None:
    """Make the tables of the first schema."""
    database: Database = migrator.database
    numbers = ("first_time", "last_time")
    fields: dict[str, Field] = {"seq": BigIntegerField(primary_key=True)}
    fields |= {name: BigIntegerField() for name in numbers}
    fields |= {"count": IntegerField(), "checksum": BigIntegerField(), "blob": BlobField()}
    _create(database, "groups", fields)
    if isinstance(database, PostgresqlDatabase):
        # To compress it takes the server several times as long as to write it.
        migrator.sql("ALTER TABLE groups ALTER COLUMN blob SET STORAGE EXTERNAL").run()
    # A look-up by time goes to the groups that end behind it, no further than the longest group reaches back.
    migrator.add_index("groups", ("last_time", "first_time"), name="groups_time").run()
    migrator.sql("CREATE INDEX groups_span ON groups ((last_time - first_time))").run()
    _create(
        database,
        "entries",
        {"key": _text(database), "first": BigIntegerField(), "groups": BlobField()},
        primary_key=CompositeKey("key", "first"),
        without_rowid=not isinstance(database, PostgresqlDatabase),
    )
    value, data = BigIntegerField(), BlobField()
    _create(database, "marks", {"name": _text(database, primary_key=True), "value": value})
    _create(database, "blobs", {"digest": _text(database, primary_key=True), "data": data})
    for table, columns in _COLUMNS.items():
        fields = {"key": _text(database, primary_key=True)}
        for column in columns:
            number = column in ("created", "size")
            fields[column] = BigIntegerField(null=True) if number else _text(database, null=True)
        _create(database, table, {**fields, "body": BlobField()})
        for column in _FILTERED.get(table, ()):
            migrator.add_index(table, (column, "key"), name=f"{table}_{column}").run()


def _retention_and_checksums(migrator: SchemaMigrator) -> None:
    """Let old rows and old index entries be found, and give every row a checksum."""
    database: Database = migrator.database

    def add(table: str, column: str) -> None:
        field = BigIntegerField(constraints=[SQL("DEFAULT 0")])
        migrator.add_column(table, column, field, allow_not_null=True).run()

    add("groups", "header")
    for header in _walk(database, "groups", "seq", "first_time", "last_time", "count", "checksum"):
        _set(database, "groups", ("header",), (checksums.of_header(*header),), ("seq",), header)
    add("entries", "last")
    add("entries", "checksum")
    for key, first, groups in _walk(database, "entries", "key", "first", "groups", keys=2):
        last = int.from_bytes(groups[-4:], "little")
        found = last, checksums.of_entry(key, first, last, bytes(groups))
        _set(database, "entries", ("last", "checksum"), found, ("key", "first"), (key, first))
    migrator.add_index("entries", ("first", "last"), name="entries_first").run()
    add("marks", "checksum")
    for mark in _walk(database, "marks", "name", "value"):
        _set(database, "marks", ("checksum",), (checksums.of_mark(*mark),), ("name",), mark)
    for table, columns in _COLUMNS.items():
        add(table, "checksum")
        for key, *values, body in _walk(database, table, "key", *columns, "body"):
            checksum = checksums.of_row(table, key, values, bytes(body))
            _set(database, table, ("checksum",), (checksum,), ("key",), (key,))
        if "created" in columns:
            migrator.add_index(table, ("created", "key"), name=f"{table}_created").run()


def _walk(database: Any, table: str, *columns: str, keys: int = 1) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table in the order of its key, some at a time, so that they can be changed meanwhile."""
    mark = database.param
    key, marks = ", ".join(columns[:keys]), ", ".join([mark] * keys)
    select = f"SELECT {', '.join(columns)} FROM {table}"
    rest = f" ORDER BY {key} LIMIT {_AT_ONCE}"
    page: list[tuple[Any, ...]] = database.execute_sql(select + rest).fetchall()
    while page:
        yield from page
        behind = f" WHERE ({key}) > ({marks})"
        page = database.execute_sql(select + behind + rest, page[-1][:keys]).fetchall()


def _set(
    database: Any,
    table: str,
    columns: tuple[str, ...],
    values: tuple[Any, ...],
    keys: tuple[str, ...],
    key: tuple[Any, ...],
) -> None:
    """Change some columns of the row whose key begins a tuple."""
    changes = ", ".join(f"{column} = {database.param}" for column in columns)
    found = " AND ".join(f"{name} = {database.param}" for name in keys)
    sql = f"UPDATE {table} SET {changes} WHERE {found}"
    database.execute_sql(sql, (*values, *key[: len(keys)]))


MIGRATIONS: tuple[Migration, ...] = (_tables, _retention_and_checksums)
"""What leads from version `i` to version `i + 1`."""

SCHEMA = len(MIGRATIONS)
"""The version this code writes."""


def version(database: Any) -> int:
    """Return the schema's version: 0 for an empty database, -1 when the tables are another program's."""
    tables = database.get_tables()
    if "schema_version" not in tables:
        return -1 if tables else 0
    found = database.execute_sql("SELECT max(version) FROM schema_version").fetchone()[0]
    return found if isinstance(found, int) else 0


def migrate(database: Any, found: int) -> None:
    """Run what is pending in one transaction; the connection of `database` must be in autocommit mode."""
    if found == SCHEMA:
        return
    migrator = SchemaMigrator.from_database(database)
    with database.atomic():
        if found == 0:
            column = "version INTEGER NOT NULL PRIMARY KEY"
            database.execute_sql(f"CREATE TABLE schema_version ({column})")
        for number, migration in enumerate(MIGRATIONS[found:], start=found + 1):
            migration(migrator)
            insert = f"INSERT INTO schema_version VALUES ({database.param})"
            database.execute_sql(insert, (number,))
