"""Backups: a copy that is whole or is refused, and a restore that is complete or marked."""

from __future__ import annotations

import random
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from caxton_core.errors import Conflict, Corrupt, CorruptRow, Unfinished, Unreadable
from caxton_core.ports import Group, Storage
from caxton_core.registry import Registry
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.databases.archives import (
    BrokenArchive,
    Manifest,
    backup,
    is_empty,
    restore,
    verify,
)
from caxton_server.databases.checks import check
from caxton_server.runtime.unfinished import begun, unfinished
from returns.result import Success

from tests.server.databases.samples import (
    DIGEST,
    GROUPS,
    MODULE,
    Died,
    contents,
    fill,
    mortal,
    opened,
    plugins,
    prune,
    write,
)


@pytest.fixture
def plugin() -> Registry:
    """Give the registry that archives are made with."""
    return plugins()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a database with a bit of everything."""
    found = tmp_path / "caxton.db"
    storage = opened(found)
    fill(storage)
    storage.close()
    return found


def archived(path: Path, plugin: Registry) -> Path:
    """Back a database up."""
    file = path.with_name("saved.backup")
    source = opened(path, read_only=True)
    assert isinstance(backup(source, file, plugin), Success)
    source.close()
    return file


def test_what_was_backed_up_is_restored(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """Groups, modules, tables and index are the same in another place, and both are sound."""
    source = opened(path, read_only=True)
    file = tmp_path / "saved.backup"
    manifest = backup(source, file, plugin).unwrap()
    assert (manifest.groups, manifest.first_group, manifest.last_group) == (GROUPS, 1, GROUPS)
    assert (manifest.modules, sum(manifest.rows.values())) == (1, 81)
    target = opened(tmp_path / "other.db")
    assert restore(file, target, plugin) == Success(manifest)
    assert contents(target) == contents(source)
    assert check(target).wrong == []
    # A copy of a copy is the same archive.
    again = backup(target, tmp_path / "again.backup", plugin).unwrap()
    assert again.digest == manifest.digest
    target.close()
    source.close()


def test_a_pruned_database_is_backed_up(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """An archive begins with the group that the journal begins with."""
    source = opened(path)
    prune(source, 15)
    manifest = backup(source, tmp_path / "saved.backup", plugin).unwrap()
    assert (manifest.first_group, manifest.last_group) == (16, GROUPS + 1)
    target = opened(tmp_path / "other.db")
    restore(tmp_path / "saved.backup", target, plugin).unwrap()
    assert contents(target) == contents(source)
    write(target, range(GROUPS + 2, GROUPS + 5))
    assert check(target).wrong == []
    target.close()
    source.close()


def test_a_backup_is_one_private_file(path: Path, plugin: Registry) -> None:
    """Nothing is left beside it, also when it is read where nothing may be written, and only its owner may read it."""
    file = archived(path, plugin)
    assert {each.name for each in path.parent.iterdir()} - {
        f"caxton.db{end}" for end in ("", "-shm", "-wal")
    } == {file.name}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    storage = opened(file, read_only=True)
    assert isinstance(verify(file, storage), Success)
    storage.close()
    assert not list(file.parent.glob("saved.backup-*"))


def test_a_file_that_is_there_is_not_replaced_unasked(path: Path, plugin: Registry) -> None:
    """It is left as it is, or replaced in one go."""
    file = path.with_name("saved.backup")
    file.write_text("precious")
    source = opened(path, read_only=True)
    assert isinstance(backup(source, file, plugin).failure(), Conflict)
    assert file.read_text() == "precious"
    assert isinstance(backup(source, file, plugin, replace=True), Success)
    source.close()


def test_what_can_not_be_written_leaves_nothing(path: Path, plugin: Registry) -> None:
    """A folder that is not there, and a journal that can't be read, are refusals; no file is left."""
    source = opened(path)
    nowhere = path.parent / "nowhere" / "saved.backup"
    assert isinstance(backup(source, nowhere, plugin).failure(), Unreadable)
    broken = opened(path.with_name("broken.db"))
    fill(broken)
    broken._db.commit([("UPDATE groups SET blob = x'02' WHERE seq = 9", ())])
    file = path.with_name("saved.backup")
    assert isinstance(backup(broken, file, plugin).failure(), Corrupt)
    broken.truncate(8)
    broken._db.commit([("UPDATE blobs SET data = x'00'", ())])
    assert isinstance(backup(broken, file, plugin).failure(), CorruptRow)
    source.append((), [begun("rebuild")])
    assert backup(source, file, plugin).failure() == Unfinished("rebuild")
    assert not list(path.parent.glob("*.backup*")) + list(path.parent.glob(".*"))
    broken.close()
    source.close()


