"""What every storage does to forget, to be rebuilt and to be checked.

Rules:
- Part of `testing_storages`, where the whole suite is put together.
"""

from __future__ import annotations

import msgspec
from returns.result import Success

from caxton_core.ports import TABLES, Row
from caxton_core.testing_storages_groups import StorageCase, make_entry, make_group
from caxton_core.testing_storages_rows import DIGEST, MODULE


class RetentionContract(StorageCase):
    """What is pruned is gone, and nothing else is."""

    def test_old_groups_are_pruned(self) -> None:
        """Groups up to a number go, the others stay, and the next one follows the last."""
        groups = [make_group(seq, b"x" * seq, first=seq) for seq in range(1, 101)]
        self.storage.append(groups, ())
        for upto, kept in ((0, groups), (70, groups[70:]), (30, groups[70:])):
            assert self.storage.prune(upto) == Success(None)
            assert self.storage.first_group() == kept[0].seq
            assert list(self.storage.groups(0)) == kept
        assert self.storage.group(70) is None
        assert list(self.storage.groups(69, 72)) == groups[70:72]
        assert list(self.storage.groups_between(60, 72)) == groups[70:72]
        assert self.storage.append([make_group(101)], ()) == Success(None)
        assert self.storage.last_group() == 101

    def test_the_newest_group_is_never_pruned(self) -> None:
        """Its number is what the next one follows, so it stays whatever is asked for."""
        assert self.storage.prune(5) == Success(None)
        assert (self.storage.first_group(), self.storage.last_group()) == (0, 0)
        self.storage.append([make_group(seq) for seq in (1, 2, 3)], ())
        assert self.storage.prune(9) == Success(None)
        assert (self.storage.first_group(), self.storage.last_group()) == (3, 3)
        reopened = self.reopen()
        if reopened is not None:
            assert reopened == Success(None)
            assert (self.storage.first_group(), self.storage.last_group()) == (3, 3)

    def test_the_index_forgets_with_the_groups(self) -> None:
        """A look-up leads to kept groups only, also in an entry for both kinds."""
        self.storage.append([make_group(seq) for seq in range(1, 11)], ())
        entries = [make_entry("c:old", 1, 4), make_entry("c:both", 2, 5), make_entry("c:new", 5)]
        self.storage.index(entries, 5)
        self.storage.index([make_entry("c:both", 6)], 10)
        self.storage.prune(4)
        assert self.storage.find("c:old") == []
        assert self.storage.find("c:both") == [5, 6]
        assert self.storage.find("c:new") == [5]
        assert self.storage.indexed_upto() == 10

    def test_later_groups_are_given_up(self) -> None:
        """The groups behind a number go, the next one follows those that are left, and the index covers no others."""
        groups = [make_group(seq) for seq in range(1, 11)]
        row = Row("agents", "1", {"name": "ada"}, b"body")
        self.storage.append(groups, [row])
        self.storage.index([make_entry("c:a", 2)], 10)
        assert self.storage.truncate(10) == Success(None)
        assert self.storage.last_group() == 10
        assert self.storage.truncate(4) == Success(None)
        assert list(self.storage.groups(0)) == groups[:4]
        assert (self.storage.last_group(), self.storage.indexed_upto()) == (4, 4)
        assert self.storage.get("agents", "1") == row
        assert self.storage.append([make_group(5, b"another")], ()) == Success(None)
        assert self.storage.truncate(0) == Success(None)
        assert (self.storage.first_group(), self.storage.last_group()) == (0, 0)

    def test_a_copy_may_begin_anywhere(self) -> None:
        """The first group of an empty storage has any number, and those behind it follow that."""
        assert self.storage.append([make_group(7), make_group(8)], ()) == Success(None)
        assert self.storage.append([make_group(9)], ()) == Success(None)
        assert [group.seq for group in self.storage.groups(0)] == [7, 8, 9]
        assert (self.storage.first_group(), self.storage.last_group()) == (7, 9)

    def test_rows_and_modules_outlive_the_groups(self) -> None:
        """Pruning forgets groups alone."""
        row = Row("agents", "1", {"name": "ada"}, b"body")
        self.storage.append([make_group(1), make_group(2)], [row])
        self.storage.put_module(DIGEST, MODULE)
        self.storage.prune(1)
        assert self.storage.get("agents", "1") == row
        assert self.storage.module(DIGEST) == MODULE

    def test_what_a_reader_comes_to_may_be_gone(self) -> None:
        """An iterator goes on behind what was pruned meanwhile."""
        self.storage.append([make_group(seq) for seq in range(1, 301)], ())
        for iterator in (self.storage.groups(0), self.storage.groups_between(0, 9)):
            seen = [next(iterator).seq]
            self.storage.prune(290)
            seen += [group.seq for group in iterator]
            assert seen == sorted(set(seen))
            assert seen[-10:] == list(range(291, 301))

    def test_the_space_of_pruned_groups_is_used_again(self) -> None:
        """A journal that is pruned as fast as it grows does not take more and more room."""
        size, last = 0, 0
        for turn in range(8):
            groups = [make_group(last + n, bytes([turn]) * 100_000) for n in range(1, 61)]
            assert self.storage.append(groups, ()) == Success(None)
            last += 60
            assert self.storage.prune(last - 5) == Success(None)
            if turn == 3:
                size = self.storage.size()
        assert self.storage.size() <= size * 1.5


