"""The check of a database: every kind of damage is one sentence, and soundness none."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from caxton_core.ports import Group, Row
from caxton_core.testing_storages import make_entry
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.databases.checks import Report, check
from caxton_server.runtime.unfinished import begun
from returns.result import Success

from tests.server.databases.samples import DIGEST, GROUPS, fill, opened, prune, rows_of, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a database with a bit of everything."""
    found = tmp_path / "caxton.db"
    storage = opened(found)
    fill(storage)
    storage.close()
    return found


def look(path: Path) -> Report:
    """Check a database as the command does."""
    storage = opened(path, read_only=True)
    try:
        return check(storage)
    finally:
        storage.close()


def damage(path: Path, *statements: str) -> None:
    """Change a database behind Caxton's back."""
    with sqlite3.connect(path) as database:
        for statement in statements:
            assert database.execute(statement).rowcount == 1, statement
    database.close()


def test_nothing_is_wrong_with_a_sound_database(path: Path) -> None:
    """What was looked at is counted."""
    report = look(path)
    assert report == Report(1, GROUPS, GROUPS, GROUPS, 82 - 1, 0, 10, 1, [])
    assert report.ok


def test_an_empty_database_is_sound(tmp_path: Path) -> None:
    """There is nothing to be wrong."""
    opened(tmp_path / "empty.db").close()
    assert look(tmp_path / "empty.db") == Report(0, 0, 0, 0, 0, 0, 0, 0, [])


def test_a_pruned_database_is_sound(path: Path) -> None:
    """What was carried forward is as good as what was pruned."""
    storage = opened(path)
    prune(storage, 15)
    storage.close()
    report = look(path)
    assert report.wrong == []
    assert (report.first_group, report.groups, report.rows) == (16, GROUPS + 1 - 15, 81)


FLIP = "CAST(substr({0},1,length({0})-4) || x'00' || substr({0},length({0})-2) AS BLOB)"
DAMAGES: dict[str, tuple[str | Callable[[SqliteStorage], object], list[str]]] = {
    "a group's bytes": (f"UPDATE groups SET blob = {FLIP.format('blob')} WHERE seq = 7", ["group 7 "]),
    "a group's checksum": ("UPDATE groups SET checksum = checksum + 1 WHERE seq = 7", ["group 7 "]),
    "a group's count": ("UPDATE groups SET count = 9 WHERE seq = 7", ["group 7 "]),
    "a group's time": ("UPDATE groups SET last_time = first_time - 1 WHERE seq = 7", ["group 7 "]),
    "a group in the middle": ("DELETE FROM groups WHERE seq = 7", ["group 7 ", "missing"]),
    "a row's body": ("UPDATE events SET body = x'00' WHERE key LIKE '%17'", ["17", "events"]),
    "a row's column": ("UPDATE agents SET state = 'failed' WHERE key = '3'", ["'3'", "agents"]),
    "a row's key": ("UPDATE conversations SET key = 'c-99' WHERE key = 'c-9'", ["c-9'", "c-99"]),
    "a row less": ("DELETE FROM dead_letters WHERE key = 'd-20'", ["d-20", "missing"]),
    "an index entry's groups": (
        "UPDATE entries SET groups = x'01000000' WHERE key = 'c:c-3'",
        ["c:c-3"],
    ),
    "an index entry cut off": ("UPDATE entries SET groups = x'0100' WHERE key = 'c:c-3'", ["c:c-3"]),
    "an index entry less": ("DELETE FROM entries WHERE key = 'a:8'", ["agent 8", "no group"]),
    "the index's mark": ("UPDATE marks SET value = 99", ["indexed_upto"]),
    "a module's bytes": ("UPDATE blobs SET data = x'0061736d'", [DIGEST, "bytes"]),
    "a module less": ("DELETE FROM blobs", ["Module sha256:", "missing"]),
    # What looks right by itself, and is not what the journal says.
    "another row": (lambda kept: put(kept, "agents", "3", name="a3"), ["'3'", "not the one"]),
    "a row more": (lambda kept: put(kept, "meta", "more"), ["'more'", "in no group"]),
    "a removed row again": (
        lambda kept: put(kept, "events", "0000000000000002", created=5),
        ["0000000000000002", "in no group"],
    ),
    "another index entry": (
        lambda kept: kept.index([make_entry("c:c-3", 3, 10)], GROUPS),
        ["conversation c-3", "groups 3, 10"],
    ),
    "an index entry more": (
        lambda kept: kept.index([make_entry("c:c-3", 2)], GROUPS),
        ["conversation c-3", "groups 2, 3,"],
    ),
    "an index entry for nothing": (
        lambda kept: kept.index([make_entry("c:nobody", 2)], GROUPS),
        ["conversation nobody", "groups 2"],
    ),
    "an index that is ahead": (lambda kept: kept.index([], 99), ["covers groups up to 99"]),
    "a checkpoint that is gone": (
        lambda kept: put(kept, "meta", "checkpoint", body=b"99"),
        ["checkpoint", "99"],
    ),
    "a checkpoint that is none": (
        lambda kept: put(kept, "meta", "checkpoint", body=b"x"),
        ["does not name a group"],
    ),
}  # fmt: skip


def put(
    storage: SqliteStorage, table: str, key: str, body: bytes = b"?", **columns: str | int | None
) -> None:
    """Put a row that no group holds."""
    assert storage.append((), [Row(table, key, columns, body)]) == Success(None)


