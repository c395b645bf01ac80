"""A node in its own process, and a client that shows every answer as it is."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.server.cli.servers import Served

PATIENCE = 60.0
"""Seconds after which a test gives up; ten times what a slow machine needs."""


class Answer:
    """One HTTP answer, its body decoded where it is JSON."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status, self.headers, self.data = status, headers, data

    @property
    def body(self) -> Any:
        """Return the JSON in the body."""
        return json.loads(self.data) if self.data else None

    def __repr__(self) -> str:
        return f"{self.status} {self.data[:400]!r}"


class Api:
    """A client of one node; one connection for each call, so that nothing is retried behind a test's back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host, _, port = url.removeprefix("http://").partition(":")
        self.port = int(port)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Answer:
        """Make one request; `kind` is the Content-Type."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            given = {} if kind is None else {"Content-Type": kind}
            connection.request(method, path, body, {**given, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Return what a path of the API shows; it must be there."""
        answer = self.call("GET", "/api/v1/" + path)
        assert answer.status == 200, answer
        return answer.body

    def post(self, path: str, document: Any = None, **headers: str) -> Answer:
        """Post a JSON document; `X_y="..."` becomes the header X-y."""
        body = None if document is None else json.dumps(document)
        kind = None if document is None else "application/json"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/api/v1/" + path, body, kind=kind, headers=names)

    # Agents

    def deploy(self, name: str, module: bytes, **manifest: Any) -> Answer:
        """Post an agent as curl does, in two parts."""
        edge = uuid.uuid4().hex
        parts = (
            f'--{edge}\r\nContent-Disposition: form-data; name="manifest"\r\n'
            f"Content-Type: application/json\r\n\r\n{json.dumps({'name': name, **manifest})}\r\n"
            f'--{edge}\r\nContent-Disposition: form-data; name="module"; filename="a.wasm"\r\n'
            f"Content-Type: application/wasm\r\n\r\n"
        ).encode()
        body = parts + module + f"\r\n--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        return self.call("POST", "/api/v1/agents", body, kind=kind)

    def agent(self, name: str, module: bytes, **manifest: Any) -> str:
        """Deploy an agent that must start; return its name."""
        answer = self.deploy(name, module, **manifest)
        assert answer.status == 201, answer
        return name

    # Messages

    def send(self, receiver: str | list[str], content: Any = "hello", **fields: Any) -> Answer:
        """Send a message and do not wait."""
        document = {"performative": "inform", "receiver": receiver, "content": content, **fields}
        return self.post("messages", document)

    def ask(
        self, receiver: str, content: Any = "hello", *, wait: str = "30s", **fields: Any
    ) -> Any:
        """Send a request, again when the node says so, and return the reply."""
        document = {"performative": "request", "receiver": receiver, "content": content, **fields}
        answer = self.post(f"messages?wait={wait}", document)
        for _ in range(30):
            if answer.status != 503:
                break
            # A node whose journal is behind refuses with this, and nothing has been taken.
            time.sleep(float(answer.headers["Retry-After"]))
            answer = self.post(f"messages?wait={wait}", document)
        assert answer.status == 200, answer
        return answer.body["reply"]

    def letters(self, receiver: str) -> list[Any]:
        """Return the dead letters of a receiver, oldest first."""
        return [
            letter
            for letter in self.all("dead-letters")
            if str(letter["receiver"]).partition("@")[0] == receiver
        ]

    def all(self, path: str) -> list[Any]:
        """Return every item of a list, page by page."""
        found: list[Any] = []
        join = "&" if "?" in path else "?"
        cursor = ""
        while True:
            page = self.get(f"{path}{join}limit=500{cursor}")
            found += page["items"]
            if not page["next_cursor"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"


class Node:
    """A node that can be killed and started again on the same folder."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder, self.environ = folder, environ
        self.served = self.serve()
        self.api = Api(self.served.wait_for_url())

    def serve(self) -> Served:
        """Start the process, and do not wait until it serves."""
        return Served(self.folder, **self.environ)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.served.pid

    @property
    def log(self) -> str:
        """Return what the node has written since it was last started."""
        return self.served.log

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        return self.served.stop(how)

    def kill(self) -> None:
        """End the node without a word."""
        assert self.stop(signal.SIGKILL) == -signal.SIGKILL

    def kill_if_running(self) -> None:
        """End the node if it has not ended yet."""
        self.stop(signal.SIGKILL)

    def start(self) -> Api:
        """Start the node again, and wait until it serves."""
        self.served = self.serve()
        self.api = Api(self.served.wait_for_url())
        return self.api

    def again(self, how: signal.Signals = signal.SIGKILL) -> Api:
        """End the node, and start it again."""
        self.stop(how)
        return self.start()


def until(seen: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """Return the first true value that `seen` gives."""
    end = time.monotonic() + seconds
    while True:
        value = seen()
        if value:
            return value
        assert time.monotonic() < end, f"after {seconds} s it is still {value!r}"
        time.sleep(0.02)


def tell(text: str) -> None:
    """Print a figure for those who run the tests with -s."""
    sys.stdout.write(f"{text}\n")