def test_damaged_tables_are_no_matter(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """Tables come from the journal, so a backup of a database with bad tables is good."""
    source = opened(path)
    before = contents(source)
    source._db.commit([("DELETE FROM agents", ()), ("UPDATE events SET body = x'00'", ())])
    assert not check(source).ok
    backup(source, tmp_path / "saved.backup", plugin).unwrap()
    target = opened(tmp_path / "other.db")
    restore(tmp_path / "saved.backup", target, plugin).unwrap()
    assert contents(target) == before
    target.close()
    source.close()


def test_a_node_that_works_is_backed_up(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """While groups are written and pruned an archive is the journal up to some group, and what follows from it."""
    node = opened(path)
    stop = threading.Event()

    def work() -> None:
        number = GROUPS
        while not stop.is_set():
            number += 1
            write(node, [number], checkpoint=number - 1 if number % 50 == 0 else None)
            if number % 50 == 0:
                prune(node, number - 30)
                number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for turn in range(5):
            source = opened(path, read_only=True)
            manifest = backup(source, tmp_path / f"{turn}.backup", plugin).unwrap()
            source.close()
            target = opened(tmp_path / f"{turn}.db")
            restore(tmp_path / f"{turn}.backup", target, plugin).unwrap()
            assert target.last_group() == manifest.last_group >= GROUPS
            assert check(target).wrong == []
            target.close()
    finally:
        stop.set()
        worker.join()
        node.close()


def test_a_backup_begins_again_when_groups_are_pruned_under_it(
    path: Path, tmp_path: Path, plugin: Registry
) -> None:
    """Groups that went before they were copied make it start over."""
    node = opened(path)
    reads: list[int] = []

    class Slow(SqliteStorage):
        def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
            """Have groups pruned before the first one is read."""
            reads.append(after)
            if len(reads) == 1:
                prune(node, 12)
            yield from super().groups(after, upto)

    source = Slow(path, read_only=True)
    source.open()
    assert backup(source, tmp_path / "saved.backup", plugin).unwrap().first_group == 13
    source.close()
    node.close()


def test_modules_that_come_and_go_meanwhile_are_all_there(
    path: Path, tmp_path: Path, plugin: Registry
) -> None:
    """A module whose row is in the archive has its bytes there, though it was removed while the archive was written."""
    node = opened(path)

    class Slow(SqliteStorage):
        def groups(self, after: int, upto: int | None = None) -> Iterator[Group]:
            """Have the module removed before the first group is read."""
            assert node.delete_module(DIGEST) == Success(None)
            yield from super().groups(after, upto)

    source = Slow(path, read_only=True)
    source.open()
    backup(source, tmp_path / "saved.backup", plugin).unwrap()
    saved = opened(tmp_path / "saved.backup", read_only=True)
    assert saved.module(DIGEST) == MODULE
    for storage in (saved, source, node):
        storage.close()


def test_rows_from_before_groups_had_rows_are_backed_up(tmp_path: Path, plugin: Registry) -> None:
    """They come from the tables."""
    source = opened(tmp_path / "old.db")
    fill(source, old=10)
    backup(source, tmp_path / "saved.backup", plugin).unwrap()
    target = opened(tmp_path / "other.db")
    restore(tmp_path / "saved.backup", target, plugin).unwrap()
    assert contents(target) == contents(source)
    assert check(target).not_compared == 19
    target.close()
    source.close()


def test_a_damaged_archive_is_never_restored(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """A byte is changed at many offsets, or the end cut off: it is refused, or what is restored is the same."""
    file = archived(path, plugin)
    sound = file.read_bytes()
    source = opened(path, read_only=True)
    before = contents(source)
    source.close()
    chance = random.Random(11)
    refused = 0
    for turn in range(60):
        if turn % 4:
            at = chance.randrange(len(sound))
            flipped = bytes([sound[at] ^ (1 << chance.randrange(8))])
            file.write_bytes(sound[:at] + flipped + sound[at + 1 :])
        else:
            file.write_bytes(sound[: chance.randrange(len(sound))])
        target = opened(tmp_path / f"{turn}.db")
        if isinstance(restore(file, target, plugin), Success):
            assert contents(target) == before
        else:
            refused += 1
            assert is_empty(target)
        target.close()
        (tmp_path / f"{turn}.db").unlink()
    assert refused > 15


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM meta WHERE key = 'archive'",
        "UPDATE meta SET body = x'7b7d' WHERE key = 'archive'",
        "DELETE FROM groups WHERE seq = 40",
        "DELETE FROM groups WHERE seq = 1",
        "DELETE FROM agents WHERE key = '1'",
        "UPDATE groups SET last_time = last_time + 5 WHERE seq = 3",
        "DELETE FROM blobs",
    ],
)
def test_an_archive_that_was_changed_is_refused(
    path: Path, tmp_path: Path, plugin: Registry, statement: str
) -> None:
    """Whatever is not as the manifest says, and a file that is no archive at all."""
    file = archived(path, plugin)
    changed = opened(file)
    changed._db.commit([(statement, ())])
    changed.close()
    target = opened(tmp_path / "other.db")
    assert isinstance(restore(file, target, plugin).failure(), BrokenArchive)
    assert isinstance(restore(path, target, plugin).failure(), BrokenArchive)
    assert is_empty(target)
    target.close()


def test_data_is_replaced_only_if_asked(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """Anything at all in the target keeps a restore out; with `replace` nothing of it is left."""
    file = archived(path, plugin)
    puts: tuple[Callable[[Storage], object], ...] = (
        lambda storage: write(storage, range(1, 99)),
        lambda storage: storage.put_module(DIGEST, MODULE),
        lambda storage: storage.append((), [begun("rebuild")]),
    )
    for number, put in enumerate(puts):
        target = opened(tmp_path / f"{number}.db")
        put(target)
        before = contents(target)
        assert isinstance(restore(file, target, plugin).failure(), Conflict)
        assert contents(target) == before
        assert isinstance(restore(file, target, plugin, replace=True), Success)
        source = opened(path, read_only=True)
        assert contents(target) == contents(source)
        source.close()
        target.close()


def test_an_interrupted_restore_is_noticed_and_done_again(
    path: Path, tmp_path: Path, plugin: Registry
) -> None:
    """Wherever the process ends, the target is as it was, or marked; the next restore needs no leave to complete it."""
    file = archived(path, plugin)
    source = opened(path, read_only=True)
    after = contents(source)
    source.close()
    for lives in range(20):
        target = mortal(tmp_path / f"{lives}.db", 1 << 30)
        write(target, range(1, 60))
        before = contents(target)
        target.lives = lives
        try:
            restore(file, target, plugin, replace=True)
        except Died:
            marked = unfinished(target)
            assert marked == "restore" or (lives == 0 and contents(target) == before)
        else:
            assert contents(target) == after
            target.close()
            return
        target.lives = 1 << 30
        assert isinstance(restore(file, target, plugin, replace=lives == 0), Success)
        assert (contents(target), unfinished(target)) == (after, None)
        target.close()
    raise AssertionError("it never came to its end")


def test_an_interrupted_backup_is_no_backup(path: Path, tmp_path: Path, plugin: Registry) -> None:
    """What a process left behind that ended in the middle can't be restored."""
    half = opened(tmp_path / "half.backup")
    fill(half)
    half.append((), [begun("backup")])
    half.close()
    target = opened(tmp_path / "other.db")
    assert isinstance(restore(tmp_path / "half.backup", target, plugin).failure(), BrokenArchive)
    target.close()


def test_a_manifest_says_what_it_is_of() -> None:
    """Its fields are what `caxton db backup --json` prints."""
    assert Manifest.__struct_fields__ == (
        "caxton", "created", "first_group", "last_group", "groups", "modules", "rows", "digest",
    )  # fmt: skip
