"""What Caxton uses of peewee's tools for migrations; their package has no types."""

from collections.abc import Sequence
from typing import Any

from peewee import Database, Field

class Operation:
    def run(self) -> None: ...

class SchemaMigrator:
    database: Database
    @classmethod
    def from_database(cls, database: Database) -> SchemaMigrator: ...
    def add_index(self, table: str, columns: Sequence[str], *, name: str) -> Operation: ...
    def add_column(
        self, table: str, column_name: str, field: Field, allow_not_null: bool = False
    ) -> Operation: ...
    def sql(self, sql: str, params: Sequence[Any] | None = None) -> Operation: ...
