"""The storage in a PostgreSQL database, for URLs that begin with `postgresql:` or `postgres:`.

    storage:
      url: postgresql://caxton:secret@db.example.com/caxton

Rules:
- It needs psycopg, which the extra `postgres` brings; without it the plugin loads and says so when it is asked for.
- `plugins.settings.postgres.schema` names the schema its tables are in: `caxton`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from caxton_core.errors import InvalidSetting, StorageError
from caxton_core.hookspecs import StorageKind, StorageOptions, hookimpl
from caxton_core.ports import Storage
from returns.result import Failure, Result

caxton_api = 1

SCHEMA = "caxton"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def make(options: StorageOptions) -> Result[Storage, StorageError | InvalidSetting]:
    """Make the storage for a URL as libpq takes it: `postgresql://user:password@host:port/database?sslmode=...`."""
    schema = options.settings.get("schema", SCHEMA)
    if not isinstance(schema, str) or not _NAME.fullmatch(schema) or schema.startswith("pg_"):
        detail = "write a-z, 0-9 and _, at most 63 of them, not beginning with pg_"
        return Failure(InvalidSetting("plugins", "plugins.settings.postgres.schema", detail))
    try:
        from caxton_plugins.storages.postgres_storage import storage_for
    except ImportError as error:
        missing = error.name or str(error)
        detail = f"PostgreSQL needs {missing}: install caxton-server[postgres]"
        return Failure(InvalidSetting("storage", "url", detail))
    return storage_for(options.url, schema, options.durability, read_only=options.read_only)


@hookimpl
def caxton_storages() -> Sequence[StorageKind]:
    """Add the storage for URLs that begin with `postgresql:` or `postgres:`."""
    return [StorageKind("postgres", ("postgresql", "postgres"), make)]
