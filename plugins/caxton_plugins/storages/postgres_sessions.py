"""How a connection to PostgreSQL is set up: its schema, how long it may take, and what it may do."""

from __future__ import annotations

from caxton_core.ports import Durability

from caxton_plugins.storages.postgres_waits import ANSWER_SECONDS, Connection


def set_up(connection: Connection, name: str, value: str) -> None:
    """Change a setting for as long as the connection lasts."""
    connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def set_up_writer(connection: Connection, schema: str, durability: Durability) -> None:
    """Make it a connection whose commits are as safe as they are said to be."""
    set_up(connection, "search_path", schema)
    set_up(connection, "statement_timeout", f"{int(ANSWER_SECONDS * 900)}ms")
    set_up(connection, "idle_in_transaction_session_timeout", f"{int(ANSWER_SECONDS)}s")
    setting = connection.execute("SHOW synchronous_commit").fetchone()
    if durability != "disk":
        set_up(connection, "synchronous_commit", "off")
    elif setting == ("off",):
        # What waits for more than the local disk, as for a standby, is left as the database has it.
        set_up(connection, "synchronous_commit", "on")


def set_up_reader(connection: Connection, schema: str) -> None:
    """Make it a connection that can't write."""
    set_up(connection, "search_path", schema)
    set_up(connection, "statement_timeout", f"{int(ANSWER_SECONDS * 900)}ms")
    set_up(connection, "default_transaction_read_only", "on")
