"""`caxton db`: what it prints, what it asks, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from caxton_core.ids import AgentName
from caxton_core.ports import Row
from caxton_core.resources import Manifest
from caxton_plugins.storages.migrations import SCHEMA
from caxton_server.cli import main
from caxton_server.runtime.folders import Folder
from caxton_server.runtime.records import AgentSaved

from tests.server.cli.servers import COMMAND
from tests.server.databases.samples import GROUPS, contents, fill, opened, write

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data folder whose database has a bit of everything."""
    folder = tmp_path / "data"
    folder.mkdir()
    storage = opened(folder / "caxton.db")
    fill(storage)
    storage.close()
    return folder


def execute(folder: Path, statement: str) -> None:
    """Change a database behind Caxton's back."""
    with sqlite3.connect(folder / "caxton.db") as database:
        database.execute(statement)
    database.close()


def printed(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> tuple[str, str]:
    """Run a command and return what it printed to standard output and to standard error."""
    assert main(["db", *line]) == code, capsys.readouterr()
    out, err = capsys.readouterr()
    return out, err


def parsed(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> Any:
    """Run a command with --json and return what it says."""
    return json.loads(printed(capsys, *line, "--json", code=code)[0])


def test_a_sound_database(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, nothing on standard output, and what was looked at on standard error."""
    out, err = printed(capsys, "check", "--data", str(data))
    assert out == ""
    assert f"{GROUPS} groups (1 to {GROUPS})" in err
    assert "Nothing is wrong" in err
    found = parsed(capsys, "check", "--data", str(data))
    assert found["ok"] is True
    assert (found["groups"], found["rows"], found["wrong"]) == (GROUPS, 81, [])


def test_everything_wrong_is_a_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, one line each on standard output, and in JSON the same."""
    execute(data, "UPDATE groups SET blob = x'02' WHERE seq IN (3, 5)")
    out, err = printed(capsys, "check", "--data", str(data), code=1)
    assert len(out.splitlines()) == 4
    assert "group 3 " in out.splitlines()[0]
    assert "4 things are wrong" in err
    assert parsed(capsys, "check", "--data", str(data), code=1)["wrong"] == out.splitlines()


def test_what_is_only_read_needs_no_lock(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While somebody has the folder a check, a backup and an export work; whatever writes says who has it."""
    folder = Folder.open(data).unwrap()
    file = str(tmp_path / "saved.backup")
    printed(capsys, "check", "--data", str(data))
    printed(capsys, "backup", file, "--data", str(data))
    printed(capsys, "export", "--what", "messages", "--data", str(data))
    for line in (("migrate",), ("rebuild",), ("restore", file, "--force")):
        _, err = printed(capsys, *line, "--data", str(data), code=4)
        assert f"process {os.getpid()} is using it" in err
    folder.close()


def test_a_place_with_nothing_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What reads or rebuilds says that nothing is there, with exit code 2, and creates nothing."""
    nowhere = tmp_path / "nowhere"
    for line in (("check",), ("rebuild",), ("backup", str(tmp_path / "b")), ("export",)):
        _, err = printed(capsys, *line, "--data", str(nowhere), code=2)
        assert "nowhere" in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_in_memory_can_not_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The memory of a node is its own, and an URL that nobody stores is named."""
    for url, words in (("memory:", "process of its node"), ("redis:", "no plugin stores redis:")):
        monkeypatch.setenv("CAXTON_STORAGE__URL", url)
        for line in (("check",), ("migrate",)):
            assert words in printed(capsys, *line, code=2)[1]


def test_migrate_says_from_where_to_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new database comes from version 0, one of this version stays, a newer one is refused."""
    folder = str(tmp_path / "data")
    assert parsed(capsys, "migrate", "--data", folder) == {
        "database": f"{folder}/caxton.db", "from": 0, "to": SCHEMA,
    }  # fmt: skip
    assert "nothing to do" in printed(capsys, "migrate", "--data", folder)[1]
    execute(tmp_path / "data", f"INSERT INTO schema_version VALUES ({SCHEMA + 1})")
    for line in ("migrate", "check", "export"):
        assert "newer than" in printed(capsys, line, "--data", folder, code=2)[1]


def test_rebuild_mends(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a check called wrong is right afterwards."""
    execute(data, "DELETE FROM events")
    printed(capsys, "check", "--data", str(data), code=1)
    assert "81 rows" in printed(capsys, "rebuild", "--data", str(data))[1]
    printed(capsys, "check", "--data", str(data))
    assert parsed(capsys, "rebuild", "--data", str(data))["rows"] == 81


def test_groups_are_given_up_only_when_confirmed(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database must be named; a corrupt group is named, and what is before it is kept."""
    execute(data, "UPDATE groups SET blob = x'02' WHERE seq = 30")
    name = f"{data}/caxton.db"
    assert "group 30 " in printed(capsys, "rebuild", "--data", str(data), code=1)[1]
    shorten = ("rebuild", "--upto", "29", "--data", str(data))
    assert f"--confirm {name}" in printed(capsys, *shorten, code=2)[1]
    assert "other.db" in printed(capsys, *shorten, "--confirm", "other.db", code=2)[1]
    assert "11 groups were given up" in printed(capsys, *shorten, "--confirm", name)[1]
    printed(capsys, "check", "--data", str(data))


def test_a_backup_is_made_checked_and_restored(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into an empty place at once; over data only with --force and the name of what goes."""
    file = tmp_path / "saved.backup"
    made = parsed(capsys, "backup", str(file), "--data", str(data))
    assert made["backup"] == str(file)
    assert made["manifest"]["groups"] == GROUPS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "exists already" in printed(capsys, "backup", str(file), "--data", str(data), code=4)[1]
    printed(capsys, "backup", str(file), "--force", "--data", str(data))
    assert parsed(capsys, "check", str(file))["manifest"]["digest"] == made["manifest"]["digest"]
    other = tmp_path / "other"
    said = parsed(capsys, "restore", str(file), "--data", str(other))
    assert said["manifest"]["digest"] == made["manifest"]["digest"]
    again = ("restore", str(file), "--data", str(other))
    assert "not empty" in printed(capsys, *again, code=4)[1]
    (other / "running").write_bytes(bytes(64))
    (other / "committed").write_bytes((99).to_bytes(64, "little"))
    out = printed(capsys, "check", "--data", str(other), code=1)[0]
    assert out.startswith(
        f"The storage ends at group {GROUPS} of the journal, but 99 were committed"
    )
    assert f"--confirm {other}/caxton.db" in printed(capsys, *again, "--force", code=2)[1]
    printed(capsys, *again, "--force", "--confirm", f"{other}/caxton.db")
    assert not (other / "running").exists()
    printed(capsys, "check", "--data", str(other))
    before, after = opened(data / "caxton.db"), opened(other / "caxton.db")
    assert contents(before) == contents(after)
    before.close()
    after.close()


def test_a_backup_that_is_none(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and what is wrong with it, or 2 where it can't be read at all."""
    file = tmp_path / "saved.backup"
    printed(capsys, "backup", str(file), "--data", str(data))
    with sqlite3.connect(file) as database:
        database.execute("UPDATE groups SET blob = x'02' WHERE seq = 7")
    database.close()
    out, err = printed(capsys, "check", str(file), code=1)
    assert "group 7 " in out
    assert "can't be used" in err
    assert parsed(capsys, "check", str(file), code=1)["ok"] is False
    other = str(tmp_path / "other")
    assert "group 7 " in printed(capsys, "restore", str(file), "--data", other, code=1)[1]
    file.write_text("something else")
    assert "not a database" in printed(capsys, "check", str(file), code=2)[1]
    assert "no such file" in printed(capsys, "check", str(tmp_path / "none"), code=2)[1]


def test_messages_are_exported(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document a line, in the order in which they were sent, of a span of time if one is given."""
    lines = printed(capsys, "export", "--what", "messages", "--data", str(data))[0].splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["serial"] for one in found] == list(range(1, GROUPS + 1))
    assert found[4] == {
        "what": "message", "serial": 5, "sent_at": "2023-11-14T22:13:20.005Z", "performative": "inform",
        "sender": "api@caxton", "receiver": "a7@caxton", "content": "number 5", "conversation_id": "c-5",
        "id": "m-5",
    }  # fmt: skip
    span = ("--since", "2023-11-14T22:13:20.010Z", "--until", "2023-11-14T22:13:20.012+00:00")
    out = printed(capsys, "export", "--what", "messages", *span, "--data", str(data))[0]
    assert [json.loads(line)["serial"] for line in out.splitlines()] == [10, 11, 12]
    assert (
        printed(capsys, "export", "--what", "events", "--since", "1h", "--data", str(data))[0] == ""
    )
    assert (
        "24h" in printed(capsys, "export", "--since", "yesterday", "--data", str(data), code=2)[1]
    )


def test_everything_else_is_exported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each document says what it is; several kinds can be asked for, and a file of one's own be written."""
    saved = AgentSaved(
        5, 7, "ada", "running", Manifest(AgentName("ada"), module="x"), "sha256:x", "d", 5
    )
    storage = opened(data / "caxton.db")
    row = Row("agents", "7", {"name": "ada", "state": "running"}, msgspec.json.encode(saved))
    storage.append((), [Row("agents", str(n), {}, deleted=True) for n in range(5)] + [row])
    storage.close()
    kinds = ("--what", "agents", "--what", "events", "--what", "dead-letters")
    file = tmp_path / "out.jsonl"
    out, _ = printed(capsys, "export", *kinds, "-o", str(file), "--data", str(data))
    assert out == ""
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["what"] for one in found] == ["agent"] + ["event"] * 30 + ["dead-letter"] * 4
    assert (found[0]["id"], found[0]["name"], found[0]["manifest"]["name"]) == ("7", "ada", "ada")
    assert "exists" in printed(capsys, "export", "-o", str(file), "--data", str(data), code=4)[1]
    conversations = printed(capsys, "export", "--what", "conversations", "--data", str(data))[0]
    assert conversations.splitlines() == ['{"what": "conversation"}'] * GROUPS


def test_an_export_that_can_not_be_read_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is before a corrupt group was printed, the group is named, the exit code is 1, and no file is left."""
    execute(data, "UPDATE groups SET blob = x'02' WHERE seq = 30")
    out, err = printed(capsys, "export", "--what", "messages", "--data", str(data), code=1)
    assert len(out.splitlines()) == 29
    assert "group 30 " in err
    file = tmp_path / "out.jsonl"
    printed(capsys, "export", "--what", "messages", "-o", str(file), "--data", str(data), code=1)
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_a_row_that_is_nonsense_says_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A body that can't be decoded is a sentence and exit code 2, no traceback."""
    err = printed(capsys, "export", "--what", "agents", "--data", str(data), code=2)[1]
    assert err.startswith("Error: Can't use agents: ")


def test_a_reader_that_has_enough_ends_an_export(data: Path) -> None:
    """`caxton db export | head` ends quietly."""
    storage = opened(data / "caxton.db")
    write(storage, range(GROUPS + 1, 3000))
    storage.close()
    export = subprocess.Popen(
        [*COMMAND, "db", "export", "--what", "messages", "--data", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert export.stdout is not None
    assert export.stderr is not None
    assert export.stdout.readline().startswith(b'{"what": "message"')
    export.stdout.close()
    assert export.wait(60) in (0, -signal.SIGPIPE)
    assert export.stderr.read() == b""
    export.stderr.close()
