"""A whole server as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from caxton_core.errors import InvalidSetting, Locked, Problem
from caxton_server.app import Server
from caxton_server.client import Client
from caxton_server.config import Config, data_url
from caxton_server.config_sections import AuthConfig, ServerConfig, StorageConfig
from caxton_server.config_values import Secret
from caxton_server.listeners import CantListen
from returns.result import Failure

from tests.server.rest.conftest import PLUGINS
from tests.server.rest.guests import answering, silent

IN_MEMORY = StorageConfig(url="memory:", durability="memory")
PROGRAM = """
import sys
from caxton_server.app import serve
from caxton_server.config import Config, data_url
from caxton_server.config_sections import ServerConfig, StorageConfig
port, data = int(sys.argv[1]), sys.argv[2]
config = Config(
    server=ServerConfig(port=port, metrics_port=None), storage=StorageConfig(url=data_url(data))
)
sys.exit(serve(config))
"""


class Process:
    """A server in a process of its own, and the lines it logged."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port), str(folder)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def url(self) -> str:
        """Wait until the server serves, and return where."""
        return str(self.line("serving")["url"])

    def line(self, body: str) -> dict[str, Any]:
        """Wait for a log line."""
        assert self.process.stderr is not None
        for text in self.process.stderr:
            line: dict[str, Any] = json.loads(text)
            if line["body"] == body:
                return line
        raise AssertionError(f"the server ended without {body!r}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(60)


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes to be killed at the end."""
    started: list[Process] = []
    yield started
    for each in started:
        each.process.kill()
        each.process.wait()
        assert each.process.stderr is not None
        each.process.stderr.close()


@pytest.fixture
def connect() -> Iterator[Callable[[str], Client]]:
    """Make clients that are closed at the end."""
    made: list[Client] = []

    def connect(url: str) -> Client:
        made.append(Client(url))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signal_ends_the_server_in_order(
    tmp_path: Path,
    processes: list[Process],
    connect: Callable[[str], Client],
    number: signal.Signals,
    code: int,
) -> None:
    """SIGTERM ends with 0 and Ctrl-C with 130, while streams and waiting requests are open."""
    server = Process(tmp_path)
    processes.append(server)
    url = server.url()
    client = connect(url)
    client.deploy({"name": "mute"}, silent()).unwrap()
    events = client.events(after=0)
    next(events)
    waiting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, urllib.request as u; u.urlopen(sys.argv[1], sys.argv[2].encode())",
            f"{url}/api/v1/messages?wait=60s",
            '{"performative": "request", "receiver": "mute", "content": 1}',
        ],
        stderr=subprocess.DEVNULL,
    )
    while client.stats("mute").unwrap().messages_in == 0:
        time.sleep(0.02)
    began = time.monotonic()
    assert server.end(number) == code
    # Far below the minute that the request would have waited; ten times what it should take.
    assert time.monotonic() - began < 30
    assert waiting.wait(30) == 1
    events.close()


def test_restarted_server_has_what_was_acknowledged(
    tmp_path: Path, processes: list[Process], connect: Callable[[str], Client]
) -> None:
    """After kill -9 the agents, the modules and the messages are there again."""
    server = Process(tmp_path)
    processes.append(server)
    client = connect(server.url())
    module = answering('{"performative":"inform","content":1}')
    deployed = client.deploy({"name": "kept"}, module).unwrap()
    message = {"performative": "request", "receiver": "kept", "content": 1}
    exchange = client.request(message).unwrap()
    server.end(signal.SIGKILL)
    again = Process(tmp_path)
    processes.append(again)
    client = connect(again.url())
    assert client.agent("kept").unwrap().id == deployed.agent.id
    assert client.message(exchange.message["id"]).unwrap().message == exchange.message
    assert client.request(message).unwrap().reply["content"] == 1


def test_busy_port_is_a_clear_error(tmp_path: Path, processes: list[Process]) -> None:
    """A port that somebody else uses ends the server with exit code 2 and says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Process(tmp_path, port=port)
        processes.append(server)
        assert server.wait() == 2
        assert server.process.stderr is not None
        said = server.process.stderr.read()
    assert f"127.0.0.1:{port}" in said
    assert "another process uses this port" in said


def config(**given: Any) -> Config:
    """Return a configuration that disturbs nobody."""
    return Config(
        **{"server": ServerConfig(port=0, metrics_port=None), "storage": IN_MEMORY, **given}
    )


async def refusal(given: Config) -> Problem:
    """Start a server that must not start, and return why it did not."""
    started = await Server(given, plugins=PLUGINS).start()
    assert isinstance(started, Failure)
    error: Problem = started.failure()
    return error


async def test_address_that_others_reach_needs_a_token() -> None:
    """Without a token nothing but loopback is bound; with one it is."""
    error = await refusal(config(server=ServerConfig(host="0.0.0.0", port=0, metrics_port=None)))
    assert isinstance(error, InvalidSetting)
    assert error.key == "server.host"
    server = Server(
        config(
            server=ServerConfig(host="0.0.0.0", port=0, metrics_port=None),
            auth=AuthConfig(token=Secret("s")),
        ),
        plugins=PLUGINS,
    )
    (await server.start()).unwrap()
    await server.stop()


async def test_busy_metrics_port_is_a_clear_error() -> None:
    """The metrics port is named when it is the one that is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = await refusal(config(server=ServerConfig(port=0, metrics_port=port)))
    assert error == CantListen(
        "server.metrics_port", f"127.0.0.1:{port}", "another process uses this port"
    )


async def test_unknown_storage_and_unusable_folder_are_clear_errors(tmp_path: Path) -> None:
    """A storage nobody brings, and a data folder that is a file, are named."""
    error = await refusal(config(storage=StorageConfig(url="cloud://x")))
    assert isinstance(error, InvalidSetting)
    assert error.key == "storage.url"
    file = tmp_path / "file"
    file.touch()
    assert str(file) in str(await refusal(config(storage=StorageConfig(url=data_url(file)))))


async def test_folder_has_one_server(tmp_path: Path) -> None:
    """A second server on the same folder is refused; after the first has stopped it may start."""
    given = config(storage=StorageConfig(url=data_url(tmp_path)))
    first = Server(given, plugins=PLUGINS)
    (await first.start()).unwrap()
    assert isinstance(await refusal(given), Locked)
    await first.stop()
    second = Server(given, plugins=PLUGINS)
    (await second.start()).unwrap()
    await second.stop()


async def test_broken_plugin_is_a_clear_error() -> None:
    """A plugin that was not written for this version keeps the server from starting."""
    started = await Server(config(), plugins={**PLUGINS, "odd": object()}).start()
    assert isinstance(started, Failure)
    assert "odd" in str(started.failure())


def test_probe_answers_while_the_server_is_stopping(
    tmp_path: Path, processes: list[Process]
) -> None:
    """The process lives until it has committed; then nobody answers."""
    server = Process(tmp_path)
    processes.append(server)
    url = server.url()
    with urllib.request.urlopen(f"{url}/livez", timeout=10) as answer:
        assert answer.status == 200
    assert server.end(signal.SIGTERM) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/livez", timeout=10)
