"""Flipped bits and cut files: `python -m tests.faults.flips N SEED`.

A node fills a database and is killed, so that part of it is in the log. Then, N times, one bit of a copy is flipped at a
random place, or a file is cut there, and everything a reader can see is compared with what it was. Nothing may be other
than it was without a word: a value is the old one or an error. What is missing, or can't be read, the check must find.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from caxton_core.errors import StorageFault
from caxton_core.ports import TABLES
from caxton_plugins.storages.sqlite import SqliteStorage
from returns.result import Failure

from tests.e2e.nodes import Node, until
from tests.e2e.wat import guest
from tests.faults.campaigns import Nodes, main, say
from tests.faults.ledgers import Load, nets, telling
from tests.faults.outages import deploy
from tests.server.cli.servers import run as caxton

DATABASE, LOG, WATERMARK = "caxton.db", "caxton.db-wal", "committed"
HEADER, FRAME = 32, 24 + 16_384
"""Bytes of the log before all frames, and of a frame: its own header and a page."""
ENOUGH, CHECKPOINTED = 60, 900
"""Between so many frames part of the data is in the log alone; SQLite copies them into the database from 1,024 on."""
CUT_SHARE = 0.1
NODE_EVERY = 25
"""A real node is started on one of so many damaged databases, of those that differ."""
Item: TypeAlias = tuple[str, ...]
"""What can be asked for: a group, a row, a look-up in the index, a module."""


class Damage(msgspec.Struct, frozen=True):
    """What was done to a file: a bit was flipped at an offset, or it was cut there."""

    file: str
    offset: int
    bit: int | None

    def __str__(self) -> str:
        what = "cut" if self.bit is None else f"bit {self.bit} flipped"
        return f"{self.file} {what} at byte {self.offset}"

    def do(self, folder: Path) -> None:
        """Damage the file in a folder."""
        data = bytearray((folder / self.file).read_bytes())
        if self.bit is None:
            del data[self.offset :]
        else:
            data[self.offset] ^= 1 << self.bit
        (folder / self.file).write_bytes(data)


class View(msgspec.Struct):
    """What a reader sees: the value of each item, and of those that can't be read the error."""

    values: dict[Item, Any] = {}
    errors: dict[Item, str] = {}


def filled(nodes: Nodes) -> Path:
    """Fill a database with everything there is, and kill its node; return the folder."""
    node = nodes.start(CAXTON_STORAGE__CHECKPOINT="64KiB")
    deploy(node)
    node.api.agent("fails", guest("(unreachable)"))
    load = Load(telling("ledger"), telling("clock"), nets("cheap", "dear"))
    load.start(node.api)
    load.wait_for(150)
    for _ in range(10):
        assert node.api.send("fails").status == 202
    load.wait_for(150)
    load.stop()
    until(lambda: len(node.api.all("dead-letters")) == 10)
    settle(node)
    while not ENOUGH < frames(node.data / LOG) < CHECKPOINTED:
        assert node.api.send("ledger").status == 202
    node.kill()
    return node.data


def frames(log: Path) -> int:
    """Count the frames that count in a write-ahead log: behind them lie those of an earlier round, which nobody reads."""
    data = log.read_bytes()
    starts = range(HEADER, len(data) - FRAME + 1, FRAME)
    salts = data[16:24]
    return sum(1 for _ in takewhile(lambda at: data[at + 8 : at + 16] == salts, starts))


def settle(node: Node) -> None:
    """Wait until nothing is under way."""

    def over() -> bool:
        open_ = node.api.all("conversations?state=in-progress")
        timers = node.api.get("agents/clock/stats")["timers"]
        return not open_ and not timers

    until(over)


def items(storage: SqliteStorage) -> list[Item]:
    """List what can be asked for in a sound storage."""
    found: list[Item] = [("group", str(group.seq)) for group in storage.groups(0)]
    for table in TABLES:
        found += [("row", table, row.key) for row in everything(storage, table)]
        found.append(("list", table))
    keys = {f"c:{row.key}" for row in everything(storage, "conversations")}
    keys |= {f"a:{row.key}" for row in everything(storage, "agents")}
    found += [("find", key) for key in sorted(keys)]
    return found + [("module", digest) for digest in storage.modules()] + [("last",)]


def everything(storage: SqliteStorage, table: str) -> list[Any]:
    """Return every row of a table."""
    return storage.list(table, {}, after=None, limit=1_000_000)


def ask(storage: SqliteStorage, item: Item) -> Any:
    """Return one item."""
    match item:
        case ("group", seq):
            return storage.group(int(seq))
        case ("row", table, key):
            return storage.get(table, key)
        case ("list", table):
            return everything(storage, table)
        case ("find", key):
            return storage.find(key)
        case ("module", digest):
            return storage.module(digest)
        case _:
            return storage.last_group()


def look(storage: SqliteStorage, wanted: list[Item]) -> View:
    """Ask for everything."""
    view = View()
    for item in wanted:
        try:
            view.values[item] = ask(storage, item)
        except StorageFault as fault:
            view.errors[item] = str(fault.error)
    return view


def missing(item: Item, old: Any, new: Any) -> bool:
    """Tell whether an answer lacks something, and is right in what it has."""
    if item[0] in ("list", "find"):
        return all(each in old for each in new)
    return new is None or item == ("last",)


