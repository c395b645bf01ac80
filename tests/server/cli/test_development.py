"""`caxton agent dev`: every change is built and deployed, a bad one changes nothing, and Ctrl-C ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from caxton_server.authoring import projects
from caxton_server.authoring.development import next_version
from caxton_server.authoring.languages import LANGUAGES
from caxton_server.client import Client

from tests.server.authoring.agents import caches
from tests.server.cli.servers import COMMAND, Served

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("installed")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a project whose agent logs what it is asked."""
    projects.create("hello", LANGUAGES["c"], tmp_path / "hello").unwrap()
    source = tmp_path / "hello" / "agent.c"
    text = source.read_text().replace(
        "    /* What is kept", '    cx_say(CX_INFO, CX_TEXT("asked"));\n    /* What is kept'
    )
    source.write_text(text)
    return tmp_path / "hello"


class Dev:
    """A `caxton agent dev` in a process of its own."""

    def __init__(self, folder: Path, *flags: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "agent", "dev", str(folder), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **caches(folder.parent / "cache"), **environ},
        )

    def wait_for(self, text: str) -> str:
        """Read what it says until a line has this text, and return that line."""
        return read_until(self.process.stderr, text)

    def end(self) -> int:
        """Send Ctrl-C, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait()

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self.process.kill()
        self.process.communicate()


def read_until(stream: IO[str] | None, text: str) -> str:
    """Read lines until one has a text, and return that."""
    assert stream is not None
    said = []
    for line in stream:
        said.append(line)
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}:\n{''.join(said)}")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    """Run a node, and give its address."""
    served = Served(tmp_path)
    yield served.wait_for_url()
    assert served.stop() == 0


def test_every_change_is_deployed_and_a_bad_one_is_not(folder: Path, node: str) -> None:
    """A change is a version more; what can't be built or does not start leaves the one before, with its state."""
    dev = Dev(folder, "--url", node)
    with contextlib.closing(Client(node)) as client, contextlib.ExitStack() as stack:
        stack.callback(dev.kill)
        dev.wait_for("hello runs version 0.1.0+build.1.")

        def ask() -> object:
            message = {"performative": "request", "receiver": "hello", "content": "x"}
            return client.request(message).unwrap().reply["content"]

        assert ask() == {"hello": "x", "visitor": 1}
        assert read_until(dev.process.stdout, "asked").split()[1:] == ["info", "asked"]
        source = folder / "agent.c"
        good = source.read_text()
        source.write_text(good + "int a = b;\n")
        dev.wait_for("use of undeclared identifier 'b'")
        assert ask() == {"hello": "x", "visitor": 2}
        refusing = (
            'EXPORT("caxton_init") i32 caxton_init(u8 *c, u32 n) { return c ? 3 : (i32)n; }\n'
        )
        source.write_text(good + refusing)
        dev.wait_for("caxton_init returned 3")
        assert ask() == {"hello": "x", "visitor": 3}
        source.write_text(good.replace("hello", "bonjour"))
        dev.wait_for("hello runs version 0.1.0+build.2, after 0.1.0+build.1.")
        assert ask() == {"bonjour": "x", "visitor": 4}
        assert dev.end() == 130
        assert client.agent("hello").unwrap().state == "running"


def test_a_node_of_its_own_goes_with_it(folder: Path, tmp_path: Path) -> None:
    """With --serve and no node there is one on a free port, until Ctrl-C; its data goes too."""
    (tmp_path / "tmp").mkdir()
    dev = Dev(folder, "--serve", "--url", "http://127.0.0.1:1", TMPDIR=str(tmp_path / "tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(dev.kill)
        url = dev.wait_for("A node runs at ").split()[4]
        dev.wait_for("hello runs version 0.1.0+build.1.")
        client = stack.enter_context(contextlib.closing(Client(url)))
        assert client.agent("hello").unwrap().version == "0.1.0+build.1"
        assert list((tmp_path / "tmp").glob("caxton-dev-*"))
        assert dev.end() == 130
    assert not list((tmp_path / "tmp").glob("caxton-dev-*"))


def test_without_a_node_it_says_so(folder: Path) -> None:
    """Nobody at the address and no --serve is exit code 6."""
    dev = Dev(folder, "--url", "http://127.0.0.1:1")
    _, said = dev.process.communicate()
    assert dev.process.returncode == 6
    assert "No answer from http://127.0.0.1:1" in said


def test_a_build_is_numbered_after_the_one_that_runs() -> None:
    """The number goes up whatever the manifest's version does, and begins at 1."""
    assert next_version("0.1.0", "") == "0.1.0+build.1"
    assert next_version("0.2.0", "0.1.0+build.9") == "0.2.0+build.10"
    assert next_version("0.1.0", "0.1.0") == "0.1.0+build.1"