@pytest.mark.parametrize("what", DAMAGES)
def test_every_kind_of_damage_is_found(path: Path, what: str) -> None:
    """One thing is changed behind Caxton's back, and a sentence names it."""
    how, words = DAMAGES[what]
    if isinstance(how, str):
        damage(path, how)
    else:
        storage = opened(path)
        how(storage)
        storage.close()
    report = look(path)
    assert not report.ok
    said = "\n".join(report.wrong)
    for word in words:
        assert word in said, said


def test_damage_of_a_single_thing_is_a_single_line(path: Path) -> None:
    """What two looks find is said once, and nothing sound is called wrong."""
    damage(path, "UPDATE events SET body = x'00' WHERE key LIKE '%17'")
    assert len(look(path).wrong) == 1


def test_a_missing_group_is_a_single_line(path: Path) -> None:
    """The storage and the walk through the journal find it both; that nothing was compared is said beside it."""
    damage(path, "DELETE FROM groups WHERE seq = 7")
    wrong = look(path).wrong
    assert len(wrong) == 3
    assert [text for text in wrong if "group 7 " in text] == wrong[:1]


def test_a_number_of_a_group_that_has_changed(path: Path) -> None:
    """A check ends where the last group claims to be the one of another age."""
    damage(path, f"UPDATE groups SET seq = {1 << 40} WHERE seq = 40")
    assert any("40" in text for text in look(path).wrong)


def test_every_broken_group_is_named(path: Path) -> None:
    """A check does not end at the first one, and says what could not be compared because of them."""
    damage(path, *(f"UPDATE groups SET blob = x'02' WHERE seq = {seq}" for seq in (3, 8, 9, 40)))
    damage(path, "DELETE FROM groups WHERE seq = 20")
    said = "\n".join(look(path).wrong)
    for number in (3, 8, 9, 20, 40):
        assert f"group {number} " in said
    assert "tables were not compared" in said
    assert "index was not compared" in said


def test_flipped_bits_of_the_file_are_found_or_change_nothing(path: Path) -> None:
    """A byte of the file is changed at many offsets: either the check says so, or everything that is read is the same."""
    sound, before = path.read_bytes(), look(path)
    chance = random.Random(5)
    found = 0
    for _ in range(60):
        at = chance.randrange(100, len(sound))
        path.write_bytes(
            sound[:at] + bytes([sound[at] ^ (1 << chance.randrange(8))]) + sound[at + 1 :]
        )
        storage = SqliteStorage(path, read_only=True)
        if storage.open().value_or(1) is None:
            report = check(storage)
            found += not report.ok
            assert not report.ok or report == before
        else:
            found += 1
        storage.close()
    assert found


def test_unfinished_work_is_wrong(path: Path) -> None:
    """A database that is half built says so."""
    storage = opened(path)
    storage.append((), [begun("rebuild")])
    storage.close()
    assert look(path).wrong == ["A rebuild was interrupted: run `caxton db rebuild` again."]


def test_rows_from_before_groups_had_rows_are_not_compared(tmp_path: Path) -> None:
    """How many there are is said; the others are compared, and a row that was removed must not be there."""
    path = tmp_path / "old.db"
    storage = opened(path)
    fill(storage, old=10)
    storage.close()
    report = look(path)
    assert report.wrong == []
    assert report.not_compared == 19
    damage(path, "DELETE FROM events WHERE key LIKE '%12'")
    assert "12" in look(path).wrong[0]
    storage = opened(path)
    put(storage, "events", "0000000000000010", created=5)
    storage.close()
    assert len(look(path).wrong) == 2


class Busy(SqliteStorage):
    """A storage that is changed by its node while it is read: `meanwhile` is called before each table is listed."""

    meanwhile: Callable[[str], None] = staticmethod(lambda _: None)

    def list(self, table: str, *args: Any, **kwargs: Any) -> list[Row]:
        """Let something happen first."""
        self.meanwhile(table)
        return super().list(table, *args, **kwargs)


def test_what_a_node_changes_meanwhile_is_not_wrong(path: Path) -> None:
    """Rows that are put, replaced and removed while tables are read are no damage, and real damage is still found."""
    damage(path, "DELETE FROM dead_letters WHERE key = 'd-20'")
    node = opened(path)
    reader = Busy(path, read_only=True)
    reader.open()
    numbers: Iterator[int] = iter(range(GROUPS + 1, GROUPS + 100))
    reader.meanwhile = lambda _: write(node, [next(numbers)])
    report = check(reader)
    assert len(report.wrong) == 1
    assert "d-20" in report.wrong[0]
    assert node.last_group() > GROUPS
    node.close()
    reader.close()


def test_a_check_begins_again_when_groups_are_pruned_under_it(path: Path) -> None:
    """Groups that went before they were read make it start over, and then all is compared."""
    node = opened(path)
    reads: list[int] = []

    class Slow(SqliteStorage):
        def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
            """Have groups pruned before the first one is read."""
            reads.append(after)
            if len(reads) == 1:
                prune(node, 12)
            yield from super().groups(after, upto)

    reader = Slow(path, read_only=True)
    reader.open()
    report = check(reader)
    assert report.wrong == []
    assert report.first_group == 13
    assert len(reads) > 1
    node.close()
    reader.close()


def test_a_check_writes_nothing(path: Path) -> None:
    """The file is the same after it, and what it was opened with can't write."""
    before = path.read_bytes()
    storage = opened(path, read_only=True)
    check(storage)
    assert storage.append((), rows_of(1)).failure().code == "storage_unavailable"
    storage.close()
    assert path.read_bytes() == before
