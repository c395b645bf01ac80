"""Rebuilding: tables and index are what the journal says, whatever they were before and wherever it was interrupted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from caxton_core.errors import Corrupt, NotFound, Unfinished
from caxton_core.ports import Row
from caxton_core.testing_storages import make_entry
from caxton_server.databases.checks import check
from caxton_server.databases.rebuilding import NoBeginning, Rebuilt, rebuild
from caxton_server.runtime.unfinished import begun, unfinished
from returns.result import Success

from tests.server.databases.samples import (
    GROUPS,
    Died,
    contents,
    fill,
    mortal,
    opened,
    prune,
    write,
)

ROWS = 81


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a database with a bit of everything."""
    found = tmp_path / "caxton.db"
    storage = opened(found)
    fill(storage)
    storage.close()
    return found


def damage(path: Path, *statements: str) -> None:
    """Change a database behind Caxton's back."""
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def test_tables_and_index_are_mended(path: Path) -> None:
    """Rows lost, changed and added, and an index of nonsense, are what they were again."""
    storage = opened(path)
    before = contents(storage)
    storage.close()
    damage(
        path,
        "DELETE FROM events WHERE key > '0000000000000020'",
        "UPDATE agents SET body = x'00'",
        "DELETE FROM entries WHERE key LIKE 'c:%'",
        "UPDATE entries SET groups = x'00' WHERE key = 'a:8'",
        "UPDATE marks SET value = 7",
    )
    storage = opened(path)
    storage.append((), [Row("meta", "more", {}, b"x")])
    storage.index([make_entry("c:nobody", 2)], 2)
    assert not check(storage).ok
    assert rebuild(storage) == Success(Rebuilt(GROUPS, ROWS, 0, 0, []))
    assert contents(storage) == before
    assert storage.find("c:nobody") == []
    assert check(storage).wrong == []
    assert unfinished(storage) is None
    storage.close()


def test_a_pruned_journal_is_enough(path: Path) -> None:
    """What is left holds every row that counts."""
    storage = opened(path)
    prune(storage, 15)
    before = contents(storage)
    damage(path, "DELETE FROM agents", "DELETE FROM modules")
    assert isinstance(rebuild(storage), Success)
    assert contents(storage) == before
    storage.close()


def test_an_interrupted_rebuild_is_noticed_and_done_again(path: Path) -> None:
    """Wherever the process ends, the database is as it was, or marked; the next rebuild completes it."""
    storage = opened(path)
    before = contents(storage)
    storage.close()
    seen = set()
    for lives in range(10):
        storage = mortal(path, lives)
        try:
            rebuild(storage)
        except Died:
            seen.add(unfinished(storage))
            if unfinished(storage) is None:
                assert contents(storage) == before
        else:
            assert contents(storage) == before
            break
        finally:
            storage.close()
        storage = opened(path)
        assert isinstance(rebuild(storage), Success)
        assert (contents(storage), unfinished(storage)) == (before, None)
        storage.close()
    else:
        raise AssertionError("it never came to its end")
    assert seen == {None, "rebuild"}


def test_nothing_is_touched_when_a_group_is_corrupt(path: Path) -> None:
    """The whole journal is read first; then the intact part can be kept, and the next group follows it."""
    damage(path, "UPDATE groups SET blob = x'02' WHERE seq = 30")
    storage = opened(path)
    before = {
        table: storage.list(table, {}, after=None, limit=999) for table in ("events", "agents")
    }
    assert rebuild(storage).failure() == Corrupt(30, "its bytes do not match its checksum")
    after = {
        table: storage.list(table, {}, after=None, limit=999) for table in ("events", "agents")
    }
    assert (before, unfinished(storage)) == (after, None)
    assert rebuild(storage, upto=29).unwrap().given_up == 11
    assert (storage.last_group(), storage.indexed_upto()) == (29, 29)
    assert check(storage).wrong == []
    fresh = opened(path.with_name("fresh.db"))
    write(fresh, range(1, 30), checkpoint=20)
    assert contents(storage)["events"] == contents(fresh)["events"]
    assert contents(storage)["index"] == contents(fresh)["index"]
    write(storage, range(30, 35))
    assert check(storage).wrong == []
    fresh.close()
    storage.close()


def test_a_missing_group_is_the_end_of_what_can_be_kept(path: Path) -> None:
    """Behind a gap nothing counts."""
    damage(path, "DELETE FROM groups WHERE seq = 30")
    storage = opened(path)
    assert rebuild(storage).failure() == Corrupt(30, "it is missing")
    assert rebuild(storage, upto=30).failure() == Corrupt(30, "it is missing")
    assert isinstance(rebuild(storage, upto=29), Success)
    assert check(storage).wrong == []
    storage.close()


def test_an_interrupted_shortening_is_done_again(path: Path) -> None:
    """Groups are given up in one go; what is interrupted behind that is marked, and completed without saying how far."""
    for lives in range(20):
        copy = path.with_name(f"copy-{lives}.db")
        copy.write_bytes(path.read_bytes())
        storage = mortal(copy, lives)
        ended = True
        try:
            rebuild(storage, upto=29)
        except Died:
            ended = False
        storage.lives = 99
        assert storage.last_group() in (29, GROUPS)
        assert isinstance(rebuild(storage), Success)
        assert check(storage).wrong == []
        storage.close()
        if ended:
            return
    raise AssertionError("it never came to its end")


def test_what_a_node_could_not_begin_with_is_refused(path: Path) -> None:
    """Where old groups are gone a whole checkpoint must be left; and there must be a group."""
    storage = opened(path)
    prune(storage, 15)
    assert isinstance(rebuild(storage, upto=18).failure(), NoBeginning)
    assert isinstance(rebuild(storage, upto=10).failure(), NoBeginning)
    assert isinstance(rebuild(storage, upto=21), Success)
    storage.close()
    empty = opened(path.with_name("empty.db"))
    assert isinstance(rebuild(empty).failure(), NotFound)
    empty.close()


def test_another_work_is_finished_first(path: Path) -> None:
    """A database that is half restored can't be rebuilt: its journal is not whole."""
    storage = opened(path)
    storage.append((), [begun("restore")])
    assert rebuild(storage).failure() == Unfinished("restore")
    storage.close()


@pytest.mark.parametrize("lives", [0, 1, 2, 3, 4, 99])
def test_rows_from_before_groups_had_rows_are_carried_into_the_journal(
    tmp_path: Path, lives: int
) -> None:
    """Only tables know them; after a rebuild the journal does too, and they are compared from then on."""
    storage = mortal(tmp_path / "old.db", 1 << 30)
    fill(storage, old=10)
    before = contents(storage)
    storage.lives = lives
    try:
        rebuild(storage)
    except Died:
        storage.lives = 99
    assert isinstance(rebuild(storage), Success)
    after = contents(storage)
    assert {**after, "groups": before["groups"]} == before
    report = check(storage)
    assert (report.wrong, report.groups) == ([], GROUPS + 1)
    storage.close()
