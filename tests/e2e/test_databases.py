"""A real node's database: backed up under load, restored elsewhere, checked, damaged and mended."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.unfinished import begun
from returns.result import Success

from tests.e2e.nodes import Api, Node, tell, until
from tests.e2e.wat import echo, guest
from tests.faults.guests import ledger
from tests.faults.ledgers import LARGE, Load, counts, telling, totals
from tests.server.cli.servers import Served, run

pytestmark = [pytest.mark.usefixtures("installed"), pytest.mark.once]


def db(
    *line: str, code: int = 0, environ: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Run `caxton db`, which must end with a code."""
    done = run("db", *line, **environ)
    assert done.returncode == code, (line, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def picture(api: Api) -> dict[str, Any]:
    """Return what the API shows of a node, but for what agents are doing at the moment."""
    agents = [
        {
            name: value
            for name, value in agent.items()
            if name not in ("queue", "restarts", "restarting_at", "etag")
        }
        for agent in api.all("agents")
    ]
    return {
        "agents": agents,
        "modules": api.all("modules"),
        "conversations": api.all("conversations"),
        "dead letters": api.all("dead-letters"),
        "deployments": api.all("deployments"),
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_node_under_load_is_backed_up_killed_and_restored_elsewhere(
    kind: str, nodes: Callable[..., Node], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All that was acknowledged before the backup is in it, handled once; agents, conversations and dead letters go on.

    From PostgreSQL too, into SQLite.
    """
    environ: dict[str, str] = {}
    if kind == "postgres":
        environ["CAXTON_STORAGE__URL"] = request.getfixturevalue("postgres_url")
    node = nodes(**environ)
    place = () if environ else ("--data", str(node.data))
    node.api.agent("ledger", ledger(), limits=LARGE)
    node.api.agent("echo", echo())
    node.api.agent("traps", guest("(unreachable)"))
    for _ in range(3):
        node.api.send("traps")
    for _ in range(2):
        spec = {"protocol": "fipa-request", "participants": ["echo"], "content": 1, "wait": "20s"}
        assert node.api.post("conversations", spec).status in (200, 201)
    until(lambda: len(node.api.letters("traps")) == 3)
    before = picture(node.api)
    assert before["conversations"]
    load = Load(telling("ledger"))
    load.start(node.api)
    load.wait_for(200)
    acknowledged = list(load.acknowledged["ledger"])
    began = time.monotonic()
    file = tmp_path / "node.backup"
    db("backup", str(file), *place, environ=environ)
    took = time.monotonic() - began
    db("check", *place, environ=environ)
    load.wait_for(50)
    node.kill()
    load.join()
    assert load.wrong == []
    db("check", *place, environ=environ)

    folder = tmp_path / "elsewhere"
    folder.mkdir()
    db("restore", str(file), "--data", str(folder / "data"))
    served = Served(folder)
    try:
        api = Api(served.wait_for_url())
        assert picture(api) == before
        until(lambda: api.get("agents/ledger")["queue"] == 0)
        assert counts(api, "ledger", acknowledged[::7]) == dict.fromkeys(acknowledged[::7], 1)
        total = totals(api, "ledger")[0]
        assert total >= len(acknowledged)
        # The ids of clients are there too: a message that is sent again is not handled again.
        for key in acknowledged[-5:]:
            assert api.send("ledger", key, id=key).status == 202
        assert api.ask("echo")["content"] == "here"
        assert totals(api, "ledger")[0] == total
        letter = api.letters("traps")[0]
        assert api.post(f"dead-letters/{letter['id']}/redrive").status in (200, 202)
        assert served.stop() == 0, served.log
    finally:
        served.stop()
    db("check", "--data", str(folder / "data"))
    tell(f"{len(acknowledged)} messages acknowledged before, {total} in a backup of {took:.1f} s")


def damage(node: Node, statement: str) -> None:
    """Change the database of a node that does not run."""
    with sqlite3.connect(node.data / "caxton.db") as database:
        assert database.execute(statement).rowcount > 0
    database.close()


def test_tables_that_were_damaged_are_rebuilt(nodes: Callable[..., Node]) -> None:
    """A check finds it, a rebuild mends it, and the node shows what it showed before."""
    node = nodes()
    node.api.agent("echo", echo())
    node.api.agent("traps", guest("(unreachable)"))
    node.api.send("traps")
    until(lambda: node.api.letters("traps"))
    assert node.api.ask("echo")["content"] == "here"
    before = picture(node.api)
    assert node.stop() == 0
    damage(node, "DELETE FROM dead_letters")
    damage(node, "UPDATE events SET body = x'00' WHERE key LIKE '%3'")
    damage(node, "DELETE FROM entries")
    found = db("check", "--data", str(node.data), code=1)
    assert len(found.stdout.splitlines()) >= 3, found.stdout
    db("rebuild", "--data", str(node.data))
    db("check", "--data", str(node.data))
    assert picture(node.start()) == before
    assert node.api.get(f"messages/{before['dead letters'][0]['message']['id']}")["history"]


def test_a_node_does_not_start_on_a_half_built_database(nodes: Callable[..., Node]) -> None:
    """It says what was interrupted and what to do; once that is done it starts."""
    node = nodes()
    node.api.agent("echo", echo())
    assert node.stop() == 0
    storage = SqliteStorage(node.data / "caxton.db")
    assert storage.open() == Success(None)
    assert storage.append((), [begun("rebuild")]) == Success(None)
    storage.close()
    damage(node, "DELETE FROM agents")
    done = run("serve", "--port", "0", "--data", str(node.data))
    assert done.returncode == 2
    assert "a rebuild was interrupted; run `caxton db rebuild`" in done.stderr
    db("rebuild", "--data", str(node.data))
    assert node.start().ask("echo")["content"] == "here"


def test_both_ways_out_of_a_broken_journal(nodes: Callable[..., Node], tmp_path: Path) -> None:
    """The start names the group and both commands; each of them, as it is named, gets the node to serve again."""
    node = nodes()
    node.api.agent("echo", echo())
    for _ in range(5):
        assert node.api.ask("echo")["content"] == "here"
    file = tmp_path / "node.backup"
    db("backup", str(file), "--data", str(node.data))
    for _ in range(5):
        assert node.api.ask("echo")["content"] == "here"
    assert node.stop() == 0
    report = json.loads(db("check", "--data", str(node.data), "--json").stdout)
    broken = report["last_group"] - 2
    damage(node, f"UPDATE groups SET blob = zeroblob(length(blob)) WHERE seq = {broken}")
    done = run("serve", "--port", "0", "--data", str(node.data))
    assert done.returncode == 2
    for words in (
        f"Journal group {broken} is corrupt", "caxton db restore FILE --force",
        f"caxton db rebuild --upto {broken - 1}",
    ):  # fmt: skip
        assert words in done.stderr, done.stderr
    name = str(node.data / "caxton.db")
    place = ("--data", str(node.data), "--confirm", name)
    db("rebuild", "--upto", str(broken - 1), *place)
    db("check", "--data", str(node.data))
    assert node.start().ask("echo")["content"] == "here"
    assert node.stop() == 0
    damage(node, "UPDATE groups SET blob = zeroblob(length(blob)) WHERE seq = 2")
    db("restore", str(file), "--force", *place)
    db("check", "--data", str(node.data))
    assert node.start().ask("echo")["content"] == "here"


def test_a_damaged_module_is_mended_by_whoever_has_it(nodes: Callable[..., Node]) -> None:
    """Its agent is failed at the start, and runs again after the module was pushed once more."""
    node = nodes()
    node.api.agent("echo", echo())
    assert node.stop() == 0
    damage(node, "UPDATE blobs SET data = zeroblob(length(data))")
    assert "sha256:" in db("check", "--data", str(node.data), code=1).stdout
    api = node.start()
    assert api.get("agents/echo")["state"] == "failed"
    pushed = api.call("POST", "/api/v1/modules", echo(), kind="application/wasm")
    assert pushed.status == 201, pushed
    db("check", "--data", str(node.data))
    assert api.post("agents/echo/restart").status == 200
    assert api.ask("echo")["content"] == "here"