def judge(before: View, after: View) -> tuple[str, list[str]]:
    """Say what the damage did, and name what is simply wrong."""
    differing = {
        item: value for item, value in after.values.items() if value != before.values[item]
    }
    wrong = [
        f"{item}: {before.values[item]!r} became {value!r}"[:1000]
        for item, value in differing.items()
        if not missing(item, before.values[item], value)
    ]
    if wrong:
        return "wrong", wrong
    if differing:
        return "missing", [f"{item} is incomplete" for item in differing]
    return ("told", []) if after.errors else ("harmless", [])


def is_prefix(before: View, after: View) -> bool:
    """Tell whether a reader sees the journal as it was after one of its groups; the tables go with it."""
    last = after.values[("last",)]
    groups = {int(item[1]): value for item, value in after.values.items() if item[0] == "group"}
    return all(
        (value is not None) == (seq <= last) and value in (None, before.values["group", str(seq)])
        for seq, value in groups.items()
    )


def damages(folder: Path, count: int, rng: random.Random) -> Iterator[Damage]:
    """Choose places, two thirds of them in the database and the rest in what counts of its log."""
    ends = {
        DATABASE: (folder / DATABASE).stat().st_size,
        LOG: HEADER + FRAME * frames(folder / LOG),
    }
    for _ in range(count):
        file = rng.choice((DATABASE, DATABASE, LOG))
        offset = rng.randrange(ends[file])
        yield Damage(file, offset, None if rng.random() < CUT_SHARE else rng.randrange(8))


def run(folder: Path, count: int, seed: int, *, check: Callable[[Path], list[str]]) -> Counter[str]:
    """Damage copies of a database so many times; `check` tells what it finds wrong with one."""
    rng = random.Random(seed)
    sound = fresh(folder)
    storage = SqliteStorage(sound / DATABASE)
    storage.open().unwrap()
    wanted = items(storage)
    before = look(storage, wanted)
    storage.close()
    assert before.errors == {}
    assert check(fresh(folder)) == []
    tally: Counter[str] = Counter()
    broken: list[str] = []
    began = time.monotonic()
    differing, seen = 0, ""
    for damage in damages(folder, count, rng):
        copy = fresh(folder)
        damage.do(copy)
        storage = SqliteStorage(copy / DATABASE)
        opened = storage.open()
        notes: list[str] = []
        if isinstance(opened, Failure):
            ended = "refused"
            assert str(opened.failure()).endswith(".")
        else:
            after = look(storage, wanted)
            ended, notes = judge(before, after)
            storage.close()
            if damage.file == LOG and is_prefix(before, after):
                ended = "a prefix" if ended != "harmless" else ended
        found = []
        if ended != "harmless":
            copy = fresh(folder)
            damage.do(copy)
            found = check(copy)
        # That the log ends earlier only the watermark tells.
        must = ("missing", "told", "refused", *(["a prefix"] if check is db_check else []))
        if ended == "wrong" or (ended in must and not found):
            broken.append(f"{damage}: {ended}, the check found {found[:3]}: {notes[:3]}")
        if ended != "harmless":
            differing += 1
            if differing % NODE_EVERY == 1 or (ended == "a prefix" and "a prefix, and" not in seen):
                copy = fresh(folder)
                damage.do(copy)
                on = node_on(copy, ended)
                seen += ended + on
                ended += on
        tally[f"{damage.file.rpartition('-')[2]}: {ended}"] += 1
    say(f"{count} times damaged, {len(wanted)} items each, {time.monotonic() - began:.0f} s")
    for ended, times in sorted(tally.items()):
        say(f"    {ended}: {times}")
    assert broken == [], "\n".join([f"{len(broken)} broken", *broken])
    return tally


def fresh(folder: Path) -> Path:
    """Copy a database and its log to where the last copy was."""
    copy = folder.parent / "copy" / "data"
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.mkdir(parents=True)
    for file in (DATABASE, LOG, WATERMARK):
        shutil.copy(folder / file, copy / file)
    return copy


def node_on(copy: Path, ended: str) -> str:
    """Start a node on a damaged database: it serves, or says in a sentence why it does not; of a prefix, that it is one."""
    try:
        node = Node(copy.parent)
    except AssertionError:
        log = (copy.parent / "serve.log").read_text()
        assert "Error: " in log, log
        assert "Traceback" not in log, log
        return ", and a node says so and ends"
    node.kill()
    assert "Traceback" not in node.log, node.log
    if ended == "a prefix":
        assert "the storage ends at group" in node.log, node.log
    return ", and a node serves"


def db_check(copy: Path) -> list[str]:
    """Return what `caxton db check` finds, which also knows what was committed."""
    done = caxton("db", "check", "--data", str(copy))
    assert done.returncode in (0, 1, 2), done
    assert "Traceback" not in done.stderr, done.stderr
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def campaign(nodes: Nodes, count: int, seed: int) -> None:
    """Damage a database so many times."""
    run(filled(nodes), count, seed, check=db_check)


if __name__ == "__main__":
    sys.exit(main(campaign, __doc__, count=500, meaning="times damaged"))
