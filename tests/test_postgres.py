"""The PostgreSQL server that the tests start."""

from __future__ import annotations

import psycopg
import pytest

from tests.postgres import PASSWORD, PostgresServer


def test_each_test_has_an_empty_database(postgres_url: str) -> None:
    """A database has no tables, and takes some."""
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)
        connection.execute("CREATE TABLE mine (number integer)")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_committed_survives_an_end(
    postgres: PostgresServer, postgres_url: str, end: str
) -> None:
    """A server that was stopped or killed refuses connections, and has its data again when it is started."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE mine (number integer)")
    getattr(postgres, end)()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_url, connect_timeout=5)
    postgres.start()
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (0,)


def test_a_frozen_server_answers_nothing(postgres: PostgresServer, postgres_url: str) -> None:
    """While its processes stand still a connection is never made; afterwards it is."""
    postgres.freeze()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_url, connect_timeout=2)
    postgres.thaw()
    psycopg.connect(postgres_url).close()


def test_a_password_is_needed(postgres_url: str) -> None:
    """Nobody gets in without the password."""
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_url.replace(PASSWORD, "wrong"))
