"""The client: what it sends again, when, and under which name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from caxton_server.client import Client
from caxton_server.client_errors import Refused, Unreachable
from returns.result import Success

ACCEPTED = b'{"id":"i","conversation_id":"c","durability":"disk"}'
Reply = tuple[int, dict[str, str], bytes] | None
BUSY = b'{"status":%d,"code":"x","detail":"later"}'


class Flaky:
    """A server that answers each request as the test says; None breaks the connection without a word."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.keys: list[str | None] = []
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                flaky.keys.append(self.headers.get("Idempotency-Key"))
                reply = flaky.replies.pop(0)
                self.close_connection = True
                if reply is None:
                    return
                status, headers, body = reply
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def flaky() -> Iterator[Callable[..., Flaky]]:
    """Start servers, and stop them."""
    started: list[Flaky] = []

    def start(*replies: Reply) -> Flaky:
        started.append(Flaky(*replies))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def busy(status: int) -> Reply:
    """Return a refusal that asks to be tried again."""
    return status, {"Retry-After": "1"}, BUSY % status


def test_a_request_is_tried_again_under_one_key(flaky: Callable[..., Flaky]) -> None:
    """Through broken connections and a busy node, until it is answered; always under the same name."""
    server = flaky(None, busy(503), None, busy(409), (202, {}, ACCEPTED))
    client = Client(server.url, retry=30.0)
    sent = client.send({"performative": "inform"})
    client.close()
    assert isinstance(sent, Success)
    assert len(server.keys) == 5
    assert len(set(server.keys)) == 1
    assert server.keys[0]


@pytest.mark.parametrize("key", [None, "mine"])
def test_nothing_is_tried_again_unasked(flaky: Callable[..., Flaky], key: str | None) -> None:
    """Without `retry` the first outcome is the last; a key of the caller's is sent as it is."""
    server = flaky(None)
    client = Client(server.url)
    assert isinstance(client.send({}, key=key).failure(), Unreachable)
    assert server.keys == [key]


def test_a_refusal_is_final(flaky: Callable[..., Flaky]) -> None:
    """Only what may pass by itself is tried again."""
    server = flaky((409, {}, BUSY % 409))
    client = Client(server.url, retry=30.0)
    refused = client.redrive("x", key="mine").failure()
    client.close()
    assert isinstance(refused, Refused)
    assert (refused.status, server.keys) == (409, ["mine"])


def test_patience_ends() -> None:
    """Where nobody ever answers, the error of the last try is the answer."""
    client = Client("http://127.0.0.1:1", retry=0.2)
    assert isinstance(client.request({}, wait=1.0).failure(), Unreachable)