class ProjectionsContract(StorageCase):
    """Tables and index can be built anew, and everything can be checked."""

    def test_projections_are_cleared(self) -> None:
        """Rows and the index are gone, groups and modules stay, and all can be written again."""
        rows = [Row(table, "1", {}, b"body") for table in TABLES]
        entry = make_entry("c:a", 1)
        self.storage.append([make_group(1)], rows)
        self.storage.index([entry], 1)
        self.storage.put_module(DIGEST, MODULE)
        kept = Row("meta", "kept", {}, b"this one")
        assert self.storage.clear_projections([kept]) == Success(None)
        assert self.storage.list("meta", {}, after=None, limit=9) == [kept]
        assert self.storage.clear_projections() == Success(None)
        for table in TABLES:
            assert self.storage.list(table, {}, after=None, limit=9) == []
        assert (self.storage.find("c:a"), self.storage.indexed_upto()) == ([], 0)
        assert list(self.storage.groups(0)) == [make_group(1)]
        assert self.storage.modules() == [DIGEST]
        self.storage.append((), rows)
        self.storage.index([entry], 1)
        assert [self.storage.get(table, "1") for table in TABLES] == rows
        assert self.storage.find("c:a") == [1]

    def test_nothing_is_wrong_with_a_sound_storage(self) -> None:
        """A check of everything finds nothing where nothing was damaged."""
        self.storage.append(
            [make_group(seq, b"x" * seq) for seq in range(1, 20)],
            [Row(table, str(n), {}, b"body") for table in TABLES for n in range(3)],
        )
        self.storage.index([make_entry("c:a", 1, 9), make_entry("c:b", 5)], 19)
        self.storage.put_module(DIGEST, MODULE)
        self.storage.prune(7)
        assert list(self.storage.verify()) == []

    def test_a_module_that_is_not_its_digests_is_found(self) -> None:
        """A check notices bytes that the digest does not name."""
        self.storage.put_module(DIGEST, MODULE + b"?")
        (found,) = self.storage.verify()
        assert DIGEST in found

    def test_a_group_that_is_not_its_checksums_is_found(self) -> None:
        """A check notices a group whose bytes its checksum does not fit, and goes on behind it."""
        sound = [make_group(seq) for seq in range(1, 5)]
        broken = msgspec.structs.replace(sound[1], blob=b"recorDs")
        self.storage.append([sound[0], broken, *sound[2:]], ())
        (found,) = self.storage.verify()
        assert "group 2 " in found
