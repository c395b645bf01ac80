"""Nodes that can't start: exit code 2, one sentence that says why, and nothing spoiled for the next one."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nodes import Node
from tests.e2e.wat import echo
from tests.server.cli.servers import run

pytestmark = [pytest.mark.usefixtures("installed"), pytest.mark.once]


def refused(*line: str, words: tuple[str, ...], **environ: str) -> str:
    """Start a node that must not start; return what it says."""
    done = run("serve", "--port", "0", *line, **environ)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


def change(node: Node, statement: str) -> Any:
    """Run a statement on the database of a node that has stopped; return the first value it gives."""
    database = sqlite3.connect(node.data / "caxton.db")
    try:
        row = database.execute(statement).fetchone()
        database.commit()
    finally:
        database.close()
    return None if row is None else row[0]


def test_a_busy_port(nodes: Callable[..., Node], tmp_path: Path) -> None:
    """The port of a node that serves, and one that only listens."""
    node = nodes()
    port = str(node.api.port)
    refused("--port", port, "--data", str(tmp_path / "other"), words=(port, "server.port"))
    assert node.api.call("GET", "/livez").status == 200
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        variable = {"CAXTON_SERVER__METRICS_PORT": port}
        refused("--data", str(tmp_path / "third"), words=(port, "metrics_port"), **variable)


@pytest.mark.parametrize("where", ["file", "file/below", "database", "lock", "modules", "loop"])
def test_a_data_folder_that_can_not_be_used(tmp_path: Path, where: str) -> None:
    """Something else where the folder, the database, the lock or the cache should be."""
    folder = tmp_path / "data"
    match where:
        case "file" | "file/below":
            (tmp_path / "file").write_text("something else")
            folder = tmp_path / where
        case "database":
            (folder / "caxton.db").mkdir(parents=True)
        case "lock":
            (folder / "lock").mkdir(parents=True)
        case "modules":
            folder.mkdir()
            (folder / "modules").write_text("no folder")
        case _:
            folder.symlink_to(folder)
    refused("--data", str(folder), words=(str(folder),))


@pytest.mark.parametrize(
    "content", [b"no database at all" * 1000, b"SQLite format 3\0" + bytes(5000)]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """It is refused by name, and left as it was."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "caxton.db").write_bytes(content)
    refused("--data", str(folder), words=("caxton.db",))
    assert (folder / "caxton.db").read_bytes() == content


def test_a_database_from_a_newer_version(nodes: Callable[..., Node]) -> None:
    """Both versions are named, and the data is untouched: the newer node can still use it."""
    node = nodes()
    node.api.agent("echo", echo())
    assert node.stop() == 0
    before = change(node, "SELECT max(version) FROM schema_version")
    change(node, "INSERT INTO schema_version VALUES (999)")
    text = refused("--data", str(node.data), words=("caxton.db", "999", str(before)))
    assert "newer" in text
    assert change(node, "SELECT max(version) FROM schema_version") == 999
    change(node, "DELETE FROM schema_version WHERE version = 999")
    assert node.start().ask("echo")["content"] == "here"


def test_a_folder_that_another_node_uses(nodes: Callable[..., Node]) -> None:
    """The second is told who has it, and the first goes on."""
    node = nodes()
    refused("--data", str(node.data), words=(str(node.data), "process"))
    node.api.agent("echo", echo())
    assert node.api.ask("echo")["content"] == "here"
    node.kill()
    assert node.start().ask("echo")["content"] == "here"


def test_a_damaged_journal_is_named_and_not_overwritten(nodes: Callable[..., Node]) -> None:
    """A group whose checksum is wrong stops the start, with its number."""
    node = nodes()
    node.api.agent("echo", echo())
    assert node.stop() == 0
    columns = "sqlite_master AS made, pragma_table_info(made.name) AS info"
    table = change(node, f"SELECT made.name FROM {columns} WHERE info.name = 'blob'")
    change(node, f"UPDATE {table} SET blob = zeroblob(length(blob)) WHERE seq = 1")
    text = refused("--data", str(node.data), words=("1",))
    assert "checksum" in text or "corrupt" in text.lower()


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    """In the file, with its line, and in the environment."""
    file = tmp_path / "config.yaml"
    file.write_text("server:\n  prot: 8080\n")
    refused("--config", str(file), "--data", str(tmp_path / "d"), words=(f"{file}:2:3", "port"))
    variable = {"CAXTON_SERVER__PROT": "1"}
    refused("--data", str(tmp_path / "d"), words=("CAXTON_SERVER__PROT", "PORT"), **variable)
