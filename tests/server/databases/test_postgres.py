"""A database in PostgreSQL: checked, mended, backed up beside its node, and moved to SQLite and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Row
from caxton_core.testing_storages import make_entry
from caxton_plugins.storages.postgres import make
from caxton_plugins.storages.postgres_storage import PostgresStorage
from caxton_server.databases.archives import backup, restore
from caxton_server.databases.checks import check
from caxton_server.databases.rebuilding import rebuild
from returns.result import Success

from tests.server.databases.samples import (
    GROUPS,
    contents,
    fill,
    opened,
    plugins,
    prune,
    write,
)


def connected(url: str, *, schema: str = "caxton", read_only: bool = False) -> PostgresStorage:
    """Open a storage in PostgreSQL."""
    storage = make(StorageOptions(url, "disk", {"schema": schema}, read_only)).unwrap()
    assert isinstance(storage, PostgresStorage)
    assert storage.open() == Success(None)
    return storage


@pytest.fixture
def node(postgres_url: str) -> Iterator[PostgresStorage]:
    """Give the storage of a node, with a bit of everything."""
    storage = connected(postgres_url)
    fill(storage)
    yield storage
    storage.close()


def test_a_reader_beside_the_node(node: PostgresStorage, postgres_url: str) -> None:
    """It takes nothing from the node, sees what is committed meanwhile, and writes nothing."""
    reader = connected(postgres_url, read_only=True)
    assert check(reader).wrong == []
    write(node, [GROUPS + 1])
    assert reader.last_group() == GROUPS + 1
    for refused in (reader.append((), ()), reader.truncate(0), reader.clear_projections()):
        assert "only to be read" in str(refused.failure())
    prune(node, 15)
    report = check(reader)
    assert (report.wrong, report.first_group) == ([], 16)
    reader.close()


def test_nothing_is_created_to_read(postgres_url: str) -> None:
    """A schema that is not there is refused, and still not there."""
    storage = make(StorageOptions(postgres_url, "disk", {"schema": "nowhere"}, True)).unwrap()
    assert "it has no tables" in str(storage.open().failure())
    storage.close()
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'nowhere'")
        assert found.fetchall() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE groups SET blob = '\\x02' WHERE seq = 7", "group 7 "),
        ("DELETE FROM groups WHERE seq = 7", "group 7 "),
        ("UPDATE events SET body = '\\x00' WHERE key LIKE '%17'", "17"),
        ("DELETE FROM dead_letters WHERE key = 'd-20'", "d-20"),
        ("UPDATE entries SET groups = '\\x01000000' WHERE key = 'c:c-3'", "c:c-3"),
        ("DELETE FROM entries WHERE key = 'a:8'", "agent 8"),
        ("UPDATE blobs SET data = '\\x00'", "sha256:"),
    ],
)
def test_damage_is_found(
    node: PostgresStorage, postgres_url: str, statement: str, words: str
) -> None:
    """One thing is changed behind Caxton's back, and a sentence names it."""
    with psycopg.connect(postgres_url) as connection:
        changed = connection.execute(f"SET search_path TO caxton; {statement}")
        changed.nextset()
        assert changed.rowcount == 1
    said = "\n".join(check(node).wrong)
    assert words in said, said


def test_tables_and_index_are_mended(node: PostgresStorage) -> None:
    """What is rebuilt is what it was; keys too long to be stored whole are found and compared too."""
    long = "c-" + "x" * 3000
    write(node, [GROUPS + 1])
    before = contents(node)
    node.append((), [Row("agents", "3", {}, b"?"), Row("meta", long, {}, b"more")])
    node.index([make_entry(f"c:{long}", 2), make_entry("c:c-3", 5)], GROUPS + 1)
    wrong = check(node).wrong
    assert len(wrong) == 3, wrong
    assert rebuild(node).unwrap().groups == GROUPS + 1
    assert contents(node) == before
    assert check(node).wrong == []
    assert rebuild(node, upto=30).unwrap().given_up == 11
    assert (node.last_group(), check(node).wrong) == (30, [])
    write(node, [31])
    assert check(node).wrong == []


def test_a_move_to_sqlite_and_back(
    node: PostgresStorage, postgres_url: str, tmp_path: Path
) -> None:
    """The archives of all three are the same but for when they were made."""
    plugin = plugins()
    prune(node, 15)
    reader = connected(postgres_url, read_only=True)
    there = backup(reader, tmp_path / "there.backup", plugin).unwrap()
    lite = opened(tmp_path / "lite.db")
    restore(tmp_path / "there.backup", lite, plugin).unwrap()
    assert contents(lite) == contents(node)
    back = backup(lite, tmp_path / "back.backup", plugin).unwrap()
    other = connected(postgres_url, schema="other")
    write(other, range(1, 9))
    restore(tmp_path / "back.backup", other, plugin, replace=True).unwrap()
    assert contents(other) == contents(node)
    again = backup(other, tmp_path / "again.backup", plugin).unwrap()
    assert there.digest == back.digest == again.digest
    write(other, [GROUPS + 2])
    assert check(other).wrong == []
    for storage in (reader, lite, other):
        storage.close()
