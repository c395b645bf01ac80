"""Outages of PostgreSQL under load: `python -m tests.faults.databases SECONDS SEED`, each for so long.

The server is stopped, killed, frozen, one of its processes is killed again and again in the middle of transactions, and a
proxy before it hangs. What must hold is the same as for a disk that fails.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from tests.e2e.nodes import Node
from tests.faults import stops
from tests.faults.campaigns import Nodes, main, say
from tests.faults.outages import Outage, endure
from tests.faults.proxies import Proxy
from tests.postgres import PostgresServer

REFUSALS = {503, 507}
SERVING = """
  SELECT pid FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid
"""


@contextmanager
def server() -> Iterator[PostgresServer]:
    """Run a server that syncs."""
    made = PostgresServer(fsync=True)
    try:
        made.start()
        yield made
    finally:
        made.close()


def start(nodes: Nodes, url: str, **environ: str) -> Node:
    """Start a node on a database."""
    return nodes.start(CAXTON_STORAGE__URL=url, **environ)


def stopped(postgres: PostgresServer) -> Outage:
    """The server is stopped in order, and started again."""
    return Outage(postgres.stop, postgres.start)


def killed(postgres: PostgresServer) -> Outage:
    """Every process of the server is killed at once, and the server is started again."""
    return Outage(postgres.kill, postgres.start)


def frozen(postgres: PostgresServer) -> Outage:
    """The server answers nothing."""
    return Outage(postgres.freeze, postgres.thaw)


def interrupted(postgres: PostgresServer, rng: random.Random) -> Outage:
    """A process that serves a connection is killed again and again; the server ends all others and recovers each time."""
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(rng.uniform(0.1, 0.5)):
            # While the server recovers nobody can ask it, and there is nobody to kill.
            with contextlib.suppress(psycopg.OperationalError, ProcessLookupError):
                serving = postgres.execute(SERVING)
                if serving:
                    os.kill(rng.choice(serving)[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)

    def end() -> None:
        ended.set()
        thread.join()

    return Outage(thread.start, end)


def run(nodes: Nodes, postgres: PostgresServer, name: str, seconds: float, seed: int) -> None:
    """Have a node endure one outage."""
    url = postgres.create_database()
    if name == "proxy":
        proxy = Proxy(postgres.port)
        node = start(nodes, url.replace(f":{postgres.port}/", f":{proxy.port}/"))
        outage = Outage(proxy.hang, proxy.go_on)
    else:
        node = start(nodes, url)
        outage = OUTAGES[name](postgres, random.Random(seed))
    endure(
        f"PostgreSQL: {name}, {seconds:.0f} s", node, outage, seconds=seconds, statuses=REFUSALS,
        refuses=name != "interrupted",
    )  # fmt: skip
    node.stop()


OUTAGES: dict[str, Callable[[PostgresServer, random.Random], Outage]] = {
    "stopped": lambda postgres, _: stopped(postgres),
    "killed": lambda postgres, _: killed(postgres),
    "frozen": lambda postgres, _: frozen(postgres),
    "interrupted": interrupted,
}
NAMES = (*OUTAGES, "proxy")


def stop_node(nodes: Nodes, postgres: PostgresServer) -> None:
    """Stop a node while its server is down."""
    node = start(nodes, postgres.create_database())
    stops.stuck("PostgreSQL is down", node, stopped(postgres))


def campaign(nodes: Nodes, seconds: int, seed: int) -> None:
    """Run all of it."""
    with server() as postgres:
        for name in NAMES:
            began = time.monotonic()
            run(nodes, postgres, name, seconds, seed)
            say(f"    {time.monotonic() - began:.0f} s in all")
        stop_node(nodes, postgres)


if __name__ == "__main__":
    sys.exit(main(campaign, __doc__, count=60, meaning="seconds of each outage"))
