"""Exit codes: every way a command can end, against a server that answers as it is told."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from caxton_server.cli import main


class Stub(http.server.ThreadingHTTPServer):
    """Answers every request with the same status and body, and keeps what it was asked."""

    status = 200
    body: Any = None
    delay = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, bytes, str | None]] = []

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def refuse(self, status: int, code: str) -> None:
        """Answer with a problem."""
        self.status = status
        self.body = {
            "type": "urn:x",
            "title": "T",
            "status": status,
            "detail": "Said so.",
            "code": code,
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Stub

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        token = self.headers.get("Authorization")
        self.server.asked.append((self.command, self.path, self.rfile.read(length), token))
        time.sleep(self.server.delay)
        data = b"" if self.server.body is None else json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names are http.server's

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """Run a stub that the commands find through CAXTON_URL."""
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("CAXTON_URL", server.url)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (404, "agent_not_found", 3),
        (409, "invalid_transition", 4),
        (412, "precondition_failed", 4),
        (401, "not_authorized", 5),
        (403, "forbidden", 5),
        (504, "timeout", 6),
        (422, "invalid_manifest", 1),
        (503, "mailbox_full", 1),
        (500, "internal", 1),
    ],
)
def test_a_refusal_becomes_its_exit_code(
    stub: Stub, capsys: pytest.CaptureFixture[str], status: int, code: str, exit_code: int
) -> None:
    """What the server refuses is said on stderr, and nothing is printed as data."""
    stub.refuse(status, code)
    assert main(["agent", "show", "nobody", "--json"]) == exit_code
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Error: Said so.\n")


@pytest.mark.parametrize(
    "line",
    [
        ["agent", "show", "x"], ["agent", "logs", "x"], ["agent", "logs", "-f", "x"], ["agent", "stop", "x"],
        ["agent", "rm", "x"], ["conversation", "show", "x"], ["conversation", "cancel", "x"],
        ["conversation", "start", "fipa-request", "x"], ["dlq", "redrive", "x"], ["dlq", "rm", "x"],
        ["dlq", "list"], ["module", "list"], ["send", "x", "hi"], ["request", "x", "hi"], ["health"],
        ["plugin", "list"], ["agent", "list"], ["conversation", "list"],
    ],
)  # fmt: skip
def test_every_online_command_reports_what_is_not_found(stub: Stub, line: list[str]) -> None:
    """No command swallows a refusal."""
    stub.refuse(404, "not_found")
    assert main(line) == 3


def test_nobody_there_is_6_and_says_how_to_start_a_node(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A connection that is refused is unreachable."""
    assert main(["agent", "list", "--url", "http://127.0.0.1:1"]) == 6
    assert "caxton serve" in capsys.readouterr().err


def test_an_address_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, before anything is sent."""
    assert main(["health", "--url", "localhost:8080"]) == 2
    assert main(["health", "--url", "http://localhost:port"]) == 2
    assert "no http:// or https:// address" in capsys.readouterr().err


def test_something_else_at_the_address_is_a_failure(stub: Stub) -> None:
    """An answer that is not Caxton's is exit code 1, not a traceback."""
    stub.body = "hello"
    assert main(["agent", "list"]) == 1


@pytest.mark.parametrize(
    "line",
    [["frobnicate"], ["agent", "frobnicate"], ["send"], ["agent", "list", "--limit", "0"], ["request", "a", "--wait", "x"],
     ["states", "--json", "--mermaid"], ["agent", "deploy", "/nonexistent.yaml"], ["agent", "show"]],
)  # fmt: skip
def test_wrong_usage_is_2(line: list[str]) -> None:
    """Unknown commands, missing arguments and bad values are usage errors."""
    assert main(line) == 2


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """At the top and inside a group."""
    assert main(["srve"]) == 2
    assert "Did you mean 'serve'?" in capsys.readouterr().err
    assert main(["agent", "lst"]) == 2
    assert "Did you mean 'list'?" in capsys.readouterr().err


def test_ctrl_c_is_130(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command says so to the shell."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("caxton_server.client.Client.agents", interrupt)
    assert main(["agent", "list"]) == 130


def test_a_reply_that_does_not_come_is_6(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    """The server's own timeout has the same code as an unreachable one."""
    stub.refuse(504, "timeout")
    assert main(["request", "a", "hi", "--wait", "10ms"]) == 6
    method, path, _, _ = stub.asked[-1]
    assert (method, path) == ("POST", "/api/v1/messages?wait=10ms")


def test_the_token_comes_from_a_file_or_the_environment(
    stub: Stub, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--token-file` wins over CAXTON_TOKEN, and that over the user's own file."""
    stub.body = {"items": []}
    home = tmp_path / "caxton"
    home.mkdir()
    (home / "token").write_text("three\n")
    (tmp_path / "token").write_text("one\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["dlq", "list"]) == 0
    monkeypatch.setenv("CAXTON_TOKEN", "two")
    assert main(["dlq", "list"]) == 0
    assert main(["dlq", "list", "--token-file", str(tmp_path / "token")]) == 0
    assert [token for *_, token in stub.asked] == ["Bearer three", "Bearer two", "Bearer one"]
