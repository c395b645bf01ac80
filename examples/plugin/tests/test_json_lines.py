"""The storage `jsonlines:`: the contract suite that Caxton ships, and what is special about a text file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from caxton_core.errors import (
    Corrupt,
    DatabaseTooNew,
    Locked,
    StorageError,
    StorageFault,
    Unreadable,
)
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Row
from caxton_core.testing_storages import StorageContract, make_group
from caxton_example.json_lines import JsonLinesStorage, make
from returns.result import Failure, Result, Success


class TestJsonLinesStorage(StorageContract):
    """The contract of every storage."""

    @pytest.fixture(autouse=True)
    def _storage(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "new" / "journal.jsonl"
        self.storage = JsonLinesStorage(self.path)
        assert self.storage.open() == Success(None)
        yield
        self.storage.close()

    def reopen(self) -> Result[None, StorageError]:
        """Open the same file with a new object."""
        self.storage.close()
        self.storage = JsonLinesStorage(self.path)
        return self.storage.open()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a journal of two groups, in a line each."""
    path = tmp_path / "journal.jsonl"
    storage = JsonLinesStorage(path)
    storage.open()
    storage.append([make_group(1, b"one")], [Row("meta", "a", {}, b"A")])
    storage.append([make_group(2, b"two")], [Row("meta", "b", {}, b"B")])
    storage.close()
    return path


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_line_that_a_crash_cut_short_never_happened(path: Path, cut: int) -> None:
    """The group and the row of the last line are gone together, and writing goes on behind the line before."""
    path.write_bytes(path.read_bytes()[:-cut])
    storage = JsonLinesStorage(path)
    assert storage.open() == Success(None)
    assert [group.blob for group in storage.groups(0)] == [b"one"]
    assert [row.key for row in storage.list("meta", {}, after=None, limit=9)] == ["a"]
    assert storage.append([make_group(2, b"again")], ()) == Success(None)
    assert [group.blob for group in storage.groups(0)] == [b"one", b"again"]
    storage.close()


def test_a_broken_line_before_others_is_an_error(path: Path) -> None:
    """What was acknowledged and is damaged is not passed over in silence."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"meta", b"mete")
    path.write_bytes(b"".join(lines))
    match JsonLinesStorage(path).open():
        case Failure(Corrupt(group)):
            assert group == 1
        case other:
            pytest.fail(f"opened: {other}")


def test_damage_while_it_is_open_is_found_when_the_group_is_read(path: Path) -> None:
    """Every read is checked."""
    storage = JsonLinesStorage(path)
    storage.open()
    text = path.read_bytes()
    at = text.index(b'"groups"')
    with path.open("r+b") as file:
        file.seek(at + 20)
        file.write(b"#")
    with pytest.raises(StorageFault):
        list(storage.groups(0))
    storage.close()


def test_two_nodes_do_not_share_a_file(path: Path) -> None:
    """The second is told that the file is locked, and may have it when the first is gone."""
    first, second = JsonLinesStorage(path), JsonLinesStorage(path)
    assert first.open() == Success(None)
    assert second.open() == Failure(Locked(str(path)))
    first.close()
    assert second.open() == Success(None)
    second.close()


def test_a_newer_file_and_a_strange_one_are_refused(path: Path, tmp_path: Path) -> None:
    """Neither is touched."""
    lines = path.read_text().splitlines(keepends=True)
    newer = tmp_path / "newer.jsonl"
    newer.write_text(
        lines[0].replace(lines[0].split()[0], _checksum('{"schema":2}')).replace(":1}", ":2}")
    )
    assert JsonLinesStorage(newer).open() == Failure(DatabaseTooNew(str(newer), 2, 1))
    strange = tmp_path / "strange.jsonl"
    strange.write_text("".join(lines[1:]))
    assert isinstance(JsonLinesStorage(strange).open(), Failure)
    assert strange.read_text() == "".join(lines[1:])
    folder = tmp_path / "folder"
    folder.mkdir()
    match JsonLinesStorage(folder).open():
        case Failure(error):
            assert type(error) is Unreadable
        case _:
            pytest.fail("a folder was opened as a journal")


def _checksum(body: str) -> str:
    from zlib import crc32

    return f"{crc32(body.encode()):08x}"


def test_people_can_read_it(path: Path) -> None:
    """Each line is a checksum and JSON."""
    _, body = path.read_text().splitlines()[1].split(" ", 1)
    line = json.loads(body)
    assert line["rows"][0][1] == "a"


def test_what_cannot_be_written_did_not_happen(path: Path) -> None:
    """A write that fails leaves the storage as it was."""
    storage = JsonLinesStorage(path)
    storage.open()
    storage.close()
    assert isinstance(storage.append([make_group(3)], [Row("meta", "c", {}, b"C")]), Failure)
    assert storage.last_group() == 2
    assert storage.get("meta", "c") is None


def test_a_file_that_is_mostly_dead_is_written_anew(path: Path) -> None:
    """Pruning gives space back, and what is left is there, also after opening the new file."""
    storage = JsonLinesStorage(path)
    storage.open()
    groups = [make_group(seq, bytes(100_000)) for seq in range(3, 40)]
    assert storage.append(groups, [Row("meta", "a", {}, b"new")]) == Success(None)
    full = path.stat().st_size
    assert storage.prune(35) == Success(None)
    assert path.stat().st_size < full / 4
    assert list(storage.verify()) == []
    storage.append([make_group(40)], ())
    storage.close()
    assert storage.open() == Success(None)
    assert list(storage.groups(0)) == [*groups[33:], make_group(40)]
    assert storage.get("meta", "a") == Row("meta", "a", {}, b"new")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    storage.close()


def test_the_url_names_the_file() -> None:
    """Three slashes and a relative path, four and an absolute one; no path is a mistake."""
    made = make(StorageOptions("jsonlines:///a/b.jsonl", "process")).unwrap()
    assert isinstance(made, JsonLinesStorage)
    assert (made.path, made.durability) == (Path("a/b.jsonl"), "process")
    absolute = make(StorageOptions("jsonlines:////a/b.jsonl", "disk")).unwrap()
    assert isinstance(absolute, JsonLinesStorage)
    assert absolute.path == Path("/a/b.jsonl")
    assert isinstance(make(StorageOptions("jsonlines:", "disk")), Failure)


def test_it_is_read_beside_its_node(tmp_path: Path) -> None:
    """A second one that only reads sees what was there when it was opened, locks nothing and writes nothing."""
    path = tmp_path / "caxton.jsonl"
    node = JsonLinesStorage(path)
    assert node.open() == Success(None)
    node.append([make_group(1)], [Row("meta", "a", {}, b"1")])
    reader = make(StorageOptions(f"jsonlines:///{path}", "disk", read_only=True)).unwrap()
    assert reader.open() == Success(None)
    assert (list(reader.groups(0)), reader.get("meta", "a")) == (
        [make_group(1)],
        Row("meta", "a", {}, b"1"),
    )
    assert "only to be read" in str(reader.truncate(0).failure())
    assert node.append([make_group(2)], ()) == Success(None)
    reader.close()
    node.close()
    nothing = make(StorageOptions(f"jsonlines:///{tmp_path}/none", "disk", read_only=True)).unwrap()
    assert isinstance(nothing.open(), Failure)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
