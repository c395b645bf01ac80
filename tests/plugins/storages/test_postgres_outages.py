"""The storage in a PostgreSQL database whose server, or the way to it, fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from caxton_core.errors import Locked, StorageFault, StorageUnavailable, Unreadable
from caxton_core.ports import Durability, Row
from caxton_core.testing_storages import make_entry, make_group
from caxton_plugins.storages.postgres_connections import Connections
from caxton_plugins.storages.postgres_statements import Statement
from caxton_plugins.storages.postgres_storage import PostgresStorage
from caxton_plugins.storages.postgres_waits import Connection
from returns.result import Failure, Success

from tests.plugins.storages.test_postgres import made
from tests.postgres import PostgresServer

pytestmark = pytest.mark.once

GROUPS = [make_group(seq, bytes([seq]) * 100) for seq in range(1, 61)]


def row(seq: int) -> Row:
    """Make the row that goes with a group."""
    return Row("meta", "last", {}, b"%d" % seq)


@pytest.fixture
def storage(postgres_url: str) -> Iterator[PostgresStorage]:
    """Give an open storage with one group."""
    storage = made(postgres_url)
    assert storage.open() == Success(None)
    assert storage.append(GROUPS[:1], [row(1)]) == Success(None)
    yield storage
    storage.close()


def end_connections(postgres: PostgresServer, url: str) -> None:
    """End every connection to a database, as a server that fails over does."""
    name = url.rpartition("/")[2]
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_restart_goes_unnoticed(
    postgres: PostgresServer, storage: PostgresStorage, how: str
) -> None:
    """When the server is there again every call works, though each connection was broken."""
    assert storage.get("meta", "last") == row(1)
    getattr(postgres, how)()
    if how == "kill":
        postgres.start()
    assert storage.get("meta", "last") == row(1)
    assert storage.append(GROUPS[1:2], [row(2)]) == Success(None)
    assert list(storage.groups(0)) == GROUPS[:2]


def test_a_server_that_is_down_is_said(postgres: PostgresServer, storage: PostgresStorage) -> None:
    """Every call fails as a value or a fault, and works again when the server does."""
    postgres.stop()
    assert isinstance(storage.append(GROUPS[1:2], ()).failure(), StorageUnavailable)
    assert isinstance(storage.index([make_entry("c:a", 1)], 1).failure(), StorageUnavailable)
    assert isinstance(storage.put_module("sha256:a", b"").failure(), StorageUnavailable)
    assert isinstance(storage.prune(1), Success | Failure)
    with pytest.raises(StorageFault) as caught:
        storage.get("meta", "last")
    assert isinstance(caught.value.error, StorageUnavailable)
    postgres.start()
    assert storage.append(GROUPS[1:2], [row(2)]) == Success(None)
    assert storage.get("meta", "last") == row(2)


def test_a_server_that_does_not_answer_is_not_waited_for(
    postgres: PostgresServer, storage: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen server makes calls fail after a while, and what was on its way is neither lost nor doubled."""
    monkeypatch.setattr(Connection, "patience", 0.5)
    monkeypatch.setitem(storage._db._parameters, "connect_timeout", 2)
    writer = storage._db._writer
    assert writer is not None
    writer.patience = 0.5
    postgres.freeze()
    assert isinstance(storage.append(GROUPS[1:2], [row(2)]).failure(), StorageUnavailable)
    with pytest.raises(StorageFault):
        storage.get("meta", "last")
    postgres.thaw()
    assert storage.append(GROUPS[1:3], [row(3)]) == Success(None)
    assert list(storage.groups(0)) == GROUPS[:3]
    assert storage.get("meta", "last") == row(3)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_commit_whose_answer_was_lost_is_not_repeated(
    storage: PostgresStorage, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """When the connection breaks between a commit and its answer, the group is found there and passed over."""
    transact = Connections._transact
    left = [lost]

    def break_after(self: Connections, writer: Connection, given: Sequence[Statement]) -> None:
        transact(self, writer, given)
        if left[0]:
            left[0] -= 1
            writer.close()
            raise psycopg.OperationalError("the connection was lost")

    monkeypatch.setattr(Connections, "_transact", break_after)
    done = storage.append(GROUPS[1:3], [row(3)])
    if lost == 2:
        assert isinstance(done.failure(), StorageUnavailable)
        # Somebody else's call makes the new connection: the group that came before it is not forgotten.
        assert storage.put_module("sha256:a", b"") == Success(None)
        done = storage.append(GROUPS[1:3], [row(3)])
    assert done == Success(None)
    assert storage.append(GROUPS[3:4], [row(4)]) == Success(None)
    assert list(storage.groups(0)) == GROUPS[:4]


def test_a_connection_of_its_own_is_not_in_its_way(storage: PostgresStorage) -> None:
    """When the network broke and the server still has the old connection, the new one ends it and takes its lock."""
    old = storage._db._writer
    assert old is not None
    old.execute("BEGIN")
    storage._db._writer = None
    assert storage.append(GROUPS[1:2], ()) == Success(None)
    with pytest.raises(psycopg.OperationalError):
        old.execute("SELECT 1")
    old.close()


def test_two_nodes_cannot_write_one_database(
    postgres: PostgresServer, postgres_url: str, storage: PostgresStorage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A second node is refused, with who has the database; it gets it when the first one is gone, however it went."""
    monkeypatch.setattr("caxton_plugins.storages.postgres_locks.LOCK_SECONDS", 0.2)
    second = made(postgres_url)
    refused = second.open().failure()
    assert isinstance(refused, Locked)
    assert "another node is using it ('caxton " in str(refused)
    other_schema = made(postgres_url, schema="another")
    assert other_schema.open() == Success(None)
    other_schema.close()
    end_connections(postgres, postgres_url)
    assert second.open() == Success(None)
    second.close()


def test_what_another_node_wrote_is_not_passed_over(
    postgres: PostgresServer, postgres_url: str, storage: PostgresStorage
) -> None:
    """A node that lost the database to another one stops writing, for good."""
    end_connections(postgres, postgres_url)
    second = made(postgres_url)
    assert second.open() == Success(None)
    assert second.append([make_group(2, b"the other's")], ()) == Success(None)
    second.close()
    for _ in range(2):
        refused = storage.append(GROUPS[1:2], [row(2)]).failure()
        assert isinstance(refused, Locked)
        assert "another node has written its group 2" in str(refused)


@pytest.mark.parametrize("durability", ["process", "memory"])
def test_what_the_server_loses_is_appended_again(
    postgres: PostgresServer, postgres_url: str, durability: Durability
) -> None:
    """Without waiting for the disk, a server that is killed loses commits; the node that lives gives them again."""
    # So late that the server can't have written anything by itself.
    name = postgres_url.rpartition("/")[2]
    postgres.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    postgres.execute("SELECT pg_reload_conf()")
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    storage = made(postgres_url, durability)
    assert storage.open() == Success(None)
    for seq in range(1, 31):
        assert storage.append(GROUPS[seq - 1 : seq], [row(seq)]) == Success(None)
    postgres.kill()
    postgres.start()
    lost = 30 - int(postgres.execute("SELECT count(*) FROM caxton.groups", name)[0][0])
    assert storage.append(GROUPS[30:31], [row(31)]) == Success(None)
    assert list(storage.groups(0)) == GROUPS[:31]
    assert storage.get("meta", "last") == row(31)
    storage.close()
    postgres.execute("ALTER SYSTEM RESET wal_writer_delay")
    postgres.execute("SELECT pg_reload_conf()")
    assert lost > 0


def test_what_is_lost_for_good_is_said(
    postgres: PostgresServer, postgres_url: str, storage: PostgresStorage
) -> None:
    """A server that lost groups it had committed, as after a fail-over to one that lagged, is not written to."""
    assert storage.append(GROUPS[1:3], ()) == Success(None)
    postgres.execute("DELETE FROM caxton.groups WHERE seq > 1", postgres_url.rpartition("/")[2])
    end_connections(postgres, postgres_url)
    refused = storage.append(GROUPS[3:4], ()).failure()
    assert isinstance(refused, Unreadable)
    assert "it has lost the groups 2 to 3" in str(refused)


def test_nothing_is_lost_while_the_server_is_killed(
    postgres: PostgresServer, storage: PostgresStorage
) -> None:
    """Kills in the middle of commits lose nothing that was acknowledged, and every commit succeeds in the end."""
    acknowledged = [1]
    problems: list[str] = []

    def write() -> None:
        for seq in range(2, 61):
            deadline = time.monotonic() + 60
            while storage.append(GROUPS[seq - 1 : seq], [row(seq)]) != Success(None):
                if time.monotonic() > deadline:
                    problems.append(f"group {seq} is never written")
                    return
                time.sleep(0.02)
            acknowledged.append(seq)
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        time.sleep(0.15)
        postgres.kill()
        postgres.start()
    writer.join()
    assert problems == []
    assert acknowledged == list(range(1, 61))
    assert list(storage.groups(0)) == GROUPS
    assert storage.get("meta", "last") == row(60)
